"""Dead letters made safe to look at: what is in them was written by anybody, and must not steer the terminal."""

from __future__ import annotations

import base64
import json
import unicodedata
from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from monitor.adapters.kafka_dead_letters import StoredLetter
from monitor.adapters.kafka_headers import DETAIL
from pipelines.replay.times import iso

_COLUMN_CHARACTERS = 60
# Controls, formats (such as marks that turn the direction of writing), lone surrogates, private and unassigned ones.
_UNSAFE = ("Cc", "Cf", "Cs", "Co", "Cn")
_LINE_SEPARATORS = "\u2028\u2029"


def safe(text: str, *, lines: bool = False) -> str:
    """Text with all that a terminal might obey written as escapes.

    Args:
        text: any.
        lines: whether line feeds and tabs stay as they are.
    """
    return "".join(
        character
        if (lines and character in "\n\t")
        or (unicodedata.category(character) not in _UNSAFE and character not in _LINE_SEPARATORS)
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )


def safe_bytes(value: bytes | None, *, lines: bool = False) -> str:
    """Bytes as safe text; those that are no UTF-8 as escapes."""
    return "(none)" if value is None else safe(value.decode("utf-8", "backslashreplace"), lines=lines)


def table_of(letters: Iterable[StoredLetter]) -> Table:
    """One row a letter, in the given order."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("letter", "died at", "reason", "attempts", "read from", "bytes", "detail", "value"):
        table.add_column(heading, no_wrap=heading in ("letter", "died at"), overflow="fold")
    for letter in letters:
        cells = (
            letter.place,
            iso(letter.timestamp_ms),
            letter.reason or "?",
            str(letter.attempts),
            source_of(letter),
            size_of(letter),
            _short(letter.headers.get(DETAIL, "")),
            _short((letter.value or b"")[: 4 * _COLUMN_CHARACTERS].decode("utf-8", "backslashreplace")),
        )
        table.add_row(*(Text(safe(cell)) for cell in cells))  # Text: brackets in a letter are no markup
    return table


def whole(letter: StoredLetter) -> str:
    """All of a letter as lines: where it lies, headers, key and value."""
    width = max(map(len, letter.headers), default=0)
    lines = [f"letter {letter.place} of {letter.topic}, written {iso(letter.timestamp_ms)}", "", "headers"]
    lines += [f"  {safe(name):<{width}}  {safe(text)}" for name, text in letter.headers.items()]
    lines += ["", f"key    {safe_bytes(letter.key)}", f"value  {size_of(letter)} bytes", ""]
    return "\n".join([*lines, safe_bytes(letter.value, lines=True)])


def as_json(letter: StoredLetter) -> str:
    """A letter as one line of ASCII JSON; bytes that are no UTF-8 stand under `..._base64` instead."""
    fields: dict[str, Any] = {
        "letter": letter.place,
        "written": iso(letter.timestamp_ms),
        "headers": dict(letter.headers),
        **_field("key", letter.key),
        **_field("value", letter.value),
    }
    return json.dumps(fields)


def source_of(letter: StoredLetter) -> str:
    """Topic, partition and offset that it was read from."""
    return "?" if letter.source is None else "{} {}:{}".format(*letter.source)


def size_of(letter: StoredLetter) -> str:
    """Length of its value, and how long it was before it was cut."""
    size = f"{len(letter.value or b''):,}"
    return size if letter.whole_bytes is None else f"{size}, cut from {letter.whole_bytes:,}"


def _short(text: str) -> str:
    return text if len(text) <= _COLUMN_CHARACTERS else text[: _COLUMN_CHARACTERS - 1] + "…"


def _field(name: str, value: bytes | None) -> dict[str, str | None]:
    if value is None:
        return {name: None}
    try:
        return {name: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(value).decode("ascii")}
