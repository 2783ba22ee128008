"""Keeps the fixed evaluation texts out of training: fixes files, reads them, and refuses what repeats them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.load import load_examples
from pipelines.datasets.splits import check_no_leak
from pipelines.labels.answers import Answer
from pipelines.labels.label_set import (
    EvaluationFile,
    Manifest,
    add_evaluation_file,
    answers_in,
    evaluation_examples,
    read_manifest,
)


def fix_evaluation(folder: Path, path: Path, kind: str | None = None) -> EvaluationFile:
    """Fixes a file as evaluation data of a set: a copy of it is kept, and nothing like its texts enters the set.

    Args:
        folder: the set's folder; made where it is missing.
        path: the file of labelled texts.
        kind: its format, see `pipelines.datasets.load`; None guesses it.

    Raises:
        ConfigError: the file can't be read, or the newest version of the set repeats one of its texts; names both.
    """
    manifest = read_manifest(folder)
    kind = kind or kind_of(path)
    examples = load_examples(path, kind)
    try:
        check_no_leak(examples_of(answers_in(folder, manifest)), examples)
    except ConfigError as exc:
        raise ConfigError(f"{path}: can't be fixed as evaluation data of {folder}: {exc}") from exc
    return add_evaluation_file(folder, manifest, path, kind, len(examples))


def held_out(folder: Path, manifest: Manifest, files: Sequence[Path]) -> list[Example]:
    """The texts that must not be trained on: those of the set's fixed evaluation files, and of other files.

    Raises:
        ConfigError: one can't be read.
    """
    others = [example for path in files for example in load_examples(path, kind_of(path))]
    return [*evaluation_examples(folder, manifest), *others]


def examples_of(answers: Sequence[Answer]) -> list[Example]:
    """The answers as labelled texts."""
    return [Example(answer.text, answer.sentiment, answer.topic, place=answer.place) for answer in answers]
