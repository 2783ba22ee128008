"""Laws of the engine of a GPU, as far as they hold on a CPU, where it has no graphs and no pinned memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters import cuda_engine
from monitor.adapters.cuda_engine import CudaEngine, padded_rows
from monitor.adapters.token_rows import NoMemoryError, TokenRow
from monitor.adapters.torch_engine import Model
from monitor.errors import ClassifierError
from tests.unit.adapters.tiny_encoders import BUDGET, PAD, TASKS, model_of, rows, told_by


@pytest.mark.parametrize(
    ("raised", "told"), [(torch.OutOfMemoryError("no room"), NoMemoryError), (RuntimeError("broken"), ClassifierError)]
)
def test_what_a_gpu_says_only_when_it_is_waited_for_is_told_apart_too(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, told: type[Exception]
) -> None:
    """Most of its errors show then."""
    runs = CudaEngine(model_of("bert"), TASKS, torch.device("cpu"), PAD, compiled=False)
    started = runs.start(rows(4), BUDGET)

    def failing(slot: object) -> None:
        raise raised

    monkeypatch.setattr(cuda_engine._Slot, "_wait", failing)
    with pytest.raises(told, match=str(raised)):
        started.take()


@given(st.integers(1, 512), st.integers(1, 3000), st.integers(64, 65_536))
def test_a_gpus_sizes_are_few_and_hold_what_they_must(length: int, count: int, budget: int) -> None:
    """Widths that 8 divides; rows to a power of two or a full batch, never less than there are."""
    runs = CudaEngine(_nothing, TASKS, torch.device("cpu"), PAD, compiled=False)
    width = runs.padded_length(length)
    assert width % 8 == 0
    assert length <= width <= max(8, 2 * length)
    most = budget // width
    padded = padded_rows(count, most)
    assert padded >= count
    assert padded in (count, most) or padded & (padded - 1) == 0
    assert padded <= max(count, most)


def test_a_gpu_has_few_widths_for_long_texts_and_none_wider_than_the_model() -> None:
    """Each is a graph, and a pass beyond the model's positions ends the process's use of the GPU."""
    runs, short = (
        CudaEngine(_nothing, TASKS, torch.device("cpu"), PAD, compiled=False, positions=positions)
        for positions in (None, 700)
    )
    widths = [runs.padded_length(length) for length in range(1, 8193)]
    assert len(set(widths)) <= 20
    assert widths == sorted(widths)
    assert all(length <= width <= max(8, 2 * length) for length, width in enumerate(widths, 1))
    assert all(3 * length >= 2 * width for length, width in enumerate(widths, 1) if length >= 512)
    assert [short.padded_length(length) for length in (10, 513, 699, 700)] == [16, 700, 700, 700]


def test_making_room_begins_a_new_pool_for_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the graphs which were forgotten is not there any more."""
    handles = iter(range(1, 9))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, next(handles)))
    runs = CudaEngine(_nothing, TASKS, torch.device("cpu"), PAD, compiled=False)
    monkeypatch.setattr(runs, "_graphs", True)
    pools = []
    for _ in range(2):
        runs.make_room()
        pools.append(runs._pool)
    assert pools == [(0, 1), (0, 2)]


class Captures:
    """In place of torch's graphs, which a CPU has none of; notes what is done with them.

    Attributes:
        under_way: whether one is being captured.
        begun: how many were.
        reset: those that were given back.
        end_fails: whether the end of a capture that failed fails too, as on a GPU whose stream is lost to it.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.under_way, self.begun, self.end_fails = False, 0, False
        self.reset: list[object] = []
        captures = self

        class Graph:
            def reset(self) -> None:
                assert not captures.under_way
                captures.reset.append(self)

            def replay(self) -> None: ...

        @contextmanager
        def graph(graph: Graph, **_: object) -> Iterator[None]:
            captures.begun += 1
            captures.under_way = True
            try:
                yield
            except torch.OutOfMemoryError:
                if captures.end_fails:
                    raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904
                raise
            finally:
                captures.under_way = False

        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "graph", graph)
        monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> Captures:
    """Those of the test."""
    return Captures(monkeypatch)


def capturing(model: Model, captures: Captures, room: int, eager_room: int = 10**9) -> CudaEngine:
    """An engine that captures batches of up to so many rows, and runs up to so many without."""

    def small(ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> Mapping[str, torch.Tensor]:
        if ids.shape[0] > (room if captures.under_way else eager_room):
            raise torch.OutOfMemoryError("no room")
        return model(ids, mask, types)

    runs = CudaEngine(small, TASKS, torch.device("cpu"), PAD, compiled=False)
    runs._graphs = True
    return runs


@pytest.mark.parametrize("end_fails", [False, True])
def test_a_size_that_there_is_no_memory_to_capture_runs_without_a_graph(
    captures: Captures, caplog: pytest.LogCaptureFixture, end_fails: bool
) -> None:
    """With the same scores, and is not captured again; others are, unless torch's allocator is stuck in a capture."""
    captures.end_fails = end_fails
    model, (row, other) = model_of("bert"), rows(9, 7)
    runs = capturing(model, captures, room=8)
    for _ in range(2):
        told = runs.start([row] * 12 + [other], BUDGET).take()
        assert told["topic"][0] == pytest.approx(told_by(model, row)["topic"], abs=1e-4)
        assert told["topic"][12] == pytest.approx(told_by(model, other)["topic"], abs=1e-4)
    assert (captures.begun, len(captures.reset)) == (1, 1)
    assert "no memory for a CUDA graph" in caplog.text
    runs.start([row], BUDGET).take()
    assert (captures.begun, len(captures.reset)) == ((1, 1) if end_fails else (2, 1))


