"""Tuning for texts: sentiment, topic, or both on one encoder, with sentiment per entity where the data has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from monitor.adapters.two_head_model import HEADS, TwoHeadModel, load_model, read_heads, save_model
from monitor.errors import ConfigError
from pipelines.datasets.examples import SENTIMENTS, Example, as_served
from pipelines.datasets.splits import clusters_of, split_by_cluster
from pipelines.training.encoder import load_encoder, load_tokenizer, save_tokenizer
from pipelines.training.judge import Judge
from pipelines.training.model_card import write_card
from pipelines.training.recipe import DataFile, Recipe
from pipelines.training.rows import text_rows
from pipelines.training.run import RunOptions, not_held_out, pad_id_of, provenance, tune

KEPT = "kept.json"  # first half of the SHA-256 of the texts that were kept


def run_texts(recipe: Recipe, options: RunOptions) -> dict[str, Any]:
    """Trains the recipe's heads on one encoder and writes the model folder; returns its heads.json."""
    held_out = {f"{part.file} as {part.kind}": as_served(_examples(part, recipe, options)) for part in recipe.held_out}
    rows, repeats, counts = _training_examples(recipe, options, [e for part in held_out.values() for e in part])
    start = options.encoder or recipe.encoder
    fitting, calibrating = split_as_before([e.text for e in rows], recipe, Path(start) / KEPT)
    kept = [rows[i] for i in calibrating]
    names = _label_names(recipe, rows)
    model, tokenizer = _model(start, recipe, names)
    judge = Judge(model, tokenizer, pad_id_of(tokenizer), names, recipe)

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
        **_went_on_from(Path(start)),
        "rows": {**counts, "fitted": len(fitting), "calibrated": len(calibrating)},
        "macro_f1_by_epoch": [round(score, 4) for score in scores],
        "held_out": {file: judge.figures(part, temperatures) for file, part in held_out.items()},
    }
    if recipe.entity_swap:
        heads["entity_swap"] = judge.entity_swap(temperatures["sentiment"], recipe.language)
    save_model(model.cpu(), heads, options.out)
    (options.out / KEPT).write_text(json.dumps(sorted({_sum_of(e.text) for e in kept})) + "\n", encoding="utf-8")
    tokenizer.enable_truncation(max_length=recipe.max_tokens)
    save_tokenizer(tokenizer, options.out)
    write_card(heads, recipe.notes, options.out)
    return heads


def split_as_before(texts: Sequence[str], recipe: Recipe, kept_file: Path) -> tuple[list[int], list[int]]:
    """Splits into rows to fit and rows kept for temperatures and early stopping, in whole near-duplicate clusters.

    Where the run goes on from another model, that one's kept rows are kept again and nothing else: any other row may have
    been fitted by it, and a temperature fitted on such rows would be too low.
    """
    if not kept_file.is_file():
        return split_by_cluster(texts, recipe.calibration_share, recipe.loop.seed)
    before = set(json.loads(kept_file.read_text(encoding="utf-8")))
    clusters = clusters_of(texts)
    chosen = {cluster for cluster, text in zip(clusters, texts, strict=True) if _sum_of(text) in before}
    kept = [i for i, cluster in enumerate(clusters) if cluster in chosen]
    if not kept:
        raise ConfigError(f"{kept_file}: none of the rows that it names is in the recipe's files")
    return [i for i, cluster in enumerate(clusters) if cluster not in chosen], kept


def _went_on_from(start: Path) -> dict[str, str]:
    """The model that a run went on from, whose training data count as well."""
    if not (start / HEADS).is_file():
        return {}
    before = read_heads(start)
    return {"went_on_from": f"{before['name']}@{before['version']}"}


def _sum_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _model(start: str, recipe: Recipe, names: dict[str, list[str]]) -> tuple[TwoHeadModel, Tokenizer]:
    """An encoder with fresh heads; a model folder's own heads where their classes are the same."""
    if (Path(start) / HEADS).is_file():
        before, heads = load_model(Path(start))
        trunk, tokenizer = before.encoder, load_tokenizer(Path(start), recipe.max_tokens)
    else:
        heads = {"heads": {}}
        trunk, tokenizer = load_encoder(start, recipe.max_tokens)
    model = TwoHeadModel(trunk.config, {task: len(labels) for task, labels in names.items()})
    model.encoder.load_state_dict(trunk.state_dict(), strict=False)
    for task, labels in names.items():
        if list(heads["heads"].get(task, {}).get("id2label", {}).values()) == labels:
            model.heads[task].load_state_dict(before.heads[task].state_dict())
    return model, tokenizer


def _examples(part: DataFile, recipe: Recipe, options: RunOptions) -> list[Example]:
    rows = part.examples(options.data)
    if part.share == 1.0:
        return rows
    _, chosen = split_by_cluster([row.text for row in rows], part.share, recipe.loop.seed)
    return [rows[i] for i in chosen]


def _training_examples(
    recipe: Recipe, options: RunOptions, held_out: Sequence[Example]
) -> tuple[list[Example], list[int], dict[str, int]]:
    """Usable rows that repeat nothing held out, how often each is seen, and how many there were."""
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
    counts = {"read": read, "repeated": read - len(rows), "leaking": len(rows) - len(kept)}
    return [rows[i] for i in kept], [repeats[i] for i in kept], counts


def _label_names(recipe: Recipe, rows: Sequence[Example]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for task in recipe.tasks:
        found = sorted({value for row in rows if (value := getattr(row, task)) is not None})
        names[task] = list(SENTIMENTS) if task == "sentiment" else found
        if len(found) < 2:
            raise ConfigError(f"the training files hold {len(found)} classes of {task}; at least two are needed")
    return names
