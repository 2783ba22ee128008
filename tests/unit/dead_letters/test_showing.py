"""Laws of showing letters: nothing in them reaches the terminal but text."""

from __future__ import annotations

import base64
import io
import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipelines.dead_letters.showing import as_json, safe, safe_bytes, table_of, whole
from tests.unit.dead_letters.written import letter


@given(st.text(st.characters()) | st.binary().map(lambda b: b.decode("utf-8", "backslashreplace")))
def test_no_control_survives(text: str) -> None:
    """Nor a mark that turns the direction of writing; plain text is left alone; what is shown can be encoded."""
    shown = safe(text)
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs", "Co", "Cn"}
    assert shown.encode().decode() == shown
    plain = "".join(c for c in text if c.isascii() and c.isprintable())
    assert safe(plain) == plain


def test_escapes_name_what_was_there() -> None:
    """Terminal sequences, bells, NUL, lone surrogates; line feeds stay where lines are meant."""
    assert safe("a\x1b[31m\x07\x00\ud800\u202e油") == "a\\x1b[31m\\x07\\x00\\ud800\\u202e油"
    assert safe("a\nb\tc\rd", lines=True) == "a\nb\tc\\rd"
    assert safe_bytes(b"\xff{}") == "\\xff{}"
    assert safe_bytes(None) == "(none)"


def test_a_letter_is_shown_whole() -> None:
    """Headers, key and value, with where it lies."""
    value = b'{"title": "' + b"x" * 5000 + b'"'
    shown = whole(letter(4, partition=1, value=value, key=None, value_bytes="9000"))
    assert shown.startswith("letter 1:4 of news.dead, written 2026-03-04T12:00:00")
    assert value.decode() in shown
    for part in ("source-offset", "104", "not_json", "key    (none)", "cut from 9,000"):
        assert part in shown


def test_the_table_takes_brackets_for_text() -> None:
    """What looks like markup is shown as it is; a letter without headers has its row too."""
    stream = io.StringIO()
    bare = letter(2, source_topic=None, reason=None, detail=None, attempts=None)
    odd = letter(1, value=b"[bold]x[/nosuch]\x1b[2J", detail="[red]")
    Console(file=stream, width=400).print(table_of([odd, bare]))
    shown = stream.getvalue()
    assert "[bold]x[/nosuch]\\x1b[2J" in shown
    assert "[red]" in shown
    assert "?" in shown


@given(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=40))
def test_json_gives_key_and_value_back_byte_for_byte(key: bytes | None, value: bytes | None) -> None:
    """As text where it is UTF-8, else in base64; the line itself is ASCII."""
    line = as_json(letter(key=key, value=value))
    assert line.isascii()
    fields = json.loads(line)
    for name, wanted in (("key", key), ("value", value)):
        if f"{name}_base64" in fields:
            assert base64.b64decode(fields[f"{name}_base64"]) == wanted
        else:
            assert (fields[name] is None and wanted is None) or fields[name].encode() == wanted
