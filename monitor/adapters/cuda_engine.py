"""Runs a model on a GPU by torch: sizes rounded to few, a CUDA graph for each, copies that nobody waits for.

A batch is queued on the one stream (copy in, pass, copy out) and waited for when its logits are taken, so that the next is
queued and padded while it runs. Tolerance: a row's probabilities alone and in any batch agree to 0.05 in bfloat16.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TypeVar

import numpy as np
import torch

from monitor.adapters.token_rows import NoMemoryError, Started, TokenRow, fill
from monitor.adapters.torch_engine import Model
from monitor.errors import ClassifierError

log = logging.getLogger(__name__)
T = TypeVar("T", np.ndarray, torch.Tensor)
# Attention's kernels want widths that 8 divides; between powers of two one step keeps the padding below a third. Above
# the last it goes on so.
_WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
# By length, since each row is asked for.
_WIDTH_OF = [next(width for width in _WIDTHS if width >= length) for length in range(_WIDTHS[-1] + 1)]
_FEWEST_ROWS = 8
# cudaErrorMemoryAllocation, of a torch.AcceleratorError.
_CUDA_OUT_OF_MEMORY = 2
# One batch runs and one is queued; the third can be filled meanwhile.
_SLOTS = 3


class CudaEngine:
    """Implements Engine.

    Args:
        model: in evaluation mode, on the device, in the precision that it is to have; logits are made float32.
        tasks: of its logits, in the order in which they are copied.
        device: a CUDA device; on a CPU (tests) it works without graphs and pinned memory.
        pad_id: what the ids of short rows are filled up with.
        compiled: whether torch.compile fuses the model, and CUDA graphs replay its passes.
        left: whether short rows are filled up before the text.
        positions: how wide the model can be asked at most; None where it has no such limit.
    """

    def __init__(
        self,
        model: Model,
        tasks: Mapping[str, int],
        device: torch.device,
        pad_id: int,
        *,
        compiled: bool,
        left: bool = False,
        positions: int | None = None,
    ) -> None:
        self._left = left
        self._positions = positions
        self._tasks = dict(tasks)
        self._device = device
        self._pad_id = pad_id
        self._on_gpu = device.type == "cuda"
        self._graphs = compiled and self._on_gpu
        self._stream = torch.cuda.Stream(device) if self._on_gpu else None  # type: ignore[no-untyped-call]
        self._slots = deque(_Slot(self._on_gpu) for _ in range(_SLOTS))
        self._programs: dict[tuple[int, int], _Program] = {}
        self._pool = torch.cuda.graph_pool_handle() if self._graphs else None
        self._model = self._fused(model) if compiled else model

    def padded_length(self, length: int) -> int:
        """See Engine."""
        width = _WIDTH_OF[length] if length < len(_WIDTH_OF) else _wide(length)
        return width if self._positions is None else max(length, min(width, self._positions))

    @torch.inference_mode()
    def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
        """See Engine."""
        width = self.padded_length(max(row.length for row in rows))
        count = padded_rows(len(rows), budget // width)
        slot = self._slots[0]
        with _told_apart(len(rows)), self._streaming():
            self._queue(slot, rows, count, width)
        self._slots.rotate(-1)  # not before: tries that failed would come round to one whose logits nobody took yet
        return Started(count * width, lambda: self._taken(slot, len(rows)))

    def make_room(self) -> None:
        """See Engine: forgets the graphs and what the allocator keeps."""
        with _told_apart(0):
            if self._stream is not None:
                self._stream.synchronize()  # what is queued still uses them
            self._programs.clear()
            # The old one is gone with the last of its graphs.
            self._pool = torch.cuda.graph_pool_handle() if self._graphs else None
            if self._on_gpu:
                torch.cuda.empty_cache()

    def _queue(self, slot: _Slot, rows: Sequence[TokenRow], count: int, width: int) -> None:
        asked = slot.input(2 * count * width + count)
        ids, types, lengths = _parts(asked.numpy(), count, width)
        ids.fill(self._pad_id)
        types.fill(0)
        lengths.fill(1)  # a row that sees nothing would have no softmax
        lengths[: len(rows)] = fill(rows, ids, types, left=self._left).sum(axis=1)
        program = self._programs.get((count, width))
        if program is None:
            program = self._programs[count, width] = _Program(self, count, width)
        program.asked.copy_(asked, non_blocking=True)
        slot.send(program.told())

    def run(self, asked: torch.Tensor, count: int, width: int) -> torch.Tensor:
        """One pass: (2 * count * width + count) int32 on the device to (count, all classes) float32."""
        ids, types, lengths = _parts(asked, count, width)
        places = torch.arange(width, device=asked.device)
        mask = places >= width - lengths[:, None] if self._left else places < lengths[:, None]
        told = self._model(ids, mask, types)
        return torch.cat([told[task].float() for task in self._tasks], dim=1)

    def captured(self, asked: torch.Tensor, count: int, width: int) -> tuple[torch.cuda.CUDAGraph, torch.Tensor] | None:
        """A graph of that pass and where it leaves the logits; None where there are none, or none could be made."""
        if not self._graphs:
            return None
        self.run(asked, count, width)  # libraries choose their kernels, and take their memory, the first time
        graph = torch.cuda.CUDAGraph()
        # One pool for all: graphs run one after the other, and each keeps what holds its logits.
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                told = self.run(asked, count, width)
        except RuntimeError as exc:
            # The pass itself has just gone well: a model that fails in truth fails again without a graph, and is told.
            self._let_go(graph, exc)
            # The end of a capture that failed may fail itself, and hide why the capture did.
            why = "no memory" if _lacks_memory(exc) or _lacks_memory(exc.__context__) else "no capture"
            log.warning("%s for a CUDA graph of %d texts of %d tokens, it runs without: %s", why, count, width, exc)
            return None
        return graph, told

    def _let_go(self, graph: torch.cuda.CUDAGraph, exc: RuntimeError) -> None:
        """After a capture that failed: what it took goes back to the pool, or with the last of the pool's graphs."""
        if isinstance(exc, torch.OutOfMemoryError):
            graph.reset()
            return
        # Its end failed as well, and torch gives the pool back to nobody then: it would refuse another capture. Or the
        # model does what no graph can hold, and would in each.
        self._graphs = False
        log.warning("no CUDA graphs are made any more (classifier.compile = false makes none): a capture failed")
        with suppress(RuntimeError):  # of a graph that was not begun
            graph.reset()

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._device

    def _streaming(self) -> AbstractContextManager[object]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _taken(self, slot: _Slot, rows: int) -> dict[str, np.ndarray]:
        with _told_apart(rows):  # a GPU's errors show when it is waited for
            logits = slot.logits()
        ends = np.cumsum(list(self._tasks.values()))
        return dict(zip(self._tasks, np.split(logits[:rows], ends[:-1], axis=1), strict=True))

    def _fused(self, model: Model) -> Model:
        """torch.compile needs a C compiler, which a machine may not have; the model is the same without it."""
        fused: Model = torch.compile(model, dynamic=True)
        try:
            with torch.inference_mode():
                for count, width in ((_FEWEST_ROWS, 16), (2 * _FEWEST_ROWS, 32)):
                    ids = torch.full((count, width), self._pad_id, dtype=torch.int32, device=self._device)
                    fused(ids, torch.ones_like(ids, dtype=torch.bool), torch.zeros_like(ids))
        except (RuntimeError, OSError, ImportError) as exc:
            log.warning("torch.compile does not work here, the model runs without (classifier.compile): %s", exc)
            return model
        return fused


