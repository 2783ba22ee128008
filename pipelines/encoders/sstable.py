"""The sorted table of TensorFlow and LevelDB: a file of blocks of (key, value), each with its checksum.

Source: https://github.com/google/leveldb/blob/main/doc/table_format.md. Everything is bounds-checked and every block's
CRC-32C is compared; what does not hold is a DamagedError.
"""

from __future__ import annotations

from collections.abc import Iterator

import cramjam
from crc32c import crc32c

from pipelines.encoders.wire import Cursor, DamagedError

_MAGIC = 0xDB4775248B80FB57
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # kind of compression, checksum
_MAX_BLOCK_BYTES = 64 << 20


def table_entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every (key, value) of a table in order.

    Raises:
        DamagedError: the bytes are no table, or are cut off or changed.
    """
    if len(table) < _FOOTER_BYTES or int.from_bytes(table[-8:], "little") != _MAGIC:
        raise DamagedError("it does not end in a table's footer")
    footer = Cursor(table, len(table) - _FOOTER_BYTES)
    footer.varint(), footer.varint()  # where the meta index is: it has nothing for us
    for _, handle in _block_entries(_block(table, footer)):
        yield from _block_entries(_block(table, Cursor(handle)))


def masked(checksum: int) -> int:
    """A CRC-32C as such files store it, so that a checksum over bytes with checksums in them stays a good one."""
    return (((checksum >> 15) | (checksum << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _block(table: bytes, handle: Cursor) -> bytes:
    """The content of the block that a handle (offset, size) points to."""
    offset, size = handle.varint(), handle.varint()
    cursor = Cursor(table, offset, offset + size + _TRAILER_BYTES)
    content, kind, checksum = cursor.take(size), cursor.take(1), cursor.uint(4)
    if masked(crc32c(content + kind)) != checksum:
        raise DamagedError(f"the block at byte {offset} fails its checksum")
    if kind == b"\0":
        return content
    if kind != b"\1":
        raise DamagedError(f"the block at byte {offset} has compression {kind[0]}; known: 0 (none), 1 (Snappy)")
    # Snappy begins with the length of what comes out. Checked first, so that a small file can't fill the memory.
    if Cursor(content).varint() > _MAX_BLOCK_BYTES:
        raise DamagedError(f"the block at byte {offset} would unpack to more than {_MAX_BLOCK_BYTES} bytes")
    try:
        return bytes(cramjam.snappy.decompress_raw(content))
    except cramjam.DecompressionError as exc:
        raise DamagedError(f"the block at byte {offset} can't be unpacked: {exc}") from exc


def _block_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys are written without the beginning that they share with the key before."""
    restarts = Cursor(block, max(0, len(block) - 4)).uint(4)
    cursor = Cursor(block, 0, len(block) - 4 * (restarts + 1))
    key = b""
    while cursor:
        shared, rest, size = cursor.varint(), cursor.varint(), cursor.varint()
        if shared > len(key):
            raise DamagedError(f"a key shares {shared} bytes with one of {len(key)}")
        key = key[:shared] + cursor.take(rest)
        yield key, cursor.take(size)
