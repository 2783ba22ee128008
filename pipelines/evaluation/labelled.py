"""The rows that a model is measured on, with labels that are its own.

Guarantees: every row of the file is measured, or counted as one of which cleaning leaves nothing; a label that the
model does not know is an error naming the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.datasets.hashed_labels import load_hashed_labels
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.load import EXAMPLE_KINDS, TAGGED_KINDS, load_examples, load_tagged
from pipelines.evaluation.label_names import LabelNames
from pipelines.evaluation.text_table import TABLE_KINDS, text_table

_HEADS = ("sentiment", "topic")


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a file holds.

    Attributes:
        kind: how it was read.
        examples: rows whose text is not empty.
        empty: places of those whose text is.
    """

    file: Path
    kind: str
    examples: tuple[Example, ...]
    empty: tuple[str, ...] = ()


def read_labelled(
    path: Path,
    kind: str | None,
    task: str | None,
    classes: Mapping[str, Sequence[str]],
    names: LabelNames,
    texts: Path | None = None,
) -> Labelled:
    """Reads texts with labels.

    Args:
        path: the file.
        kind: one of `EXAMPLE_KINDS`; None guesses it.
        task: sentiment, topic or entity; None leaves it to the file.
        classes: the model's labels, by head.
        names: other spellings of labels.
        texts: the file with the texts, where `path` holds their SHA-256.

    Raises:
        ConfigError: the file can't be read; names file, row and what is allowed.
    """
    if texts is not None:
        rows = load_hashed_labels(path, texts)
        return Labelled(path, "hashed_labels", tuple(_with_known_labels(row, classes, names) for row in rows))
    if kind in TABLE_KINDS or (kind is None and path.suffix.lower() in (".csv", ".tsv")):
        table = text_table(path, TABLE_KINDS.get(kind or "", task), classes, names)
        if table is not None:
            examples, empty = table
            if not examples:
                raise ConfigError(f"{path}: holds no labelled text")
            return Labelled(path, kind or "table of texts and labels", tuple(examples), tuple(empty))
    if kind is None:
        kind = _guessed(path, classes)
        kind = "sentfin_entities" if (kind, task) == ("sentfin", "entity") else kind
    if kind not in EXAMPLE_KINDS:
        raise ConfigError(f"{path}: {kind!r} is no kind of labelled texts; known: {', '.join(EXAMPLE_KINDS)}")
    rows = load_examples(path, kind, keep_empty=True)
    return Labelled(
        path,
        kind,
        tuple(_with_known_labels(row, classes, names) for row in rows if row.text),
        tuple(row.place for row in rows if not row.text),
    )


def read_tagged(path: Path, kind: str | None) -> tuple[str, list[TaggedSentence]]:
    """Reads tagged sentences; returns the kind of the file as well.

    Raises:
        ConfigError: the file can't be read; names file, line and reason.
    """
    kind = kind or kind_of(path)
    if kind not in TAGGED_KINDS:
        raise ConfigError(f"{path}: {kind!r} is no kind of tagged sentences; known: {', '.join(TAGGED_KINDS)}")
    return kind, load_tagged(path, kind)


def tasks_of(labelled: Labelled, classes: Mapping[str, Sequence[str]], wanted: str | None) -> list[str]:
    """What can be measured: the tasks that the file has labels of and the model a head for.

    Raises:
        ConfigError: `wanted` is none of them, or there is none.
    """
    of_entities = any(example.entity is not None for example in labelled.examples)
    there = [head for head in _HEADS if any(getattr(example, head) is not None for example in labelled.examples)]
    if of_entities:
        there = ["entity" if head == "sentiment" else head for head in there]
    possible = [task for task in there if ("sentiment" if task == "entity" else task) in classes]
    if wanted is not None and wanted not in there:
        raise ConfigError(f"{labelled.file}: holds no labels for --task {wanted}; it has {', '.join(there)}")
    if wanted is not None and wanted not in possible:
        raise ConfigError(f"--task {wanted}: the model has no such head; it has {', '.join(classes)}")
    if not possible:
        raise ConfigError(
            f"{labelled.file}: holds labels for {', '.join(there)}; the model has heads for {', '.join(classes)}"
        )
    return [wanted] if wanted is not None else possible


def _guessed(path: Path, classes: Mapping[str, Sequence[str]]) -> str:
    try:
        return kind_of(path)
    except ConfigError as exc:
        known = "; ".join(f"{head}: {', '.join(names)}" for head, names in classes.items())
        raise ConfigError(f"{exc} - or make it a CSV file with the columns text,label ({known})") from exc


def _with_known_labels(example: Example, classes: Mapping[str, Sequence[str]], names: LabelNames) -> Example:
    known = {
        head: names.known(label, classes[head], example.place)
        for head in _HEADS
        if head in classes and (label := getattr(example, head)) is not None
    }
    return replace(example, **known)
