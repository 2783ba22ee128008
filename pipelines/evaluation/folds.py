"""Folds of whole near-duplicate clusters, and figures over them: mean and spread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.errors import ConfigError
from pipelines.datasets.splits import folds_by_cluster
from pipelines.evaluation.figures import label_figures

SEED = 13


def fold_summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and sample standard deviation (n - 1) over folds of every figure in their rows.

    Args:
        rows: one a fold; all of the same keys, of which `fold` and `n` are no figures.

    Returns:
        `{"folds": count, "accuracy": {"mean": ..., "std": ...}, ...}`; the spread of one fold is 0.

    Raises:
        ConfigError: there are no rows.
    """
    if not rows:
        raise ConfigError("no folds to summarise")
    keys = [key for key, value in rows[0].items() if key not in ("fold", "n") and isinstance(value, int | float)]
    summary: dict[str, Any] = {"folds": len(rows)}
    for key in keys:
        values = np.array([float(row[key]) for row in rows])
        std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        summary[key] = {"mean": round(float(values.mean()), 4), "std": round(std, 4)}
    return summary


def fold_rows(predicted: np.ndarray, labels: np.ndarray, names: list[str], folds: Sequence[np.ndarray]) -> list[dict]:
    """Figures on each fold's rows: fold, n, accuracy, macro_f1.

    Args:
        predicted: (n,) class indices.
        labels: (n,) class indices.
        names: class names by index.
        folds: indices of the rows of each.
    """
    rows = []
    for number, fold in enumerate(folds, start=1):
        figures = label_figures(predicted[fold], labels[fold], names)
        rows.append({"fold": number, **{key: figures[key] for key in ("n", "accuracy", "macro_f1")}})
    return rows


def even_folds(texts: Sequence[str], labels: Sequence[str], k: int) -> tuple[list[np.ndarray], str | None]:
    """Folds that are stratified if each class can be in each of them.

    Returns:
        k arrays of indices, and why they are not stratified if they are not.

    Raises:
        ConfigError: the texts form fewer clusters than folds.
    """
    try:
        return folds_by_cluster(texts, labels, k, SEED), None
    except ConfigError as exc:
        return folds_by_cluster(texts, None, k, SEED), f"folds are not stratified: {exc}"


def folds_within(texts: Sequence[str], labels: Sequence[str], most: int) -> list[np.ndarray] | None:
    """At most so many folds; None where all texts are near-duplicates of each other."""
    for k in range(most, 1, -1):
        try:
            return even_folds(texts, labels, k)[0]
        except ConfigError:
            continue
    return None
