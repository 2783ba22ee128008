"""Writes documents into the raw topic: what scrapers, replay and the demo feed with."""

from __future__ import annotations

from typing import Any

from kafka import KafkaProducer

from monitor.adapters.kafka_connection import client_options, translated
from monitor.settings import KafkaSettings


class RawProducer:
    """Produces `news.raw` messages with acknowledgement by all replicas.

    Args:
        settings: broker and topic.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        self._topic = settings.raw_topic
        self._pending: list[Any] = []
        self._ends: dict[int, int] = {}
        with translated():
            self._producer = KafkaProducer(
                **client_options(settings), acks="all", linger_ms=5, batch_size=65_536, delivery_timeout_ms=60_000
            )

    def send(self, key: str, value: bytes, timestamp_ms: int | None = None) -> None:
        """Hands a message over; `key` spreads documents over partitions."""
        with translated():
            future = self._producer.send(self._topic, key=key.encode(), value=value, timestamp_ms=timestamp_ms)
        self._pending.append(future)
        if len(self._pending) >= 5000:
            self.flush()

    def flush(self) -> None:
        """Returns when all messages are acknowledged; raises TransientError if one was not."""
        pending, self._pending = self._pending, []
        with translated():
            self._producer.flush(timeout=60)
            for future in pending:
                written = future.get(timeout=60)
                self._ends[written.partition] = max(self._ends.get(written.partition, 0), written.offset + 1)

    @property
    def end_positions(self) -> dict[int, int]:
        """By partition, the position behind the last acknowledged message of this producer."""
        return dict(self._ends)

    def close(self) -> None:
        """Flushes and lets go."""
        self.flush()
        self._producer.close(timeout=5)
