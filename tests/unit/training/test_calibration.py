"""Laws of calibration by a temperature and a bias per class."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from monitor.errors import ConfigError
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
    found, shift = fit_calibration(*drawn(temperature, bias))
    assert found == pytest.approx(temperature, rel=0.05)
    assert shift == pytest.approx(bias, abs=0.1)


def test_a_class_without_rows_keeps_a_finite_bias() -> None:
    """The penalty holds it."""
    logits, labels = drawn(1.0, np.zeros(3), rows=300)
    _, shift = fit_calibration(logits, np.where(labels == 2, 0, labels))
    assert np.isfinite(shift).all()


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
