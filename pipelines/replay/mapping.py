"""Turns rows of a feed into news.raw messages.

Guarantees: pure; a row becomes one message or an InvalidMessageError with its reason; the id depends on what the row
says, never on where it stands, so that the same document has the same id in every run and file.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from monitor.errors import ConfigError, InvalidMessageError
from pipelines.replay.readers import Row
from pipelines.replay.times import DayTime, day_of, instant_ms, iso, parse_time, place_day

# What a column can be; a column that has the name of its role in news.raw needs no option.
ROLES = ("id", "source", "title", "text", "url", "published")
# Fields of news.raw that JSON lines may carry besides, and that go on as they are.
_CARRIED = ("kind", "language", "entities")
_UTC = ZoneInfo("UTC")
# What ingest takes for a time; beyond it, it's a broken clock.
_EARLIEST_MS = instant_ms(datetime(1850, 1, 1, tzinfo=UTC), UTC)
_LATEST_MS = instant_ms(datetime(2200, 1, 1, tzinfo=UTC), UTC)


@dataclass(frozen=True, slots=True)
class Rules:
    """How rows are read.

    Attributes:
        columns: role to the name of a column.
        source: of rows that name none.
        kind, language: of every row; None leaves what JSON lines carry.
        zone: of times that name none, and of days.
        time_formats: strptime formats to try first.
        day_time: where in the day documents go that come without a time.
        days_only: reads only the day of each time.
        strip_source: takes " - Source" off the end of titles.
        delay_seconds: from publication to when the program could have known the document.
        carries_fields: whether rows may be in news.raw's own schema (JSON lines).
    """

    columns: Mapping[str, str]
    source: str
    kind: str | None = None
    language: str | None = None
    zone: ZoneInfo = _UTC
    time_formats: tuple[str, ...] = ()
    day_time: DayTime = "end"
    days_only: bool = False
    strip_source: bool = False
    delay_seconds: float = 0.0
    carries_fields: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A row as it is sent; `day_only` says that its time of day was chosen, not read."""

    id: str
    published_ms: int
    available_ms: int
    day_only: bool
    value: bytes


def resolve_columns(given: Mapping[str, str], found: Sequence[str]) -> dict[str, str]:
    """Finds the column of each role: the one that was named, or else the one that has the role's name.

    A named title or text switches the search for the other one off, so that nothing is sent that wasn't asked for.

    Raises:
        ConfigError: a named column doesn't exist, or there is none for the headline or the time.
    """
    listed = f"columns: {', '.join(found) or 'none'}"
    for role, column in given.items():
        if column not in found:
            raise ConfigError(f"{_option(role)} {column}: no such column; {listed}")
    columns = dict(given)
    named_words = "title" in given or "text" in given
    for role in ROLES:
        if role in found and role not in columns and not (named_words and role in ("title", "text")):
            columns[role] = role
    if "title" not in columns and "text" not in columns:
        raise ConfigError(f"no column for the headline: give --title or --text; {listed}")
    if "published" not in columns:
        raise ConfigError(f"no column for the time of publication: give --published; {listed}")
    return columns


def message_of(row: Row, rules: Rules) -> Message:
    """Makes the message of a row.

    Raises:
        InvalidMessageError: `empty_row`, `no_headline`, `no_time`, `bad_time`, `not_text` or `bad_encoding`.
    """
    cells = {role: row.values.get(column) for role, column in rules.columns.items()}
    if all(value is None or value == "" for value in row.values.values()):
        raise InvalidMessageError("every cell is empty", reason="empty_row")
    source = _source(cells.get("source")) or rules.source
    title, text = _words("title", cells.get("title")), _words("text", cells.get("text"))
    if rules.strip_source:
        title = title.removesuffix(f" - {source}").rstrip() or title
    if not title and not text:
        raise InvalidMessageError("no headline", reason="no_headline")
    published_ms, day_only = _instant(cells["published"], rules, title or text)
    fetched = row.values.get("fetched") if rules.carries_fields else None
    available_ms = published_ms if fetched in (None, "") else _instant(fetched, rules, title or text)[0]
    available_ms += round(rules.delay_seconds * 1000)
    body: dict[str, Any] = {
        "id": _words("id", cells.get("id")) or document_id(source, title, text, published_ms),
        "source": source,
        "title": title,
        "text": text,
        "url": _words("url", cells.get("url")),
        "published": iso(published_ms),
        "fetched": iso(available_ms),
        **({name: row.values[name] for name in _CARRIED if name in row.values} if rules.carries_fields else {}),
        **{name: value for name, value in (("kind", rules.kind), ("language", rules.language)) if value},
    }
    return Message(body["id"], published_ms, available_ms, day_only, _encoded(body))


def document_id(source: str, title: str, text: str, published_ms: int) -> str:
    """The id of a document that has none: a hash of who said what when."""
    said = json.dumps([source, title, text, published_ms], ensure_ascii=True)
    return hashlib.blake2b(said.encode("ascii"), digest_size=16).hexdigest()


def _option(role: str) -> str:
    return "--source-column" if role == "source" else f"--{role}"


def _words(role: str, value: object) -> str:
    if value is None or isinstance(value, str):
        return (value or "").strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise InvalidMessageError(f"{role} must be text, not {type(value).__name__}", reason="not_text")


def _source(value: object) -> str:
    """A source's name; some feeds write an object, or Python's text of one, that has it as `title` or `name`."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _object(value.strip())
    if isinstance(value, dict):
        value = value.get("title") or value.get("name")
    return _words("source", value)


def _object(written: str) -> object:
    """The object that `written` is in JSON or in Python; itself where it is neither."""
    readers: tuple[Callable[[str], object], ...] = (json.loads, ast.literal_eval)
    for read in readers:
        try:
            return read(written)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return written


def _instant(value: object, rules: Rules, words: str) -> tuple[int, bool]:
    when = parse_time(value, rules.zone, rules.time_formats)
    if isinstance(when, int) and rules.days_only:
        when = day_of(when, rules.zone)
    day_only = isinstance(when, date)
    try:
        placed = place_day(when, rules.zone, rules.day_time, words) if isinstance(when, date) else when
    except (ValueError, OverflowError) as exc:
        raise InvalidMessageError(f"day {when} is out of range", reason="bad_time") from exc
    if not _EARLIEST_MS <= placed <= _LATEST_MS:
        raise InvalidMessageError(f"{str(value)[:80]!r} is out of range", reason="bad_time")
    return placed, day_only


def _encoded(body: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError as exc:
        detail = "bytes that aren't text in this encoding; see --encoding"
        raise InvalidMessageError(detail, reason="bad_encoding") from exc
