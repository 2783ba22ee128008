"""Held-out figures: accuracy, macro-F1, expected calibration error, Brier score; and the temperature that calibrates."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Row-wise softmax of (n, classes) logits at a temperature."""
    scaled = logits.astype(np.float64) / temperature
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature that minimises the log loss (Guo et al., 2017), by golden-section search over [0.25, 8]."""

    def log_loss(log_temperature: float) -> float:
        probabilities = softmax(logits, float(np.exp(log_temperature)))
        return float(-np.log(probabilities[np.arange(len(labels)), labels] + 1e-12).mean())

    low, high, golden = np.log(0.25), np.log(8.0), (5**0.5 - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if log_loss(left) < log_loss(right):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def figures_of(logits: np.ndarray, labels: np.ndarray, names: list[str], temperature: float) -> dict[str, Any]:
    """All figures of one head on one held-out set.

    Args:
        logits: (n, classes), uncalibrated.
        labels: (n,) class indices.
        names: class names by index.
        temperature: the head's temperature.
    """
    probabilities = softmax(logits, temperature)
    by_label = label_figures(probabilities.argmax(axis=1), labels, names)
    onehot = np.eye(len(names))[labels]
    calibration = {
        "ece": round(expected_calibration_error(probabilities, labels), 4),
        "brier": round(float(((probabilities - onehot) ** 2).sum(axis=1).mean()), 4),
    }
    by_class = by_label.pop("by_class")
    return {**by_label, **calibration, "by_class": by_class}


def label_figures(predicted: np.ndarray, labels: np.ndarray, names: list[str]) -> dict[str, Any]:
    """The figures that need no probabilities; macro-F1 is the mean over the classes that occur in `labels`.

    Args:
        predicted: (n,) class indices.
        labels: (n,) class indices.
        names: class names by index.
    """
    by_class = {name: _class_figures(predicted, labels, i) for i, name in enumerate(names)}
    present = [by_class[name]["f1"] for i, name in enumerate(names) if (labels == i).any()]
    return {
        "n": len(labels),
        "accuracy": round(float((predicted == labels).mean()), 4),
        "macro_f1": round(float(np.mean(present)), 4),
        "by_class": by_class,
    }


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> list[dict[str, float]]:
    """The bins of `expected_calibration_error` that hold rows: bounds, n, mean confidence, accuracy."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = _bin_of(confidence, bins)
    return [
        {
            "from": round(b / bins, 4),
            "to": round((b + 1) / bins, 4),
            "n": int((which == b).sum()),
            "confidence": round(float(confidence[which == b].mean()), 4),
            "accuracy": round(float(correct[which == b].mean()), 4),
        }
        for b in range(bins)
        if (which == b).any()
    ]


def confusion_counts(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: a row per true class, a column per predicted one."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their size (Naeini et al., 2015)."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    which = _bin_of(confidence, bins)
    gaps = [
        abs(confidence[which == b].mean() - correct[which == b].mean()) * (which == b).mean()
        for b in range(bins)
        if (which == b).any()
    ]
    return float(sum(gaps))


def _bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.asarray(np.minimum((confidence * bins).astype(int), bins - 1))


def _class_figures(predicted: np.ndarray, labels: np.ndarray, index: int) -> dict[str, float]:
    hits = int(((predicted == index) & (labels == index)).sum())
    precision = hits / max(1, int((predicted == index).sum()))
    recall = hits / max(1, int((labels == index).sum()))
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return {
        "n": int((labels == index).sum()),
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(f1, 4),
    }
