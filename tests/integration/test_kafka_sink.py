"""The sink on a real broker: what was flushed is there, whole, under keys that make a second copy harmless."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from time import monotonic

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.kafka_sink import KafkaSink
from monitor.embedded.kafka import EmbeddedKafka
from monitor.errors import ConfigError, TransientError
from monitor.messages import DeadLetter, Document, Kind, RawRecord, Score, ScoredDocument, Story
from monitor.settings import KafkaSettings
from tests.conftest import SettingsFactory
from tests.fakes import ManualClock
from tests.integration.topics import create_topic, read_all

NOON_MS = 1_767_268_800_123  # 2026-01-01T12:00:00.123Z
DOCUMENT = Document(
    id="id “1”",
    origin="0:7",
    kind=Kind.COMMENT,
    source="Wire",
    title="Öl steigt — <b>sehr</b>",
    text="Text\nof two lines",
    url="https://news.example/1",
    language="en",
    published_ms=NOON_MS - 60_000,
    available_ms=NOON_MS,
    entities=("ACME", "BORG"),
)
SCORE = Score(
    "Energy / Oil", 0.91237, "negative", (0.80004, 0.15, 0.04996), "model-1", by_entity=(("BORG", (0.1, 0.2, 0.7)),)
)


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> KafkaSettings:
    """The test's topics, made as a worker makes them."""
    kafka = make_settings().kafka
    ensure_topics(admin, kafka)
    return kafka


@pytest.fixture
def sink(settings: KafkaSettings) -> Iterator[KafkaSink]:
    """A sink whose clock stands still."""
    sink = KafkaSink(settings, ManualClock(NOON_MS))
    yield sink
    sink.close()


def test_scored_messages_hold_everything_that_the_trends_depend_on(sink: KafkaSink, settings: KafkaSettings) -> None:
    """What is read back names document, story and score, in UTC, under the document's id."""
    sink.publish_scored([ScoredDocument(DOCUMENT, Story("other", first=False), SCORE)])
    sink.flush()
    (record,) = read_all(settings.bootstrap_servers, settings.scored_topic)
    message = json.loads(record.value)
    assert record.key == DOCUMENT.id.encode()
    assert {name: message.pop(name) for name in ("published", "available")} == {
        "published": "2026-01-01T11:59:00.123Z",
        "available": "2026-01-01T12:00:00.123Z",
    }
    assert message == {
        "id": DOCUMENT.id,
        "kind": "comment",
        "source": "Wire",
        "title": DOCUMENT.title,
        "text": DOCUMENT.text,
        "url": DOCUMENT.url,
        "language": "en",
        "entities": ["ACME", "BORG"],
        "story": "other",
        "first": False,
        "repeated": False,
        "status": "scored",
        "topic": "Energy / Oil",
        "topic_probability": 0.9124,
        "sentiment": "negative",
        "probabilities": {"negative": 0.8, "neutral": 0.15, "positive": 0.05},
        "polarity": -0.7501,
        "entity_sentiment": {
            "BORG": {
                "sentiment": "positive",
                "probabilities": {"negative": 0.1, "neutral": 0.2, "positive": 0.7},
                "polarity": 0.6,
            },
        },
        "model": "model-1",
    }


