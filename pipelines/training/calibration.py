"""Calibration of a head on rows that it was not fitted on: one temperature and one bias per class.

Class weights, smoothed labels and a teacher leave some classes over- or under-rated; the bias undoes that, which a
temperature alone can't (bias-corrected temperature scaling, Alexandari et al., 2020).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from monitor.errors import ConfigError
from pipelines.evaluation.figures import fit_temperature

_COLDEST, _HOTTEST = 0.25, 8.0  # temperatures, as fit_temperature has them: few rows that are all right want one of 0
_LEAST_ROWS = 5  # of a class that gets a bias
_BIAS_PENALTY = 1e-3  # a class with few rows keeps a small bias


def fit_calibration(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Fits temperature T and bias b of softmax((logits + b) / T) to labels, by log-loss.

    Rows tell nothing of a class that hardly occurs among them, and the fit would push it down until it is never said. Such
    a class takes no part and gets the mean of the others' biases, which is 0.

    Args:
        logits: (rows, classes).
        labels: (rows,) class indices.

    Returns:
        The temperature (0.25 to 8), the bias, (classes,), which sums up to 0, and which classes have rows enough for one,
        (classes,) booleans.
    """
    enough = np.bincount(labels, minlength=logits.shape[1]) >= _LEAST_ROWS
    bias = np.zeros(logits.shape[1])
    if enough.sum() < 2:
        return fit_temperature(logits, labels), bias, np.zeros_like(enough)
    rows, number = enough[labels], np.cumsum(enough) - 1
    temperature, bias[enough] = _fitted(logits[rows][:, enough], number[labels[rows]])
    return temperature, bias, enough


def _fitted(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    values, target = torch.tensor(logits, dtype=torch.double), torch.tensor(labels, dtype=torch.long)
    factor = torch.ones(1, dtype=torch.double, requires_grad=True)
    shift = torch.zeros(values.shape[1], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([factor, shift], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        scaled = values * factor.clamp(1 / _HOTTEST, 1 / _COLDEST) + shift
        total = nn.functional.cross_entropy(scaled, target) + _BIAS_PENALTY * shift.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    temperature = 1 / float(factor.detach().clamp(1 / _HOTTEST, 1 / _COLDEST))
    bias = shift.detach().numpy() * temperature
    return temperature, bias - bias.mean()


def add_bias(head: nn.Module, bias: np.ndarray) -> None:
    """Adds a bias to the logits that a classification head gives, in its last layer, so that it is saved with the weights.

    Raises:
        ConfigError: the head ends in no linear layer with a bias.
    """
    layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if not layers or layers[-1].bias is None or layers[-1].out_features != len(bias):
        raise ConfigError("a head that ends in no linear layer with a bias can't be corrected per class")
    with torch.no_grad():
        layers[-1].bias.add_(torch.tensor(bias, dtype=layers[-1].bias.dtype))
