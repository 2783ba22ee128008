"""`pipelines train`: recipe in, model folder out: load, split, tune, calibrate, measure, save."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monitor.adapters.two_head_model import TwoHeadModel, save_model
from pipelines.datasets.examples import SENTIMENTS, Example
from pipelines.datasets.load import load_examples, sha256_of
from pipelines.datasets.splits import split_by_cluster, without_leaks
from pipelines.evaluation.figures import figures_of, fit_temperature
from pipelines.progress_bar import progress_bar
from pipelines.training.encoder import load_encoder, save_tokenizer
from pipelines.training.loop import NO_LABEL, LoopOptions, encode, label_indices, predict, train
from pipelines.training.model_card import write_card


def run_recipe(recipe_path: Path, data: Path, encoder: str | None, out: Path) -> dict[str, Any]:
    """Trains what a recipe says and returns the model's heads.json.

    Args:
        recipe_path: the TOML recipe.
        data: folder that the recipe's file names are relative to.
        encoder: path or hub name that replaces the recipe's.
        out: folder to write.
    """
    recipe = tomllib.loads(recipe_path.read_text(encoding="utf-8"))
    held_out = {part["file"]: load_examples(data / part["file"], part["kind"]) for part in recipe["held_out"]}
    read, rows = _training_rows(recipe, data, [row.text for part in held_out.values() for row in part])
    fitting, calibrating = split_by_cluster([row.text for row in rows], recipe["calibration_share"], recipe["seed"])

    names = {"sentiment": list(SENTIMENTS), "topic": sorted({row.topic for row in rows if row.topic})}
    trunk, tokenizer = load_encoder(encoder or recipe["encoder"], recipe["max_tokens"])
    pad_id = tokenizer.token_to_id("[PAD]") or 0
    torch.manual_seed(recipe["seed"])
    model = TwoHeadModel(trunk.config, {task: len(labels) for task, labels in names.items()})
    model.bert.load_state_dict(trunk.state_dict())
    options = LoopOptions(**{key: recipe[key] for key in LoopOptions.__dataclass_fields__})
    _fit(model, [rows[i] for i in fitting], names, tokenizer, pad_id, options)

    temperatures = _calibrate(model, [rows[i] for i in calibrating], names, tokenizer, pad_id, options.train_tokens)
    figures = _measure(model, held_out, names, tokenizer, pad_id, recipe["max_tokens"], temperatures)
    heads = {
        "name": recipe["name"],
        "version": recipe["version"],
        "language": "en",
        "max_tokens": recipe["max_tokens"],
        "heads": {
            task: {"id2label": dict(enumerate(labels)), "temperature": round(temperatures[task], 4)}
            for task, labels in names.items()
        },
        "encoder": {"name": recipe["encoder"], "licence": recipe["encoder_licence"]},
        "trained_on": [
            {"file": part["file"], "licence": part["licence"], "sha256": sha256_of(data / part["file"])}
            for part in recipe["train"]
        ],
        "rows": {"read": read, "fitted": len(fitting), "calibrated": len(calibrating)},
        "held_out": figures,
        "recipe": {key: recipe[key] for key in LoopOptions.__dataclass_fields__},
    }
    save_model(model, heads, out)
    tokenizer.enable_truncation(max_length=recipe["max_tokens"])
    save_tokenizer(tokenizer, out)
    write_card(heads, out)
    return heads


def _training_rows(recipe: dict[str, Any], data: Path, held_out: list[str]) -> tuple[int, list[Example]]:
    """How many rows there are, and those that repeat nothing held out."""
    rows = [example for part in recipe["train"] for example in load_examples(data / part["file"], part["kind"])]
    kept = [rows[i] for i in without_leaks([row.text for row in rows], held_out)]
    print(f"{len(rows)} labelled rows, {len(rows) - len(kept)} left out as near-duplicates of held-out ones")
    return len(rows), kept


def _measure(
    model: TwoHeadModel,
    held_out: dict[str, list[Example]],
    names: dict[str, list[str]],
    tokenizer: Any,
    pad_id: int,
    max_tokens: int,
    temperatures: dict[str, float],
) -> dict[str, dict[str, Any]]:
    figures = {}
    for file, part in held_out.items():
        logits = predict(model, encode(tokenizer, [row.text for row in part], max_tokens), pad_id)
        for task, classes in names.items():
            labels = label_indices(part, task, classes)
            if (labels != NO_LABEL).all():
                figures[file] = {"task": task, **figures_of(logits[task], labels, classes, temperatures[task])}
    return figures


def _fit(
    model: TwoHeadModel,
    rows: list[Example],
    names: dict[str, list[str]],
    tokenizer: Any,
    pad_id: int,
    options: LoopOptions,
) -> None:
    encoded = encode(tokenizer, [row.text for row in rows], options.train_tokens)
    labels = {task: label_indices(rows, task, names[task]) for task in names}
    with progress_bar() as progress:
        bar = progress.add_task("training", total=None)
        recent: list[float] = []

        def on_step(step: int, steps: int, loss: float) -> None:
            recent.append(loss)
            del recent[:-50]
            progress.update(bar, completed=step, total=steps, description=f"training, loss {np.mean(recent):.3f}")

        train(model, encoded, labels, pad_id, options, on_step)


def _calibrate(
    model: TwoHeadModel,
    rows: list[Example],
    names: dict[str, list[str]],
    tokenizer: Any,
    pad_id: int,
    max_tokens: int,
) -> dict[str, float]:
    logits = predict(model, encode(tokenizer, [row.text for row in rows], max_tokens), pad_id)
    temperatures = {}
    for task, classes in names.items():
        labels = label_indices(rows, task, classes)
        known = labels != NO_LABEL
        temperatures[task] = fit_temperature(logits[task][known], labels[known])
    return temperatures
