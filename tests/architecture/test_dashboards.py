"""What stands beside the code agrees with it: rules, dashboard, runbook, Alertmanager and the compose stack."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry

from monitor.adapters.trend_collector import METRIC_NAMES
from monitor.metrics import WorkerMetrics
from monitor.settings import load_settings

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "dashboards"
PROMETHEUS = DASHBOARDS / "prometheus"
RUNBOOK_PARTS = ("Means", "Look first", "Likely causes", "Do", "Escalate")
COUNTER = re.compile(r"_(total|count|sum|bucket)$")
NO_RATE = {
    "sentiment_window_polarity_sum",  # a sum over the stories of a window, in a gauge
    "sentiment_offsets_lost_total",  # its first sample may be the news; see SentimentOffsetsLost
}
LINKS = ("console_url", "dashboard_url", "runbook_url")


def read(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


PROMETHEUS_CONFIG = read(PROMETHEUS / "prometheus.yml")
ALERTMANAGER_CONFIG = read(DASHBOARDS / "alertmanager/alertmanager.yml")
COMPOSE = read(ROOT / "docker-compose.yml")
RULES = [r for path in sorted(PROMETHEUS.glob("rules/*.yml")) for group in read(path)["groups"] for r in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
ALERT_NAMES = sorted({rule["alert"] for rule in ALERTS})
DASHBOARD = json.loads((DASHBOARDS / "grafana/dashboards/sentiment.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
PANEL_TITLES = [panel["title"] for panel in PANELS]
SERVICES = COMPOSE["services"]


def known_metrics() -> set[str]:
    """Names as a scrape shows them, of worker and exporter."""
    registry = CollectorRegistry()
    WorkerMetrics(registry)
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    worker = {family.name + suffix for family in registry.collect() for suffix in suffixes[family.type]}
    return worker | METRIC_NAMES


def parsed(expression: str) -> Any:
    """The syntax tree; Grafana's interval variable is put in, its other variables stand inside strings."""
    return promql.parse(expression.replace("$__rate_interval", "5m"))


def selectors(node: Any, call: str = "") -> Iterator[tuple[str, str]]:
    """Each metric that an expression selects, with the function that is applied to it directly."""
    if isinstance(node, promql.VectorSelector):
        yield node.name or "", call
    elif isinstance(node, promql.MatrixSelector):
        yield node.vector_selector.name or "", call
    elif isinstance(node, promql.Call):
        for argument in node.args:
            yield from selectors(argument, node.func.name)
    elif isinstance(node, promql.BinaryExpr):
        yield from selectors(node.lhs)
        yield from selectors(node.rhs)
    elif not isinstance(node, promql.NumberLiteral | promql.StringLiteral):
        yield from selectors(node.expr, call)


def panel_expressions() -> Iterator[str]:
    """Every query of the dashboard, its annotations included."""
    for panel in PANELS:
        yield from (target["expr"] for target in panel["targets"])
    yield from (a["expr"] for a in DASHBOARD["annotations"]["list"] if "expr" in a)


EXPRESSIONS = [rule["expr"] for rule in RULES] + list(panel_expressions())


def template_queries(rule: dict[str, Any]) -> Iterator[str]:
    """What the annotations of an alert ask Prometheus, with a subject put in."""
    for text in rule["annotations"].values():
        for quoted in re.findall(r'(?:query|printf) "((?:[^"\\]|\\.)*)"', text):
            if not quoted.startswith(("%", "{")):  # a number's format, a part of a selector
                yield quoted.replace('\\"', '"').replace("%s", '{dimension="d",key="k"}').replace("%q", '"p"')


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_in_a_rule_or_panel_exists(expression: str) -> None:
    """A renamed metric would leave a panel empty and an alert silent, without an error anywhere."""
    names = {name for name, _ in selectors(parsed(expression))}
    assert names - known_metrics() - RECORDED - {"up"} == set()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_every_metric_in_an_annotation_exists(alert: dict[str, Any]) -> None:
    """Evidence that asks for a metric that is gone reads as a question mark."""
    names = {name for query in template_queries(alert) for name, _ in selectors(parsed(query))}
    assert bool(names) == ("query" in json.dumps(alert["annotations"])), "the test reads the queries"
    assert names - known_metrics() - RECORDED - {"up"} == set()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_counters_are_read_through_their_rate(expression: str) -> None:
    """A counter's value says how long a process has run, not what happens."""
    for name, call in selectors(parsed(expression)):
        if COUNTER.search(name) and name not in NO_RATE:
            assert call in {"rate", "increase"}, name


