"""A Redis that comes back without its last writes while a round is on its way: what it forgot is decided anew."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.embedded.valkey import EmbeddedValkey
from monitor.messages import ApplyOutcome, ModelInput, PartitionUpdate, Score
from monitor.settings import Settings
from tests.conftest import SettingsFactory
from tests.headlines import Headline, counts_of
from tests.integration.topics import produce
from tests.integration.workers import ThreadWorker, difference, stored_counts, wait_until_applied
from tests.keyword_classifier import KeywordClassifier
from tests.waiting import eventually


class InterruptedClassifier(KeywordClassifier):
    """Lets something happen while it has its first batch.

    Args:
        happen: what.
    """

    def __init__(self, happen: Callable[[], None]) -> None:
        super().__init__()
        self._happen: Callable[[], None] | None = happen

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        happen, self._happen = self._happen, None
        if happen is not None:
            happen()
        return super().classify(inputs)


@pytest.fixture
def settings(make_settings: SettingsFactory, own_valkey: EmbeddedValkey, admin: KafkaAdminClient) -> Settings:
    """One partition, and a Redis of its own."""
    made = make_settings(kafka={"partitions": 1}, redis={"url": own_valkey.url})
    ensure_topics(admin, made.kafka)
    return made


@pytest.fixture
def append_only_file(tmp_path: Path, own_valkey: EmbeddedValkey) -> Path:
    """Where that Redis writes, each command before it answers, so that a length of it says what had been answered."""
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("appendfsync", "always")
    (path,) = tmp_path.glob("own-valkey/valkey/appendonlydir/*.incr.aof")
    return path


def send(settings: Settings, *told: Headline) -> None:
    """Produces headlines."""
    produce(settings.kafka.bootstrap_servers, settings.kafka.raw_topic, [(one.key, one.message) for one in told])


def interrupt_the_step(happen: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets something happen right before the first step into the trends, after the last look at its claims."""
    apply = RedisTrends.apply

    def interrupted(trends: RedisTrends, update: PartitionUpdate) -> ApplyOutcome:
        monkeypatch.setattr(RedisTrends, "apply", apply)
        happen()
        return apply(trends, update)

    monkeypatch.setattr(RedisTrends, "apply", interrupted)


@pytest.mark.parametrize("again", ["a reprint", "the same document"])
@pytest.mark.parametrize("moment", ["in the model", "at the step"])
def test_a_claim_that_redis_lost_is_made_again_before_its_document_counts(
    settings: Settings,
    own_valkey: EmbeddedValkey,
    append_only_file: Path,
    name: str,
    moment: str,
    again: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else what comes later would find no trace of it, and count as a story, or a document, of its own."""
    first = Headline(f"{name}-1", "Earnings", "negative", SystemClock().now_ms() - 60_000)
    later = replace(first, id=f"{name}-2", tells=first.id) if again == "a reprint" else first
    length, lost = 0, threading.Event()

    def lose_what_was_claimed() -> None:
        own_valkey.kill()
        with append_only_file.open("r+b") as file:
            file.truncate(length)
        own_valkey.start()
        lost.set()

    classifier = InterruptedClassifier(lose_what_was_claimed) if moment == "in the model" else KeywordClassifier()
    if moment == "at the step":
        interrupt_the_step(lose_what_was_claimed, monkeypatch)
    with ThreadWorker(settings, classifier) as worker:
        eventually(lambda: worker.status("/readyz") == 200, "the worker has its partition")
        length = append_only_file.stat().st_size
        send(settings, first)
        eventually(lost.is_set, "Redis is back without what was claimed")
        wait_until_applied(settings)
        send(settings, later)
        wait_until_applied(settings)
        assert worker.metric("sentiment_retries_total", reason="redis_lost_writes") == 1
    assert difference(stored_counts(settings), counts_of([first, later] if later is not first else [first])) == {}
