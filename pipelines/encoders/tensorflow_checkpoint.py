"""TensorFlow's V2 checkpoints (`NAME.index`, `NAME.data-00000-of-00001`) as arrays, without TensorFlow.

Source: tensorflow/core/protobuf/tensor_bundle.proto and util/tensor_bundle. Nothing in a checkpoint is executed;
sizes are checked against shapes and files, contents against their CRC-32C.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from crc32c import crc32c

from monitor.errors import ConfigError
from pipelines.encoders.sstable import masked, table_entries
from pipelines.encoders.wire import DamagedError, fields, read_range

_DTYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}  # of tensorflow/core/framework/types.proto
_HEADER_KEY = b""
_LITTLE_ENDIAN = 0


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where a tensor is and what it should be (a BundleEntryProto)."""

    dtype: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size_bytes: int
    checksum: int
    sliced: bool


class TensorFlowCheckpoint:
    """A checkpoint: `entries` by the names of its variables, and `tensor` to read one.

    Args:
        prefix: path of the files without `.index` and `.data-…`.

    Raises:
        ConfigError: the index is missing, damaged, or in a byte order that isn't read.
    """

    def __init__(self, prefix: Path) -> None:
        self._prefix = prefix
        index = prefix.with_name(prefix.name + ".index")
        try:
            rows = dict(table_entries(index.read_bytes()))
            self._shards = _shards(rows.pop(_HEADER_KEY, b""))
            self.entries = {key.decode(): _entry(value) for key, value in rows.items()}
        except OSError as exc:
            raise ConfigError(f"{index}: can't be read: {exc}") from exc
        except ValueError as exc:  # DamagedError, and a name that is not UTF-8
            raise ConfigError(f"{index}: is no checkpoint index: {exc}") from exc

    def tensor(self, name: str) -> np.ndarray:
        """The values of a variable, in its shape.

        Raises:
            ConfigError: there is none of this name, or it can't be read, or is not what the index says.
        """
        entry = self.entries.get(name)
        if entry is None:
            raise ConfigError(f"{self._prefix}: no variable {name!r}; there are {', '.join(sorted(self.entries))}")
        path = self._prefix.with_name(f"{self._prefix.name}.data-{entry.shard:05}-of-{self._shards:05}")
        dtype = _DTYPES.get(entry.dtype)
        if dtype is None or entry.sliced:
            what = "in slices" if entry.sliced else f"of type {entry.dtype}; known: {', '.join(map(str, _DTYPES))}"
            raise ConfigError(f"{path}: {name} is stored {what}")
        if entry.size_bytes != math.prod(entry.shape) * np.dtype(dtype).itemsize:
            raise ConfigError(f"{path}: {name} is {entry.shape}, and takes {entry.size_bytes} bytes")
        try:
            content = read_range(path, entry.offset, entry.size_bytes)
        except (OSError, DamagedError) as exc:
            raise ConfigError(f"{path}: {name} can't be read: {exc}") from exc
        if masked(crc32c(content)) != entry.checksum:
            raise ConfigError(f"{path}: {name} fails its checksum")
        return np.frombuffer(content, dtype).reshape(entry.shape)


def _shards(header: bytes) -> int:
    """Number of data files, from a BundleHeaderProto."""
    values = dict(fields(header))
    if values.get(2, _LITTLE_ENDIAN) != _LITTLE_ENDIAN:
        raise DamagedError("its numbers are big-endian")
    return _number(values.get(1, 0))


def _entry(message: bytes) -> TensorEntry:
    values = dict(fields(message))
    return TensorEntry(
        dtype=_number(values.get(1, 0)),
        shape=_shape(_message(values.get(2, b""))),
        shard=_number(values.get(3, 0)),
        offset=_number(values.get(4, 0)),
        size_bytes=_number(values.get(5, 0)),
        checksum=_number(values.get(6, 0)),
        sliced=7 in values,
    )


def _shape(message: bytes) -> tuple[int, ...]:
    """Of a TensorShapeProto."""
    sizes = (dict(fields(_message(dim))).get(1, 0) for number, dim in fields(message) if number == 2)
    return tuple(_number(size) for size in sizes)


def _number(value: int | bytes) -> int:
    # A varint can hold a negative number of 64 bits; there is none where an entry is sound.
    if not isinstance(value, int) or value >= 1 << 63:
        raise DamagedError(f"{value!r} where a size, a place or a number is due")
    return value


def _message(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise DamagedError(f"{value!r} where a message is due")
    return value
