"""Writes scored documents and dead letters; keyed by document, so that a second copy of a record changes nothing.

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

from monitor.adapters.kafka_connection import DEAD_TOPIC_BYTES, client_options, translated
from monitor.errors import TransientError
from monitor.messages import SENTIMENTS, DeadLetter, ScoredDocument
from monitor.ports import Clock
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
_FLUSH_SECONDS = 30.0


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
        with translated():
            self._producer = KafkaProducer(
                **client_options(settings),
                acks="all",
                linger_ms=5,
                batch_size=65_536,
                max_request_size=DEAD_TOPIC_BYTES,
                max_block_ms=10_000,
                delivery_timeout_ms=int(_FLUSH_SECONDS * 1000),
                request_timeout_ms=15_000,
            )

    def publish_scored(self, documents: Sequence[ScoredDocument]) -> None:
        """See Sink."""
        for scored in documents:
            value = json.dumps(scored_message(scored), ensure_ascii=False, separators=(",", ":")).encode()
            self._send(self._settings.scored_topic, scored.document.id.encode(), value, [])

    def publish_dead(self, letters: Sequence[DeadLetter]) -> None:
        """See Sink."""
        for letter in letters:
            record = letter.record
            headers = {
                "source-topic": self._settings.raw_topic,
                "source-partition": str(record.partition),
                "source-offset": str(record.offset),
                "source-timestamp-ms": str(record.timestamp_ms),
                "reason": letter.reason,
                "detail": letter.detail[:500],
                "dead-at": _iso(self._clock.now_ms()),
            }
            encoded = [(name, value.encode("utf-8", "replace")) for name, value in headers.items()]
            self._send(self._settings.dead_topic, record.key, record.value, encoded)

    def flush(self) -> None:
        """See Sink."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        with translated():
            self._producer.flush(timeout=_FLUSH_SECONDS)
            for future in pending:
                future.get(timeout=_FLUSH_SECONDS)

    def close(self) -> None:
        """Lets go of the broker; what was not flushed was not promised."""
        try:
            self._producer.close(timeout=3)
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("closing the producer failed: %s", exc)

    def _send(self, topic: str, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
        try:
            self._pending.append(self._producer.send(topic, key=key, value=value, headers=headers))
        except (kafka_errors.KafkaError, OSError) as exc:
            self._pending.clear()
            raise TransientError(f"Kafka: {exc}", reason="kafka_unavailable") from exc


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
            "sentiment": score.sentiment,
            "probabilities": {name: round(p, 4) for name, p in zip(SENTIMENTS, score.probabilities, strict=True)},
            "polarity": round(score.polarity, 4),
            "model": score.model_version,
        }
    return message


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
