"""Laws of the training loop: losses, rates, the mean of the weights, stopping early and going on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, ElectraConfig, MPNetConfig

from monitor.adapters.two_head_model import TwoHeadModel
from monitor.errors import ConfigError
from pipelines.training.checkpoints import Checkpoints, Position
from pipelines.training.loop import Watch, learning_rate_factor, rarity_weights, task_loss, taught_loss, train
from pipelines.training.recipe import LoopOptions, load_recipe
from pipelines.training.rows import NO_LABEL, Rows
from pipelines.training.run import RunOptions, tune
from pipelines.training.weights import WeightMean, parameter_groups

EVEN = torch.ones(2)
PLAIN = LoopOptions()


class Small(nn.Module):
    """Counts words: the least that the loop can train, with dropout, so that random state matters."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.embeddings = nn.Embedding(12, 8)
        self.head = nn.Linear(8, 2)
        self.dropout = nn.Dropout(0.3)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Logits of one task."""
        words = self.embeddings(input_ids) * attention_mask.unsqueeze(-1)
        return {"topic": self.head(self.dropout(words.mean(dim=1)))}


class Killed(Exception):
    """Stands for SIGKILL."""


def some_rows(count: int = 40) -> Rows:
    """Words 1-5 are of class 0, words 6-10 of class 1."""
    generator = np.random.default_rng(3)
    classes = generator.integers(0, 2, count)
    ids = [[int(w) for w in generator.integers(1, 6, 4) + 5 * c] for c in classes]
    return Rows(ids, [[0] * 4 for _ in ids], {"topic": [np.array(c) for c in classes]})


def weights_of(model: nn.Module) -> torch.Tensor:
    """All weights in a row."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_row_without_a_label_adds_nothing_to_its_loss() -> None:
    """Neither to the value nor to the gradient."""
    logits = torch.tensor([[1.0, 3.0], [2.0, 0.0]], requires_grad=True)
    loss = task_loss(logits, torch.tensor([1, NO_LABEL]), EVEN, PLAIN)
    assert loss.item() == pytest.approx(float(np.log1p(np.exp(-2))), abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[1].tolist() == [0, 0]


def test_a_batch_without_any_label_has_no_loss() -> None:
    """And not NaN, which would spoil every weight."""
    logits = torch.tensor([[1.0, 3.0]], requires_grad=True)
    loss = task_loss(logits, torch.tensor([NO_LABEL]), EVEN, PLAIN)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (loss.item(), gradient.tolist()) == (0, [[0, 0]])


@given(st.floats(0.1, 5), st.floats(-4, 4))
def test_focal_loss_counts_what_is_known_already_for_less(gamma: float, margin: float) -> None:
    """Never more than cross-entropy, by (1-p)^gamma."""
    logits, label = torch.tensor([[margin, 0.0]]), torch.tensor([0])
    plain = task_loss(logits, label, EVEN, PLAIN).item()
    focal = task_loss(logits, label, EVEN, LoopOptions(focal_gamma=gamma)).item()
    missed = 1 - 1 / (1 + np.exp(-margin))
    assert focal == pytest.approx(plain * missed**gamma, rel=1e-3, abs=1e-6)


def test_a_teacher_is_only_heard_on_the_rows_that_it_was_asked_of() -> None:
    """And where it is as sure as a label, its loss is the label's."""
    logits = torch.tensor([[1.0, 3.0], [2.0, 0.0]], requires_grad=True)
    loss = taught_loss(logits, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    assert loss.item() == pytest.approx(task_loss(logits, torch.tensor([1, NO_LABEL]), EVEN, PLAIN).item(), abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[1].tolist() == [0, 0]
    assert taught_loss(logits, torch.zeros(2, 2)).item() == 0


def test_token_labels_are_a_loss_like_any_other() -> None:
    """(batch, tokens, classes) is the same as its tokens in a row."""
    logits = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([[0, 1, NO_LABEL], [1, NO_LABEL, 0]])
    flat = task_loss(logits.flatten(0, 1), labels.flatten(), EVEN, PLAIN)
    assert task_loss(logits, labels, EVEN, PLAIN).item() == pytest.approx(flat.item())


def test_rare_classes_weigh_more_by_the_power_of_their_rarity() -> None:
    """At most five times, one weight a class whether it occurs or not; power 0 counts rows alike."""
    counts = np.array([16, 4, 0])
    assert rarity_weights(counts, 0.5).tolist() == [1, 2, 4]
    assert rarity_weights(counts, 0.0).tolist() == [1, 1, 1]
    assert rarity_weights(counts, 2.0).tolist() == [1, 5, 5]


@given(st.integers(1, 500), st.floats(0, 0.9))
def test_the_rate_goes_up_once_and_then_down_to_nothing(steps: int, warmup: float) -> None:
    """Never above the peak, never below nothing."""
    factors = [learning_rate_factor(step, steps, warmup) for step in range(steps)]
    top = factors.index(max(factors))
    assert factors[:top] == sorted(factors[:top])
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert 0 <= min(factors) <= max(factors) <= 1
    assert learning_rate_factor(steps, steps, warmup) <= max(1e-9, 1 / max(1, int(steps * warmup)))


def test_layers_further_from_the_heads_learn_slower() -> None:
    """Each layer by the factor once more; heads and norms keep their own rules."""
    stack = nn.ModuleDict({"layer": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)]), "embeddings": nn.Linear(2, 2)})
    model = nn.ModuleDict({"bert": nn.ModuleDict({"encoder": stack}), "head": nn.Linear(2, 2)})
    options = LoopOptions(layer_decay=0.5, learning_rate=1.0, head_learning_rate=7.0, weight_decay=0.1)
    by_parameter = {
        id(p): (group["peak_lr"], group["weight_decay"])
        for group in parameter_groups(model, options)
        for p in group["params"]
    }
    named = {name: by_parameter[id(p)] for name, p in model.named_parameters()}
    assert named["head.weight"] == (7.0, 0.1)
    assert named["head.bias"] == (7.0, 0.0)
    assert named["bert.encoder.layer.1.weight"] == (0.5 ** (2 - 2), 0.1)
    assert named["bert.encoder.layer.0.weight"] == (0.5, 0.1)
    assert named["bert.encoder.embeddings.weight"] == (0.25, 0.1)


