"""The exporter on a real Redis: its API and its metrics against an independent count, and what it does when Redis is gone."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources

import pytest
import redis

from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.trend_collector import METRIC_NAMES
from monitor.embedded.ports import LOOPBACK
from monitor.embedded.valkey import EmbeddedValkey
from monitor.errors import ConfigError
from monitor.settings import Settings
from tests.builders import NOW_MS, ms
from tests.fakes import ManualClock
from tests.integration.exporters import ServedExporter, sample
from tests.market import NASTY_TITLE, SURGE_TOPIC, TOPICS, about, fill, market, tally
from tests.web import fetch

SENTIMENTS = ("negative", "neutral", "positive")
SUBJECTS = [*(("topic", topic) for topic in TOPICS), ("entity", "ACME"), ("all", "all")]
DOCUMENTS = market(NOW_MS)
API_PATHS = (
    "/api/status",
    "/api/subjects",
    "/api/spikes",
    "/api/timeline?dimension=topic&key=Macro",
    "/api/stories?key=Macro",
)
CONSOLE_FILES = sorted(
    entry.name for entry in resources.files("monitor.adapters").joinpath("console").iterdir() if entry.is_file()
)


def settings_for(server: EmbeddedValkey, prefix: str) -> Settings:
    """An exporter's settings; it needs no Kafka."""
    sections = {
        "redis": {"url": server.url, "key_prefix": prefix, "connect_timeout_seconds": 2},
        "exporter": {"port": 0},
    }
    return Settings.model_validate(sections)


def filled(server: EmbeddedValkey, prefix: str) -> Settings:
    """Settings of an exporter over the market."""
    settings = settings_for(server, prefix)
    with redis.Redis.from_url(server.url) as client:
        fill(RedisTrends(client, prefix, settings.trends), DOCUMENTS)
    return settings


@pytest.fixture(scope="module")
def settings(valkey: EmbeddedValkey) -> Settings:
    """Settings over the market in the session's Redis, which the tests of this module only read."""
    return filled(valkey, "exporter-market")


@pytest.fixture(scope="module")
def served(settings: Settings) -> Iterator[ServedExporter]:
    """An exporter that has read the market once."""
    with ServedExporter(settings, ManualClock(NOW_MS)) as served:
        served.exporter.refresh()
        yield served


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject[1])
def test_windows_of_the_api_equal_an_independent_count(served: ServedExporter, subject: tuple[str, str]) -> None:
    """Stories by sentiment, documents and mean polarity, in each rolling window."""
    dimension, key = subject
    rows = served.get("/api/subjects", dimension=dimension).json["subjects"]
    (row,) = [row for row in rows if row["key"] == key]
    assert [window["hours"] for window in row["windows"]] == [1, 6, 24]
    for window in row["windows"]:
        wanted = tally(DOCUMENTS, NOW_MS, window["hours"], about(*subject))
        assert {name: window[name] for name in SENTIMENTS} == {name: wanted.stories[name] for name in SENTIMENTS}
        assert window["stories"] == wanted.stories.total()
        assert window["documents"] == wanted.documents.total()
        mean = wanted.polarity_sum / wanted.stories.total() if wanted.stories else None  # no data is not neutral
        assert window["polarity"] == (None if mean is None else pytest.approx(mean, abs=1e-3))


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject[1])
def test_windows_of_the_metrics_equal_an_independent_count(served: ServedExporter, subject: tuple[str, str]) -> None:
    """By kind of source, so that a query may add them up as it likes."""
    metrics = served.metrics()
    dimension, key = subject
    for hours in (1, 6, 24):
        for kind in ("news", "comment"):
            wanted = tally(DOCUMENTS, NOW_MS, hours, about(*subject, kind=kind))
            labels = {"dimension": dimension, "key": key, "kind": kind, "window": f"{hours}h"}
            for name in SENTIMENTS:
                stories = sample("sentiment_window_stories", sentiment=name, **labels)
                documents = sample("sentiment_window_documents", sentiment=name, **labels)
                assert (metrics[stories], metrics[documents]) == (wanted.stories[name], wanted.documents[name])
            polarity = metrics[sample("sentiment_window_polarity_sum", **labels)]
            assert polarity == pytest.approx(wanted.polarity_sum, abs=0.01)


