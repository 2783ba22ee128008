"""Bytes that may be damaged: a cursor that never reads past the end, and Protocol Buffers' wire format on top.

Source of the encoding: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_VARINT_BYTES = 10


class DamagedError(ValueError):
    """The bytes are not in the format they should be in; the caller says which file."""


class Cursor:
    """Reads forward through `data`, from `at` up to `end`.

    Raises:
        DamagedError: (every method) what is asked for would lie past the end.
    """

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data, self._at, self._end = data, at, len(data) if end is None else end
        if not 0 <= at <= self._end <= len(data):
            raise DamagedError(f"bytes {at} to {self._end} are asked for, and there are {len(data)}")

    def __bool__(self) -> bool:
        return self._at < self._end

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self._end - self._at:
            raise DamagedError(f"cut off: {count} bytes are due at {self._at}, {self._end - self._at} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def uint(self, count: int) -> int:
        """The next `count` bytes as an unsigned number, little end first."""
        return int.from_bytes(self.take(count), "little")

    def varint(self) -> int:
        """A number in base 128, low digits first."""
        value = 0
        for shift in range(0, 7 * _VARINT_BYTES, 7):
            byte = self.uint(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise DamagedError(f"no varint ends before byte {self._at}")


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a serialised message in order: number, and a number or the bytes of a string or message."""
    cursor = Cursor(message)
    while cursor:
        number, kind = divmod(cursor.varint(), 8)
        if kind == 0:
            yield number, cursor.varint()
        elif kind in {1, 5}:
            yield number, cursor.uint(8 if kind == 1 else 4)
        elif kind == 2:
            yield number, cursor.take(cursor.varint())
        else:
            raise DamagedError(f"field {number} has wire type {kind}")


def read_range(path: Path, offset: int, size: int) -> bytes:
    """Reads part of a file; the file's size is looked at first, so that a false size can't ask for more memory.

    Raises:
        DamagedError: the file has no such part.
        OSError: it can't be read.
    """
    there = path.stat().st_size
    if offset < 0 or size < 0 or offset + size > there:
        raise DamagedError(f"{path.name} has {there} bytes, and {size} from {offset} on are asked for")
    with path.open("rb") as handle:
        handle.seek(offset)
        return handle.read(size)
