"""Laws of the engine of a GPU, as far as they hold on a CPU, where it has no graphs and no pinned memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters import cuda_engine
from monitor.adapters.cuda_engine import CudaEngine, padded_rows
from monitor.adapters.token_rows import NoMemoryError, TokenRow
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