def test_status_tells_how_far_the_data_reach(served: ServedExporter) -> None:
    """Documents, partitions, spikes that are on, and what no model could read."""
    status = served.get("/api/status").json
    assert status["documents"] == len(DOCUMENTS)
    assert [(row["partition"], row["position"]) for row in status["partitions"]] == [
        (number, len(DOCUMENTS[number::2])) for number in (0, 1)
    ]
    assert status["last_published"] == "2026-03-04T12:00:00Z"
    assert status["unsupported"] == {"de": 7}
    assert status["spikes_on"] == 2


def test_the_surge_is_on_with_its_stories_most_told_first(served: ServedExporter) -> None:
    """Topic and company, and nothing else; the evidence is the surge's."""
    spikes = served.get("/api/spikes").json["spikes"]
    assert {(spike["dimension"], spike["key"]) for spike in spikes if spike["active"]} == {
        ("topic", SURGE_TOPIC),
        ("entity", "ACME"),
    }
    (topic,) = [spike for spike in spikes if spike["dimension"] == "topic" and spike["active"]]
    assert (topic["stories"][0]["title"], topic["stories"][0]["documents"]) == (NASTY_TITLE, 4)
    assert {story["title"] for story in topic["stories"][1:]} == {"Terminal burns"}
    assert {story["story"] for story in topic["stories"]} <= {one.story.id for one in DOCUMENTS}


def test_negative_stories_equal_an_independent_list(served: ServedExporter) -> None:
    """Those first told in the hours asked for, each once."""
    found = served.get("/api/stories", dimension="topic", key="Macro", hours=24, limit=200).json["stories"]
    wanted = [
        one.document.published_ms // 1000
        for one in DOCUMENTS
        if about("topic", "Macro")(one) and one.story.first and one.score and one.score.sentiment == "negative"
    ]
    recent = sorted(second for second in wanted if NOW_MS // 1000 - second < 24 * 3600)
    assert sorted(ms(story["published"]) // 1000 for story in found) == recent
    assert recent


def test_the_metrics_of_a_spike_carry_its_evidence(served: ServedExporter) -> None:
    """At most three stories, the title as it was given; a topic that is calm has none."""
    metrics = served.metrics()
    surge = {"dimension": "topic", "key": SURGE_TOPIC}
    assert metrics[sample("sentiment_spike_active", **surge)] == 1
    assert metrics[sample("sentiment_spike_active", dimension="topic", key="Macro")] == 0
    infos = [dict(labels) for name, labels in metrics if name == "sentiment_spike_story_info"]
    assert sorted(info["rank"] for info in infos if info["key"] == SURGE_TOPIC) == ["1", "2", "3"]
    assert [info["title"] for info in infos if (info["key"], info["rank"]) == (SURGE_TOPIC, "1")] == [NASTY_TITLE]
    assert {info["key"] for info in infos} == {SURGE_TOPIC, "ACME"}


def test_every_metric_that_is_promised_is_there(served: ServedExporter) -> None:
    """Parsed from the text format."""
    assert {name for name, _ in served.metrics()} >= METRIC_NAMES


def test_two_exporters_show_the_same(served: ServedExporter, settings: Settings) -> None:
    """What is shown is a function of Redis and the time."""
    with ServedExporter(settings, ManualClock(NOW_MS)) as other:
        other.exporter.refresh()
        for path in API_PATHS:
            assert other.get(path).json == served.get(path).json


def test_redis_gone_is_said_and_the_last_metrics_stay(own_valkey: EmbeddedValkey) -> None:
    """503 on the API, never old numbers as if they were new; /metrics keep the last snapshot and its time."""
    clock = ManualClock(NOW_MS)
    with ServedExporter(filled(own_valkey, "gone"), clock) as served:
        assert (served.get("/healthz").status, served.get("/readyz").status) == (200, 503)
        assert served.get("/api/status").status == 503
        served.exporter.refresh()
        assert (served.get("/healthz").status, served.get("/readyz").status) == (200, 200)
        before = served.metrics()
        own_valkey.kill()
        clock.wait_seconds(120)
        served.exporter.refresh()
        assert (served.get("/healthz").status, served.get("/readyz").status) == (503, 503)
        for path in API_PATHS:
            reply = served.get(path)
            assert reply.status == 503
            assert reply.json["error"].startswith("Redis can't be read")
        after = served.metrics()
        for key, value in before.items():
            if key[0] in METRIC_NAMES - {"sentiment_exporter_refresh_errors_total"}:
                assert after[key] == value
        assert after[sample("sentiment_exporter_refresh_errors_total")] == 1
        assert after[sample("sentiment_exporter_last_refresh_timestamp_seconds")] == NOW_MS / 1000
        own_valkey.restart()
        served.exporter.refresh()
        assert served.get("/api/status").json["documents"] == len(DOCUMENTS)
        assert served.metrics()[sample("sentiment_exporter_last_refresh_timestamp_seconds")] == NOW_MS / 1000 + 120


def test_a_port_that_is_taken_names_its_setting(settings: Settings) -> None:
    """In process, and as the command says it: one line, exit code 2."""
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        busy = settings.model_copy(update={"exporter": settings.exporter.model_copy(update={"port": port})})
        with pytest.raises(ConfigError, match=rf"exporter\.port: can't listen on {LOOPBACK}:{port}"):
            ServedExporter(busy, ManualClock(NOW_MS))
        flags = [f"exporter.port={port}", f"redis.url={settings.redis.url.get_secret_value()}"]
        argv = [sys.executable, "-m", "monitor", "exporter", "--set", flags[0], "--set", flags[1]]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("monitor: exporter.port: can't listen")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/console/console.js",
        *API_PATHS,
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/timeline?key=unknown",
        "/api/stories?hours=x",
    ],
)
def test_every_answer_forbids_what_a_page_of_ours_needs_not(served: ServedExporter, path: str) -> None:
    """Scripts, styles and requests from elsewhere, frames, and guessing at types."""
    headers = served.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("name", CONSOLE_FILES)