def padded_rows(rows: int, most: int) -> int:
    """Rows of a batch rounded up to a power of two, or to the full batch: sizes that are few, most batches being full."""
    return max(rows, min(most, max(_FEWEST_ROWS, 1 << (rows - 1).bit_length())))


def _wide(length: int) -> int:
    """The next power of two, or three quarters of it."""
    power = 1 << (length - 1).bit_length()
    return power * 3 // 4 if length <= power * 3 // 4 else power


@contextmanager
def _told_apart(rows: int) -> Iterator[None]:
    """A lack of memory from a failing model."""
    try:
        yield
    except RuntimeError as exc:
        if _lacks_memory(exc):
            raise NoMemoryError(str(exc)) from exc
        raise ClassifierError(f"the model failed on {rows} texts: {exc}", reason="model_failed") from exc


def _lacks_memory(exc: BaseException | None) -> bool:
    return isinstance(exc, torch.OutOfMemoryError) or getattr(exc, "error_code", None) == _CUDA_OUT_OF_MEMORY


class _Program:
    """The pass of one size: where its input goes on the device, and a graph of it, or the model itself."""

    def __init__(self, engine: CudaEngine, count: int, width: int) -> None:
        self._engine, self._size = engine, (count, width)
        self.asked = torch.zeros(2 * count * width + count, dtype=torch.int32, device=engine.device)
        _parts(self.asked, count, width)[2].fill_(1)
        self._captured = engine.captured(self.asked, count, width)

    def told(self) -> torch.Tensor:
        """The logits of what is in `asked`, once the stream has come so far."""
        if self._captured is None:
            return self._engine.run(self.asked, *self._size)
        graph, told = self._captured
        graph.replay()
        return told


class _Slot:
    """Memory of this machine that a batch is copied from and its logits to, and when both are done."""

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self._input = torch.empty(0, dtype=torch.int32)
        self._output = torch.empty(0)
        self._shape = (0, 0)
        self._done = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]

    def input(self, size: int) -> torch.Tensor:
        """(size) int32 to write to, once what was copied from here before has been."""
        self._wait()
        if self._input.numel() < size:
            self._input = torch.empty(size, dtype=torch.int32, pin_memory=self._pinned)
        return self._input[:size]

    def send(self, logits: torch.Tensor) -> None:
        """Queues the way back."""
        if self._output.numel() < logits.numel():
            self._output = torch.empty(logits.numel(), pin_memory=self._pinned)
        self._shape = (logits.shape[0], logits.shape[1])
        self._output[: logits.numel()].view(self._shape).copy_(logits, non_blocking=True)
        if self._done is not None:
            self._done.record()

    def logits(self) -> np.ndarray:
        """Waits, and returns a copy: the slot's memory is used again."""
        self._wait()
        rows, classes = self._shape
        return self._output[: rows * classes].view(self._shape).numpy().copy()

    def _wait(self) -> None:
        if self._done is not None:
            self._done.synchronize()


def _parts(whole: T, count: int, width: int) -> tuple[T, T, T]:
    """Ids, types (both (count, width)) and lengths as views of the one array that is copied."""
    size = count * width
    return whole[:size].reshape(count, width), whole[size : 2 * size].reshape(count, width), whole[2 * size :]