def test_recording_rules_are_named_level_metric_operations() -> None:
    """Both are used, and named by Prometheus' convention."""
    used = " ".join([*EXPRESSIONS, *(text for alert in ALERTS for text in alert["annotations"].values())])
    for name in RECORDED:
        assert re.fullmatch(r"[a-z_]+:sentiment_[a-z_]+:[a-z0-9_]+", name)
        assert used.count(name) >= 2, f"{name} earns its place by being used more than once"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_who_what_and_where(alert: dict[str, Any]) -> None:
    """Who is woken by it, what was seen, what to do first, and where to read on."""
    assert re.fullmatch(r"Sentiment[A-Z][A-Za-z]+", alert["alert"])
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["labels"]["audience"] in {"markets", "operations"}
    notes = alert["annotations"]
    assert "First: " in notes["description"]
    assert notes["runbook_url"] == "{{ $externalLabels.runbook_url }}#" + alert["alert"].lower()
    assert notes["dashboard_url"].startswith(f"{{{{ $externalLabels.grafana_url }}}}/d/{DASHBOARD['uid']}/")
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", notes["dashboard_url"])) <= variables


def test_the_spike_alert_holds_and_links_to_its_subject() -> None:
    """It waits a little, is held a while, and opens the console with the subject selected."""
    (spike,) = [alert for alert in ALERTS if alert["alert"] == "SentimentNegativeSpike"]
    assert (spike["for"], spike["keep_firing_for"]) == ("30s", "5m")
    assert "/#/{{ $labels.dimension }}/" in spike["annotations"]["console_url"]
    assert "sentiment_spike_story_info" in spike["annotations"]["stories"]