def test_a_batch_that_does_not_fit_without_a_graph_either_is_halved(captures: Captures) -> None:
    """NoMemoryError; after room was made its half is captured as any."""
    (row,) = rows(9)
    runs = capturing(model_of("bert"), captures, room=8, eager_room=8)
    with pytest.raises(NoMemoryError):
        runs.start([row] * 13, BUDGET)
    runs.make_room()
    runs.start([row] * 7, BUDGET).take()
    assert (captures.begun, captures.reset) == (1, [])


def test_a_model_that_can_not_be_captured_runs_without_graphs(
    captures: Captures, caplog: pytest.LogCaptureFixture
) -> None:
    """Its scores are the same; it is said once, and no other size is tried."""
    model = model_of("bert")

    def failing(ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> Mapping[str, torch.Tensor]:
        if captures.under_way:
            raise RuntimeError("broken")
        told: Mapping[str, torch.Tensor] = model(ids, mask, types)
        return told

    runs = capturing(failing, captures, room=10**9)
    for row in rows(9, 30, 9):
        told = runs.start([row], BUDGET).take()
        assert told["topic"][0] == pytest.approx(told_by(model, row)["topic"], abs=1e-4)
    assert (captures.begun, len(captures.reset)) == (1, 1)
    assert caplog.text.count("no CUDA graphs are made any more") == 1


def test_a_model_that_fails_without_a_graph_has_failed(captures: Captures) -> None:
    """Whatever became of the capture: it is no lack of memory."""

    def failing(ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> Mapping[str, torch.Tensor]:
        raise RuntimeError("broken")

    runs = capturing(failing, captures, room=10**9)
    with pytest.raises(ClassifierError, match="broken"):
        runs.start(rows(9), BUDGET)


def _nothing(*values: torch.Tensor) -> dict[str, torch.Tensor]:
    return {}


def test_batches_of_a_gpu_can_run_one_ahead() -> None:
    """What was started first keeps its logits while the next ones use the memory in turn."""
    runs = CudaEngine(model_of("bert"), TASKS, torch.device("cpu"), PAD, compiled=False)
    groups: Sequence[list[TokenRow]] = [rows(5, 9), rows(7), rows(30, 2, 4), rows(5, 9)]
    ahead = runs.start(groups[0], BUDGET)
    for number, group in enumerate(groups[1:]):
        following = runs.start(group, BUDGET)
        told = ahead.take()
        for i, row in enumerate(groups[number]):
            assert told["topic"][i] == pytest.approx(told_by(model_of("bert"), row)["topic"], abs=1e-4)
        ahead = following


def test_batches_without_room_take_nothing_from_the_one_that_runs() -> None:
    """However many fail behind it: its logits are its own."""
    model = model_of("bert")

    def small(ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> Mapping[str, torch.Tensor]:
        if ids.shape[0] > 8:
            raise torch.OutOfMemoryError("no room")
        told: Mapping[str, torch.Tensor] = model(ids, mask, types)
        return told

    runs = CudaEngine(small, TASKS, torch.device("cpu"), PAD, compiled=False)
    first, other = rows(5, 9)
    ahead = runs.start([first], BUDGET)
    for _ in range(2):
        with pytest.raises(NoMemoryError):
            runs.start([other] * 9, BUDGET)
        runs.make_room()
    runs.start([other], BUDGET)
    assert ahead.take()["topic"][0] == pytest.approx(told_by(model, first)["topic"], abs=1e-4)


def test_a_machine_that_can_not_compile_runs_the_model_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """torch.compile needs a C compiler; that it found none is said, and scores are the same."""

    def failing(*values: torch.Tensor) -> dict[str, torch.Tensor]:
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(torch, "compile", lambda model, dynamic: failing)
    model = model_of("bert")
    runs = CudaEngine(model, TASKS, torch.device("cpu"), PAD, compiled=True)
    assert "no C compiler" in caplog.text
    (row,) = rows(9)
    assert runs.start([row], BUDGET).take()["topic"][0] == pytest.approx(told_by(model, row)["topic"], abs=1e-4)