def test_console_files_are_served_with_their_type(served: ServedExporter, name: str) -> None:
    """All that are there, whole."""
    reply = served.get(f"/console/{name}")
    types = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    assert reply.status == 200
    assert reply.headers["content-type"].startswith(types[name.rpartition(".")[2]])
    assert reply.body == resources.files("monitor.adapters").joinpath(f"console/{name}").read_bytes()


def test_the_page_asks_for_nothing_that_is_not_served(served: ServedExporter) -> None:
    """Each address in it is one of ours."""
    page = served.get("/").body.decode()
    addresses = re.findall(r'(?:src|href)="([^"#]+)"', page)
    assert len(addresses) > 3
    assert [address for address in addresses if served.get(f"/{address}").status != 200] == []


@pytest.mark.parametrize(
    "path",
    [
        "/console/../http_api.py",
        "/console/..%2fhttp_api.py",
        "/console/%2e%2e/http_api.py",
        "/console/..%5chttp_api.py",
        "/console//etc/passwd",
        "/console/index.html%00.js",
        "/console/__init__.py",
        "/console/",
        "/console/.",
        "/../../settings.py",
    ],
)
def test_nothing_outside_the_console_folder_is_served(served: ServedExporter, path: str) -> None:
    """Whatever is tried."""
    assert served.get(path).status == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/subjects?dimension=planet", 400),
        ("/api/stories?key=Macro&limit=0", 400),
        ("/api/stories?key=Macro&hours=nan", 400),
        ("/api/timeline?key=Nobody", 404),
        ("/api/nothing", 404),
    ],
)
def test_a_wrong_question_is_answered_with_its_status(served: ServedExporter, path: str, status: int) -> None:
    """And it is never a stack trace."""
    reply = served.get(path)
    assert reply.status == status
    assert b"Traceback" not in reply.body


def test_only_reading_is_allowed(served: ServedExporter) -> None:
    """There is nothing to change over HTTP."""
    assert {fetch(served.url, "/api/status", method=method).status for method in ("POST", "PUT", "DELETE")} == {405}
