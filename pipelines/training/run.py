"""`pipelines train`: recipe in, model folder out: load, split, tune, calibrate, measure, save."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.splits import check_no_leak, without_leaks
from pipelines.progress_bar import progress_bar
from pipelines.training.beforehand import check_run
from pipelines.training.blind import blind_examples
from pipelines.training.checkpoints import Checkpoints
from pipelines.training.loop import train
from pipelines.training.origin import command_of
from pipelines.training.recipe import Recipe, load_recipe
from pipelines.training.rows import Rows
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
        ConfigError: recipe, data, a model or the folder to write can't be used; names file and row, or the flag.
    """
    from pipelines.training.tagging import run_tagging  # noqa: PLC0415
    from pipelines.training.texts import run_texts  # noqa: PLC0415

    recipe = load_recipe(recipe_path)
    written = recipe_path.read_bytes()  # it may stand in the folder to write, or be changed meanwhile
    check_run(recipe, options)
    torch.manual_seed(recipe.loop.seed)
    run = run_tagging if recipe.tasks == ("ner",) else run_texts
    told = run(recipe, options, command_of(recipe_path, recipe, options))
    (options.out / "recipe.toml").write_bytes(written)
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
    judged: Rows,
    pad_id: int,
    recipe: Recipe,
    options: RunOptions,
    judge: Callable[[], float],
) -> list[float]:
    """Runs the loop with progress bar, curves and checkpoints; returns the judge's figure per epoch.

    Args:
        model: tuned in place; moved to the device.
        prefix: name of its encoder.
        rows: what to learn.
        judged: what the judge looks at, which decides on the best epoch.
        pad_id: id of the padding piece.
        recipe: what the run is made of.
        options: where it runs and writes.
        judge: macro-F1 of the model as it is, or entity F1 of a tagger.
    """
    checkpoints = Checkpoints(options.out / _CHECKPOINT, _identity(recipe, (rows, judged), model))
    if recipe.loop.lora_rank:
        add_adapters(model, prefix, recipe.loop.lora_rank)
    model.to(device_of(options.device))
    if options.anew:
        checkpoints.clear()
    curves = Curves(options.out / "curves", options.wandb, recipe.model_dump(mode="json"))
    measure = "entity F1" if recipe.tasks == ("ner",) else "macro-F1"
    with progress_bar() as progress:
        end = train(model, rows, pad_id, recipe.loop, judge, checkpoints, watch_of(progress, curves, measure))
    curves.close()
    if recipe.loop.lora_rank:
        merge_adapters(model)
    return end.scores


def not_held_out(train: Sequence[Example], held_out: Sequence[Example], leaks: str) -> list[int]:
    """Indices of the training rows that are near-duplicates of no held-out row and of no blind text of our own.

    Raises:
        ConfigError: there is one that is, and `leaks` is not "drop"; names the pair.
    """
    held_out = [*held_out, *blind_examples()]
    if leaks == "error":
        check_no_leak(train, held_out)
    kept = without_leaks([row.text for row in train], [row.text for row in held_out])
    print(f"{len(train)} labelled rows, {len(train) - len(kept)} left out as near-duplicates of held-out or blind ones")
    return kept


def pad_id_of(tokenizer: Any) -> int:
    """Id of the padding piece, however the family writes it."""
    for name in ("[PAD]", "<pad>"):
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    raise ConfigError("the tokenizer has no padding piece ([PAD] or <pad>)")


def _identity(recipe: Recipe, parts: Sequence[Rows], model: nn.Module) -> str:
    """Sum over recipe, rows (to learn, to judge by) and the weights to start from: a checkpoint belongs to one of each."""
    digest = hashlib.sha256(recipe.model_dump_json().encode())
    for rows in parts:
        columns: list[Sequence[Any]] = [rows.ids, rows.segments, *rows.labels.values()]
        for column in columns:
            digest.update(f"{len(column)}".encode())
            for value in column:
                digest.update(np.asarray(value, dtype=np.int64).tobytes())
        for told in rows.taught.values():
            digest.update(told.tobytes())
    for name, weight in model.state_dict().items():
        digest.update(name.encode() + weight.cpu().numpy().tobytes())
    return digest.hexdigest()
