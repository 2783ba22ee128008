"""Which evaluated rows a model may have seen: near-duplicates of the files that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.load import TAGGED_KINDS, load_examples, load_tagged, sha256_of
from pipelines.datasets.splits import without_leaks


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was compared with, and what is left.

    Attributes:
        files: training files found under the folder.
        absent: those that were not.
        changed: those found whose content is another than what was trained on.
        clean: indices of the evaluated rows that are near-duplicates of no training row.
    """

    files: tuple[str, ...]
    absent: tuple[str, ...]
    changed: tuple[str, ...]
    clean: tuple[int, ...]


def find_leaks(texts: Sequence[str], trained_on: Sequence[dict[str, Any]], folder: Path, *, tagged: bool) -> Leaks:
    """Compares evaluated texts with the training files that are at hand.

    Args:
        texts: the evaluated texts.
        trained_on: the checkpoint's training files: `file`, and perhaps `kind` and `sha256`.
        folder: what their names are relative to.
        tagged: whether they hold tagged sentences.

    Raises:
        ConfigError: the checkpoint names no training file, or none of them is under the folder.
    """
    if not trained_on:
        raise ConfigError("--check-leaks: the model's folder does not say what it was trained on")
    there = [part for part in trained_on if (folder / part["file"]).is_file()]
    if not there:
        names = ", ".join(part["file"] for part in trained_on)
        raise ConfigError(f"--check-leaks {folder}: none of the model's training files is there: {names}")
    seen = [text for part in there for text in _texts(folder / part["file"], part.get("kind"), tagged=tagged)]
    return Leaks(
        files=tuple(part["file"] for part in there),
        absent=tuple(part["file"] for part in trained_on if part not in there),
        changed=tuple(
            part["file"] for part in there if part.get("sha256") not in (None, sha256_of(folder / part["file"]))
        ),
        clean=tuple(without_leaks(texts, seen)),
    )


def _texts(path: Path, kind: str | None, *, tagged: bool) -> list[str]:
    kind = kind or kind_of(path)
    if tagged and kind in TAGGED_KINDS:
        return [" ".join(sentence.tokens) for sentence in load_tagged(path, kind)]
    return [example.text for example in load_examples(path, kind)]
