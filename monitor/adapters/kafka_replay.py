"""Puts dead letters back on the raw topic, bytes and key unchanged, with headers that say what was before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from monitor.adapters.kafka_connection import DEAD_TOPIC_BYTES, client_options, translated
from monitor.adapters.kafka_dead_letters import StoredLetter, require_topic
from monitor.adapters.kafka_headers import replay_headers
from monitor.ports import Clock
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
_FLUSH_SECONDS = 30.0
_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


class RawReplay:
    """Writes replays, acknowledged by all replicas; a context manager.

    Args:
        settings: broker and raw topic.
        clock: bounds the waiting for the broker.

    Raises:
        ConfigError: no broker, or no such topic.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._topic = settings.raw_topic
        require_topic(settings, "raw_topic", clock)
        with translated():
            self._producer = KafkaProducer(
                **client_options(settings),
                acks="all",
                # An idempotent producer of the library writes nothing more after a record that was too large.
                enable_idempotence=False,
                max_in_flight_requests_per_connection=1,  # so that a retry doesn't change the order
                linger_ms=5,
                max_request_size=DEAD_TOPIC_BYTES,
                max_block_ms=10_000,
                delivery_timeout_ms=int(_FLUSH_SECONDS * 1000),
                request_timeout_ms=15_000,
            )
            self._partitions = frozenset(self._producer.partitions_for(self._topic) or ())

    def send(self, letters: Sequence[StoredLetter]) -> set[str]:
        """Writes letters and waits until they are durable; returns the places of those that the raw topic can't take.

        A letter goes to the partition that it came from, if there still is one of that number: what it is a copy or a
        reprint of lies there.

        Raises:
            TransientError: some may not have been written; those that were are harmless when they come again.
        """
        refused = self._written(letters)
        # Records travel in batches, and a batch is refused whole: each is tried alone before it is blamed.
        return {letter.place for letter in refused if len(letters) == 1 or self._written([letter])}

    def close(self) -> None:
        """Lets go of the broker."""
        try:
            self._producer.close(timeout=3)
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("closing the producer failed: %s", exc)

    def __enter__(self) -> RawReplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _written(self, letters: Sequence[StoredLetter]) -> list[StoredLetter]:
        """Writes letters; returns those that were refused as too large."""
        refused = []
        with translated():
            futures = [(letter, self._handed_over(letter)) for letter in letters]
            self._producer.flush(timeout=_FLUSH_SECONDS)
            for letter, future in futures:
                try:
                    if future is None:
                        refused.append(letter)
                    else:
                        future.get(timeout=_FLUSH_SECONDS)
                except _TOO_LARGE:
                    refused.append(letter)
        return refused

    def _handed_over(self, letter: StoredLetter) -> Any:
        """The future of its acknowledgement; None for one that is larger than any request."""
        came_from = letter.source[1] if letter.source else None
        headers = replay_headers(
            f"{letter.topic}/{letter.partition}/{letter.offset}", letter.attempts, letter.first_timestamp_ms
        )
        try:
            return self._producer.send(
                self._topic,
                key=letter.key,
                value=letter.value,
                headers=headers,
                partition=came_from if came_from in self._partitions else None,
            )
        except _TOO_LARGE:
            return None
