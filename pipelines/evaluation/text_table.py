"""Tables of texts and labels as people have them: other names for the columns, other capitals, no header.

Guarantees: every row is an example, or named as one of which cleaning leaves nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.reading import Place, decoded, folder_of
from pipelines.evaluation.label_names import LabelNames

# Kinds of pipelines.datasets that are such tables, and the task that their label is of.
TABLE_KINDS = {"sentiment_csv": "sentiment", "topic_csv": "topic", "labelled_csv": None}
_TEXT = ("text", "sentence", "headline")
_LABELS = ("label", "sentiment", "topic")
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class _Columns:
    """Index of each column; `labels` by task."""

    width: int
    text: int
    labels: dict[str, int]
    entity: int | None = None


def text_table(
    path: Path, task: str | None, classes: Mapping[str, Sequence[str]], names: LabelNames
) -> tuple[list[Example], list[str]] | None:
    """Reads a CSV file (comma, semicolon or tab) with a text and its label or labels.

    Columns are text (or sentence, headline), label or sentiment or topic or both, and perhaps entity. Without a header,
    two columns of which one holds a known label.

    Args:
        path: the file, in UTF-8.
        task: what a column `label` is of; None asks which head of the model knows most of its labels.
        classes: the model's labels, by head.
        names: other spellings of labels.

    Returns:
        The examples, and the places of rows whose text is empty once it is cleaned; None if it is another kind of table.

    Raises:
        ConfigError: names file and row, and what is allowed.
    """
    rows = list(_rows(path))
    if not rows:
        return None
    head = "sentiment" if task == "entity" else task
    columns = _from_header(rows[0][1], head, rows[1:], classes, names)
    body = rows[1:]
    if columns is None:
        columns, body = _without_header(rows, head, classes, names), rows
    if columns is None:
        return None
    examples, empty = [], []
    for place, cells in body:
        if len(cells) != columns.width:
            raise place.error(f"{len(cells)} cells in a file of {columns.width} columns; quote a text with a comma")
        labels = _labels(place, cells, columns, classes, names)
        text = clean_text(cells[columns.text])
        entity = None if columns.entity is None else clean_text(cells[columns.entity]) or None
        if text:
            examples.append(Example(text, entity=entity, source=folder_of(path), place=str(place), **labels))
        else:
            empty.append(str(place))
    return examples, empty


def _rows(path: Path) -> Iterator[tuple[Place, list[str]]]:
    text = decoded(path)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        place = Place(path, f"row {number}")
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raise place.error(f"not CSV: {exc}") from exc
        if any(cell.strip() for cell in cells):
            yield place, cells


def _from_header(
    header: Sequence[str],
    task: str | None,
    body: Sequence[tuple[Place, list[str]]],
    classes: Mapping[str, Sequence[str]],
    names: LabelNames,
) -> _Columns | None:
    found = [name.strip().casefold() for name in header]
    text = next((found.index(name) for name in _TEXT if name in found), None)
    given = [name for name in _LABELS if name in found]
    if text is None or not given:
        return None
    labels = {name: found.index(name) for name in given if name != "label"}
    if "label" in given and (task is None or task not in labels):
        at = found.index("label")
        told = [cells[at] for _, cells in body[:_LOOKED_AT] if at < len(cells)]
        labels[task or _head_that_knows(told, classes, names)] = at
    return _Columns(len(found), text, labels, found.index("entity") if "entity" in found else None)


def _without_header(
    rows: Sequence[tuple[Place, list[str]]],
    task: str | None,
    classes: Mapping[str, Sequence[str]],
    names: LabelNames,
) -> _Columns | None:
    if any(len(cells) != 2 for _, cells in rows[:1]):
        return None
    for at in (1, 0):
        for head, known in classes.items():
            if task in (None, head) and names.find(rows[0][1][at], known) is not None:
                return _Columns(2, 1 - at, {head: at})
    return None


def _head_that_knows(labels: Sequence[str], classes: Mapping[str, Sequence[str]], names: LabelNames) -> str:
    return max(classes, key=lambda head: sum(names.find(label, classes[head]) is not None for label in labels))


def _labels(
    place: Place, cells: Sequence[str], columns: _Columns, classes: Mapping[str, Sequence[str]], names: LabelNames
) -> dict[str, str]:
    labels = {}
    for head, at in columns.labels.items():
        if cells[at].strip():
            known = classes.get(head)
            written = cells[at].strip()
            labels[head] = names.renamed(written) if known is None else names.known(written, known, _where(place))
    if not labels:
        raise place.error(f"no {' or '.join(columns.labels)}")
    return labels


def _where(place: Place) -> str:
    return f"{place.path}, {place.item}"
