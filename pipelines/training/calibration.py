"""Calibration of a head on rows that it was not fitted on: one temperature and one bias per class.

Class weights, smoothed labels and a teacher leave some classes over- or under-rated; the bias undoes that, which a
temperature alone can't (bias-corrected temperature scaling, Alexandari et al., 2020).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from monitor.errors import ConfigError

_LARGEST_FACTOR = 20.0
_BIAS_PENALTY = 1e-3  # a class with few rows keeps a small bias


def fit_calibration(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """Fits temperature T and bias b of softmax((logits + b) / T) to labels, by log-loss.

    Args:
        logits: (rows, classes).
        labels: (rows,) class indices.

    Returns:
        The temperature, and the bias, (classes,), which sums up to 0.
    """
    values, target = torch.tensor(logits, dtype=torch.double), torch.tensor(labels, dtype=torch.long)
    factor = torch.ones(1, dtype=torch.double, requires_grad=True)
    shift = torch.zeros(values.shape[1], dtype=torch.double, requires_grad=True)
    optimiser = torch.optim.LBFGS([factor, shift], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        scaled = values * factor.clamp(1 / _LARGEST_FACTOR, _LARGEST_FACTOR) + shift
        total = nn.functional.cross_entropy(scaled, target) + _BIAS_PENALTY * shift.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    temperature = 1 / float(factor.detach().clamp(1 / _LARGEST_FACTOR, _LARGEST_FACTOR))
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
