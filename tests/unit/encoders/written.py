"""Files as other programs write them: wheels, TensorFlow checkpoints, ONNX models; all small, and built here."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import cramjam
import numpy as np
from crc32c import crc32c

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
DTYPES = {"float32": 1, "float64": 2, "int32": 3}


def wheel(folder: Path, package: str, version: str, files: Mapping[str, bytes]) -> Path:
    """A wheel that pip takes for one."""
    name = package.replace("-", "_")
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    about = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    return zipped(path, {**files, **about})


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    """A zip of files, whatever their names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def sha256(content: bytes) -> str:
    """In hex."""
    return hashlib.sha256(content).hexdigest()


def varint(number: int) -> bytes:
    """Base 128, low digits first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """A Protocol Buffers message of numbers, and of bytes that stand for strings and messages."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(varint(number << 3) + varint(value))
        else:
            parts.append(varint(number << 3 | 2) + varint(len(value)) + value)
    return b"".join(parts)


def masked_crc(content: bytes) -> int:
    """As TensorFlow and LevelDB store it."""
    crc = crc32c(content)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def block(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A table's block with a single restart point: a key leaves out what it shares with the one before."""
    content, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(key, before, strict=False)) if a != b), min(len(key), len(before))
        )
        content += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return content + bytes(4) + (1).to_bytes(4, "little")


def table(entries: Mapping[bytes, bytes], *, snappy: bool = False, per_block: int = 3) -> bytes:
    """A sorted table in blocks of a few entries."""
    rows = sorted(entries.items())
    content = b""
    index = []

    def append(raw: bytes) -> bytes:
        nonlocal content
        packed = bytes(cramjam.snappy.compress_raw(raw)) + b"\1" if snappy else raw + b"\0"
        handle = varint(len(content)) + varint(len(packed) - 1)
        content += packed + masked_crc(packed).to_bytes(4, "little")
        return handle

    for start in range(0, len(rows), per_block):
        part = rows[start : start + per_block]
        index.append((part[-1][0], append(block(part))))
    footer = append(block([])) + append(block(index))
    return content + footer.ljust(40, b"\0") + MAGIC


def write_checkpoint(prefix: Path, arrays: Mapping[str, np.ndarray], *, snappy: bool = False, endian: int = 0) -> None:
    """A checkpoint of one data file, its tensors one after another."""
    data = b""
    entries = {b"": message((1, 1), (2, endian))}
    for name, array in sorted(arrays.items()):
        raw = array.tobytes()
        shape = message(*[(2, message((1, size))) for size in array.shape])
        entry = message((1, DTYPES[str(array.dtype)]), (2, shape), (4, len(data)), (5, len(raw)))
        entries[name.encode()] = entry + varint(6 << 3 | 5) + masked_crc(raw).to_bytes(4, "little")
        data += raw
    prefix.with_name(prefix.name + ".index").write_bytes(table(entries, snappy=snappy))
    prefix.with_name(prefix.name + ".data-00000-of-00001").write_bytes(data)


def onnx_tensor(name: str, array: np.ndarray, outside: tuple[str, int] | None = None) -> bytes:
    """A TensorProto with its numbers, or with where they are: file and offset."""
    about = [*[(1, size) for size in array.shape], (2, 1 if array.dtype == np.float32 else 7), (8, name.encode())]
    if outside is None:
        return message(*about, (9, array.tobytes()))
    pairs = {"location": outside[0], "offset": str(outside[1]), "length": str(array.nbytes)}
    place = [(13, message((1, key.encode()), (2, value.encode()))) for key, value in pairs.items()]
    return message(*about, *place, (14, 1))


def onnx_node(operator: str, inputs: Iterable[str], output: str) -> bytes:
    """A NodeProto."""
    return message(*[(1, name.encode()) for name in inputs], (2, output.encode()), (4, operator.encode()))


def onnx_model(nodes: Iterable[bytes], tensors: Iterable[bytes]) -> bytes:
    """A ModelProto."""
    return message((1, 10), (7, message(*[(1, node) for node in nodes], *[(5, tensor) for tensor in tensors])))
