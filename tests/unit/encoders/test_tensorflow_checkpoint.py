"""Laws of reading TensorFlow's checkpoints."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.encoders.sstable import table_entries
from pipelines.encoders.tensorflow_checkpoint import TensorFlowCheckpoint
from pipelines.encoders.wire import DamagedError
from tests.unit.encoders.written import masked_crc, message, table, write_checkpoint

ARRAYS: dict[str, np.ndarray] = {
    "bert/layer_0/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "bert/layer_0/bias": np.array([0.5, -1], np.float64),
    "bert/layer_10/kernel": np.ones((2, 1, 2), np.float32),
    "global_step": np.array(7, np.int32),
    "nothing": np.zeros((0, 4), np.float32),
}
NAMES = st.dictionaries(st.binary(min_size=1, max_size=30), st.binary(max_size=30), max_size=20)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A checkpoint of `ARRAYS`."""
    write_checkpoint(tmp_path / "model.ckpt", ARRAYS)
    return tmp_path / "model.ckpt"


def index_of(prefix: Path) -> Path:
    """The checkpoint's index."""
    return prefix.with_name(prefix.name + ".index")


def read_all(prefix: Path) -> dict[str, np.ndarray]:
    """Every variable."""
    checkpoint = TensorFlowCheckpoint(prefix)
    return {name: checkpoint.tensor(name) for name in checkpoint.entries}


@pytest.mark.parametrize("snappy", [False, True], ids=["plain", "snappy"])
def test_what_was_written_is_read(tmp_path: Path, snappy: bool) -> None:
    """Names, shapes, types and values; in blocks as they are, or packed."""
    write_checkpoint(tmp_path / "model.ckpt", ARRAYS, snappy=snappy)
    found = read_all(tmp_path / "model.ckpt")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(found[name], array)


@given(NAMES, st.integers(1, 4), st.booleans())
def test_a_table_gives_back_every_key_in_order(entries: dict[bytes, bytes], per_block: int, snappy: bool) -> None:
    """However much the keys share, and however many blocks there are."""
    assert list(table_entries(table(entries, per_block=per_block, snappy=snappy))) == sorted(entries.items())


def test_an_index_that_is_cut_off_is_refused(prefix: Path) -> None:
    """At any byte; the error names the file."""
    whole = index_of(prefix).read_bytes()
    for size in range(len(whole)):
        index_of(prefix).write_bytes(whole[:size])
        with pytest.raises(ConfigError, match=r"model\.ckpt\.index"):
            TensorFlowCheckpoint(prefix)


@given(st.data())
def test_a_table_with_a_changed_byte_is_refused_or_the_same(data: st.DataObject) -> None:
    """The checksums cover all but the footer, whose offsets then lead nowhere; what nobody reads may be anything."""
    entries = {b"a": b"1", b"ab": b"2", b"b": b"3"}
    whole = bytearray(table(entries, per_block=2))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    with suppress(DamagedError):
        assert dict(table_entries(bytes(whole))) == entries


def test_data_that_was_changed_or_cut_off_is_refused(prefix: Path) -> None:
    """The error names the variable; the others can still be read."""
    path = prefix.with_name(prefix.name + ".data-00000-of-00001")
    whole = path.read_bytes()
    path.write_bytes(whole[:16] + b"\xff" + whole[17:])
    checkpoint = TensorFlowCheckpoint(prefix)
    with pytest.raises(ConfigError, match="bert/layer_0/kernel fails its checksum"):
        checkpoint.tensor("bert/layer_0/kernel")
    assert np.array_equal(checkpoint.tensor("global_step"), ARRAYS["global_step"])
    path.write_bytes(whole[:8])
    with pytest.raises(ConfigError, match="bert/layer_0/kernel can't be read"):
        checkpoint.tensor("bert/layer_0/kernel")
    path.unlink()
    with pytest.raises(ConfigError, match="can't be read"):
        checkpoint.tensor("bert/layer_0/kernel")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (message((1, 1), (2, message((2, message((1, 5))))), (5, 8)), "takes 8 bytes"),
        (message((1, 1), (2, message((2, message((1, 2**61))))), (5, 2**63 - 8)), "takes"),
        (message((1, 7), (5, 8)), "of type 7"),
        (message((1, 1), (5, 4), (7, b"")), "in slices"),
        (message((1, 1), (3, 4), (5, 4)), "data-00004-of-00001"),
        (message((1, 1), (4, 2**62), (5, 4)), "can't be read"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(prefix: Path, entry: bytes, said: str) -> None:
    """Before memory is asked for."""
    index_of(prefix).write_bytes(table({b"": message((1, 1)), b"x": entry}))
    with pytest.raises(ConfigError, match=said):
        TensorFlowCheckpoint(prefix).tensor("x")


@pytest.mark.parametrize(
    "entry",
    [message((1, b"float")), message((2, 5)), message((2, message((2, 1)))), message((5, 2**64 - 1)), b"\xff", b"\x0f"],
)
def test_an_entry_that_is_none_is_refused(prefix: Path, entry: bytes) -> None:
    """Another kind of field, a negative size, bytes that are no message."""
    index_of(prefix).write_bytes(table({b"": message((1, 1)), b"x": entry}))
    with pytest.raises(ConfigError, match="is no checkpoint index"):
        TensorFlowCheckpoint(prefix)


def test_big_endian_is_refused(tmp_path: Path) -> None:
    """Its numbers would be read as others."""
    write_checkpoint(tmp_path / "model.ckpt", ARRAYS, endian=1)
    with pytest.raises(ConfigError, match="big-endian"):
        TensorFlowCheckpoint(tmp_path / "model.ckpt")


def test_an_unknown_variable_is_an_error_that_lists_those_there_are(prefix: Path) -> None:
    """So is an index that isn't there."""
    with pytest.raises(ConfigError, match="global_step"):
        TensorFlowCheckpoint(prefix).tensor("step")
    with pytest.raises(ConfigError, match=r"other\.index"):
        TensorFlowCheckpoint(prefix.with_name("other"))


def test_a_block_that_would_unpack_to_too_much_is_refused() -> None:
    """By the size that it says, before it is unpacked; a false size is refused after."""
    for packed in (b"\xff\xff\xff\xff\x0f", bytes(cramjam.snappy.compress_raw(b"abc"))[:-1]):
        content = packed + b"\1"
        handle = bytes([0, len(packed)])
        magic = (0xDB4775248B80FB57).to_bytes(8, "little")
        whole = content + masked_crc(content).to_bytes(4, "little") + (handle + handle).ljust(40, b"\0") + magic
        with pytest.raises(DamagedError, match="unpack"):
            list(table_entries(whole))
