"""Laws of the engines: each gives the logits of the family's own modules, to its stated tolerance, in whatever company."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.adapters import engines, onnx_engine
from monitor.adapters.cuda_engine import CudaEngine
from monitor.adapters.encoder_parts import encoder_parts
from monitor.adapters.engines import batch_tokens_of, device_of, engine_of
from monitor.adapters.onnx_engine import int8_is_exact
from monitor.adapters.onnx_graph import quantised
from monitor.adapters.token_rows import Engine, Logits, NoMemoryError
from monitor.adapters.torch_classifier import TorchClassifier, probabilities
from monitor.adapters.torch_encoder import TorchEncoder
from monitor.adapters.torch_engine import TorchEngine
from monitor.adapters.two_head_model import TwoHeadModel
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import ModelInput, Score
from monitor.settings import ClassifierSettings
from tests.tiny_checkpoints import two_head_folder
from tests.unit.adapters.tiny_encoders import BUDGET, FAMILIES, PAD, TASKS, model_of, rows, told_by

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
TORN = ("bert", "electra", "roberta")
# The largest difference of a probability that the engines' docstrings allow, in whatever company a row stands.
TOLERANCE = {"torch": 1e-4, "onnx": 1e-4, "onnx_int8": 0.02, "cuda": 1e-4}
WORDS = ("profit", "falls", "rises", "oil", "bank", "apple", "oracle", "at", "7", "13")


def engine(family: str, backend: str) -> Engine:
    """On the CPU; `cuda` is the engine of a GPU, without graphs and pinned memory."""
    model = model_of(family)
    parts = encoder_parts(model.encoder.config, model.encoder, dict(model.heads.items()))
    if backend == "cuda":
        whole = model if parts is None else TorchEncoder(parts).eval()
        return CudaEngine(whole, TASKS, torch.device("cpu"), PAD, compiled=False)
    wanted = ClassifierSettings.model_validate({"device": "cpu", "backend": backend, "threads": 1})
    return engine_of(model, parts, TASKS, PAD, wanted)


@pytest.mark.parametrize(
    ("family", "backend"),
    [
        (family, backend)
        for family in FAMILIES
        for backend in ("torch", "onnx", "cuda")
        if family in TORN or backend != "onnx"
    ],
)
def test_an_engines_logits_are_those_of_the_familys_own_modules(family: str, backend: str) -> None:
    """Padding, the short cut in the last layer and torn-apart weights change nothing; pairs included."""
    asked = rows(5, 2, 17, 9, 30, segments=family in ("bert", "electra"))
    found = engine(family, backend).start(asked, BUDGET).take()
    for i, row in enumerate(asked):
        for task, expected in told_by(model_of(family), row).items():
            assert found[task].shape == (len(asked), TASKS[task])
            assert found[task][i] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("family", TORN)
def test_in_int8_no_row_depends_on_another(family: str) -> None:
    """Its scales are its own: beside any rows it is what it is alone, and where products are exact nearly to the bit."""
    allowed = TOLERANCE["onnx" if int8_is_exact() else "onnx_int8"]
    runs = engine(family, "onnx_int8")
    asked = rows(5, 2, 17, 9, 30, 3)
    together = runs.start(asked, BUDGET).take()
    for i, row in enumerate(asked):
        alone = runs.start([row], BUDGET).take()
        for task in TASKS:
            difference = probabilities(alone[task], 1.0)[0] - probabilities(together[task], 1.0)[i]
            assert np.abs(difference).max() <= allowed


@pytest.mark.parametrize("family", TORN)
def test_int8_is_near_to_full_precision(family: str) -> None:
    """On random weights, whose outputs are as sensitive as they get."""
    asked = rows(*range(2, 38))
    full, short = (engine(family, backend).start(asked, BUDGET).take() for backend in ("onnx", "onnx_int8"))
    for task in TASKS:
        difference = np.abs(probabilities(full[task], 1.0) - probabilities(short[task], 1.0))
        assert difference.mean() < 0.02


def test_weights_are_rounded_to_half_a_step_of_their_column() -> None:
    """Each output has a scale of its own; one without weights has a scale too."""
    weights = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32) * np.logspace(-3, 2, 6, dtype=np.float32)
    weights[:, 2] = 0
    whole, scale = quantised(weights)
    assert (scale > 0).all()
    assert (np.abs(whole * scale - weights) <= scale * 0.5001).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that was tuned on pairs."""
    return two_head_folder(tmp_path_factory.mktemp("model") / "tiny", entity_pairs=True)


