"""Laws of the training loop's parts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.training.loop import NO_LABEL, bucketed, class_weights, collate, label_indices, task_loss

EVEN = torch.ones(2)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=50), st.integers(1, 9), st.integers(0, 99))
def test_an_epoch_sees_every_row_once(lengths: list[int], size: int, seed: int) -> None:
    """In batches of at most the given size."""
    batches = bucketed([[1] * length for length in lengths], size, np.random.default_rng(seed))
    assert sorted(int(i) for rows in batches for i in rows) == list(range(len(lengths)))
    assert all(0 < len(rows) <= size for rows in batches)


def test_padding_is_masked() -> None:
    """Rows are as long as the longest; the mask says what is text."""
    batch = collate([[5, 6, 7], [8]], {"topic": np.array([1, NO_LABEL])}, pad_id=9)
    assert batch.input_ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.labels["topic"].tolist() == [1, NO_LABEL]


def test_a_row_without_a_label_adds_nothing_to_its_loss() -> None:
    """Neither to the value nor to the gradient."""
    logits = torch.tensor([[1.0, 3.0], [2.0, 0.0]], requires_grad=True)
    loss = task_loss(logits, torch.tensor([1, NO_LABEL]), EVEN)
    assert loss.item() == pytest.approx(float(np.log1p(np.exp(-2))), abs=1e-6)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[1].tolist() == [0, 0]


def test_a_batch_without_any_label_has_no_loss() -> None:
    """And not NaN, which would spoil every weight."""
    logits = torch.tensor([[1.0, 3.0]], requires_grad=True)
    loss = task_loss(logits, torch.tensor([NO_LABEL]), EVEN)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert (loss.item(), gradient.tolist()) == (0, [[0, 0]])


def test_rare_classes_weigh_more_by_the_power_of_their_rarity() -> None:
    """At most five times, one weight a class whether it occurs or not; power 0 counts rows alike."""
    labels = np.array([0] * 16 + [1] * 4 + [NO_LABEL] * 7)
    assert class_weights(labels, 3, 0.5).tolist() == [1, 2, 4]
    assert class_weights(labels, 3, 0.0).tolist() == [1, 1, 1]
    assert class_weights(labels, 3, 2.0).tolist() == [1, 5, 5]


def test_labels_become_the_index_of_their_name() -> None:
    """None stays none; an unknown one is an error that names it."""
    examples = [Example("a", topic="Fed"), Example("b", sentiment="negative")]
    assert label_indices(examples, "topic", ["Energy", "Fed"]).tolist() == [1, NO_LABEL]
    with pytest.raises(ConfigError, match="topic Fed"):
        label_indices(examples, "topic", ["Energy"])
