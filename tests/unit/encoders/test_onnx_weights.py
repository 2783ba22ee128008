"""Laws of reading the weights of an ONNX model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.errors import ConfigError
from pipelines.encoders.onnx_weights import read_onnx_weights
from tests.unit.encoders.written import message, onnx_model, onnx_node, onnx_tensor

EMBEDDING = np.arange(6, dtype=np.float32).reshape(3, 2)
KERNEL = np.arange(8, dtype=np.float32).reshape(2, 4)
BIAS = np.ones(4, np.float32)
NODES = [
    onnx_node("Gather", ["embeddings.weight", "input_ids"], "x"),
    onnx_node("MatMul", ["x", "val_7"], "val_8"),
    onnx_node("Add", ["val_8", "layer.0.dense.bias"], "y"),
    onnx_node("Add", ["y", "x"], "z"),
]


def written(folder: Path, *tensors: bytes, data: bytes = b"") -> Path:
    """A model of `NODES` and these tensors, and a file of numbers beside it."""
    path = folder / "model.onnx"
    path.write_bytes(onnx_model(NODES, tensors))
    (folder / "model.onnx.data").write_bytes(data)
    return path


def test_a_linear_weight_is_found_by_its_bias_and_turned(tmp_path: Path) -> None:
    """It is (out, in) in PyTorch; named weights stay, and what is no weight is told."""
    path = written(
        tmp_path,
        onnx_tensor("embeddings.weight", EMBEDDING),
        onnx_tensor("val_7", KERNEL),
        onnx_tensor("layer.0.dense.bias", BIAS),
        onnx_tensor("val_1", np.array(0.5, np.float32)),
        onnx_tensor("embeddings.position_ids", np.arange(3)),
    )
    weights, left = read_onnx_weights(path)
    assert weights.keys() == {"embeddings.weight", "layer.0.dense.weight", "layer.0.dense.bias"}
    assert np.array_equal(weights["embeddings.weight"], EMBEDDING)
    assert np.array_equal(weights["layer.0.dense.weight"], KERNEL.T)
    assert left == ["val_1", "embeddings.position_ids"]


def test_numbers_may_be_in_the_file_beside_the_model(tmp_path: Path) -> None:
    """At their offset."""
    tensors = [onnx_tensor("a.weight", EMBEDDING, ("model.onnx.data", 8)), onnx_tensor("a.bias", BIAS)]
    weights, _ = read_onnx_weights(written(tmp_path, *tensors, data=bytes(8) + EMBEDDING.tobytes()))
    assert np.array_equal(weights["a.weight"], EMBEDDING)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "", "deep/model.onnx.data", ".."])
def test_a_file_elsewhere_is_not_read(tmp_path: Path, location: str) -> None:
    """Only one beside the model."""
    with pytest.raises(ConfigError, match=r"model\.onnx"):
        read_onnx_weights(written(tmp_path, onnx_tensor("a.weight", EMBEDDING, (location, 0))))


@pytest.mark.parametrize("offset", [1, 2**70, -4])
def test_numbers_that_are_not_there_are_an_error(tmp_path: Path, offset: int) -> None:
    """Past either end of the file."""
    path = written(tmp_path, onnx_tensor("a.weight", EMBEDDING, ("model.onnx.data", offset)), data=EMBEDDING.tobytes())
    with pytest.raises(ConfigError, match="asked for"):
        read_onnx_weights(path)


def test_a_shape_that_is_not_that_of_its_numbers_is_an_error(tmp_path: Path) -> None:
    """It names the tensor."""
    false = message((1, 9), (2, 1), (8, b"a.weight"), (9, EMBEDDING.tobytes()))
    with pytest.raises(ConfigError, match=r"a\.weight is \(9,\), and has 24 bytes"):
        read_onnx_weights(written(tmp_path, false))


@pytest.mark.parametrize("content", [b"", b"\xff\xff", message((1, 10)), message((7, 3))])
def test_what_is_no_model_is_an_error(tmp_path: Path, content: bytes) -> None:
    """And names the file."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"model\.onnx: is no ONNX model"):
        read_onnx_weights(path)
    path.unlink()
    with pytest.raises(ConfigError, match=r"model\.onnx: can't be read"):
        read_onnx_weights(path)
