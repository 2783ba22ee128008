"""What a model comes from: encoder, models before it, teachers, files with their sums, and the command that made it."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitor.adapters.two_head_model import HEADS, WEIGHTS, read_heads
from monitor.errors import ConfigError
from pipelines.datasets.load import sha256_of
from pipelines.training.recipe import Recipe

if TYPE_CHECKING:
    from pipelines.training.run import RunOptions

TOLD = "ner.json"  # what heads.json is for texts
_RECIPES = Path(__file__).parent / "recipes"
_TIMES = re.compile(r"^\d+ × ")


def told_of(start: str) -> dict[str, Any] | None:
    """What a model folder says of itself; None for an encoder, which says nothing.

    Raises:
        ConfigError: its heads.json, or a tagger's ner.json, is no such file.
    """
    folder = Path(start)
    if (folder / HEADS).is_file():
        return read_heads(folder)
    if not (folder / TOLD).is_file():
        return None
    try:
        told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{folder / TOLD}: can't be read: {exc}") from exc
    if not isinstance(told, dict) or not {"name", "version"} <= told.keys():
        raise ConfigError(f"{folder / TOLD}: no name and version of a tagger")
    return told


def provenance(recipe: Recipe, options: RunOptions, starts: Sequence[str], command: str) -> dict[str, Any]:
    """What the model comes from, for heads.json: all of the below, and the recipe.

    Args:
        recipe: what the run is made of.
        options: says where the files and the teacher are.
        starts: the encoder, or the models whose weights the run started with.
        command: of `command_of`.
    """
    origin = origin_of(starts, recipe, None if options.teacher is None else str(options.teacher))
    files = [
        {"file": part.file, "licence": part.licence, "sha256": sha256_of(part.measured(options.data))}
        for part in recipe.train
    ]
    files += origin.pop("before")
    return {
        "made_by": command,
        **origin,
        "trained_on": [part for i, part in enumerate(files) if part not in files[:i]],
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "tokenizers")},
        "recipe": recipe.model_dump(mode="json", exclude={"notes"}),
    }


def origin_of(starts: Sequence[str], recipe: Recipe, teacher: str | None = None) -> dict[str, Any]:
    """The encoder, and of models their names, all names before them, their teachers and (as `before`) training files.

    Args:
        starts: an encoder, or model folders.
        recipe: names the encoder.
        teacher: a model folder.
    """
    models = [told for start in starts if (told := told_of(start)) is not None]
    teachers = [] if teacher is None else [read_heads(Path(teacher))]
    origin: dict[str, Any] = {"encoder": models[0].get("encoder", {}) if models else encoder_of(starts[0], recipe)}
    origin["encoder"] = {"name": "unknown", "licence": ""} | origin["encoder"]
    if models:
        counts = Counter(map(_name_of, models))
        origin["went_on_from" if len(models) == 1 else "mean_of"] = ", ".join(
            name if n == 1 else f"{n} × {name}" for name, n in counts.items()
        )
    taught_by = dict.fromkeys([*map(_name_of, teachers), *(name for m in models for name in _listed(m, "taught_by"))])
    if taught_by:
        origin["taught_by"] = ", ".join(taught_by)
    behind = [*models, *teachers]
    names = [*map(_name_of, behind), *(name for told in behind for name in _ancestors(told))]
    if names:
        origin["ancestors"] = list(dict.fromkeys(names))
    return {**origin, "before": [part for told in behind for part in told.get("trained_on", [])]}


def encoder_of(start: str, recipe: Recipe) -> dict[str, str]:
    """Name and licence of the encoder that was used, with the sum of its weights where it is a folder.

    They are the recipe's if it is the recipe's encoder, by its name or by the sum of its weights; nothing else tells whose
    weights are in a folder, so that another one goes by the folder's name, without a licence.
    """
    weights = Path(start) / WEIGHTS
    found = sha256_of(weights) if weights.is_file() else ""
    if start == recipe.encoder or (found and found == recipe.encoder_sha256):
        told = {"name": recipe.encoder, "licence": recipe.encoder_licence}
    else:
        told = {"name": Path(start).resolve().name if Path(start).is_dir() else start, "licence": ""}
    return told | ({"sha256": found} if found else {})


def command_of(recipe_path: Path, recipe: Recipe, options: RunOptions) -> str:
    """The command line of a run, with the names of models in place of their folders: a path means nothing elsewhere."""
    shipped = recipe_path.resolve().parent == _RECIPES.resolve()
    words = ["--recipe", recipe_path.stem if shipped else recipe_path.name, "--data", "DIR"]
    if options.encoder is not None:
        words += ["--encoder", _shown(options.encoder, recipe)]
    for model in options.mean_with:
        words += ["--mean-with", _shown(str(model), recipe)]
    if options.keep_as is not None:
        words += ["--keep-as", _shown(str(options.keep_as), recipe)]
    if options.teacher is not None:
        words += ["--teacher", _shown(str(options.teacher), recipe)]
    if options.device != "auto":
        words += ["--device", options.device]
    return shlex.join(["pipelines", "train", *words, "--out", "DIR"])


def _shown(start: str, recipe: Recipe) -> str:
    told = told_of(start)
    return encoder_of(start, recipe)["name"] if told is None else _name_of(told)


def _name_of(told: dict[str, Any]) -> str:
    return f"{told['name']}@{told['version']}"


def _ancestors(told: dict[str, Any]) -> list[str]:
    """An older version wrote only who came right before."""
    if "ancestors" in told:
        return list(told["ancestors"])
    return [name for key in ("went_on_from", "mean_of", "taught_by") for name in _listed(told, key)]


def _listed(told: dict[str, Any], key: str) -> list[str]:
    return [_TIMES.sub("", name) for name in told.get(key, "").split(", ") if name]
