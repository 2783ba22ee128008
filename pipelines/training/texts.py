"""Tuning for texts: sentiment, topic, or both on one encoder, with sentiment per entity where the data has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.adapters.two_head_model import round_as_saved, save_model
from monitor.errors import ConfigError
from pipelines.datasets.examples import SENTIMENTS, Example, as_served
from pipelines.datasets.splits import split_by_cluster
from pipelines.labels.evaluation import check_evaluation, evaluation_texts_under
from pipelines.training.encoder import save_tokenizer
from pipelines.training.judge import Calibration, Judge, calibrating
from pipelines.training.model_card import write_card
from pipelines.training.origin import provenance
from pipelines.training.recipe import DataFile, Recipe
from pipelines.training.rows import label_indices, text_rows
from pipelines.training.run import RunOptions, not_held_out, pad_id_of, tune
from pipelines.training.start import mean_of, save_kept, split_as_before
from pipelines.training.teacher import taught_rows


def run_texts(recipe: Recipe, options: RunOptions, command: str) -> dict[str, Any]:
    """Trains the recipe's heads on one encoder and writes the model folder; returns its heads.json.

    Args:
        recipe: what the run is made of.
        options: where it reads and writes.
        command: how it was called, for heads.json.
    """
    held_out = {f"{part.file} as {part.kind}": as_served(_examples(part, recipe, options)) for part in recipe.held_out}
    never = [*(e for part in held_out.values() for e in part), *evaluation_texts_under(options.data)]
    rows, parts, counts = _training_examples(recipe, options, never)
    check_evaluation(rows, [part.path(options.data) for part in recipe.train if part.kind == "label_set"])
    starts = [options.encoder or recipe.encoder, *map(str, options.mean_with)]
    before = starts if options.keep_as is None else [*starts, str(options.keep_as)]
    fitting, left = split_as_before([e.text for e in rows], recipe, before)
    kept = [rows[i] for i in left]
    names = _label_names(recipe, rows)
    _check_labels(names, kept, [e for part in held_out.values() for e in part])
    model, tokenizer = mean_of(starts, recipe, names)
    judge = Judge(model, tokenizer, pad_id_of(tokenizer), names, recipe)

    seen = [(rows[i], parts[i].taught) for i in fitting for _ in range(parts[i].repeat)]
    encoded = text_rows(tokenizer, [row for row, _ in seen], names, recipe.train_tokens)
    encoded = taught_rows(encoded, seen, options.teacher, names)
    judged = text_rows(tokenizer, kept, names, recipe.train_tokens)
    scores = tune(model, model.prefix, encoded, judged, judge.pad_id, recipe, options, lambda: judge.macro_f1(kept))
    round_as_saved(model)
    calibration = judge.calibrate(kept)
    round_as_saved(model)  # a bias per class was added
    temperatures = {task: found.temperature for task, found in calibration.items()}
    heads = {
        **recipe.model_dump(include={"name", "version", "language", "max_tokens", "enabled"}),
        "entity_pairs": any(e.entity is not None for e in rows),
        "heads": {task: _head_told(names[task], found) for task, found in calibration.items()},
        **provenance(recipe, options, starts, command),
        "rows": {**counts, "fitted": len(fitting) if recipe.loop.epochs else 0, **_kept_told(kept, calibration)},
        "macro_f1_by_epoch": [round(score, 4) for score in scores],
        "held_out": {file: judge.figures(part, temperatures) for file, part in held_out.items()},
    }
    if recipe.entity_swap:
        heads["entity_swap"] = judge.entity_swap(temperatures["sentiment"], recipe.language)
    save_model(model.cpu(), heads, options.out)
    save_kept([e.text for e in kept], options.out)
    save_tokenizer(tokenizer, options.out, recipe.max_tokens)
    write_card(heads, recipe.notes, options.out)
    return heads


def _head_told(classes: Sequence[str], found: Calibration) -> dict[str, Any]:
    told = {"id2label": dict(enumerate(classes)), "temperature": round(found.temperature, 4)}
    return told | ({"without_bias": list(found.without_bias)} if found.without_bias else {})


def _kept_told(kept: Sequence[Example], calibration: dict[str, Calibration]) -> dict[str, Any]:
    return {"kept": len(kept), "calibrated": {task: found.rows for task, found in calibration.items()}}


def _examples(part: DataFile, recipe: Recipe, options: RunOptions) -> list[Example]:
    rows = part.examples(options.data)
    if part.share == 1.0:
        return rows
    _, chosen = split_by_cluster([row.text for row in rows], part.share, recipe.loop.seed)
    return [rows[i] for i in chosen]


def _training_examples(
    recipe: Recipe, options: RunOptions, held_out: Sequence[Example]
) -> tuple[list[Example], list[DataFile], dict[str, int]]:
    """Usable rows that repeat nothing held out, the file that each is from, and how many there were."""
    rows: list[Example] = []
    parts: list[DataFile] = []
    for part in recipe.train:
        found = _examples(part, recipe, options)
        found = [row for row in found if any(getattr(row, task) is not None for task in recipe.tasks)]
        rows += found
        parts += [part] * len(found)
    read = len(rows)
    rows = as_served(rows)
    unique = list({(row.text, row.entity, row.sentiment, row.topic): i for i, row in enumerate(rows)}.values())
    rows, parts = [rows[i] for i in unique], [parts[i] for i in unique]
    kept = not_held_out(rows, held_out, recipe.leaks)
    counts = {"read": read, "repeated": read - len(rows), "leaking": len(rows) - len(kept)}
    return [rows[i] for i in kept], [parts[i] for i in kept], counts


def _label_names(recipe: Recipe, rows: Sequence[Example]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for task in recipe.tasks:
        found = sorted({value for row in rows if (value := getattr(row, task)) is not None})
        names[task] = list(SENTIMENTS) if task == "sentiment" else found
        if len(found) < 2:
            raise ConfigError(f"the training files hold {len(found)} classes of {task}; at least two are needed")
    return names


def _check_labels(names: dict[str, list[str]], kept: Sequence[Example], held_out: Sequence[Example]) -> None:
    """What would only come out after training is said before it."""
    for task, classes in names.items():
        label_indices(held_out, task, classes)
        if not calibrating(kept, task):
            raise ConfigError(f"no row kept for calibration has a {task}; raise calibration_share")
