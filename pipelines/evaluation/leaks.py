"""Which evaluated rows a model may have seen: near-duplicates of the files that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from monitor.errors import ConfigError
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.load import TAGGED_KINDS, load_tagged, sha256_of
from pipelines.datasets.splits import split_by_cluster, without_leaks
from pipelines.evaluation.scoring import Checkpoint
from pipelines.training.recipe import DataFile, LoopOptions


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was compared with, and what is left.

    Attributes:
        files: training files found.
        absent: those that were not.
        changed: those found whose content is another than what was trained on.
        clean: indices of the evaluated rows that are near-duplicates of no training row.
    """

    files: tuple[str, ...]
    absent: tuple[str, ...]
    changed: tuple[str, ...]
    clean: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Trained:
    """A training file as its recipe names it; `seed` is what its share was drawn with."""

    part: DataFile
    seed: int

    def is_there(self, data: Path) -> bool:
        texts = [data / self.part.texts] if self.part.texts else []
        return all(path.is_file() for path in (self.part.measured(data), *texts))

    def texts(self, data: Path, *, tagged: bool) -> list[str]:
        """The texts that were trained on: of a file with a share only that, drawn again as training drew it."""
        part = self.part if self.part.kind else self.part.model_copy(update={"kind": kind_of(self.part.path(data))})
        if tagged and part.kind in TAGGED_KINDS:
            return [" ".join(sentence.tokens) for sentence in load_tagged(part.path(data), part.kind)]
        texts = [example.text for example in part.examples(data)]
        if part.share == 1.0:
            return texts
        _, chosen = split_by_cluster(texts, part.share, self.seed)
        return [texts[i] for i in chosen]


def find_leaks(texts: Sequence[str], checkpoint: Checkpoint, folder: Path, *, tagged: bool) -> Leaks:
    """Compares evaluated texts with the training files that are at hand.

    Args:
        texts: the evaluated texts.
        checkpoint: says what it was trained on: by its recipe, and by the names of files that the recipe doesn't have.
        folder: what their names are relative to, but for `own/...`, which come with the program.
        tagged: whether they hold tagged sentences.

    Raises:
        ConfigError: the checkpoint names no training file, none of them is there, or one can't be read.
    """
    trained = _trained(checkpoint, folder)
    if not trained:
        raise ConfigError("--check-leaks: the model's folder does not say what it was trained on")
    there = [one for one in trained if one.is_there(folder)]
    if not there:
        raise ConfigError(
            f"--check-leaks {folder}: none of the model's training files is there: {', '.join(_names(trained))}"
        )
    sums = {part["file"]: part.get("sha256") for part in reversed(checkpoint.trained_on)}  # the latest run's is first
    changed = [one for one in there if sums.get(one.part.file) not in (None, sha256_of(one.part.measured(folder)))]
    seen = [text for one in there for text in one.texts(folder, tagged=tagged)]
    return Leaks(
        files=_names(there),
        absent=_names([one for one in trained if one not in there]),
        changed=_names(changed),
        clean=tuple(without_leaks(texts, seen)),
    )


def _trained(checkpoint: Checkpoint, folder: Path) -> list[_Trained]:
    # An older version wrote a recipe without files, and a run that went on from a model has that one's files as well.
    tables, loop = checkpoint.recipe.get("train") or (), checkpoint.recipe.get("loop") or {}
    try:
        seed = int(loop.get("seed", LoopOptions().seed))
        parts = [DataFile.model_validate(table) for table in tables]
    except ValidationError as exc:
        wrong = exc.errors()[0]
        raise ConfigError(
            f"{checkpoint.folder}: recipe: train: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
        ) from exc
    told = {part.file for part in parts}
    others = [_by_name(part, folder) for part in checkpoint.trained_on if part["file"] not in told]
    if checkpoint.has_ancestors or others:
        # What of a file the earlier models learnt isn't told, be it named in this recipe too: it may be all of it.
        parts = [part.model_copy(update={"share": 1.0, "clean": False}) for part in parts]
    return [_Trained(part, seed) for part in (*parts, *others)]


def _by_name(part: Mapping[str, Any], folder: Path) -> DataFile:
    found = DataFile(file=part["file"], kind=part.get("kind") or "")
    is_set = not found.kind and found.path(folder).is_dir()
    return found.model_copy(update={"kind": "label_set"}) if is_set else found


def _names(trained: Sequence[_Trained]) -> tuple[str, ...]:
    """Each once: a file may be read as two kinds."""
    return tuple(dict.fromkeys(one.part.file for one in trained))