def test_the_loop_learns() -> None:
    """Words that tell the class are told apart."""
    model, rows = Small(), some_rows()
    losses: list[float] = []
    options = LoopOptions(epochs=12, batch_size=8, head_learning_rate=0.05)
    train(model, rows, 0, options, watch=Watch(step=lambda step, steps, loss, rate: losses.append(loss)))
    assert len(losses) == 12 * 5
    assert np.mean(losses[-5:]) < 0.3 * np.mean(losses[:5])


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("killed_at", [1, 7, 10, 13])
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(tmp_path: Path, average: float, killed_at: int) -> None:
    """Weights, mean weights, optimiser, dropout and the best epoch go on where the last checkpoint was."""
    options = LoopOptions(
        epochs=4, batch_size=8, head_learning_rate=0.05, average_decay=average, checkpoint_steps=3, patience=9
    )
    scores = [0.5, 0.9, 0.7, 0.6]

    def run(model: Small, checkpoints: Checkpoints | None, kill_at: int | None) -> Position:
        told: list[int] = []

        def on_step(step: int, steps: int, loss: float, rate: float) -> None:
            told.append(step)
            if step == kill_at:
                raise Killed

        watch = Watch(step=on_step)
        return train(model, some_rows(), 0, options, lambda: scores[told[-1] // 5 - 1], checkpoints, watch)

    straight = Small()
    whole = run(straight, None, None)
    checkpoints = Checkpoints(tmp_path / "checkpoint", "same")
    with pytest.raises(Killed):
        run(Small(), checkpoints, killed_at)
    again = Small()
    resumed = run(again, checkpoints, None)
    assert torch.equal(weights_of(again), weights_of(straight))
    assert resumed.scores == whole.scores == scores


def test_two_kills_in_a_row_leave_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One between the two renames, so that only the older folder is there, and one before the next is in its place."""
    model, position = Small(), Position(step=3, epoch=1)
    optimiser = torch.optim.AdamW(model.parameters())
    checkpoints = Checkpoints(tmp_path / "c", "one")
    checkpoints.save(model, optimiser, None, position)
    (tmp_path / "c").rename(tmp_path / "c.old")

    def killed(source: Path, target: Path) -> None:
        raise Killed

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(Killed):
        checkpoints.save(model, optimiser, None, Position(step=6, epoch=2))
    assert checkpoints.resume(model, optimiser, None).step == 3


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    """Going on with another recipe or other rows would be neither run."""
    options = LoopOptions(epochs=1, batch_size=8)
    train(Small(), some_rows(), 0, options, checkpoints=Checkpoints(tmp_path / "c", "one"))
    with pytest.raises(ConfigError, match="another recipe"):
        train(Small(), some_rows(), 0, options, checkpoints=Checkpoints(tmp_path / "c", "other"))


def test_a_checkpoint_belongs_to_the_rows_that_judge_and_to_the_segments(data_folder: Path, tmp_path: Path) -> None:
    """Other rows to judge by choose another best epoch; other segments are another input."""
    recipe = load_recipe(data_folder / "recipe.toml")
    recipe = recipe.model_copy(update={"loop": recipe.loop.model_copy(update={"checkpoint_steps": 1})})
    options = RunOptions(data_folder, tmp_path, device="cpu")

    def killed() -> float:
        raise Killed

    rows, judged = some_rows(), some_rows(6)
    with pytest.raises(Killed):
        tune(Small(), "", rows, judged, 0, recipe, options, killed)
    pairs = replace(rows, segments=[[0, 0, 1, 1] for _ in rows.ids])
    for others in ((rows, some_rows(5)), (pairs, judged)):
        with pytest.raises(ConfigError, match="another recipe or other data"):
            tune(Small(), "", *others, 0, recipe, options, killed)
    assert tune(Small(), "", rows, judged, 0, recipe, options, lambda: 0.5) == [0.5]


def test_a_broken_checkpoint_is_named(tmp_path: Path) -> None:
    """With what to do about it."""
    train(Small(), some_rows(), 0, LoopOptions(epochs=1), checkpoints=Checkpoints(tmp_path / "c", "one"))
    (tmp_path / "c" / "state.safetensors").write_bytes(b"garbage")
    with pytest.raises(ConfigError, match="remove it to start anew"):
        train(Small(), some_rows(), 0, LoopOptions(epochs=1), checkpoints=Checkpoints(tmp_path / "c", "one"))


def test_training_stops_when_it_gets_no_better_and_keeps_the_best() -> None:
    """`patience` epochs without a better score; the weights are those of the best epoch."""
    model, kept = Small(), []
    scores = iter([0.3, 0.8, 0.7, 0.75, 0.99])

    def judge() -> float:
        kept.append(weights_of(model))
        return next(scores)

    options = LoopOptions(epochs=9, batch_size=8, patience=2, head_learning_rate=0.05)
    end = train(model, some_rows(), 0, options, judge)
    assert end.scores == [0.3, 0.8, 0.7, 0.75]
    assert torch.equal(weights_of(model), kept[1])


def test_the_mean_of_the_weights_lies_between_them() -> None:
    """And swapping twice changes nothing."""
    model = Small()
    mean = WeightMean(model, 0.9, 1)
    before = weights_of(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    mean.update()
    after = weights_of(model)
    mean.swap()
    between = weights_of(model)
    assert ((between > before) & (between <= after + 1e-6)).all()
    mean.swap()
    assert torch.equal(weights_of(model), after)


def test_the_loop_learns_from_a_teacher_alone() -> None:
    """Rows without a label take the teacher's classes on."""
    rows = some_rows()
    told = np.eye(2, dtype=np.float32)[[int(label) for label in rows.labels["topic"]]]
    unlabelled = Rows(rows.ids, rows.segments, {"topic": [np.array(NO_LABEL) for _ in rows.ids]}, {"topic": told})
    model = Small()
    train(model, unlabelled, 0, LoopOptions(epochs=30, batch_size=8, learning_rate=0.05, head_learning_rate=0.05))
    ids = torch.tensor(rows.ids)
    assert (model(ids, torch.ones_like(ids))["topic"].argmax(1).numpy() == told.argmax(1)).mean() > 0.9


def test_only_heads_learn_at_the_heads_rate() -> None:
    """Whatever an encoder's family calls its parts: ELECTRA projects its embeddings, MPNet has a bias of positions."""
    small: dict[str, Any] = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    for config in (BertConfig(**small), ElectraConfig(embedding_size=4, **small), MPNetConfig(**small)):
        model = TwoHeadModel(config, {"topic": 2})
        groups = parameter_groups(model, LoopOptions(learning_rate=1.0, head_learning_rate=7.0))
        fast = {id(p) for group in groups if group["peak_lr"] == 7.0 for p in group["params"]}
        assert {name for name, p in model.named_parameters() if id(p) in fast} == {
            f"heads.{name}" for name, _ in model.heads.named_parameters()
        }