def test_a_document_that_no_model_reads_is_published_without_a_score(sink: KafkaSink, settings: KafkaSettings) -> None:
    """It says so, and has neither topic nor sentiment."""
    sink.publish_scored([ScoredDocument(DOCUMENT, Story(DOCUMENT.id, first=True), None)])
    sink.flush()
    (record,) = read_all(settings.bootstrap_servers, settings.scored_topic)
    message = json.loads(record.value)
    assert message["status"] == "unsupported_language"
    assert not {"topic", "sentiment", "probabilities", "polarity", "entity_sentiment"} & message.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"key", b"\xff\xfe not text"), (None, b"{"), (b"\xff", b"x" * 1_000_000), (b"empty", b"")],
    ids=["bytes that are no text", "no key", "a record as large as the broker takes", "no bytes"],
)
def test_dead_letters_keep_the_record_and_say_why(
    key: bytes | None, value: bytes, sink: KafkaSink, settings: KafkaSettings
) -> None:
    """Key and value are those that were read, byte for byte; where from, why and when stand in the headers."""
    record = RawRecord(3, 41, key, value, NOON_MS - 5, attempts=3, first_timestamp_ms=NOON_MS - 7)
    sink.publish_dead([DeadLetter(record, "not_json", "detail “é” " + "y" * 1_000)])
    sink.flush()
    (dead,) = read_all(settings.bootstrap_servers, settings.dead_topic)
    assert (dead.key, dead.value) == (key, value)
    headers = {name: text.decode() for name, text in dead.headers}
    assert headers.pop("detail").startswith("detail “é” yyy")
    assert datetime.fromisoformat(headers.pop("dead-at")).timestamp() * 1000 == pytest.approx(NOON_MS)
    assert headers == {
        "source-topic": settings.raw_topic,
        "source-partition": "3",
        "source-offset": "41",
        "source-timestamp-ms": str(NOON_MS - 7),
        "reason": "not_json",
        "attempts": "3",
    }


def test_a_tombstone_is_dead_lettered_too(sink: KafkaSink, settings: KafkaSettings) -> None:
    """A record without a value stays one."""
    sink.publish_dead([DeadLetter(RawRecord(0, 1, b"key", None, NOON_MS), "empty_message", "no bytes")])
    sink.flush()
    (dead,) = read_all(settings.bootstrap_servers, settings.dead_topic)
    assert (dead.key, dead.value) == (b"key", None)


def test_a_record_without_key_and_value_is_dead_lettered_too(sink: KafkaSink, settings: KafkaSettings) -> None:
    """Kafka's client writes no such record: no bytes stand for no value."""
    sink.publish_dead([DeadLetter(RawRecord(0, 1, None, None, NOON_MS), "empty_message", "no bytes")])
    sink.flush()
    (dead,) = read_all(settings.bootstrap_servers, settings.dead_topic)
    assert (dead.key, dead.value) == (None, b"")


def test_a_record_larger_than_the_topic_takes_is_cut(
    sink: KafkaSink, settings: KafkaSettings, admin: KafkaAdminClient
) -> None:
    """Its length and its place stand in the headers; it doesn't block its partition, whatever the topic's limit."""
    record = RawRecord(3, 41, b"key", b"x" * 5_000_000, NOON_MS)
    sink.publish_dead([DeadLetter(record, "oversized", "5000000 bytes")])
    sink.flush()
    limit = {"max.message.bytes": "600000"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.dead_topic, limit)])
    sink.publish_dead([DeadLetter(record, "oversized", "5000000 bytes")])
    with pytest.raises(TransientError):  # once, to learn of it
        sink.flush()
    sink.publish_dead([DeadLetter(record, "oversized", "5000000 bytes")])
    sink.flush()
    for dead in read_all(settings.bootstrap_servers, settings.dead_topic):
        assert 200_000 < len(dead.value or b"") < 2_097_152
        headers = {name: text.decode() for name, text in dead.headers}
        assert (headers["value-bytes"], headers["source-offset"]) == ("5000000", "41")


@pytest.mark.parametrize("value", [b"x" * 230_000, b"{", None], ids=["a value", "a short value", "no value"])
def test_a_key_that_the_topic_cannot_hold_is_left_out(
    value: bytes | None, sink: KafkaSink, settings: KafkaSettings, admin: KafkaAdminClient
) -> None:
    """The value stays; the key's length stands in the headers; it doesn't block its partition."""
    limit = {"max.message.bytes": "1048588" if value and len(value) > 1 else "600000"}  # the broker's default, or less
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.dead_topic, limit)])
    letter = DeadLetter(RawRecord(3, 41, b"k" * 819_200, value, NOON_MS), "oversized", "y" * 2_000)
    sink.publish_dead([letter])
    with pytest.raises(TransientError):  # once, to learn of it
        sink.flush()
    sink.publish_dead([letter])
    sink.flush()
    (dead,) = read_all(settings.bootstrap_servers, settings.dead_topic)
    headers = {name: text.decode() for name, text in dead.headers}
    assert (dead.key, dead.value) == (None, value or b"")
    assert (headers["key-bytes"], headers["source-offset"]) == ("819200", "41")
    assert "value-bytes" not in headers


