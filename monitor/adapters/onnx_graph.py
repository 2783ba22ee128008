"""A BERT-family encoder with its heads as an ONNX graph for ONNX Runtime on a CPU, made in memory from the weights.

Guarantees: in both precisions a row's logits depend on no other row. With int8 each token's activations have a scale of
their own (none is shared by a batch) and each output column of the weights has; sums are exact integers. Of the last layer
only what the heads read, the first token, is computed.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from monitor.adapters.encoder_parts import EncoderParts, Head, Layer, Linear, Norm

Precision = Literal["float32", "int8"]
IDS, TYPES, LENGTHS = "ids", "types", "lengths"
# Operators beyond the standard that ONNX Runtime's CPU provider brings.
_MICROSOFT = "com.microsoft"
_OPSET, _IR_VERSION = 21, 10
# GELU is above -0.17 everywhere: shifted by that its values need no sign, and have twice the resolution in 8 bits. What the
# shift adds is a constant, and taken off the bias.
_GELU_SHIFT = np.float32(0.17)
_SIGNED_LEVELS, _UNSIGNED_LEVELS = np.float32(127), np.float32(255)


def onnx_graph(parts: EncoderParts, precision: Precision) -> bytes:
    """Returns a serialized ONNX model.

    Inputs: `ids` and `types` (batch, tokens) int64, `lengths` (batch) int32, the real tokens of each row. Outputs: logits by
    task, (batch, classes) float32.

    Args:
        parts: the weights.
        precision: of the products with weight matrices; all else is float32.
    """
    graph = _Graph(parts.hidden_size, precision)
    hidden = graph.embedded(parts)
    for number, layer in enumerate(parts.layers):
        hidden = graph.layer(hidden, layer, parts.attention_heads, last=number == len(parts.layers) - 1)
    for task, head in parts.heads.items():
        graph.head(hidden, head, task)
    inputs = [
        helper.make_tensor_value_info(IDS, TensorProto.INT64, ["batch", "tokens"]),
        helper.make_tensor_value_info(TYPES, TensorProto.INT64, ["batch", "tokens"]),
        helper.make_tensor_value_info(LENGTHS, TensorProto.INT32, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info(task, TensorProto.FLOAT, ["batch", None]) for task in parts.heads]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "classifier", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)],
        ir_version=_IR_VERSION,
    )
    serialized: bytes = model.SerializeToString()
    return serialized


def quantised(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds (in, out) float32 weights to int8 without an offset, a scale for each output: weight = whole * scale."""
    scale = np.abs(weight).max(axis=0) / _SIGNED_LEVELS
    scale[scale == 0] = 1.0
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


