"""Everything that is told of one head on one file, as a dict for JSON, tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.datasets.examples import Example
from pipelines.datasets.splits import without_leaks
from pipelines.evaluation.baseline import baseline_text, cross_predict, features_of, fit_predict
from pipelines.evaluation.figures import confusion_counts, figures_of, label_figures, reliability, softmax
from pipelines.evaluation.folds import even_folds, fold_rows, fold_summary, folds_within
from pipelines.evaluation.leaks import Leaks

BASELINE = "TF-IDF + linear SVM"
_BASELINE_FOLDS = 5


@dataclass(frozen=True, slots=True)
class HeadRows:
    """The rows of one task, with what the model gave for them.

    Attributes:
        names: class names by index.
        labels: (n,) class indices.
        logits: (n, classes), uncalibrated.
        temperature: the head's.
    """

    task: str
    examples: Sequence[Example]
    names: list[str]
    labels: np.ndarray
    logits: np.ndarray
    temperature: float

    @property
    def truths(self) -> list[str]:
        """The labels' names."""
        return [self.names[i] for i in self.labels]

    def index(self, labels: Sequence[str]) -> np.ndarray:
        """Class indices of names."""
        return np.array([self.names.index(label) for label in labels], dtype=np.int64)


def head_report(rows: HeadRows, mistakes: int) -> dict[str, Any]:
    """Figures, confusion, reliability and the most confident mistakes.

    Args:
        rows: at least one row.
        mistakes: how many of them.
    """
    probabilities = softmax(rows.logits, rows.temperature)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != rows.labels)
    most = wrong[np.argsort(-probabilities.max(axis=1)[wrong], kind="stable")][:mistakes]
    return {
        "task": rows.task,
        **figures_of(rows.logits, rows.labels, rows.names, rows.temperature),
        "temperature": rows.temperature,
        "confusion": {
            "labels": rows.names,
            "rows_true_columns_predicted": confusion_counts(predicted, rows.labels, len(rows.names)).tolist(),
        },
        "reliability": reliability(probabilities, rows.labels),
        "mistakes": [
            {
                "text": rows.examples[i].text,
                **({"entity": rows.examples[i].entity} if rows.examples[i].entity is not None else {}),
                "true": rows.names[rows.labels[i]],
                "predicted": rows.names[predicted[i]],
                "confidence": round(float(probabilities[i].max()), 4),
                "place": rows.examples[i].place,
            }
            for i in most
        ],
    }


def baseline_report(rows: HeadRows, train: Sequence[Example] | None) -> dict[str, Any]:
    """The baseline's figures on the same rows, and what it was trained on.

    Args:
        rows: the evaluated rows.
        train: labelled rows; near-duplicates of evaluated ones are left out. None cross-validates within `rows`.
    """
    texts = [baseline_text(example) for example in rows.examples]
    if train is None:
        folds = folds_within([example.text for example in rows.examples], rows.truths, _BASELINE_FOLDS)
        if folds is None:
            return {"name": BASELINE, "left_out": "the rows are near-duplicates of each other: nothing to train on"}
        predicted = cross_predict(texts, rows.truths, folds)
        trained = f"the other folds, of {len(folds)} by near-duplicate cluster within the evaluated file"
    else:
        column = "sentiment" if rows.task == "entity" else rows.task
        labelled = [example for example in train if getattr(example, column) is not None]
        kept = without_leaks([e.text for e in labelled], [e.text for e in rows.examples])
        if not kept:
            return {"name": BASELINE, "left_out": f"no row of --train has a {column} and is no near-duplicate"}
        used = [labelled[i] for i in kept]
        predicted = fit_predict([baseline_text(e) for e in used], [str(getattr(e, column)) for e in used], texts)
        trained = f"{len(used)} rows of --train, less {len(labelled) - len(used)} near-duplicates of evaluated ones"
    figures = label_figures(rows.index(predicted), rows.labels, rows.names)
    return {"name": BASELINE, "features": features_of(texts), "trained_on": trained, **figures}


def folds_report(rows: HeadRows, k: int, *, baseline: bool) -> dict[str, Any]:
    """By fold, mean and spread: the model as it is on each fold, the baseline trained on the rest of each.

    Raises:
        ConfigError: the rows form fewer clusters than folds.
    """
    folds, note = even_folds([example.text for example in rows.examples], rows.truths, k)
    told: dict[str, Any] = {"k": k, "by": "near-duplicate cluster", **({"note": note} if note else {})}
    by_fold = {
        "model": fold_rows(
            folds, lambda fold: figures_of(rows.logits[fold], rows.labels[fold], rows.names, rows.temperature)
        )
    }
    if baseline:
        texts = [baseline_text(example) for example in rows.examples]
        predicted = rows.index(cross_predict(texts, rows.truths, folds))
        by_fold["baseline"] = fold_rows(
            folds, lambda fold: label_figures(predicted[fold], rows.labels[fold], rows.names)
        )
    return told | {name: {**fold_summary(found), "by_fold": found} for name, found in by_fold.items()}


def leaks_report(rows: HeadRows, leaks: Leaks) -> dict[str, Any]:
    """How many rows are near-duplicates of training rows, and the figures without them."""
    clean = np.array(leaks.clean, dtype=np.int64)
    told = leaks_told(leaks, len(rows.examples))
    if len(clean):
        without = figures_of(rows.logits[clean], rows.labels[clean], rows.names, rows.temperature)
        without.pop("by_class")
        told["without_them"] = without
    return told


def leaks_told(leaks: Leaks, total: int) -> dict[str, Any]:
    """What was compared with, and how many of `total` rows are near-duplicates."""
    return {
        "near_duplicates": total - len(leaks.clean),
        "compared_with": list(leaks.files),
        "not_at_hand": list(leaks.absent),
        "not_as_trained_on": list(leaks.changed),
    }
