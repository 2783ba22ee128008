"""Reads `news.scored` messages back into scored documents, from a file with one message a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from monitor.errors import InvalidMessageError
from monitor.messages import SENTIMENTS, Document, Kind, Score, ScoredDocument, Story
from pipelines.datasets.reading import json_lines


def scored_of(message: object) -> ScoredDocument:
    """Returns what `monitor.adapters.kafka_sink.scored_message` wrote; names of companies are not read back.

    Raises:
        InvalidMessageError: a key is missing or of the wrong type; names it.
    """
    if not isinstance(message, Mapping):
        raise InvalidMessageError(f"an object is expected, not {type(message).__name__}", reason="not_an_object")
    document = Document(
        id=_text(message, "id", needed=True),
        origin="",
        kind=_kind(message),
        source=_text(message, "source"),
        title=_text(message, "title"),
        text=_text(message, "text"),
        url=_text(message, "url"),
        language=_text(message, "language"),
        published_ms=_instant_ms(message, "published"),
        available_ms=_instant_ms(message, "available" if "available" in message else "published"),
    )
    if not document.headline.strip():
        raise InvalidMessageError("neither title nor text", reason="no_text")
    story = Story(_text(message, "story") or document.id, message.get("first") is True, message.get("repeated") is True)
    return ScoredDocument(document, story, _score(message))


def scored_from(value: bytes | None) -> ScoredDocument:
    """Returns the document that a Kafka record holds.

    Raises:
        InvalidMessageError: it holds none.
    """
    try:
        return scored_of(json.loads(value or b""))
    except (ValueError, RecursionError) as exc:
        raise InvalidMessageError(f"not JSON: {exc}", reason="not_json") from exc


def read_scored(path: Path) -> list[ScoredDocument]:
    """Reads a file of `news.scored` messages, one a line.

    Raises:
        ConfigError: the file can't be read, or a line is no such message; names it.
    """
    found = []
    for place, message in json_lines(path):
        try:
            found.append(scored_of(message))
        except InvalidMessageError as exc:
            raise place.error(f"no news.scored message: {exc}") from exc
    return found


def _score(message: Mapping[str, Any]) -> Score | None:
    if message.get("status") == "unsupported_language":
        return None
    probabilities = message.get("probabilities")
    if not isinstance(probabilities, Mapping):
        raise InvalidMessageError("probabilities: missing", reason="bad_field")
    negative, neutral, positive = (_probability(probabilities, name) for name in SENTIMENTS)
    sentiment = _text(message, "sentiment", needed=True)
    if sentiment not in SENTIMENTS:
        raise InvalidMessageError(
            f"sentiment: {sentiment[:40]!r} is none of {', '.join(SENTIMENTS)}", reason="bad_field"
        )
    return Score(
        topic=_text(message, "topic", needed=True),
        topic_probability=_probability(message, "topic_probability"),
        sentiment=sentiment,
        probabilities=(negative, neutral, positive),
        model_version=_text(message, "model", needed=True),
    )


def _text(message: Mapping[str, Any], name: str, *, needed: bool = False) -> str:
    value = message.get(name, "")
    if not isinstance(value, str):
        raise InvalidMessageError(f"{name}: text is expected, not {type(value).__name__}", reason="bad_field")
    if needed and not value.strip():
        raise InvalidMessageError(f"{name}: missing", reason="bad_field")
    # A lone surrogate is legal JSON and can't be written out again as UTF-8.
    return value.encode("utf-8", "replace").decode("utf-8")


def _probability(message: Mapping[str, Any], name: str) -> float:
    value = message.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not 0 <= value <= 1:
        raise InvalidMessageError(f"{name}: a probability is expected, not {value!r:.40}", reason="bad_field")
    return float(value)


def _kind(message: Mapping[str, Any]) -> Kind:
    name = _text(message, "kind") or Kind.NEWS
    if name not in tuple(Kind):
        raise InvalidMessageError(f"kind: {name[:40]!r} is none of {', '.join(Kind)}", reason="bad_field")
    return Kind(name)


def _instant_ms(message: Mapping[str, Any], name: str) -> int:
    raw = _text(message, name, needed=True)
    try:
        moment = datetime.fromisoformat(raw)
        if moment.tzinfo is None:
            raise InvalidMessageError(f"{name}: {raw[:40]!r} has no time zone", reason="no_zone")
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError) as exc:
        raise InvalidMessageError(f"{name}: {raw[:40]!r} is no ISO-8601 time", reason="bad_time") from exc
