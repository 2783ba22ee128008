"""Which engine runs a model: by the device, by `classifier.backend`, and by what the processor and the model allow.

On a CPU `auto` is ONNX Runtime in int8, the fastest that was measured (docs/benchmarks.md), if the processor's 8-bit
products are exact; else ONNX Runtime in float32; else torch, which runs every family. On a GPU it is torch in bfloat16.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

import torch
from torch import nn

from monitor.adapters.cuda_engine import CudaEngine
from monitor.adapters.encoder_parts import EncoderParts
from monitor.adapters.onnx_engine import OnnxEngine, int8_is_exact
from monitor.adapters.onnx_graph import Precision
from monitor.adapters.token_rows import Engine
from monitor.adapters.torch_encoder import TorchEncoder
from monitor.adapters.torch_engine import TorchEngine
from monitor.errors import ConfigError
from monitor.settings import ClassifierSettings

log = logging.getLogger(__name__)
# A batch of this fits a core's cache: larger ones were slower (docs/benchmarks.md). A GPU's products want many rows.
_CPU_BATCH_TOKENS, _GPU_BATCH_TOKENS = 512, 32_768
# Some families number positions from behind the padding piece, and never use the first two.
_UNUSED_POSITIONS = 2
# Weights as constants of an ONNX graph have to fit into one message of 2 GiB.
_MOST_GRAPH_BYTES = 1_900_000_000


def device_of(settings: ClassifierSettings) -> torch.device:
    """The device that `classifier.device` names; ConfigError if it isn't there, or the backend doesn't run on it."""
    wanted, backend = settings.device, settings.backend
    on_cpu = backend.startswith("onnx")
    if wanted == "cuda" and on_cpu:
        raise ConfigError(f"classifier.backend is {backend}, which runs on a CPU, and classifier.device is cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("classifier.device is cuda, and torch sees no CUDA device; use auto or cpu")
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() and not on_cpu else "cpu")
    return torch.device(wanted)


def batch_tokens_of(settings: ClassifierSettings, device: torch.device) -> int:
    """`classifier.max_batch_tokens`, or what suits the device."""
    if settings.max_batch_tokens is not None:
        return settings.max_batch_tokens
    return _GPU_BATCH_TOKENS if device.type == "cuda" else _CPU_BATCH_TOKENS


def engine_of(
    model: nn.Module,
    parts: EncoderParts | None,
    tasks: Mapping[str, int],
    pad_id: int,
    settings: ClassifierSettings,
    *,
    verified: bool = True,
    left: bool = False,
) -> Engine:
    """Makes the engine of a model.

    Args:
        model: the whole of it, in float32, for where `parts` is None.
        parts: the same taken apart, if its family can be.
        tasks: number of classes by task.
        pad_id: what the ids of short rows are filled up with.
        settings: backend, device, threads.
        verified: whether `auto` may take int8, whose effect on an unknown model's scores nobody measured.
        left: whether short rows are filled up before the text; only where `parts` is None.

    Raises:
        ConfigError: the device isn't there, the backend can't run this model, or its threads can't be pinned.
    """
    device = device_of(settings)
    if device.type == "cuda":
        whole = model.to(device) if parts is None else TorchEncoder(parts).to(device, torch.bfloat16)
        compiled, positions = settings.compile and parts is not None, positions_of(model, parts)
        return CudaEngine(whole.eval(), tasks, device, pad_id, compiled=compiled, left=left, positions=positions)
    backend = backend_of(parts, settings, verified=verified)
    log.info("runs on the CPU by %s", backend)
    if backend == "torch" or parts is None:
        return TorchEngine(model if parts is None else TorchEncoder(parts).eval(), pad_id, left=left)
    threads = settings.threads or torch.get_num_threads()
    if settings.pin_threads and not hasattr(os, "sched_setaffinity"):
        raise ConfigError("classifier.pin_threads: this operating system binds no thread to a core; leave it false")
    precision: Precision = "int8" if backend == "onnx_int8" else "float32"
    return OnnxEngine(parts, precision, threads, pad_id, pinned=settings.pin_threads)


def positions_of(model: nn.Module, parts: EncoderParts | None) -> int | None:
    """How many tokens, padding included, a model can be asked; None where its configuration tells no limit."""
    if parts is not None:
        return len(parts.positions)
    told = (getattr(getattr(part, "config", None), "max_position_embeddings", None) for part in model.modules())
    table = next((most for most in told if isinstance(most, int) and most > _UNUSED_POSITIONS), None)
    return None if table is None else table - _UNUSED_POSITIONS


def backend_of(parts: EncoderParts | None, settings: ClassifierSettings, *, verified: bool) -> str:
    """What runs a model on the CPU: `torch`, `onnx` or `onnx_int8`; see engine_of."""
    fits = parts is not None and 4 * parts.words.size < _MOST_GRAPH_BYTES
    if settings.backend != "auto":
        if settings.backend != "torch" and not fits:
            raise ConfigError(
                f"classifier.backend {settings.backend} can't run a model of this family or size; use auto or torch",
                reason="model_misfit",
            )
        return settings.backend
    if not fits:
        return "torch"
    return "onnx_int8" if verified and int8_is_exact() else "onnx"
