"""`pipelines train`: recipe in, model folder out: load, split, tune, calibrate, measure, save."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from monitor.adapters.two_head_model import read_heads
from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.load import sha256_of
from pipelines.datasets.splits import check_no_leak, without_leaks
from pipelines.progress_bar import progress_bar
from pipelines.training.checkpoints import Checkpoints
from pipelines.training.loop import train
from pipelines.training.recipe import Recipe, load_recipe
from pipelines.training.rows import Rows
from pipelines.training.start import origin_of
from pipelines.training.tracking import Curves, watch_of
from pipelines.training.weights import add_adapters, merge_adapters

_CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What is not of the recipe.

    Attributes:
        data: folder that the recipe's file names are relative to.
        out: model folder to write; curves and checkpoints of the run under way are in it as well.
        encoder: path or hub name in place of the recipe's.
        mean_with: model folders whose weights are averaged with those of the model folder `encoder`.
        keep_as: model folder: the rows that it kept from fitting are kept from it here too.
        teacher: model folder whose probabilities the recipe's `taught` files are learnt from.
        device: `auto`, `cpu` or `cuda`.
        wandb: project of Weights & Biases to send curves to.
        anew: forget a checkpoint instead of resuming from it.
    """

    data: Path
    out: Path
    encoder: str | None = None
    device: str = "auto"
    wandb: str | None = None
    anew: bool = False
    mean_with: tuple[Path, ...] = ()
    keep_as: Path | None = None
    teacher: Path | None = None


def run_recipe(recipe_path: Path, options: RunOptions) -> dict[str, Any]:
    """Trains what a recipe says and returns what was written beside the weights (heads.json, or ner.json).

    Raises:
        ConfigError: recipe or data can't be used; names file and row.
    """
    from pipelines.training.tagging import run_tagging  # noqa: PLC0415
    from pipelines.training.texts import run_texts  # noqa: PLC0415

    recipe = load_recipe(recipe_path)
    torch.manual_seed(recipe.loop.seed)
    run = run_tagging if recipe.tasks == ("ner",) else run_texts
    told = run(recipe, options)
    shutil.copyfile(recipe_path, options.out / "recipe.toml")
    Checkpoints(options.out / _CHECKPOINT, "").clear()  # not before all is written: a kill until then repeats little
    return told


def device_of(wanted: str) -> torch.device:
    """The device by its name; `auto` takes a GPU where there is one."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch sees no CUDA device; use auto or cpu")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def tune(
    model: nn.Module,
    prefix: str,
    rows: Rows,
    pad_id: int,
    recipe: Recipe,
    options: RunOptions,
    judge: Callable[[], float],
) -> list[float]:
    """Runs the loop with progress bar, curves and checkpoints; returns macro-F1 per epoch on the rows kept for it.

    Args:
        model: tuned in place; moved to the device.
        prefix: name of its encoder.
        rows: what to learn.
        pad_id: id of the padding piece.
        recipe: what the run is made of.
        options: where it runs and writes.
        judge: macro-F1 of the model as it is.
    """
    checkpoints = Checkpoints(options.out / _CHECKPOINT, _identity(recipe, rows, model))
    if recipe.loop.lora_rank:
        add_adapters(model, prefix, recipe.loop.lora_rank)
    model.to(device_of(options.device))
    if options.anew:
        checkpoints.clear()
    curves = Curves(options.out / "curves", options.wandb, recipe.model_dump(mode="json"))
    with progress_bar() as progress:
        end = train(model, rows, pad_id, recipe.loop, judge, checkpoints, watch_of(progress, curves))
    curves.close()
    if recipe.loop.lora_rank:
        merge_adapters(model)
    return end.scores


def not_held_out(train: Sequence[Example], held_out: Sequence[Example], leaks: str) -> list[int]:
    """Indices of the training rows that are near-duplicates of no held-out row.

    Raises:
        ConfigError: there is one that is, and `leaks` is not "drop"; names the pair.
    """
    if leaks == "error":
        check_no_leak(train, held_out)
    kept = without_leaks([row.text for row in train], [row.text for row in held_out])
    print(f"{len(train)} labelled rows, {len(train) - len(kept)} left out as near-duplicates of held-out ones")
    return kept


def provenance(recipe: Recipe, data: Path, starts: Sequence[str], teacher: Path | None = None) -> dict[str, Any]:
    """What the model comes from: encoder, models before it, files with their sums and licences, versions, recipe."""
    origin = origin_of(starts, recipe)
    if teacher is not None:
        told = read_heads(teacher)
        origin |= {"taught_by": f"{told['name']}@{told['version']}", "before": origin["before"] + told["trained_on"]}
    files = [
        {"file": part.file, "licence": part.licence, "sha256": sha256_of(part.measured(data))} for part in recipe.train
    ]
    files += [part for part in origin.pop("before") if part not in files]
    return {
        **origin,
        "trained_on": [part for i, part in enumerate(files) if part not in files[:i]],
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "tokenizers")},
        "recipe": recipe.model_dump(mode="json", exclude={"notes"}),
    }


def pad_id_of(tokenizer: Any) -> int:
    """Id of the padding piece, however the family writes it."""
    for name in ("[PAD]", "<pad>"):
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    raise ConfigError("the tokenizer has no padding piece ([PAD] or <pad>)")


def _identity(recipe: Recipe, rows: Rows, model: nn.Module) -> str:
    """Sum over recipe, rows and the weights to start from: a checkpoint belongs to one of each."""
    digest = hashlib.sha256(recipe.model_dump_json().encode())
    columns: list[Sequence[Any]] = [rows.ids, *rows.labels.values()]
    for column in columns:
        for value in column:
            digest.update(np.asarray(value, dtype=np.int64).tobytes())
    for told in rows.taught.values():
        digest.update(told.tobytes())
    for name, weight in model.state_dict().items():
        digest.update(name.encode() + weight.cpu().numpy().tobytes())
    return digest.hexdigest()
