"""What is wrong with a run's folders and models is said before anything is read or trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from monitor.adapters.two_head_model import HEADS, WEIGHTS, read_heads
from monitor.errors import ConfigError
from pipelines.training.origin import TOLD, told_of
from pipelines.training.recipe import Recipe

if TYPE_CHECKING:
    from pipelines.training.run import RunOptions


def check_run(recipe: Recipe, options: RunOptions) -> None:
    """Does nothing if the run can begin.

    Raises:
        ConfigError: a model that a flag names is none or of no use to the recipe, the recipe lacks one, or the folder to
            write can't be written or holds something else.
    """
    if recipe.tasks == ("ner",):
        for flag, given in (
            ("--mean-with", options.mean_with),
            ("--keep-as", options.keep_as),
            ("--teacher", options.teacher),
        ):
            if given:
                raise ConfigError(f"{flag}: is not for ner, recipe {recipe.name}")
    _check_start(recipe, options)
    if options.keep_as is not None:
        _check_model("--keep-as", options.keep_as)
    _check_teacher(recipe, options.teacher)
    _check_out(recipe, options)


def _check_start(recipe: Recipe, options: RunOptions) -> None:
    start = Path(options.encoder or recipe.encoder)
    if options.mean_with:
        for flag, folder in (("--encoder", start), *(("--mean-with", folder) for folder in options.mean_with)):
            _check_model(flag, folder)
    elif recipe.loop.epochs == 0 and not (start / HEADS).is_file():
        raise ConfigError(
            f"recipe {recipe.name}: epochs = 0 trains nothing, so that --encoder must name a model with trained heads; "
            f"{start} is an encoder without. Which recipe makes that model: docs/models.md, Train"
        )


def _check_model(flag: str, folder: Path) -> None:
    try:
        read_heads(folder)
    except ConfigError as exc:
        raise ConfigError(f"{flag} {folder}: wants a model of texts that `pipelines train` wrote: {exc}") from exc


def _check_teacher(recipe: Recipe, teacher: Path | None) -> None:
    taught = [part.file for part in recipe.train if part.taught]
    if teacher is None:
        if taught:
            raise ConfigError("the recipe has taught files: --teacher MODEL must say what they are learnt from")
        return
    _check_model("--teacher", teacher)
    if not taught or recipe.loop.epochs == 0:
        why = "epochs = 0" if taught else "no file with taught = true"
        raise ConfigError(f"--teacher {teacher}: recipe {recipe.name} has {why}, so that it would teach nothing")
    has = read_heads(teacher)["heads"]
    if not set(has) & set(recipe.tasks):
        raise ConfigError(f"--teacher {teacher}: has {', '.join(has)}; the recipe learns {', '.join(recipe.tasks)}")


def _check_out(recipe: Recipe, options: RunOptions) -> None:
    """The folder is new, or holds a model of this name and kind, or what a run that was killed has left."""
    out = options.out
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ConfigError(f"--out {out}: {there} is a file; a folder is wanted")
    for start in (options.encoder or recipe.encoder, *options.mean_with, options.keep_as, options.teacher):
        if start is not None and Path(start).exists() and Path(start).resolve() == out.resolve():
            raise ConfigError(f"--out {out}: the run reads the model in this folder; a new one is wanted")
    told = told_of(str(out))
    if told is not None:
        kind = "ner" if (out / TOLD).is_file() else "texts"
        wanted = "ner" if recipe.tasks == ("ner",) else "texts"
        if (told["name"], kind) != (recipe.name, wanted):
            raise ConfigError(
                f"--out {out}: holds the model {told['name']}@{told['version']} ({kind}), and the recipe makes "
                f"{recipe.name} ({wanted}); a new folder is wanted"
            )
    elif (out / WEIGHTS).is_file() and not any(out.glob("checkpoint*")):
        raise ConfigError(f"--out {out}: holds weights of something else; a new folder is wanted")
