"""Prometheus' and Alertmanager's own tools accept what is shipped, and the rule tests hold."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

DASHBOARDS = Path(__file__).parents[2] / "dashboards"
RULES = sorted((DASHBOARDS / "prometheus/rules").glob("*.yml"))
TESTS = sorted((DASHBOARDS / "prometheus/tests").glob("*.yml"))
SUMMARY = "Energy / Oil (topic): 17 negative stories, 4.1 expected"
HOW_TO_GET = {
    "promtool": "Debian: apt install prometheus; elsewhere: the release archive of Prometheus, 2.42 or newer",
    "amtool": "Debian: apt install prometheus-alertmanager; elsewhere: the release archive of Alertmanager",
}


def run(tool: str, *arguments: str) -> str:
    """Its output; fails with all it said when it isn't content."""
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not on PATH ({HOW_TO_GET[tool]})")
    done = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_configuration_and_rules() -> None:
    """Both as files and as the configuration includes them."""
    run("promtool", "check", "config", str(DASHBOARDS / "prometheus/prometheus.yml"))
    run("promtool", "check", "rules", *map(str, RULES))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_fire_when_and_with_what_they_should(path: Path) -> None:
    """Firing, not firing, being held, and every word of the evidence."""
    run("promtool", "test", "rules", str(path))


def test_a_rule_that_never_fires_would_be_noticed(tmp_path: Path) -> None:
    """The rule tests fail when the spike alert's condition is spoilt."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    for rule in RULES:
        spoilt = rule.read_text(encoding="utf-8").replace(
            "(sentiment_spike_active) == 1", "(sentiment_spike_active) == 2"
        )
        (tmp_path / "rules" / rule.name).write_text(spoilt, encoding="utf-8")
    for test in TESTS:
        shutil.copy(test, tmp_path / "tests")
    with pytest.raises(AssertionError, match="SentimentNegativeSpike"):
        run("promtool", "test", "rules", str(tmp_path / "tests/spikes_test.yml"))


def test_alertmanager_accepts_its_configuration() -> None:
    """Templates included."""
    run("amtool", "check-config", str(DASHBOARDS / "alertmanager/alertmanager.yml"))


@pytest.mark.parametrize(("audience", "receiver"), [("markets", "markets"), ("operations", "operations")])
def test_alerts_reach_those_they_are_for(audience: str, receiver: str) -> None:
    """Spikes go to those who read news, everything else to those who run the program."""
    config = str(DASHBOARDS / "alertmanager/alertmanager.yml")
    out = run("amtool", "config", "routes", "test", f"--config.file={config}", f"audience={audience}")
    assert out.strip() == receiver


def alert(**fields: Any) -> dict[str, Any]:
    """A spike as Alertmanager hands it to a template."""
    annotations = {
        "summary": SUMMARY,
        "description": "Since 03:12 UTC.",
        "stories": "1. Oil falls (Example Wire, told by 14 documents)\n   https://news.example/1",
        "console_url": "http://console.example/#/topic/Energy%20%2F%20Oil",
        "runbook_url": "http://runbook.example/runbook.md#sentimentnegativespike",
    }
    started = {"startsAt": "2026-01-05T03:12:00Z", "endsAt": "2026-01-05T04:30:00Z"}
    return {"status": "firing", "labels": {}, "annotations": annotations, **started, **fields}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "firing",
            "Energy / Oil (topic): 17 negative stories, 4.1 expected [demo]\nSince 03:12 UTC.\n\nStories:\n1. Oil",
        ),
        (
            "resolved",
            "Over: Energy / Oil (topic): 17 negative stories, 4.1 expected [demo]\nOver since 04:30 UTC, Mon 5 Jan.",
        ),
    ],
)
def test_messages_begin_with_what_happened(tmp_path: Path, status: str, expected: str) -> None:
    """The templates for Slack, e-mail and pagers render, evidence first and links last."""
    data = {"status": status, "alerts": [alert(status=status)], "commonLabels": {"deployment": "demo"}}
    path = tmp_path / "data.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    text = '{{ template "sentiment.title" . }}\n{{ template "sentiment.text" . }}'
    templates = f"--template.glob={DASHBOARDS}/alertmanager/templates/*.tmpl"
    out = run("amtool", "template", "render", templates, f"--template.text={text}", f"--template.data={path}")
    assert out.startswith(expected)
    assert out.rstrip().endswith("Runbook:   http://runbook.example/runbook.md#sentimentnegativespike")