class _Graph:
    """Nodes and constants; hidden states are (batch * tokens, hidden) throughout."""

    def __init__(self, hidden_size: int, precision: Precision) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._precision = precision
        self._levels: dict[tuple[str, bool], tuple[str, str]] = {}
        self._rows = self._constant(np.array([-1, hidden_size]))
        self._first_rows = self._constant(np.array([-1, 1, hidden_size]))
        self._shape = ""
        self._axis, self._first = self._constant(np.array([1])), self._constant(np.int64(0))

    def embedded(self, parts: EncoderParts) -> str:
        """The normalised sum of word, segment and position."""
        tokens = self._node("Slice", self._node("Shape", IDS), self._axis, self._constant(np.array([2])))
        words = self._node("Gather", self._constant(parts.words), IDS)
        segments = self._node("Gather", self._constant(parts.segments), TYPES)
        positions = self._node("Slice", self._constant(parts.positions), self._constant(np.array([0])), tokens)
        summed = self._node("Add", self._node("Add", words, segments), positions)
        hidden = self._norm(summed, parts.embedding_norm)
        if parts.projection is not None:
            hidden = self._node("MatMul", hidden, self._constant(parts.projection.weight.T))
            hidden = self._node("Add", hidden, self._constant(parts.projection.bias))
        self._shape = self._node("Shape", hidden)
        return self._node("Reshape", hidden, self._rows)

    def layer(self, hidden: str, layer: Layer, attention_heads: int, *, last: bool) -> str:
        """One layer; of the last one (batch, hidden), the first token of each row."""
        asking = (
            self._node("Gather", self._node("Reshape", hidden, self._shape), self._first, axis=1) if last else hidden
        )
        query = self._node("Reshape", self._product(asking, layer.query), self._first_rows if last else self._shape)
        key, value = (
            self._node("Reshape", self._product(hidden, linear), self._shape) for linear in (layer.key, layer.value)
        )
        biases = np.concatenate([layer.query.bias, layer.key.bias, layer.value.bias])
        attended = self._node(
            "MultiHeadAttention", query, key, value, self._constant(biases), LENGTHS,
            domain=_MICROSOFT, num_heads=attention_heads,
        )  # fmt: skip
        attended = self._linear(self._node("Reshape", attended, self._rows), layer.attended)
        hidden = self._norm(self._node("Add", attended, asking), layer.attended_norm)
        inner = self._node(
            "BiasGelu", self._product(hidden, layer.inner), self._constant(layer.inner.bias), domain=_MICROSOFT
        )
        return self._norm(self._node("Add", self._after_gelu(inner, layer.outer), hidden), layer.outer_norm)

    def head(self, first: str, head: Head, task: str) -> None:
        """Logits of one task, always in float32: it costs next to nothing."""
        dense = self._gemm(first, head.dense)
        active = self._node("Tanh", dense) if head.activation == "tanh" else self._node("Gelu", dense)
        self._gemm(active, head.out)
        self.nodes[-1].output[0] = task

    def _linear(self, values: str, linear: Linear) -> str:
        return self._node("Add", self._product(values, linear), self._constant(linear.bias))

    def _product(self, values: str, linear: Linear) -> str:
        """Values times the weights, without the bias."""
        if self._precision == "float32":
            return self._node("MatMul", values, self._constant(linear.weight.T))
        return self._whole_product(values, *quantised(linear.weight.T), signed=True)

    def _after_gelu(self, inner: str, linear: Linear) -> str:
        if self._precision == "float32":
            return self._linear(inner, linear)
        whole, scale = quantised(linear.weight.T)
        bias = linear.bias - _GELU_SHIFT * (whole.sum(axis=0, dtype=np.int64) * scale)
        shifted = self._node("Add", inner, self._constant(_GELU_SHIFT))
        product = self._whole_product(shifted, whole, scale, signed=False)
        return self._node("Add", product, self._constant(bias.astype(np.float32)))

    def _whole_product(self, values: str, whole: np.ndarray, scale: np.ndarray, *, signed: bool) -> str:
        levels, row_scale = self._in_levels(values, signed=signed)
        product = self._node(
            "MatMulIntegerToFloat",
            levels, self._constant(whole), self._constant(np.float32(1)), self._constant(scale),
            self._constant(_zero(signed)), self._constant(np.zeros(len(scale), np.int8)),
            domain=_MICROSOFT,
        )  # fmt: skip
        return self._node("Mul", product, row_scale)

    def _in_levels(self, values: str, *, signed: bool) -> tuple[str, str]:
        """Each row in 8 bits by a scale of its own, and the scales as a column; once for each `values`."""
        if (values, signed) not in self._levels:
            size = self._node("Abs", values) if signed else values
            largest = self._node("ReduceMax", size, self._axis, keepdims=0)
            step = self._constant(1 / (_SIGNED_LEVELS if signed else _UNSIGNED_LEVELS))
            # A row of zeros has no scale; any will do.
            scale = self._node("Max", self._node("Mul", largest, step), self._constant(np.float32(1e-10)))
            zeros = self._node("Expand", self._constant(_zero(signed)), self._node("Shape", scale))
            levels = self._node("QuantizeLinear", values, scale, zeros, axis=0)
            self._levels[values, signed] = levels, self._node("Unsqueeze", scale, self._axis)
        return self._levels[values, signed]

    def _gemm(self, values: str, linear: Linear) -> str:
        return self._node("Gemm", values, self._constant(linear.weight), self._constant(linear.bias), transB=1)

    def _norm(self, values: str, norm: Norm) -> str:
        weights = (self._constant(norm.weight), self._constant(norm.bias))
        return self._node("LayerNormalization", values, *weights, axis=-1, epsilon=norm.epsilon)

    def _constant(self, value: np.ndarray | np.generic) -> str:
        name = f"constant_{len(self.constants)}"
        # from_array makes a copy of its own of what is not contiguous; ascontiguousarray would make scalars vectors.
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def _node(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
        return name


def _zero(signed: bool) -> np.uint8:
    """The level that stands for 0: levels are unsigned, since the processors' 8-bit products want them so."""
    return np.uint8(128 if signed else 0)
