"""Documents that a real worker scored, out of the topic and into tasks for people."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from kafka import KafkaAdminClient

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.kafka_sink import KafkaSink
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.errors import ConfigError
from monitor.settings import Settings
from pipelines.labels import add_label_commands
from pipelines.labels.alerts import alerts_now
from pipelines.labels.ask import ExportOptions, export_tasks
from pipelines.labels.commands import run
from pipelines.labels.scored_topic import read_scored_topic
from tests.builders import NOW_MS, news_with_a_surge, update_of
from tests.conftest import SettingsFactory
from tests.fakes import ManualClock
from tests.headlines import Headline, headlines
from tests.integration.topics import produce
from tests.integration.workers import ThreadWorker, wait_until_applied
from tests.unit.labels.written import headline


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> Settings:
    """Settings whose topics are there."""
    made = make_settings()
    ensure_topics(admin, made.kafka)
    return made


def export(settings: Settings, folder: Path, limit: int) -> list[dict[str, Any]]:
    """Runs `pipelines labels export` on the topic; returns the tasks' data."""
    out = folder / f"{len(list(folder.glob('*.json')))}.json"
    parser = argparse.ArgumentParser()
    add_label_commands(parser)
    place = ["--out", str(out), "--set", str(folder / "set"), "--strategies", "margin,disagreement"]
    assert run(parser.parse_args(["export", *place, "--limit", str(limit)]), settings) == 0
    return [task["data"] for task in json.loads(out.read_text(encoding="utf-8"))]


def test_what_a_worker_scored_becomes_tasks(
    settings: Settings, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each story once, with the text the model read; what no model reads or could score is not asked about; no one twice."""
    told = headlines(120, SystemClock().now_ms(), seed=3, name=name)
    produce(settings.kafka.bootstrap_servers, settings.kafka.raw_topic, [(one.key, one.message) for one in told])
    with ThreadWorker(settings):
        wait_until_applied(settings)
    stories = {one.tells or one.id for one in told if one.sentiment is not None and one.scorable}
    by_id: dict[str, Headline] = {one.id: one for one in told}
    first = export(settings, tmp_path, 40)
    rest = export(settings, tmp_path, 200)
    assert len(first) == 40
    asked = [by_id[data["document_id"]] for data in [*first, *rest]]
    assert sorted(one.tells or one.id for one in asked) == sorted(stories)
    assert [data["text"] for data in [*first, *rest]] == [one.title for one in asked]
    assert {data["model_version"] for data in first} == {"keywords-1"}
    scored = sum(one.scorable or one.sentiment is None for one in told)
    unread = sum(one.sentiment is None for one in told)
    assert f"{scored} messages read, {unread} without a score, 0 unreadable" in capsys.readouterr().out


def test_the_newest_records_are_read_over_all_partitions(settings: Settings) -> None:
    """And from a time on; what is no scored document is counted and stops nothing."""
    kafka = settings.kafka
    assert read_scored_topic(kafka, SystemClock()).documents == []
    documents = news_with_a_surge(hours=30)
    sink = KafkaSink(kafka, ManualClock(NOW_MS))
    sink.publish_scored(documents)
    sink.flush()
    sink.close()
    produce(kafka.bootstrap_servers, kafka.scored_topic, [(b"bad", b"{")])
    everything = read_scored_topic(kafka, SystemClock())
    assert everything.unreadable == 1
    assert {one.document.id for one in everything.documents} == {one.document.id for one in documents}
    newest = read_scored_topic(kafka, SystemClock(), last=31)
    assert [one.document for one in newest.documents] == [one.document for one in everything.documents[-30:]]
    now_ms = SystemClock().now_ms()
    assert len(read_scored_topic(kafka, SystemClock(), since_ms=now_ms).documents) == len(documents)
    assert read_scored_topic(kafka, SystemClock(), since_ms=now_ms + 7_200_000).documents == []


def test_stories_behind_a_spike_in_redis_are_asked_about(
    settings: Settings, redis_client: redis.Redis, tmp_path: Path
) -> None:
    """The evidence names them by their ids, so that each is found among the scored documents."""
    plain = news_with_a_surge(reprints=0)
    documents = [replace(one, document=replace(one.document, title=headline(i))) for i, one in enumerate(plain)]
    trends = RedisTrends(redis_client, settings.redis.key_prefix, settings.trends)
    epoch = trends.assign(0, 0).epoch
    trends.apply(update_of(documents, epoch=epoch, end=len(documents)))
    alerts = alerts_now(settings, ManualClock(NOW_MS))
    assert {(alert.dimension, alert.key) for alert in alerts} == {("topic", "Earnings"), ("entity", "AAPL")}
    options = ExportOptions(tmp_path / "tasks.json", tmp_path / "set", 200, ("alerts",))
    summary = export_tasks(options, documents, alerts, ManualClock(NOW_MS))
    asked = [task["data"]["document_id"] for task in json.loads((tmp_path / "tasks.json").read_text())]
    assert asked[0] == alerts[0].stories[0].story
    assert sorted(asked) == sorted({story.story for alert in alerts for story in alert.stories})
    assert summary.tasks == {"alerts": len(asked)}


def test_a_topic_that_is_not_there_is_named(settings: Settings) -> None:
    """With the setting that names it."""
    other = settings.kafka.model_copy(update={"scored_topic": "nowhere"})
    with pytest.raises(ConfigError, match=r"no topic nowhere \(setting kafka\.scored_topic\)"):
        read_scored_topic(other, SystemClock())
