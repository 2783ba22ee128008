"""The weights in an ONNX file by the names that they had in PyTorch, without the onnx package.

Source: onnx/onnx.proto. Reads float32 initialisers, in the file or in one beside it. A linear layer's weight has lost its
name and been transposed: MatMul(x, W) and then Add(…, name.bias), and so it is found by its bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from monitor.errors import ConfigError
from pipelines.encoders.wire import Cursor, DamagedError, fields, read_range

_FLOAT = 1
_EXTERNAL = 1
# Numbers of the fields that are read, by message.
_GRAPH = 7
_NODE, _INITIALISER = 1, 5
_INPUT, _OUTPUT, _OPERATOR = 1, 2, 4
_DIMS, _TYPE, _NAME, _RAW, _OUTSIDE, _PLACE = 1, 2, 8, 9, 13, 14


@dataclass(slots=True)
class _Node:
    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Tensor:
    name: str = ""
    shape: list[int] = field(default_factory=list)
    dtype: int = 0
    raw: bytes = b""
    is_outside: bool = False
    outside: dict[str, str] = field(default_factory=dict)


def read_onnx_weights(path: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """Reads a model's float weights.

    Returns:
        The weights by name, those of linear layers as (out, in); and the names of the initialisers that are not among
        them: constants of the export, and what is no float.

    Raises:
        ConfigError: a file is missing, or is not what it should be.
    """
    try:
        nodes, tensors = _graph(path.read_bytes())
        arrays = {tensor.name: _array(path, tensor) for tensor in tensors if tensor.dtype == _FLOAT}
    except OSError as exc:
        raise ConfigError(f"{path}: can't be read: {exc}") from exc
    except ValueError as exc:  # DamagedError, text that is not UTF-8, an offset that is no number
        raise ConfigError(f"{path}: is no ONNX model that can be read: {exc}") from exc
    by_output = {output: node for node in nodes for output in node.outputs}
    named, used = {}, set()
    for bias, unnamed in _linear_layers(nodes, by_output):
        if bias in arrays and unnamed in arrays:
            named[bias.removesuffix(".bias") + ".weight"] = np.ascontiguousarray(arrays[unnamed].T)
            used.add(unnamed)
    named |= {name: array for name, array in arrays.items() if "." in name and array.ndim}
    left = [tensor.name for tensor in tensors if tensor.name not in named and tensor.name not in used]
    return named, left


def _linear_layers(nodes: list[_Node], by_output: dict[str, _Node]) -> list[tuple[str, str]]:
    """Names of bias and unnamed weight of each MatMul whose result a bias is added to."""
    found = []
    for node in nodes:
        product = by_output.get(node.inputs[0]) if node.operator == "Add" and len(node.inputs) == 2 else None
        is_layer = product is not None and product.operator == "MatMul" and len(product.inputs) == 2
        if product is not None and is_layer and node.inputs[1].endswith(".bias"):
            found.append((node.inputs[1], product.inputs[1]))
    return found


def _graph(model: bytes) -> tuple[list[_Node], list[_Tensor]]:
    nodes, tensors = [], []
    graphs = [_bytes(value) for number, value in fields(model) if number == _GRAPH]
    if not graphs:
        raise DamagedError("it has no graph")
    for number, value in fields(graphs[0]):
        if number == _NODE:
            nodes.append(_node(_bytes(value)))
        elif number == _INITIALISER:
            tensors.append(_tensor(_bytes(value)))
    return nodes, tensors


def _node(message: bytes) -> _Node:
    node = _Node()
    for number, value in fields(message):
        if number == _INPUT:
            node.inputs.append(_bytes(value).decode())
        elif number == _OUTPUT:
            node.outputs.append(_bytes(value).decode())
        elif number == _OPERATOR:
            node.operator = _bytes(value).decode()
    return node


def _tensor(message: bytes) -> _Tensor:
    tensor = _Tensor()
    for number, value in fields(message):
        if number == _DIMS:
            tensor.shape += [value] if isinstance(value, int) else _packed(value)
        elif number == _TYPE and isinstance(value, int):
            tensor.dtype = value
        elif number == _NAME:
            tensor.name = _bytes(value).decode()
        elif number == _RAW:
            tensor.raw = _bytes(value)
        elif number == _PLACE:
            tensor.is_outside = value == _EXTERNAL
        elif number == _OUTSIDE:
            pair = dict(fields(_bytes(value)))
            tensor.outside[_bytes(pair.get(1, b"")).decode()] = _bytes(pair.get(2, b"")).decode()
    return tensor


def _array(path: Path, tensor: _Tensor) -> np.ndarray:
    size = 4 * math.prod(tensor.shape)
    content = tensor.raw
    if tensor.is_outside:
        location = tensor.outside.get("location", "")
        if not location or Path(location).name != location:
            raise DamagedError(f"{tensor.name} is said to be in {location!r}; known: a file beside the model")
        content = read_range(path.parent / location, int(tensor.outside.get("offset", "0")), size)
    if len(content) != size:
        raise DamagedError(f"{tensor.name} is {tuple(tensor.shape)}, and has {len(content)} bytes")
    return np.frombuffer(content, "<f4").reshape(tensor.shape)


def _packed(value: bytes) -> list[int]:
    cursor, numbers = Cursor(value), []
    while cursor:
        numbers.append(cursor.varint())
    return numbers


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise DamagedError(f"the number {value} where a string or message is due")
    return value
