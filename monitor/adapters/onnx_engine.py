"""Runs an encoder on a CPU by ONNX Runtime, in int8 or float32; the graph is made in memory from the model's weights.

Tolerance: a row's probabilities alone and in any batch agree to 1e-4 with float32 and to 0.02 with int8, where a difference
in the last bit can move a number to the next of its 255 levels; on processors with AVX-512 they were the same bits.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import cache

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as errors  # type: ignore[import-untyped]

from monitor.adapters.encoder_parts import EncoderParts
from monitor.adapters.onnx_graph import IDS, LENGTHS, TYPES, Precision, onnx_graph
from monitor.adapters.token_rows import Started, TokenRow, fill
from monitor.errors import ClassifierError, ConfigError

log = logging.getLogger(__name__)
_FAILURES = (errors.Fail, errors.RuntimeException, errors.EPFail, errors.InvalidArgument, errors.NotImplemented)
_ONLY_ERRORS = 3


class OnnxEngine:
    """Implements Engine.

    Args:
        parts: the weights; not needed any more afterwards.
        precision: of the products with weight matrices.
        threads: that compute, the calling one among them.
        pad_id: what the ids of short rows are filled up with.
        pinned: whether each thread keeps to a core of its own.

    Raises:
        ConfigError: threads are pinned, and there are fewer cores than threads.
    """

    def __init__(self, parts: EncoderParts, precision: Precision, threads: int, pad_id: int, *, pinned: bool) -> None:
        self._pad_id = pad_id
        self._tasks = list(parts.heads)
        self._own_core: int | None = None
        options = _options(threads)
        if pinned:
            cores = sorted(os.sched_getaffinity(0))[:threads]
            if len(cores) < threads:
                raise ConfigError(
                    f"classifier.pin_threads: {threads} threads (classifier.threads) can't keep to a core each, for this "
                    f"process has {len(cores)}; set classifier.threads to at most {len(cores)}"
                )
            self._own_core = cores[0]
            if others := cores[1:]:  # numbered from 1; the calling thread is none of the pool's
                options.add_session_config_entry(
                    "session.intra_op_thread_affinities", ";".join(str(core + 1) for core in others)
                )
        self._session = _session(onnx_graph(parts, precision), options)

    def padded_length(self, length: int) -> int:
        """See Engine."""
        return length

    def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
        """See Engine; computes at once."""
        if self._own_core is not None:  # 0 is the calling thread, not the process
            os.sched_setaffinity(0, {self._own_core})
            self._own_core = None
        shape = (len(rows), max(row.length for row in rows))
        ids, types = np.full(shape, self._pad_id, np.int64), np.zeros(shape, np.int64)
        lengths = fill(rows, ids, types).sum(axis=1, dtype=np.int32)
        try:
            told = self._session.run(self._tasks, {IDS: ids, TYPES: types, LENGTHS: lengths})
        except _FAILURES as exc:
            raise ClassifierError(f"the model failed on {len(rows)} texts: {exc}", reason="model_failed") from exc
        return Started(ids.size, lambda: dict(zip(self._tasks, told, strict=True)))

    def make_room(self) -> None:
        """See Engine; it never says that there is none."""


@cache
def int8_is_exact() -> bool:
    """Whether this processor's 8-bit products add up without overflow: those before VNNI may cut pairs off at 16 bits."""
    columns, high, low = 64, 255, 127
    node = helper.make_node("MatMulInteger", ["levels", "weights"], ["sums"])
    inputs = [
        helper.make_tensor_value_info("levels", TensorProto.UINT8, [None, columns]),
        helper.make_tensor_value_info("weights", TensorProto.INT8, [columns, None]),
    ]
    sums = [helper.make_tensor_value_info("sums", TensorProto.INT32, [None, None])]
    model = helper.make_model(
        helper.make_graph([node], "check", inputs, sums), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    values = {
        "levels": np.full((3, columns), high, np.uint8),
        "weights": np.full((columns, columns), low, np.int8),
    }
    (found,) = _session(model.SerializeToString(), _options(1)).run(None, values)
    return bool((found == columns * high * low).all())


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ONLY_ERRORS
    # The graph is written as it is to run: what the library would fuse on (skip and normalisation) is slower on a CPU.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    # A thread that waits for work must not take a core from those that read Kafka and talk to Redis.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _session(model: bytes, options: onnxruntime.SessionOptions) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
