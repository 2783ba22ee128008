"""More than ten thousand mutated messages through a real worker: it lives, and every one is counted or dead-lettered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import MessageSizeTooLargeError

from monitor.adapters.kafka_connection import ensure_topics
from monitor.errors import INVALID_REASONS, InvalidMessageError
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.messages import RawRecord
from monitor.settings import Settings
from tests.conftest import SettingsFactory
from tests.fuzz import mutated
from tests.integration.topics import produce, read_all
from tests.integration.workers import ThreadWorker, positions, stored_counts, wait_until_applied

COUNT, SEED = 10_400, 4242
Pair = tuple[bytes | None, bytes | None]
LARGEST = 1_000_000
# The raw topic takes batches of up to 1 MiB and twelve bytes, with what is around a record.
BROKER_LIMIT = 1_048_588


@pytest.fixture(scope="module")
def messages() -> list[Pair]:
    """Keys and values: keys that are no text, no keys, and records without a value."""
    keys = (b"key", b"\xff\x00", b"", b"k" * 1000)
    pairs: list[Pair] = []
    for number, one in enumerate(mutated(COUNT, SEED, largest=LARGEST)):
        key = None if number % 5 == 0 and one.value is not None else keys[number % len(keys)]
        pairs.append((key, one.value))
    return pairs


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> Settings:
    """Topics with two partitions."""
    settings = make_settings()
    ensure_topics(admin, settings.kafka)
    return settings


def refused(settings: Settings, pairs: Sequence[Pair]) -> dict[Pair, str]:
    """What decoding by itself refuses, and why."""
    entities = load_entities(None)
    found: dict[Pair, str] = {}
    for key, value in pairs:
        try:
            decode(RawRecord(0, 0, key, value, 1_772_625_600_000), settings.ingest, entities)
        except InvalidMessageError as exc:
            found[key, value] = exc.reason
    return found


def test_the_worker_counts_or_buries_every_message(settings: Settings, messages: list[Pair]) -> None:
    """Applied, dead-lettered and repeated add up to what was sent; the dead topic holds exactly the rest, byte for byte."""
    address = settings.kafka.bootstrap_servers
    produce(address, settings.kafka.raw_topic, messages)
    with ThreadWorker(settings) as worker:
        wait_until_applied(settings, timeout_seconds=120)
        assert worker.status("/readyz") == 200
        # It works on as before.
        last = {"id": "last", "title": "Earnings: profit falls", "published": "2026-03-04T11:00:00Z"}
        produce(address, settings.kafka.raw_topic, [(None, json.dumps(last).encode())])
        wait_until_applied(settings)
    assert worker.exit_code == 0
    reasons = refused(settings, messages)
    buried = read_all(address, settings.kafka.dead_topic)
    assert Counter((one.key, one.value) for one in buried) == Counter(pair for pair in messages if pair in reasons)
    assert all(dict(one.headers)["reason"].decode() == reasons[one.key, one.value] for one in buried)
    assert set(reasons.values()) == set(INVALID_REASONS)
    published = [json.loads(one.value)["id"] for one in read_all(address, settings.kafka.scored_topic)]
    assert len(published) == len(set(published))
    repeated = int(worker.metric("sentiment_repeated_documents_total"))
    assert len(published) + len(buried) + repeated == len(messages) + 1 == sum(positions(settings).values())
    assert repeated < len(messages) / 20
    late = int(worker.metric("sentiment_late_documents_total", resolution="coarse"))
    counted = sum(
        amount
        for (seconds, _, dimension, _, _, measure), amount in stored_counts(settings).items()
        if (seconds, dimension, measure) == (3600, "all", "documents")
    )
    assert counted + late == len(published)


def test_records_around_the_brokers_limit_are_buried_whole_or_never_get_in(settings: Settings) -> None:
    """The largest that the raw topic takes fits into the dead-letter topic, headers and all."""
    sizes = range(BROKER_LIMIT - 100, BROKER_LIMIT + 1, 10)
    producer = KafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers,
        acks="all",
        max_request_size=4_000_000,
        enable_idempotence=False,
    )
    taken = []
    for size in sizes:
        future = producer.send(settings.kafka.raw_topic, value=b"x" * size, partition=0)
        try:
            future.get(timeout=30)
            taken.append(size)
        except MessageSizeTooLargeError:
            continue
    producer.close()
    assert taken
    assert len(taken) < len(sizes)
    with ThreadWorker(settings):
        wait_until_applied(settings)
    buried = read_all(settings.kafka.bootstrap_servers, settings.kafka.dead_topic)
    assert sorted(len(one.value) for one in buried) == taken
    assert {dict(one.headers)["reason"] for one in buried} == {b"oversized"}
