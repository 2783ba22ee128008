"""A model of texts on labelled rows: macro-F1 while it learns, temperatures, held-out figures, the entity swap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from monitor.adapters.two_head_model import TwoHeadModel
from pipelines.datasets.examples import Example
from pipelines.evaluation.figures import figures_of, fit_temperature, softmax
from pipelines.evaluation.swap import swap_report
from pipelines.training.calibration import add_bias, fit_calibration
from pipelines.training.loop import predict
from pipelines.training.recipe import Recipe
from pipelines.training.rows import NO_LABEL, label_indices, text_rows


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a head was calibrated.

    Attributes:
        temperature: divides its logits.
        rows: how many rows it was fitted on.
        without_bias: classes with too few of them to correct the head by; only where it was corrected per class.
    """

    temperature: float
    rows: int
    without_bias: tuple[str, ...] = ()


def calibrating(rows: Sequence[Example], task: str) -> list[int]:
    """Indices of the kept rows that calibrate a task's head.

    Of texts and of pairs of a text and a company the texts alone count: a model is surer of pairs than it is right, and
    one temperature serves both. Pairs count where no whole text has a label for the task.
    """
    known = [i for i, row in enumerate(rows) if getattr(row, task) is not None]
    return [i for i in known if rows[i].entity is None] or known


class Judge:
    """The model on labelled rows, with the class names of its heads."""

    def __init__(
        self, model: TwoHeadModel, tokenizer: Tokenizer, pad_id: int, names: dict[str, list[str]], recipe: Recipe
    ) -> None:
        self.pad_id = pad_id
        self._model, self._tokenizer, self._names, self._recipe = model, tokenizer, names, recipe

    def logits(self, rows: Sequence[Example], max_tokens: int) -> dict[str, np.ndarray]:
        """By task (rows, classes), uncalibrated."""
        encoded = text_rows(self._tokenizer, rows, {}, max_tokens)
        return {task: np.stack(values) for task, values in predict(self._model, encoded, self.pad_id).items()}

    def macro_f1(self, rows: Sequence[Example]) -> float:
        """Mean over the heads of macro-F1."""
        logits = self.logits(rows, self._recipe.train_tokens)
        scores = []
        for task, classes in self._names.items():
            labels = label_indices(rows, task, classes)
            known = labels != NO_LABEL
            if known.any():
                scores.append(figures_of(logits[task][known], labels[known], classes, 1.0)["macro_f1"])
        return float(np.mean(scores))

    def calibrate(self, rows: Sequence[Example]) -> dict[str, Calibration]:
        """By task what calibrates it on these rows, see `calibrating`; adds a bias per class where the recipe wants it.

        Every task has such rows.
        """
        chosen = {task: calibrating(rows, task) for task in self._names}
        union = sorted({i for used in chosen.values() for i in used})
        logits = self.logits([rows[i] for i in union], self._recipe.max_tokens)
        found = {}
        for task, classes in self._names.items():
            labels = label_indices([rows[i] for i in chosen[task]], task, classes)
            values = logits[task][np.searchsorted(union, chosen[task])]
            without: tuple[str, ...] = ()
            if self._recipe.class_bias:
                temperature, bias, known = fit_calibration(values, labels)
                add_bias(self._model.heads[task], bias)
                without = tuple(name for name, enough in zip(classes, known, strict=True) if not enough)
            else:
                temperature = fit_temperature(values, labels)
            found[task] = Calibration(temperature, len(labels), without)
        return found

    def figures(self, rows: Sequence[Example], temperatures: dict[str, float]) -> dict[str, Any]:
        """By task the figures on the rows with its label; per-entity rows beside copying the text's own sentiment."""
        logits = self.logits(rows, self._recipe.max_tokens)
        told: dict[str, Any] = {}
        for task, classes in self._names.items():
            labels = label_indices(rows, task, classes)
            known = labels != NO_LABEL
            if known.any():
                told[task] = figures_of(logits[task][known], labels[known], classes, temperatures[task])
        if "sentiment" in self._names and any(row.entity is not None for row in rows):
            whole = self.logits([replace(row, entity=None) for row in rows], self._recipe.max_tokens)["sentiment"]
            labels = label_indices(rows, "sentiment", self._names["sentiment"])
            told["copied"] = figures_of(whole, labels, self._names["sentiment"], temperatures["sentiment"])
        return told

    def entity_swap(self, temperature: float, language: str) -> dict[str, Any]:
        """How far the sentiment depends on the company's name alone: the main figures of `swap_report`."""

        def score(texts: list[str]) -> np.ndarray:
            logits = self.logits([Example(text) for text in texts], self._recipe.max_tokens)["sentiment"]
            return softmax(logits, temperature)

        report = swap_report(score, language)
        told = ("names", "frames", "pairs_changed_share", "frames_changed_share", "mean_absolute_shift", "worst_names")
        return {key: report[key] for key in told}
