"""Folds of whole near-duplicate clusters, and figures over them: mean and spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from monitor.errors import ConfigError
from pipelines.datasets.splits import clusters_of, folds_by_cluster

SEED = 13
_FIGURES = ("n", "accuracy", "macro_f1", "ece", "brier")


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


def fold_rows(folds: Sequence[np.ndarray], figures_on: Callable[[np.ndarray], dict[str, Any]]) -> list[dict[str, Any]]:
    """Figures on each fold's rows: fold, n, accuracy, macro_f1, and ece and brier where there are probabilities.

    Args:
        folds: indices of the rows of each.
        figures_on: gives the figures on the rows of some indices.
    """
    rows = []
    for number, fold in enumerate(folds, start=1):
        figures = figures_on(fold)
        rows.append({"fold": number, **{key: figures[key] for key in _FIGURES if key in figures}})
    return rows


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Puts the file before what a ConfigError says."""
    try:
        yield
    except ConfigError as exc:
        raise ConfigError(f"{file}: {exc}") from exc


def even_folds(texts: Sequence[str], labels: Sequence[str], k: int) -> tuple[list[np.ndarray], str | None]:
    """Folds that are stratified if each class can be in each of them.

    Returns:
        k arrays of indices, and why they are not stratified if they are not: the classes, and how many rows each has.

    Raises:
        ConfigError: the texts form fewer clusters than folds.
    """
    try:
        return folds_by_cluster(texts, labels, k, SEED), None
    except ConfigError as exc:
        folds = folds_by_cluster(texts, None, k, SEED)
        return folds, f"the {k} folds are not stratified: {_too_rare(texts, labels, k) or _with_rows(exc, labels)}"


def folds_within(texts: Sequence[str], labels: Sequence[str], most: int) -> list[np.ndarray] | None:
    """At most so many folds; None where all texts are near-duplicates of each other."""
    for k in range(most, 1, -1):
        try:
            return even_folds(texts, labels, k)[0]
        except ConfigError:
            continue
    return None


def _too_rare(texts: Sequence[str], labels: Sequence[str], k: int) -> str:
    """The classes that can't be in each of k folds, the rarest first; nothing if there are none."""
    rows = Counter(labels)
    clusters = Counter(label for label, _ in set(zip(labels, clusters_of(texts), strict=True)))
    return "; ".join(
        f"class {name!r} has {rows[name]} rows in {clusters[name]} clusters of near-duplicates"
        for name in sorted(rows, key=lambda name: (rows[name], name))
        if clusters[name] < k
    )


def _with_rows(reason: ConfigError, labels: Sequence[str]) -> str:
    """Why the classes could not be dealt out though each has clusters enough."""
    return f"{reason} (rows: {', '.join(f'{name} {n}' for name, n in sorted(Counter(labels).items()))})"
