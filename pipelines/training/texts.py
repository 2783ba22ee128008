"""Tuning for texts: sentiment, topic, or both on one encoder, with sentiment per entity where the data has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from monitor.adapters.two_head_model import TwoHeadModel, save_model
from monitor.errors import ConfigError
from pipelines.datasets.examples import SENTIMENTS, Example, as_served
from pipelines.datasets.splits import split_by_cluster
from pipelines.evaluation.figures import figures_of, fit_temperature
from pipelines.training.encoder import load_encoder, save_tokenizer
from pipelines.training.loop import predict
from pipelines.training.model_card import write_card
from pipelines.training.recipe import DataFile, Recipe
from pipelines.training.rows import NO_LABEL, label_indices, text_rows
from pipelines.training.run import RunOptions, not_held_out, pad_id_of, provenance, tune


def run_texts(recipe: Recipe, options: RunOptions) -> dict[str, Any]:
    """Trains the recipe's heads on one encoder and writes the model folder; returns its heads.json."""
    held_out = {f"{part.file} as {part.kind}": as_served(_examples(part, recipe, options)) for part in recipe.held_out}
    rows, repeats, read = _training_examples(recipe, options, [e for part in held_out.values() for e in part])
    fitting, calibrating = split_by_cluster([e.text for e in rows], recipe.calibration_share, recipe.loop.seed)
    kept = [rows[i] for i in calibrating]
    names = _label_names(recipe, rows)
    trunk, tokenizer = load_encoder(options.encoder or recipe.encoder, recipe.max_tokens)
    model = TwoHeadModel(trunk.config, {task: len(labels) for task, labels in names.items()})
    model.encoder.load_state_dict(trunk.state_dict(), strict=False)
    judge = _Judge(model, tokenizer, pad_id_of(tokenizer), names, recipe)

    repeated = [rows[i] for i in fitting for _ in range(repeats[i])]
    encoded = text_rows(tokenizer, repeated, names, recipe.train_tokens)
    scores = tune(model, model.prefix, encoded, judge.pad_id, recipe, options, lambda: judge.macro_f1(kept))
    temperatures = judge.temperatures(kept)
    heads = {
        "name": recipe.name,
        "version": recipe.version,
        "language": recipe.language,
        "max_tokens": recipe.max_tokens,
        "entity_pairs": any(e.entity is not None for e in rows),
        "heads": {
            task: {"id2label": dict(enumerate(labels)), "temperature": round(temperatures[task], 4)}
            for task, labels in names.items()
        },
        **provenance(recipe, options.data),
        "rows": {"read": read, "leaking": read - len(rows), "fitted": len(fitting), "calibrated": len(calibrating)},
        "macro_f1_by_epoch": [round(score, 4) for score in scores],
        "held_out": {file: judge.figures(part, temperatures) for file, part in held_out.items()},
    }
    save_model(model.cpu(), heads, options.out)
    tokenizer.enable_truncation(max_length=recipe.max_tokens)
    save_tokenizer(tokenizer, options.out)
    write_card(heads, recipe.notes, options.out)
    return heads


class _Judge:
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

    def temperatures(self, rows: Sequence[Example]) -> dict[str, float]:
        """By task the temperature that calibrates it on these rows."""
        logits = self.logits(rows, self._recipe.max_tokens)
        found = {}
        for task, classes in self._names.items():
            labels = label_indices(rows, task, classes)
            known = labels != NO_LABEL
            if not known.any():
                raise ConfigError(f"no row kept for calibration has a {task}; raise calibration_share")
            found[task] = fit_temperature(logits[task][known], labels[known])
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
        if any(row.entity is not None for row in rows):
            whole = self.logits([replace(row, entity=None) for row in rows], self._recipe.max_tokens)["sentiment"]
            labels = label_indices(rows, "sentiment", self._names["sentiment"])
            told["copied"] = figures_of(whole, labels, self._names["sentiment"], temperatures["sentiment"])
        return told


def _examples(part: DataFile, recipe: Recipe, options: RunOptions) -> list[Example]:
    rows = part.examples(options.data)
    if part.share == 1.0:
        return rows
    _, chosen = split_by_cluster([row.text for row in rows], part.share, recipe.loop.seed)
    return [rows[i] for i in chosen]


def _training_examples(
    recipe: Recipe, options: RunOptions, held_out: Sequence[Example]
) -> tuple[list[Example], list[int], int]:
    """Usable rows that repeat nothing held out, how often each is seen, and how many were read."""
    rows, repeats = [], []
    for part in recipe.train:
        found = _examples(part, recipe, options)
        found = [row for row in found if any(getattr(row, task) is not None for task in recipe.tasks)]
        rows += found
        repeats += [part.repeat] * len(found)
    read = len(rows)
    rows = as_served(rows)
    unique = list({(row.text, row.entity, row.sentiment, row.topic): i for i, row in enumerate(rows)}.values())
    rows, repeats = [rows[i] for i in unique], [repeats[i] for i in unique]
    kept = not_held_out(rows, held_out, recipe.leaks)
    return [rows[i] for i in kept], [repeats[i] for i in kept], read


def _label_names(recipe: Recipe, rows: Sequence[Example]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for task in recipe.tasks:
        found = sorted({value for row in rows if (value := getattr(row, task)) is not None})
        names[task] = list(SENTIMENTS) if task == "sentiment" else found
        if len(found) < 2:
            raise ConfigError(f"the training files hold {len(found)} classes of {task}; at least two are needed")
    return names