def test_every_alert_has_a_runbook_heading_and_the_other_way_round() -> None:
    """Each heading has the same five parts, so that at night one knows where to look."""
    text = (DASHBOARDS / "runbook.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S))
    assert sorted(sections) == ALERT_NAMES
    for name, body in sections.items():
        assert tuple(re.findall(r"^\*\*(.+?)\.\*\* \S", body, flags=re.M)) == RUNBOOK_PARTS, name


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_every_alert_has_a_firing_and_a_must_not_fire_test(name: str) -> None:
    """With the text that it fires with."""
    groups = [group for path in PROMETHEUS.glob("tests/*.yml") for group in read(path)["tests"]]
    cases = [case for group in groups for case in group.get("alert_rule_test", []) if case["alertname"] == name]
    fired = [alert for case in cases for alert in case["exp_alerts"]]
    assert fired
    assert all(alert["exp_annotations"]["description"] for alert in fired)
    assert any(not case["exp_alerts"] for case in cases)


def test_links_of_alerts_are_set_in_one_place_and_are_no_labels() -> None:
    """Each external label that a template uses is set, and the addresses are dropped before Alertmanager."""
    used = set(re.findall(r"\$externalLabels\.(\w+)", json.dumps(ALERTS)))
    labels = PROMETHEUS_CONFIG["global"]["external_labels"]
    assert used == {"console_url", "grafana_url", "runbook_url"}
    assert used <= set(labels)
    (drop,) = PROMETHEUS_CONFIG["alerting"]["alert_relabel_configs"]
    assert drop["action"] == "labeldrop"
    assert {label for label in labels if re.fullmatch(drop["regex"], label)} == used


def test_jobs_that_rules_select_are_scraped() -> None:
    """A job name that nothing has would make `up` of it empty."""
    jobs = set(re.findall(r'job="([^"]+)"', " ".join(EXPRESSIONS + [q for a in ALERTS for q in template_queries(a)])))
    assert jobs == {"sentiment-worker", "sentiment-exporter"}
    assert jobs <= {job["job_name"] for job in PROMETHEUS_CONFIG["scrape_configs"]}


def test_alertmanager_names_alerts_that_exist_and_holds_no_secret() -> None:
    """Inhibition by a misspelt name inhibits nothing; secrets are read from files."""
    rules = ALERTMANAGER_CONFIG["inhibit_rules"]
    matchers = [m for rule in rules for side in ("source_matchers", "target_matchers") for m in rule[side]]
    named = {name for matcher in matchers for name in re.findall(r"Sentiment\w+", matcher)}
    assert named
    assert named <= set(ALERT_NAMES)
    assert all(rule["equal"] == ["deployment"] for rule in rules)
    assert set(ALERTMANAGER_CONFIG["route"]["group_by"]) >= {"alertname", "dimension", "key"}
    text = (DASHBOARDS / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    assert re.findall(r"^\W*((?:\w*password|\w*key|api_url|\w*token)\w*): ", text, flags=re.M)
    assert not re.search(r"\b(password|routing_key|service_key|api_url|token|secret): ", text)


@pytest.mark.parametrize("panel", PANELS, ids=PANEL_TITLES)
def test_every_panel_explains_itself(panel: dict[str, Any]) -> None:
    """Title, description, unit, and the data source that the reader chose."""
    assert panel["title"]
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@pytest.mark.parametrize("expression", list(panel_expressions()))
def test_panels_take_rates_over_grafanas_interval(expression: str) -> None:
    """A fixed range is empty when zoomed in beyond it, and blind when zoomed out."""
    assert set(re.findall(r"\[([^\]]+)\]", expression)) <= {"$__rate_interval"}


def test_panels_neither_overlap_nor_share_titles() -> None:
    """Grafana would move them, and links to panels would be ambiguous."""
    cells = [
        (p["gridPos"]["x"] + dx, p["gridPos"]["y"] + dy)
        for p in DASHBOARD["panels"] for dx in range(p["gridPos"]["w"]) for dy in range(p["gridPos"]["h"])
    ]  # fmt: skip
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len(set(PANEL_TITLES)) == len(PANEL_TITLES)
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_variable_that_the_dashboard_uses_is_defined() -> None:
    """Else its name stands in the query as it is."""
    defined = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert {name for name in used if not name.startswith("__")} == defined


def test_provisioning_agrees_with_prometheus_and_compose() -> None:
    """Grafana's interval is the scrape interval, and each path is where compose mounts it."""
    (source,) = read(DASHBOARDS / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    assert source["jsonData"]["timeInterval"] == PROMETHEUS_CONFIG["global"]["scrape_interval"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = read(DASHBOARDS / "grafana/provisioning/dashboards/sentiment.yml")["providers"]
    assert f"./dashboards/grafana/dashboards:{provider['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    console = next(v for v in DASHBOARD["templating"]["list"] if v["name"] == "console_url")["query"]
    assert console == PROMETHEUS_CONFIG["global"]["external_labels"]["console_url"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_healthy_and_reachable_from_here_only(name: str) -> None:
    """Pinned image, health check, limits, ports on the loopback address, and mounts that exist and are read-only."""
    service = SERVICES[name]
    assert re.search(r":(?!latest)[\w.-]+$", service["image"])
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"memory", "cpus"} <= set(service["deploy"]["resources"]["limits"])
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    for mount in service.get("volumes", []):
        source, _, options = mount.partition(":")
        if source.startswith("."):
            assert (ROOT / source).exists(), mount
            assert options.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]
    for other, condition in service.get("depends_on", {}).items():
        assert condition["condition"] in {"service_healthy", "service_started"}
        assert other in SERVICES


@pytest.mark.parametrize("name", ["worker", "exporter"])
def test_compose_sets_settings_that_exist(name: str) -> None:
    """Each name is a setting, and its address is that of another service."""
    environment = SERVICES[name]["environment"]
    settings = load_settings(environment=environment)
    assert all(key.startswith("MONITOR_") for key in environment)
    assert settings.redis.url.get_secret_value() == "redis://valkey:6379/0"
    assert SERVICES[name]["command"] == [name]
    assert str(getattr(settings, name).port) in SERVICES[name]["healthcheck"]["test"][-1]
    if name == "worker":
        listeners = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
        assert f"//{settings.kafka.bootstrap_servers}," in listeners
        assert not {"ports", "container_name"} & set(SERVICES[name]), "would keep it from being scaled"


def test_the_image_is_built_from_what_is_there_and_runs_without_root() -> None:
    """Each COPY exists and passes .dockerignore; the last USER isn't root."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[1] == "*"
    assert {f"!{word}" for word in copied} <= set(allowed)
    assert [word for word in copied if not (ROOT / word).exists()] == []
    assert [line for line in lines if line.startswith("USER ")][-1] not in {"USER root", "USER 0"}
    assert lines[-1].startswith("ENTRYPOINT [")
