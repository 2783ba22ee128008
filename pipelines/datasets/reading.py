"""Reads data files into CSV rows, lines and JSON, each with the place it stood at.

Guarantees: every row of the file comes out once, in order; what can't be read is a ConfigError naming file and place.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import ConfigError

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which file something stands; as a string it is short enough for `Example.place`.

    Attributes:
        item: such as "row 7"; rows count as a spreadsheet counts them, the header is row 1.
    """

    path: Path
    item: str

    def __str__(self) -> str:
        return f"{folder_of(self.path)}/{self.path.name}, {self.item}"

    def error(self, reason: str) -> ConfigError:
        """An error that says where, with the whole path."""
        return ConfigError(f"{self.path}, {self.item}: {reason}")


def folder_of(path: Path) -> str:
    """Name of the folder a file is in: what formats that hold no data set's name call their source."""
    return path.absolute().parent.name


def shown(text: object) -> str:
    """The value quoted, and cut to what a message has room for."""
    written = repr(text)
    return written if len(written) <= _SHOWN else f"{written[:_SHOWN]}…"


def decoded(path: Path) -> str:
    """Returns the file's text, which must be UTF-8; a byte-order mark is no part of it.

    Raises:
        ConfigError: the file is missing, empty, holds NUL bytes, or is in another encoding.
    """
    data = bytes_of(path).removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        place = Place(path, f"line {line_at(data, exc.start)}")
        raise place.error(f"byte 0x{data[exc.start]:02x} is not UTF-8; save the file as UTF-8") from exc


def bytes_of(path: Path) -> bytes:
    """Returns the file's bytes.

    Raises:
        ConfigError: the file is missing, empty, or no text in an encoding of single bytes.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror or exc}") from exc
    if not data.removeprefix(codecs.BOM_UTF8).strip():
        raise ConfigError(f"{path}: the file is empty")
    if data.startswith(_UTF16):
        raise ConfigError(f"{path}, line 1: the file is UTF-16; save it as UTF-8")
    if (at := data.find(b"\x00")) >= 0:
        raise Place(path, f"line {line_at(data, at)}").error("a NUL byte; is this a text file?")
    return data


def line_at(data: bytes, offset: int) -> int:
    """The line, counted from 1, that a byte is in."""
    return data.count(b"\n", 0, offset) + 1


def numbered_lines(path: Path, text: str) -> Iterator[tuple[Place, str]]:
    """Splits at line feeds alone: the other line ends that Unicode knows are characters of a text."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield Place(path, f"line {number}"), line.removesuffix("\r")


def csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[Place, dict[str, str]]]:
    """Yields the rows of a CSV file with a header by column name; rows whose cells are all blank are none.

    Args:
        path: the file, in UTF-8.
        columns: those that must be there; others may.

    Raises:
        ConfigError: the file isn't CSV, lacks a column, or a row is longer or shorter than the header.
    """
    reader = csv.reader(io.StringIO(decoded(path), newline=""), strict=True)
    header: list[str] = []
    number = 0
    while True:
        number += 1
        line = reader.line_num + 1
        # Cells may hold line ends; who opens the file in an editor looks for the line.
        place = Place(path, f"row {number}" if number == line else f"row {number} (line {line})")
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise place.error(f"not CSV: {exc}") from exc
        if not header:
            header = _checked_header(path, cells, columns)
        elif any(cell.strip() for cell in cells):
            if len(cells) != len(header):
                wrong = f"{len(cells)} cells in a file of {len(header)} columns; quote a text that holds a comma"
                raise place.error(wrong)
            yield place, dict(zip(header, cells, strict=True))


def csv_header(path: Path) -> list[str]:
    """The names in the first row of a CSV file."""
    try:
        return [name.strip() for name in next(csv.reader(io.StringIO(decoded(path), newline=""), strict=True))]
    except csv.Error as exc:
        raise Place(path, "row 1").error(f"not CSV: {exc}") from exc


def _checked_header(path: Path, cells: list[str], columns: tuple[str, ...]) -> list[str]:
    names = [cell.strip() for cell in cells]
    for column in columns:
        if names.count(column) != 1:
            problem = f"column {column!r} stands twice" if column in names else f"no column {column!r}"
            raise Place(path, "row 1").error(f"{problem}; found {', '.join(names) or 'nothing'}")
    return names


def json_in(path: Path) -> object:
    """Returns what a JSON file holds.

    Raises:
        ConfigError: the file isn't JSON; names the line.
    """
    try:
        return json.loads(decoded(path))
    except json.JSONDecodeError as exc:
        raise Place(path, f"line {exc.lineno}").error(f"broken JSON: {exc.msg} (column {exc.colno})") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{path}: broken JSON: {exc}") from exc


def json_lines(path: Path) -> Iterator[tuple[Place, object]]:
    """Yields what each line of a JSON lines file holds; blank lines are none.

    Raises:
        ConfigError: a line isn't JSON.
    """
    for place, line in numbered_lines(path, decoded(path)):
        if line.strip():
            try:
                yield place, json.loads(line)
            except json.JSONDecodeError as exc:
                raise place.error(f"broken JSON: {exc.msg} (column {exc.colno})") from exc
            except (ValueError, RecursionError) as exc:
                raise place.error(f"broken JSON: {exc}") from exc


def text_at(place: Place, value: object) -> str:
    """Returns a labelled text as it stands in the file.

    Raises:
        ConfigError: it is no string, blank, or holds what no text holds.
    """
    if not isinstance(value, str):
        raise place.error(f"the text is {shown(value)}, not a string")
    if not value.strip():
        raise place.error("no text")
    if "\x00" in value:
        raise place.error("the text holds a NUL")
    if _SURROGATE.search(value):  # "\ud83d" without its other half: JSON can say it, UTF-8 can't
        raise place.error("the text holds half a character (a lone surrogate)")
    return value