@pytest.mark.parametrize("value", [b"{", None, b"x" * 5_000_000], ids=["short", "none", "large"])
def test_a_key_larger_than_any_request_is_left_out(
    value: bytes | None, sink: KafkaSink, settings: KafkaSettings
) -> None:
    """What the client itself refuses is not handed to it."""
    sink.publish_dead([DeadLetter(RawRecord(3, 41, b"k" * 3_000_000, value, NOON_MS), "oversized", "large")])
    sink.flush()
    (dead,) = read_all(settings.bootstrap_servers, settings.dead_topic)
    headers = {name: text.decode() for name, text in dead.headers}
    assert (dead.key, headers["key-bytes"]) == (None, "3000000")
    assert (value or b"").startswith(dead.value)


def test_a_key_leaves_less_room_for_the_value(sink: KafkaSink, settings: KafkaSettings) -> None:
    """Both and the headers have one bound; of a value that must be cut the key stays whole."""
    record = RawRecord(3, 41, b"k" * 900_000, b"x" * 1_900_000, NOON_MS)
    sink.publish_dead([DeadLetter(record, "oversized", "large")])
    sink.flush()
    (dead,) = read_all(settings.bootstrap_servers, settings.dead_topic)
    headers = {name: text.decode() for name, text in dead.headers}
    assert (dead.key, headers["value-bytes"]) == (record.key, "1900000")
    assert 1_000_000 < len(dead.value) < 1_200_000


def test_what_the_broker_refuses_fails_the_flush(
    sink: KafkaSink, settings: KafkaSettings, admin: KafkaAdminClient
) -> None:
    """TransientError, so that the batch isn't applied; the flush after it is free of what failed."""
    sink.publish_scored([ScoredDocument(DOCUMENT, Story(DOCUMENT.id, first=True), SCORE)])
    sink.flush()
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.scored_topic, {"max.message.bytes": "100"})])
    sink.publish_scored([ScoredDocument(DOCUMENT, Story(DOCUMENT.id, first=True), SCORE)])
    with pytest.raises(TransientError):
        sink.flush()
    sink.flush()


@pytest.mark.usefixtures("refused_connections")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # see the fixture
def test_a_flush_in_vain_takes_a_share_of_what_the_group_waits_for_its_worker(tmp_path: Path) -> None:
    """TransientError in time, however many batches there are: an outage of the broker doesn't cost the partitions too."""
    with EmbeddedKafka(run_dir=tmp_path / "own-kafka", say=lambda line: None) as broker:
        settings = KafkaSettings(bootstrap_servers=broker.address, max_poll_interval_seconds=10.0)
        admin = KafkaAdminClient(bootstrap_servers=broker.address)
        ensure_topics(admin, settings)
        admin.close()
        sink = KafkaSink(settings, ManualClock(NOON_MS))
        record = RawRecord(0, 1, b"key", b"x" * 70_000, NOON_MS)
        sink.publish_dead([DeadLetter(record, "oversized", "")])
        sink.flush()
    sink.publish_dead([DeadLetter(record, "oversized", "")] * 4)
    began = monotonic()
    with pytest.raises(TransientError):
        sink.flush()
    assert monotonic() - began < 10.0 * 2 / 3
    sink.close()


def test_topics_that_may_not_be_created_are_asked_for_by_name(
    make_settings: SettingsFactory, admin: KafkaAdminClient, name: str
) -> None:
    """ConfigError that names those missing, and only those."""
    create_topic(admin, f"{name}.raw", 1)
    with pytest.raises(ConfigError, match=rf"no topic {name}\.scored, {name}\.dead; .*kafka\.create_topics"):
        ensure_topics(admin, make_settings(kafka={"create_topics": False}).kafka)


def test_creating_topics_twice_changes_nothing(settings: KafkaSettings, admin: KafkaAdminClient) -> None:
    """A second worker finds them; they have the partitions asked for."""
    ensure_topics(admin, settings)
    described = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics([settings.raw_topic])}
    assert described == {settings.raw_topic: 2}
