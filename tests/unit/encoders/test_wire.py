"""Laws of reading bytes that may be damaged."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.encoders.wire import Cursor, DamagedError, fields, read_range
from tests.unit.encoders.written import message, varint

FIELDS = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 2**64 - 1) | st.binary(max_size=40)), max_size=8)


@given(FIELDS)
def test_what_was_written_is_read(written: list[tuple[int, int | bytes]]) -> None:
    """Numbers and bytes, in order."""
    assert list(fields(message(*written))) == written


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No other error, and no endless loop."""
    with suppress(DamagedError):
        assert all(number >= 0 for number, _ in fields(content))


def test_a_message_that_is_cut_off_is_refused() -> None:
    """Wherever in its last field."""
    whole = message((1, b"abc"))
    for size in range(1, len(whole)):
        with pytest.raises(DamagedError):
            list(fields(whole[:size]))


def test_nothing_is_read_past_the_end() -> None:
    """Neither of the bytes nor of the part that the cursor is for."""
    with pytest.raises(DamagedError, match="cut off"):
        Cursor(b"abcdef", 0, 3).take(4)
    with pytest.raises(DamagedError):
        Cursor(b"abc", 0, 4)
    with pytest.raises(DamagedError):
        Cursor(varint(2**80)).varint()


def test_part_of_a_file_is_read_only_if_it_is_there(tmp_path: Path) -> None:
    """A size that is not true asks for no memory."""
    path = tmp_path / "data"
    path.write_bytes(b"abcdef")
    assert read_range(path, 2, 3) == b"cde"
    for offset, size in ((4, 3), (2**62, 2**62), (-1, 2), (1, -1)):
        with pytest.raises(DamagedError):
            read_range(path, offset, size)
