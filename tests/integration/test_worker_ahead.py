"""A worker that runs ahead, on a real Kafka and a real Redis: slow models, rebalances and stops in the middle of rounds."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.system_clock import SystemClock
from monitor.embedded.valkey import EmbeddedValkey
from monitor.messages import ModelInput, Score
from monitor.settings import Settings
from tests.conftest import SettingsFactory
from tests.headlines import Headline, counts_of, headlines
from tests.integration.topics import produce, read_all
from tests.integration.workers import (
    ProcessWorker,
    ThreadWorker,
    difference,
    positions,
    stored_counts,
    wait_until_applied,
)
from tests.keyword_classifier import KeywordClassifier
from tests.waiting import eventually


class GatedClassifier(KeywordClassifier):
    """Holds its rounds until a test lets them through."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()
        self.rounds = 0

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        self.rounds += 1
        self.entered.set()
        assert self.gate.wait(120)
        return super().classify(inputs)


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> Settings:
    """Small rounds, and a poll interval that a slow model could exceed."""
    made = make_settings(
        kafka={"partitions": 2, "max_poll_records": 20, "max_poll_interval_seconds": 10.0},
        worker={"port": 0, "max_round_records": 20},
    )
    ensure_topics(admin, made.kafka)
    return made


@pytest.fixture
def told(settings: Settings, name: str) -> list[Headline]:
    """Headlines that are in the raw topic."""
    written = headlines(400, SystemClock().now_ms(), seed=3, name=name)
    produce(
        settings.kafka.bootstrap_servers,
        settings.kafka.raw_topic,
        [(headline.key, headline.message) for headline in written],
    )
    return written


def scored_ids(settings: Settings) -> Counter[str]:
    """How often each document is in the scored topic."""
    records = read_all(settings.kafka.bootstrap_servers, settings.kafka.scored_topic)
    return Counter(json.loads(record.value)["id"] for record in records)


def test_a_model_slower_than_the_poll_interval_keeps_its_partitions(
    settings: Settings, told: list[Headline], caplog: pytest.LogCaptureFixture
) -> None:
    """Polls and heartbeats go on while a round is in the model for longer; it is held back, read on, and published once."""
    caplog.set_level(logging.INFO, logger="monitor")
    classifier, clock = GatedClassifier(), SystemClock()
    with ThreadWorker(settings, classifier) as worker:
        assert classifier.entered.wait(60)
        until = clock.monotonic_seconds() + settings.kafka.max_poll_interval_seconds + 3
        eventually(lambda: worker.metric("sentiment_paused_partitions") == 2, "partitions are held back")
        eventually(lambda: clock.monotonic_seconds() > until, "the poll interval is over")
        assert (classifier.rounds, worker.status("/healthz")) == (1, 503), "a round this long is a stuck model"
        assert worker.metric("sentiment_queue_records", stage="gather") <= 20
        eventually(
            lambda: sum(worker.metric("sentiment_partition_lag_records", partition=p) for p in "01") == 400, "lag"
        )
        classifier.gate.set()
        wait_until_applied(settings)
        assert worker.status("/healthz") == 200
    assert caplog.text.count("reading partition") == 2
    assert worker.metric("sentiment_abandoned_records_total") == 0
    assert difference(stored_counts(settings), counts_of(told)) == {}
    assert set(scored_ids(settings).values()) == {1}


def test_a_rebalance_while_rounds_are_on_their_way_counts_exactly_once(
    settings: Settings, told: list[Headline], caplog: pytest.LogCaptureFixture
) -> None:
    """The first has rounds of a partition that moves to the second: it drops them, and the second reads them."""
    caplog.set_level(logging.INFO, logger="monitor")
    held, free = GatedClassifier(), KeywordClassifier()
    with ThreadWorker(settings, held) as first:
        eventually(lambda: first.metric("sentiment_queue_rounds", stage="score") >= 2, "rounds are on their way")
        with ThreadWorker(settings, free):
            eventually(lambda: sum(positions(settings).values()) > 50, "the second reads what has moved to it", 60)
            held.gate.set()
            wait_until_applied(settings)
    assert first.metric("sentiment_abandoned_records_total") > 0
    assert difference(stored_counts(settings), counts_of(told)) == {}


def test_an_idle_worker_notices_that_redis_is_gone(
    make_settings: SettingsFactory, admin: KafkaAdminClient, own_valkey: EmbeddedValkey
) -> None:
    """Nothing is consumed, and readiness says what is missing."""
    settings = make_settings(redis={"url": own_valkey.url})
    ensure_topics(admin, settings.kafka)
    with ThreadWorker(settings) as worker:
        eventually(lambda: worker.answer("/readyz") == (200, {"status": "ready"}), "the worker is ready")
        own_valkey.kill()
        gone = {"status": "not ready", "missing": ["redis"]}
        eventually(lambda: worker.answer("/readyz") == (503, gone), "the worker says that Redis is missing")
        own_valkey.restart()
        eventually(lambda: worker.answer("/readyz")[0] == 200, "the worker is ready again")


def test_a_worker_without_partitions_is_not_ready(settings: Settings) -> None:
    """There are more members than partitions: it says what it is waiting for."""
    with ExitStack() as stack:
        workers = [stack.enter_context(ThreadWorker(settings)) for _ in range(3)]
        waiting = (503, {"status": "not ready", "missing": ["partitions"]})
        eventually(
            lambda: (
                Counter(worker.answer("/readyz")[0] for worker in workers) == {200: 2, 503: 1}
                and waiting in [worker.answer("/readyz") for worker in workers]
            ),
            "two are ready and one waits",
            90,
        )


def test_sigterm_ends_a_worker_with_a_stuck_model_within_its_bound(
    settings: Settings, told: list[Headline], tmp_path: Path
) -> None:
    """Exit code 0 after worker.drain_seconds; the next one reads what was abandoned."""
    clock = SystemClock()
    drained = settings.model_copy(update={"worker": settings.worker.model_copy(update={"drain_seconds": 2.0})})
    with ProcessWorker(drained, tmp_path / "stuck.log", seconds_per_text=1000.0) as worker:
        eventually(lambda: len(positions(settings)) == 2 or not worker.running, "it has its partitions", 60)
        began = clock.monotonic_seconds()
        assert worker.terminate() == 0, worker.said()
        assert clock.monotonic_seconds() - began < 2.0 + 8.0
    assert sum(positions(settings).values()) == 0
    with ThreadWorker(settings):
        wait_until_applied(settings)
    assert difference(stored_counts(settings), counts_of(told)) == {}