TEXTS = st.lists(st.sampled_from(WORDS), max_size=16).map(" ".join)
INPUTS = st.lists(
    st.builds(ModelInput, TEXTS, st.just("en"), st.sampled_from([(), (("AAPL", "apple"), ("ORCL", "oracle"))])),
    min_size=1,
    max_size=24,
)


@pytest.mark.parametrize("backend", ["torch", "onnx", "onnx_int8"])
@given(inputs=INPUTS, data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scores_are_the_same_in_any_order_split_and_company(
    folder: Path, backend: str, inputs: list[ModelInput], data: st.DataObject
) -> None:
    """Batched equals one at a time, within the engine's tolerance; companies included."""
    model = _classifier(folder, backend)
    alone = [model.classify([one])[0] for one in inputs]
    order = data.draw(st.permutations(range(len(inputs))))
    cut = data.draw(st.integers(0, len(inputs)))
    shuffled = [inputs[i] for i in order]
    for place, score in zip(order, model.classify(shuffled[:cut]) + model.classify(shuffled[cut:]), strict=True):
        _assert_close(score, alone[place], TOLERANCE[backend])


_MADE: dict[str, TorchClassifier] = {}


def _classifier(folder: Path, backend: str) -> TorchClassifier:
    if backend not in _MADE:
        wanted = {"device": "cpu", "backend": backend, "threads": 1, "max_batch_tokens": 128, "cache_entries": 0}
        _MADE[backend] = TorchClassifier(ClassifierSettings.model_validate(wanted), folder)
    return _MADE[backend]


def _assert_close(one: Score, other: Score, tolerance: float) -> None:
    assert [key for key, _ in one.by_entity] == [key for key, _ in other.by_entity]
    for a, b in zip(_triples(one), _triples(other), strict=True):
        assert a == pytest.approx(b, abs=tolerance)
    assert one.topic_probability == pytest.approx(other.topic_probability, abs=tolerance)


def _triples(score: Score) -> list[tuple[float, ...]]:
    return [score.probabilities, *(own for _, own in score.by_entity)]


@pytest.mark.parametrize("made", ["torch", "cuda"])
def test_a_lack_of_memory_is_told_from_a_failing_model(made: str) -> None:
    """The first is worth another try with fewer rows, the second is not."""

    def full(ids: torch.Tensor, *others: torch.Tensor) -> dict[str, torch.Tensor]:
        raise torch.OutOfMemoryError("no room") if ids.shape[0] > 1 else RuntimeError("broken")

    runs: Engine = TorchEngine(full, PAD)
    if made == "cuda":
        runs = CudaEngine(full, TASKS, torch.device("cpu"), PAD, compiled=False)
    with pytest.raises(NoMemoryError):
        runs.start(rows(4, 4, 4, 4, 4, 4, 4, 4, 4), BUDGET)
    runs.make_room()
    if made == "torch":
        with pytest.raises(ClassifierError, match="broken"):
            runs.start(rows(4), BUDGET)


@pytest.mark.parametrize("family", FAMILIES)
def test_how_wide_a_model_can_be_asked_is_known(family: str) -> None:
    """The pass of that width works, and of a model without positions no limit is told."""
    model = model_of(family)
    parts = encoder_parts(model.encoder.config, model.encoder, dict(model.heads.items()))
    most = engines.positions_of(model, parts)
    assert most is not None
    assert 38 <= most <= 40
    told_by(model, rows(most)[0])
    assert engines.positions_of(torch.nn.Linear(1, 1), None) is None


def test_auto_takes_int8_where_it_is_exact_and_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else ONNX Runtime in float32; torch for a family that can't be taken apart."""
    model = model_of("bert")
    parts = encoder_parts(model.encoder.config, model.encoder, dict(model.heads.items()))
    chosen = ClassifierSettings(device="cpu")
    for exact, verified, backend in [
        (True, True, "onnx_int8"),
        (False, True, "onnx"),
        (True, False, "onnx"),
    ]:
        monkeypatch.setattr(engines, "int8_is_exact", lambda exact=exact: exact)
        assert engines.backend_of(parts, chosen, verified=verified) == backend
    assert engines.backend_of(None, chosen, verified=True) == "torch"
    with pytest.raises(ConfigError, match=r"classifier\.backend onnx can't run a model of this family"):
        engines.backend_of(None, ClassifierSettings(device="cpu", backend="onnx"), verified=True)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this operating system binds no thread to a core")
@pytest.mark.parametrize("threads", sorted({1, CORES}))
def test_pinned_threads_keep_to_cores_of_their_own(threads: int) -> None:
    """The calling one to the first; the thread that made the engine is left alone, and logits are what they were."""
    model = model_of("bert")
    cores = os.sched_getaffinity(0)
    runs = _pinned(model, threads)
    asked = rows(4, 9)

    def run() -> tuple[set[int], Logits]:
        told = runs.start(asked, BUDGET).take()
        return os.sched_getaffinity(0), told

    with ThreadPoolExecutor(1) as thread:
        kept, told = thread.submit(run).result()
    assert kept == {min(cores)}
    assert os.sched_getaffinity(0) == cores
    assert told["topic"][1] == pytest.approx(told_by(model, asked[1])["topic"], abs=1e-4)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this operating system binds no thread to a core")
def test_more_pinned_threads_than_cores_are_a_mistake_in_the_settings() -> None:
    """Which are named."""
    with pytest.raises(ConfigError, match=r"classifier\.pin_threads: .* \(classifier\.threads\)"):
        _pinned(model_of("bert"), CORES + 1)


def _pinned(model: TwoHeadModel, threads: int) -> Engine:
    parts = encoder_parts(model.encoder.config, model.encoder, dict(model.heads.items()))
    wanted = ClassifierSettings(device="cpu", backend="onnx", threads=threads, pin_threads=True)
    return engine_of(model, parts, TASKS, PAD, wanted)


class Processor:
    """Multiplies bytes as processors do: in pairs, whose sum the older ones cut off at 16 bits."""

    def __init__(self, *, cuts_off: bool) -> None:
        self._most = 2**15 - 1 if cuts_off else 2**31 - 1

    def run(self, _: None, values: dict[str, np.ndarray]) -> list[np.ndarray]:
        """See onnxruntime.InferenceSession."""
        levels, weights = (values[name].astype(np.int64) for name in ("levels", "weights"))
        pairs = levels[:, 0::2, None] * weights[None, 0::2] + levels[:, 1::2, None] * weights[None, 1::2]
        return [np.clip(pairs, -self._most - 1, self._most).sum(axis=1)]


@pytest.mark.parametrize("cuts_off", [False, True])
def test_a_processor_whose_8_bit_products_are_not_exact_is_found_out(
    monkeypatch: pytest.MonkeyPatch, cuts_off: bool
) -> None:
    """By products that are large enough to be cut off."""
    monkeypatch.setattr(onnx_engine, "_session", lambda model, options: Processor(cuts_off=cuts_off))
    assert int8_is_exact.__wrapped__() is not cuts_off


def test_a_backend_of_the_cpu_is_not_asked_of_a_gpu() -> None:
    """With device auto it is the backend that says where."""
    with pytest.raises(ConfigError, match=r"onnx_int8, which runs on a CPU, and classifier\.device is cuda"):
        device_of(ClassifierSettings(device="cuda", backend="onnx_int8"))
    assert device_of(ClassifierSettings(backend="onnx")).type == "cpu"


def test_a_batchs_budget_suits_the_device_unless_it_is_given() -> None:
    """A GPU wants more."""
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert batch_tokens_of(ClassifierSettings(), cpu) < batch_tokens_of(ClassifierSettings(), gpu)
    assert {batch_tokens_of(ClassifierSettings(max_batch_tokens=512), device) for device in (cpu, gpu)} == {512}
