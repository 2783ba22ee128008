"""Decodes one `news.raw` record into a Document, or says why it can't be read.

Guarantees: pure; every input gives either a Document or an InvalidMessageError with a reason out of `REASONS`; event
time is published, clamped to when the document was available.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from monitor.errors import INVALID_REASONS, InvalidMessageError
from monitor.ingest.entities import EntityIndex, bounded
from monitor.ingest.language import language_of
from monitor.ingest.normalise import clean_text
from monitor.messages import Document, Kind, RawRecord
from monitor.settings import IngestSettings

REASONS = frozenset(INVALID_REASONS)
_MAX_TITLE, _MAX_TEXT, _MAX_ID, _MAX_NAME, _MAX_URL = 1000, 20_000, 200, 80, 2000
# Nobody publishes before the telegraph; a year 0 or 9999 is a broken clock, not news.
EARLIEST = datetime(1850, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*", re.IGNORECASE | re.ASCII)
# They would steer a terminal, a log or a link; a message's id is no place for them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TICKER = re.compile(r"[A-Z0-9][A-Z0-9.\-]{0,11}")


def decode(record: RawRecord, settings: IngestSettings, entities: EntityIndex) -> Document:
    """Returns the record's document.

    A message is refused where it is unclear what was said or when; what is only odd is mended: long titles, texts and
    sources are cut, control characters and links leave the text, lone surrogates become question marks, links that no
    browser may open are dropped, tickers that are none are left out, fields that nobody knows are ignored (infinite
    numbers and nesting in them too), a publication time of the future is clamped, and null is as good as no field.

    | reason        | refused, and where there are several faults the first that is met          |
    |---------------|----------------------------------------------------------------------------|
    | empty_message | no value, or one of no bytes                                               |
    | oversized     | more than `ingest.max_message_bytes`                                       |
    | not_utf8      | bytes that are no UTF-8                                                    |
    | not_json      | cut off, NaN or Infinity, a raw control character, a byte order mark, an   |
    |               | integer of more than 4,300 digits, nested deeper than Python reads (1,000) |
    | not_an_object | JSON, but no object                                                        |
    | bad_field     | a known field of another type; an unknown `kind`; a `language` that is no  |
    |               | tag; an `id` of more than 200 characters, or with a control character      |
    | no_text       | neither a letter nor a digit in title and text                             |
    | bad_time      | `published` missing; it or `fetched` no ISO 8601 time of 1850 to 2199      |
    | no_zone       | a time without its offset from UTC                                         |

    Raises:
        InvalidMessageError: with a reason out of `REASONS`.
    """
    message = _parse(record.value, settings.max_message_bytes)
    title = clean_text(_text_field(message, "title"))[:_MAX_TITLE]
    text = clean_text(_text_field(message, "text"))[:_MAX_TEXT]
    if not any(character.isalnum() for character in title + text):
        raise InvalidMessageError("title and text hold no words", reason="no_text")
    available_ms = _available_ms(message, record.known_ms, settings)
    published_ms = _instant_ms(message, "published")
    clamped = published_ms > available_ms + int(settings.future_tolerance_seconds * 1000)
    source = clean_text(_text_field(message, "source"))[:_MAX_NAME] or "unknown"
    mentions = entities.mentions(f"{title} {text[:2000]}")
    companies = bounded((*mentions, *_tickers(message)))
    return Document(
        id=_identifier(message, source, title, text),
        origin=f"{record.partition}:{record.offset}",
        kind=_kind(message),
        source=source,
        title=title,
        text=text,
        url=_url(_text_field(message, "url")),
        language=_language(message, f"{title} {text}"),
        published_ms=min(published_ms, available_ms),
        available_ms=available_ms,
        entities=companies,
        mentions=tuple((ticker, mentions[ticker]) for ticker in companies if ticker in mentions),
        headline_entities=entities.find(title or text),
        clamped=clamped,
    )


def _parse(value: bytes | None, limit: int) -> dict[str, Any]:
    if not value:
        raise InvalidMessageError("the message has no bytes", reason="empty_message")
    if len(value) > limit:
        raise InvalidMessageError(f"{len(value)} bytes, the limit is {limit}", reason="oversized")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidMessageError(f"not UTF-8: {exc.reason} at byte {exc.start}", reason="not_utf8") from exc
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise InvalidMessageError("nested too deeply", reason="not_json") from exc
    except ValueError as exc:
        raise InvalidMessageError(f"not JSON: {exc}"[:300], reason="not_json") from exc
    if not isinstance(message, dict):
        raise InvalidMessageError(f"a JSON object is expected, not {type(message).__name__}", reason="not_an_object")
    return message


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _text_field(message: dict[str, Any], name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidMessageError(f"{name}: text is expected, not {type(value).__name__}", reason="bad_field")
    # A lone surrogate ("\ud800") is legal JSON and can't be written out again as UTF-8.
    return value.encode("utf-8", "replace").decode("utf-8")


def _kind(message: dict[str, Any]) -> Kind:
    name = _text_field(message, "kind") or Kind.NEWS
    try:
        return Kind(name)
    except ValueError as exc:
        raise InvalidMessageError(f"kind: {name[:40]!r} is neither news nor comment", reason="bad_field") from exc


def _identifier(message: dict[str, Any], source: str, title: str, text: str) -> str:
    given = _text_field(message, "id")
    if len(given) > _MAX_ID:
        raise InvalidMessageError(f"id: longer than {_MAX_ID} characters", reason="bad_field")
    if given := given.strip():
        if _CONTROL.search(given):
            raise InvalidMessageError(f"id: {given[:40]!r} has a control character", reason="bad_field")
        return given
    parts = "\x1f".join((source, _text_field(message, "url"), title, text, _text_field(message, "published")))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def _instant_ms(message: dict[str, Any], name: str) -> int:
    raw = _text_field(message, name)
    if not raw:
        raise InvalidMessageError(f"{name}: missing", reason="bad_time")
    try:
        instant = datetime.fromisoformat(raw.strip())
    except ValueError as exc:
        raise InvalidMessageError(f"{name}: {raw[:40]!r} is no ISO-8601 time", reason="bad_time") from exc
    if instant.tzinfo is None:
        raise InvalidMessageError(f"{name}: {raw[:40]!r} has no time zone", reason="no_zone")
    if not EARLIEST <= instant <= LATEST:
        raise InvalidMessageError(f"{name}: {raw[:40]!r} is out of range", reason="bad_time")
    return round(instant.timestamp() * 1000)


def _available_ms(message: dict[str, Any], record_ms: int, settings: IngestSettings) -> int:
    """When the document could first have been known: when a scraper fetched it, if that is said and possible."""
    if message.get("fetched") is None:
        return record_ms
    fetched_ms = _instant_ms(message, "fetched")
    return record_ms if fetched_ms > record_ms + int(settings.future_tolerance_seconds * 1000) else fetched_ms


def _url(raw: str) -> str:
    """Keeps links that a browser may open, and nothing else: they end up on a page and in alerts."""
    link = raw.strip()[:_MAX_URL]
    try:
        return link if urlsplit(link).scheme in ("http", "https") and not _CONTROL.search(link) else ""
    except ValueError:
        return ""


def _language(message: dict[str, Any], text: str) -> str:
    given = _text_field(message, "language")
    if given and not _LANGUAGE.fullmatch(given):
        raise InvalidMessageError(f"language: {given[:40]!r} is no language tag", reason="bad_field")
    return language_of(text, given.lower().split("-")[0] or None)


def _tickers(message: dict[str, Any]) -> tuple[str, ...]:
    value = message.get("entities")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidMessageError("entities: a list of tickers is expected", reason="bad_field")
    return tuple(ticker for item in value[:20] if _TICKER.fullmatch(ticker := item.strip().lstrip("$").upper()))
