"""Reads scored documents from Kafka, up to where the topic ended when reading began; joins no consumer group."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from monitor.adapters.kafka_connection import client_options, translated, wait_until_reachable
from monitor.errors import ConfigError, InvalidMessageError, TransientError
from monitor.messages import ScoredDocument
from monitor.ports import Clock
from monitor.settings import KafkaSettings
from pipelines.labels.scored import scored_from

log = logging.getLogger(__name__)
_POLL_MS = 500
_PATIENCE_SECONDS = 30.0
# A document is scored after it is published; clocks of different machines may differ by less than this.
_MARGIN_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class TopicReading:
    """What was read: documents in the order in which they were scored, and how many records hold none."""

    documents: list[ScoredDocument]
    unreadable: int


def read_scored_topic(
    settings: KafkaSettings, clock: Clock, last: int | None = None, since_ms: int | None = None
) -> TopicReading:
    """Reads the scored topic.

    Args:
        settings: broker and topic.
        clock: bounds the waiting.
        last: only so many records, the newest; None for all.
        since_ms: records that were written long before this instant are not looked at.

    Raises:
        ConfigError: no broker, or no such topic.
        TransientError: the broker stopped answering.
    """
    _check_topic(settings, clock)
    with translated():
        consumer = KafkaConsumer(
            **client_options(settings), group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
        )
    try:
        with translated():
            ends = _ends(consumer, settings.scored_topic)
            records = _records(consumer, _starts(consumer, ends, last, since_ms), ends, clock)
    finally:
        consumer.close()
    records.sort(key=lambda record: (record.timestamp, record.partition, record.offset))
    return _read(records if last is None else records[max(0, len(records) - last) :])


def _check_topic(settings: KafkaSettings, clock: Clock) -> None:
    admin = wait_until_reachable(settings, clock)
    try:
        with translated():
            known = settings.scored_topic in admin.list_topics()
    finally:
        admin.close()
    if not known:
        raise ConfigError(f"Kafka has no topic {settings.scored_topic} (setting kafka.scored_topic)")


def _ends(consumer: KafkaConsumer, topic: str) -> dict[TopicPartition, int]:
    partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
    if not partitions:
        raise TransientError(f"Kafka does not say which partitions {topic} has", reason="kafka_unavailable")
    consumer.assign(partitions)
    return dict(consumer.end_offsets(partitions))


def _starts(
    consumer: KafkaConsumer, ends: Mapping[TopicPartition, int], last: int | None, since_ms: int | None
) -> dict[TopicPartition, int]:
    """Where to begin in each partition; each may hold all of the newest records."""
    starts = dict(consumer.beginning_offsets(list(ends)))
    if since_ms is not None:
        found = consumer.offsets_for_times(dict.fromkeys(ends, max(0, since_ms - _MARGIN_MS)))
        starts = {tp: max(start, found[tp].offset if found.get(tp) else ends[tp]) for tp, start in starts.items()}
    if last is not None:
        starts = {tp: max(start, ends[tp] - last) for tp, start in starts.items()}
    return starts


def _records(
    consumer: KafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int], clock: Clock
) -> list[Any]:
    for tp, start in starts.items():
        consumer.seek(tp, start)
    found: list[Any] = []
    moved = clock.monotonic_seconds()
    while any(consumer.position(tp) < end for tp, end in ends.items()):
        polled = [record for records in consumer.poll(timeout_ms=_POLL_MS).values() for record in records]
        found += [record for record in polled if record.offset < ends[TopicPartition(record.topic, record.partition)]]
        if polled:
            moved = clock.monotonic_seconds()
        elif clock.monotonic_seconds() - moved > _PATIENCE_SECONDS:
            raise TransientError(f"Kafka gave nothing for {_PATIENCE_SECONDS:g} s", reason="kafka_unavailable")
    return found


def _read(records: list[Any]) -> TopicReading:
    documents, unreadable = [], 0
    for record in records:
        try:
            documents.append(scored_from(record.value))
        except InvalidMessageError as exc:
            unreadable += 1
            log.warning("partition %d, offset %d holds no scored document: %s", record.partition, record.offset, exc)
    return TopicReading(documents, unreadable)
