"""Laws of calibration by a temperature and a bias per class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from monitor.errors import ConfigError
from pipelines.evaluation.figures import fit_temperature
from pipelines.training.calibration import add_bias, fit_calibration


def drawn(temperature: float, bias: np.ndarray, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from softmax((logits + bias) / temperature)."""
    generator = np.random.default_rng(4)
    logits = generator.normal(0, 2, (rows, len(bias)))
    scaled = (logits + bias) / temperature
    gumbel = generator.gumbel(size=scaled.shape)
    return logits, (scaled + gumbel).argmax(axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_what_labels_were_drawn_with_is_found_again(temperature: float) -> None:
    """Temperature and bias, within what so many rows can tell."""
    bias = np.array([-0.6, 0.2, 0.4])
    found, shift, _ = fit_calibration(*drawn(temperature, bias))
    assert found == pytest.approx(temperature, rel=0.05)
    assert shift == pytest.approx(bias, abs=0.1)


@pytest.mark.parametrize("rows_left", [0, 1, 4])
def test_a_class_that_hardly_occurs_is_not_pushed_down(rows_left: int) -> None:
    """It is as likely to be said as before; which class it is comes back too."""
    bias = np.zeros(20)
    bias[3] = -0.8
    logits, labels = drawn(1.0, bias, rows=4000)
    logits[np.arange(4000), labels] += 3
    seen = (labels != 7) | (np.cumsum(labels == 7) <= rows_left)
    _, shift, enough = fit_calibration(logits[seen], labels[seen])
    assert np.flatnonzero(~enough).tolist() == [7]
    assert shift[7] == 0
    assert abs(shift.sum()) < 1e-9
    of_seven = labels == 7
    before, after = (float(((logits + b)[of_seven].argmax(axis=1) == 7).mean()) for b in (bias * 0, shift))
    assert after > before - 0.05


def test_a_class_with_rows_enough_is_corrected() -> None:
    """Five of them."""
    logits, labels = drawn(1.0, np.array([0.0, 0.0, -1.0]), rows=4000)
    seen = (labels != 2) | (np.cumsum(labels == 2) <= 5)
    _, shift, enough = fit_calibration(logits[seen], labels[seen])
    assert enough.all()
    assert shift[2] < -0.5


def test_rows_that_are_all_right_give_the_least_temperature_of_all() -> None:
    """The one at which the fit without a bias stops as well."""
    labels = np.arange(60) % 3
    logits = np.eye(3)[labels] * 4.0
    found, _, _ = fit_calibration(logits, labels)
    assert found == pytest.approx(0.25)
    assert fit_temperature(logits, labels) == pytest.approx(0.25, abs=1e-3)


def test_rows_of_a_single_class_give_a_temperature_and_no_bias() -> None:
    """There is nothing to tell it from."""
    logits, _ = drawn(1.0, np.zeros(3), rows=50)
    found, shift, enough = fit_calibration(logits, np.zeros(50, dtype=int))
    assert 0.25 <= found <= 8.01
    assert not shift.any()
    assert not enough.any()


def test_a_bias_is_added_to_what_the_head_says() -> None:
    """Whatever stands before its last layer."""
    head = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    rows, bias = torch.ones(2, 4), np.array([0.5, -1.0, 0.5])
    before = head(rows).detach()
    add_bias(head, bias)
    assert (head(rows).detach() - before).numpy() == pytest.approx(np.stack([bias, bias]), abs=1e-6)


def test_a_head_without_a_bias_is_refused() -> None:
    """There is no place to put it."""
    with pytest.raises(ConfigError, match="bias"):
        add_bias(nn.Linear(2, 3, bias=False), np.zeros(3))
