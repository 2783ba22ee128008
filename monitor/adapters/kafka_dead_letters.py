"""Reads the dead-letter topic, up to where it ended when reading began; joins no consumer group, holds one fetch in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from monitor.adapters import kafka_headers
from monitor.adapters.kafka_connection import client_options, translated, wait_until_reachable
from monitor.errors import ConfigError, TransientError
from monitor.ports import Clock
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
_POLL_MS = 500
_PATIENCE_SECONDS = 30.0
_FETCH_BYTES = 8 * 1024 * 1024
_POLL_RECORDS = 200


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter as the topic holds it.

    Attributes:
        timestamp_ms: when it was written.
        headers: as text; see kafka_headers.py. A letter that somebody else wrote may lack any of them.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, str]

    @property
    def place(self) -> str:
        """Partition and offset in the dead-letter topic, as commands take it."""
        return f"{self.partition}:{self.offset}"

    @property
    def reason(self) -> str:
        """Why it died; "" where it doesn't say."""
        return self.headers.get(kafka_headers.REASON, "")

    @property
    def attempts(self) -> int:
        """How often it was tried: at least once."""
        return max(1, kafka_headers.number_in(self.headers, kafka_headers.ATTEMPTS) or 1)

    @property
    def source(self) -> tuple[str, int, int] | None:
        """Topic, partition and offset that it was read from; None where it doesn't say."""
        topic = self.headers.get(kafka_headers.SOURCE_TOPIC)
        partition = kafka_headers.number_in(self.headers, kafka_headers.SOURCE_PARTITION)
        offset = kafka_headers.number_in(self.headers, kafka_headers.SOURCE_OFFSET)
        return (topic, partition, offset) if topic and partition is not None and offset is not None else None

    @property
    def first_timestamp_ms(self) -> int:
        """When its record first came into the raw topic, as far as it says so."""
        return kafka_headers.number_in(self.headers, kafka_headers.SOURCE_TIMESTAMP_MS) or self.timestamp_ms

    @property
    def whole_bytes(self) -> int | None:
        """Length of the value before it was cut; None for one that is whole."""
        if kafka_headers.VALUE_BYTES not in self.headers:
            return None
        return kafka_headers.number_in(self.headers, kafka_headers.VALUE_BYTES) or 0


class DeadLetterTopic:
    """The dead-letter topic, for reading; a context manager.

    Args:
        settings: broker and topic.
        clock: bounds the waiting.

    Raises:
        ConfigError: no broker, or no such topic.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._topic, self._clock = settings.dead_topic, clock
        require_topic(settings, "dead_topic", clock)
        with translated():
            self._consumer = KafkaConsumer(
                **client_options(settings),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=_POLL_RECORDS,
                fetch_max_bytes=_FETCH_BYTES,
                max_partition_fetch_bytes=_FETCH_BYTES,
            )

    def letters(self, since_ms: int | None = None) -> Iterator[StoredLetter]:
        """Yields letters by partition and offset.

        Args:
            since_ms: letters before the first one that was written at or after this instant are not read.

        Raises:
            TransientError: the broker stopped answering.
        """
        with translated():
            partitions = self._partitions()
            ends = self._consumer.end_offsets(partitions)
            starts = dict(self._consumer.beginning_offsets(partitions))
            if since_ms is not None:
                found = self._consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since_ms)))
                starts = {
                    tp: max(start, found[tp].offset if found.get(tp) else ends[tp]) for tp, start in starts.items()
                }
        for tp in partitions:
            yield from self._between(tp, starts[tp], ends[tp])

    def letter(self, partition: int, offset: int) -> StoredLetter:
        """Returns the letter of one place.

        Raises:
            ConfigError: there is none; says which there are.
        """
        tp = TopicPartition(self._topic, partition)
        with translated():
            if tp not in (known := self._partitions()):
                raise ConfigError(f"{partition}:{offset}: {self._topic} has partitions 0 to {known[-1].partition}")
            start, end = self._consumer.beginning_offsets([tp])[tp], self._consumer.end_offsets([tp])[tp]
        if start <= offset < end:
            for letter in self._between(tp, offset, offset + 1):
                return letter
        raise ConfigError(
            f"{partition}:{offset}: no such letter; partition {partition} of {self._topic} "
            + (f"holds offsets {start} to {end - 1}" if end > start else "is empty")
        )

    def close(self) -> None:
        """Lets go of the broker."""
        self._consumer.close()

    def __enter__(self) -> DeadLetterTopic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _partitions(self) -> list[TopicPartition]:
        numbers = sorted(self._consumer.partitions_for_topic(self._topic) or ())
        if not numbers:
            raise TransientError(f"Kafka does not say which partitions {self._topic} has", reason="kafka_unavailable")
        return [TopicPartition(self._topic, number) for number in numbers]

    def _between(self, tp: TopicPartition, start: int, end: int) -> Iterator[StoredLetter]:
        """Offsets may have holes: the end is reached by position, not by a record."""
        if start >= end:
            return
        with translated():
            self._consumer.assign([tp])
            self._consumer.seek(tp, start)
        moved = self._clock.monotonic_seconds()
        while True:
            with translated():
                polled = self._consumer.poll(timeout_ms=_POLL_MS).get(tp, [])
                position = self._consumer.position(tp)
            for record in polled:
                if record.offset < end:
                    yield _stored(record)
            if position >= end:
                return
            now = self._clock.monotonic_seconds()
            if polled:
                moved = now
            elif now - moved > _PATIENCE_SECONDS:
                raise TransientError(f"Kafka gave nothing for {_PATIENCE_SECONDS:g} s", reason="kafka_unavailable")


def _stored(record: Any) -> StoredLetter:
    headers = kafka_headers.decoded(record.headers or ())
    return StoredLetter(
        record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, headers
    )


def require_topic(settings: KafkaSettings, setting: str, clock: Clock) -> None:
    """Raises ConfigError if the broker can't be reached, or has no topic of the name that the setting gives."""
    topic = getattr(settings, setting)
    admin = wait_until_reachable(settings, clock)
    try:
        with translated():
            known = topic in admin.list_topics()
    finally:
        admin.close()
    if not known:
        raise ConfigError(f"Kafka has no topic {topic} (setting kafka.{setting})")
