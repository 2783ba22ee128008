"""Reads feed files into rows: CSV with or without a header, JSON lines, and either of them gzipped.

Guarantees: every row of the file comes out once, in the file's order, as a `Row` or as a `Reject` with its reason;
blank lines aren't rows. A file that can't be read at all is a ConfigError.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from monitor.errors import ConfigError

Format = Literal["csv", "jsonl"]
FORMATS: tuple[Format, ...] = ("csv", "jsonl")

_GZIP_MAGIC = b"\x1f\x8b"
_SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class FeedFile:
    """A feed and how it is written.

    Attributes:
        format: None decides by the file's name.
        header: whether the first row of a CSV names its columns; otherwise they are called "1", "2", ...
        delimiter: between the cells of a CSV; None is a tab for .tsv and a comma for the rest.
        encoding: of the text; gzip is recognised by content.
    """

    path: Path
    format: Format | None = None
    header: bool = True
    delimiter: str | None = None
    encoding: str = "utf-8-sig"

    @property
    def is_jsonl(self) -> bool:
        """Whether the file is JSON lines; the alternative is CSV."""
        if self.format is not None:
            return self.format == "jsonl"
        suffixes = [suffix.lower() for suffix in self.path.suffixes if suffix.lower() not in (".gz", ".gzip")]
        if suffixes and suffixes[-1] in _SUFFIXES:
            return _SUFFIXES[suffixes[-1]] == "jsonl"
        raise ConfigError(f"{self.path}: can't tell the format by the name; give --format csv or --format jsonl")


@dataclass(frozen=True, slots=True)
class Row:
    """A row that could be split into named values. `number` counts rows from 1, `line` and `last_line` lines."""

    number: int
    line: int
    last_line: int
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that isn't sent, and why; `reason` is one of a bounded set, `row` what stood in the file."""

    number: int
    line: int
    last_line: int
    reason: str
    detail: str
    row: object


def columns_of(feed: FeedFile) -> tuple[str, ...]:
    """The names of a feed's columns, in their order; of JSON lines, all keys that any row has.

    Raises:
        ConfigError: the file is missing, empty or damaged.
    """
    with _opened(feed) as stream:
        if not feed.is_jsonl:
            return _csv_start(feed, _Lines(stream))[0]
        found: dict[str, None] = {}
        for item in _jsonl_rows(stream):
            if isinstance(item, Row):
                found.update(dict.fromkeys(item.values))
    if not found:
        raise ConfigError(f"{feed.path}: no line is a JSON object with keys")
    return tuple(found)


def rows_of(feed: FeedFile) -> Iterator[Row | Reject]:
    """The rows of a feed in the file's order, each once.

    Raises:
        ConfigError: the file is missing, empty or damaged.
    """
    with _opened(feed) as stream:
        yield from _jsonl_rows(stream) if feed.is_jsonl else _csv_rows(feed, stream)


@contextmanager
def _opened(feed: FeedFile) -> Iterator[io.TextIOBase]:
    """Opens the text; bytes that aren't text become surrogates, so that their row alone is rejected."""
    try:
        with feed.path.open("rb") as start:
            packed = start.read(2) == _GZIP_MAGIC
        with gzip.open(feed.path, "rb") if packed else feed.path.open("rb") as binary:
            yield io.TextIOWrapper(binary, encoding=feed.encoding, errors="surrogateescape", newline="")
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise ConfigError(f"{feed.path}: the gzip file is damaged or cut short: {exc}") from exc
    except OSError as exc:
        raise ConfigError(f"{feed.path}: {exc.strerror or exc}") from exc
    except UnicodeError as exc:
        raise ConfigError(f"{feed.path}: not {feed.encoding}: {exc}; see --encoding") from exc
    except LookupError as exc:
        raise ConfigError(f"--encoding {feed.encoding}: {exc}") from exc


class _Lines:
    """Hands lines to the CSV reader and keeps those of the current row, for its reject."""

    def __init__(self, stream: io.TextIOBase) -> None:
        self._stream = stream
        self.taken: list[str] = []
        self.count = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._stream.readline()
        if not line:
            raise StopIteration
        self.count += 1
        self.taken.append(line)
        return line


def _csv_start(feed: FeedFile, lines: _Lines) -> tuple[tuple[str, ...], list[str] | None, Any]:
    """The columns, the first row where it is no header, and a reader that stands behind it."""
    delimiter = feed.delimiter or ("\t" if ".tsv" in feed.path.suffixes else ",")
    first: list[str] = []
    try:
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while not first:
            lines.taken.clear()
            first = next(reader)
    except StopIteration:
        raise ConfigError(f"{feed.path}: the file is empty") from None
    except (csv.Error, TypeError) as exc:
        raise ConfigError(f"{feed.path}: the first row isn't CSV: {exc}") from exc
    if not feed.header:
        return tuple(str(number) for number in range(1, len(first) + 1)), first, reader
    columns = tuple(name.strip() for name in first)
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise ConfigError(f"{feed.path}: the header names {repeated[0]!r} twice; columns: {', '.join(columns)}")
    lines.taken.clear()
    return columns, None, reader


def _csv_rows(feed: FeedFile, stream: io.TextIOBase) -> Iterator[Row | Reject]:
    lines = _Lines(stream)
    columns, pending, reader = _csv_start(feed, lines)
    number = 0
    while True:
        error = ""
        cells: list[str] = []
        try:
            cells, pending = (pending, None) if pending is not None else (next(reader), None)
        except StopIteration:
            return
        except csv.Error as exc:
            error = str(exc)
        taken, lines.taken = lines.taken, []
        if not cells and not error:
            continue
        number += 1
        line = lines.count - len(taken) + 1
        if error:
            yield Reject(number, line, lines.count, "bad_csv", error, "".join(taken))
        elif len(cells) != len(columns):
            detail = f"{len(cells)} cells in a file of {len(columns)} columns"
            yield Reject(number, line, lines.count, "column_count", detail, "".join(taken))
        else:
            yield Row(number, line, lines.count, dict(zip(columns, cells, strict=True)))


def _jsonl_rows(stream: io.TextIOBase) -> Iterator[Row | Reject]:
    number = 0
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        number += 1
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as exc:
            yield Reject(number, line, line, "not_json", str(exc), text)
            continue
        if isinstance(values, dict):
            yield Row(number, line, line, values)
        else:
            yield Reject(number, line, line, "not_object", f"a {type(values).__name__} instead of an object", text)
