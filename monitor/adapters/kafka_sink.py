"""Writes scored documents and dead letters, at least once: after a crash some come twice, and are told by their document
id, or by the source partition and offset in their headers.

`flush` returns only when the broker has acknowledged everything handed over since the last one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors

from monitor.adapters import kafka_headers
from monitor.adapters.kafka_connection import DEAD_TOPIC_BYTES, client_options, connected, translated
from monitor.errors import TransientError
from monitor.messages import SENTIMENTS, DeadLetter, Probabilities, ScoredDocument, polarity_of, sentiment_of
from monitor.ports import Clock
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
_LONGEST_FLUSH_SECONDS = 20.0
# Key, value and headers of a dead letter; the rest is for framing.
_DEAD_BYTES = DEAD_TOPIC_BYTES - 64 * 1024
_SMALL_DEAD_BYTES = 256 * 1024
_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)
_DETAIL_CHARACTERS = 500


class KafkaSink:
    """Implements Sink.

    Args:
        settings: broker and topics.
        clock: stamps dead letters.
    """

    def __init__(self, settings: KafkaSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pending: list[Any] = []
        self._dead_bytes = _DEAD_BYTES
        # A round's flush is one turn of the worker's loop, with others to come: it must not cost the partitions.
        self._flush_seconds = min(_LONGEST_FLUSH_SECONDS, settings.max_poll_interval_seconds / 3)
        self._producer: KafkaProducer | None = None

    def publish_scored(self, documents: Sequence[ScoredDocument]) -> None:
        """See Sink."""
        for scored in documents:
            value = json.dumps(scored_message(scored), ensure_ascii=False, separators=(",", ":")).encode()
            self._send(self._settings.scored_topic, scored.document.id.encode(), value, [])

    def publish_dead(self, letters: Sequence[DeadLetter]) -> None:
        """See Sink. What the dead-letter topic can't hold of a value is cut, and a key that alone is too large left out;
        how long they were and where the record was read stand in the headers.
        """
        for letter in letters:
            self._send_dead(letter)

    def flush(self) -> None:
        """See Sink. After a failure the next attempt has a new producer: the library's never recovers from some."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            with translated():
                until = self._clock.monotonic_seconds() + self._flush_seconds
                self._ready_producer().flush(timeout=self._flush_seconds)
                for future in pending:
                    future.get(timeout=max(0.0, until - self._clock.monotonic_seconds()))
        except TransientError as exc:
            self._learn_from(exc)
            self.close()
            raise

    def close(self) -> None:
        """Lets go of the broker; what was not flushed was not promised. The next message begins anew."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=3)
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("closing the producer failed: %s", exc)
            _abort(producer)

    def _learn_from(self, exc: TransientError) -> None:
        if isinstance(exc.__cause__, _TOO_LARGE):
            self._dead_bytes = _SMALL_DEAD_BYTES  # the dead-letter topic was made with a smaller limit than ours

    def _ready_producer(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = self._new_producer()
        return self._producer

    def _new_producer(self) -> KafkaProducer:
        return connected(
            KafkaProducer,
            **client_options(self._settings),
            acks="all",
            linger_ms=5,
            batch_size=65_536,
            max_request_size=DEAD_TOPIC_BYTES,
            bootstrap_timeout_ms=int(min(10.0, self._flush_seconds) * 1000),
            max_block_ms=int(min(10.0, self._flush_seconds) * 1000),
            delivery_timeout_ms=int(self._flush_seconds * 1000),
            request_timeout_ms=int(self._flush_seconds * 500),
            metrics_enabled=False,  # the library's own cost time with each record and request; ours are in metrics.py
        )

    def _send_dead(self, letter: DeadLetter) -> None:
        record = letter.record
        headers = {
            kafka_headers.SOURCE_TOPIC: self._settings.raw_topic,
            kafka_headers.SOURCE_PARTITION: str(record.partition),
            kafka_headers.SOURCE_OFFSET: str(record.offset),
            kafka_headers.SOURCE_TIMESTAMP_MS: str(record.known_ms),
            kafka_headers.REASON: letter.reason,
            kafka_headers.DETAIL: letter.detail[:_DETAIL_CHARACTERS],
            kafka_headers.ATTEMPTS: str(record.attempts),
            kafka_headers.DEAD_AT: _iso(self._clock.now_ms()),
        }
        room = self._dead_bytes - kafka_headers.size_of(headers)
        key, value, cut = _fitted(record.key, record.value, max(0, room))
        self._send(self._settings.dead_topic, key, value, kafka_headers.encoded(headers | cut))

    def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        try:
            with translated():
                future = self._ready_producer().send(topic, key=key, value=value, headers=headers)
        except TransientError as exc:
            self._learn_from(exc)
            self._pending.clear()
            self.close()
            raise
        self._pending.append(future)


def _abort(producer: KafkaProducer) -> None:
    """Ends the thread of a producer that could not be closed: the library leaves it running, dialling for ever."""
    sender = producer._sender
    if sender is None:
        return
    sender.force_close()
    sender.join(3)
    try:
        producer.close(timeout=3)
    except (kafka_errors.KafkaError, OSError) as exc:
        log.warning("a producer was given up: %s", exc)


def _fitted(key: bytes | None, value: bytes | None, room: int) -> tuple[bytes | None, bytes | None, dict[str, str]]:
    """Key and value that take no more than `room` bytes together, and headers that say how long what was cut had been."""
    cut = {}
    if key is not None and len(key) > room:  # a part of it is of no use, and would leave nothing of the value
        cut[kafka_headers.KEY_BYTES] = str(len(key))
        key = None
    left = room - len(key or b"")
    if value is not None and len(value) > left:
        cut[kafka_headers.VALUE_BYTES] = str(len(value))
        value = value[:left]
    # A record without key and value can't be written; no bytes stand for no value.
    return key, b"" if key is None and value is None else value, cut


def scored_message(scored: ScoredDocument) -> dict[str, Any]:
    """The `news.scored` message: everything that the trends depend on, so that they can be rebuilt from it alone."""
    document, score = scored.document, scored.score
    message: dict[str, Any] = {
        "id": document.id,
        "kind": document.kind,
        "source": document.source,
        "title": document.title,
        "text": document.text,
        "url": document.url,
        "language": document.language,
        "published": _iso(document.published_ms),
        "available": _iso(document.available_ms),
        "entities": list(document.entities),
        "story": scored.story.id,
        "first": scored.story.first,
        "repeated": scored.story.repeated,
        "status": "scored" if score else "unsupported_language",
    }
    if score:
        message |= {
            "topic": score.topic,
            "topic_probability": round(score.topic_probability, 4),
            **_sentiment(score.sentiment, score.probabilities),
            "entity_sentiment": {key: _sentiment(sentiment_of(own), own) for key, own in score.by_entity},
            "model": score.model_version,
        }
    return message


def _sentiment(sentiment: str, probabilities: Probabilities) -> dict[str, Any]:
    return {
        "sentiment": sentiment,
        "probabilities": {name: round(p, 4) for name, p in zip(SENTIMENTS, probabilities, strict=True)},
        "polarity": round(polarity_of(probabilities), 4),
    }


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
