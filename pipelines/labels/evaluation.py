"""Keeps the fixed evaluation texts out of training: fixes files, reads them, and refuses what repeats them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.load import load_examples
from pipelines.datasets.reading import bytes_of
from pipelines.datasets.splits import check_no_leak
from pipelines.labels.answers import Answer
from pipelines.labels.label_set import (
    EVALUATION_FOLDER,
    MANIFEST,
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


def check_evaluation(rows: Sequence[Example], label_sets: Sequence[Path]) -> None:
    """Does nothing if no row repeats a fixed evaluation text of a label set; the rows may be of any file.

    Args:
        rows: all that is to be trained on.
        label_sets: folders of label sets, or the manifests in them.

    Raises:
        ConfigError: there is no such set, an evaluation file is not what its manifest says, or a row is a near-duplicate
            of a text in one; names both.
    """
    for path in label_sets:
        folder = path.parent if path.name == MANIFEST else path
        if not (folder / MANIFEST).is_file():
            raise ConfigError(f"{path}: no label set: it holds no {MANIFEST}")
        try:
            check_no_leak(rows, evaluation_examples(folder, read_manifest(folder)))
        except ConfigError as exc:
            raise ConfigError(f"{folder}: its evaluation texts must not be trained on: {exc}") from exc


def evaluation_texts_under(data: Path) -> list[Example]:
    """The fixed evaluation texts of every label set under a folder, so that none enters training by another file.

    Args:
        data: walked by names alone, without hidden folders and links; a `manifest.json` of something else is passed over.

    Raises:
        ConfigError: a set is damaged, or an evaluation file is not what its manifest says.
    """
    found = []
    for folder, inside, files in os.walk(data):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        if MANIFEST in files and _is_label_set(Path(folder)):
            found += evaluation_examples(Path(folder), read_manifest(Path(folder)))
    return found


def _is_label_set(folder: Path) -> bool:
    """Whether the manifest in it is one of ours; one that can't be read is, if evaluation files lie beside it."""
    try:
        told = json.loads(bytes_of(folder / MANIFEST))
    except ValueError:
        return (folder / EVALUATION_FOLDER).is_dir()
    return isinstance(told, dict) and {"versions", "evaluation"} <= told.keys()


def examples_of(answers: Sequence[Answer]) -> list[Example]:
    """The answers as labelled texts."""
    return [Example(answer.text, answer.sentiment, answer.topic, place=answer.place) for answer in answers]
