"""Labelled text from the formats our data comes in, as one kind of row.

Guarantees: what can't be read is an error naming file and row; labels are checked against the task's label set.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS, Example

_DECISION = re.compile(r"['\"]\s*:\s*['\"](\w+)['\"]")


def load_examples(path: Path, kind: str) -> list[Example]:
    """Reads one file.

    Args:
        path: the file.
        kind: `sentiment_csv` or `topic_csv` (columns text,label), `sentfin` (a dict of sentiment by entity), or
            `surge_stock` (stock tweets; columns Tweet Text, Sentiment).
    """
    readers = {
        "sentiment_csv": _sentiment_csv,
        "topic_csv": _topic_csv,
        "sentfin": _sentfin,
        "surge_stock": _surge_stock,
    }
    if kind not in readers:
        raise ConfigError(f"{path}: unknown data kind {kind!r}; known: {', '.join(sorted(readers))}")
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        examples = [example for example in readers[kind](path) if example.text]
    except (UnicodeDecodeError, csv.Error) as exc:
        raise ConfigError(f"{path}: can't be read: {exc}") from exc
    if not examples:
        raise ConfigError(f"{path}: holds no labelled text")
    return examples


def sha256_of(path: Path) -> str:
    """Returns the file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        absent = [column for column in columns if column not in (reader.fieldnames or [])]
        if absent:
            raise ConfigError(f"{path}: no column {absent[0]!r}; found {', '.join(reader.fieldnames or ['nothing'])}")
        for number, row in enumerate(reader, start=2):
            yield number, {key: value or "" for key, value in row.items() if key is not None}


def _sentiment(path: Path, number: int, label: str) -> str:
    lowered = label.strip().lower()
    if lowered not in SENTIMENTS:
        raise ConfigError(f"{path}, row {number}: label {label!r} is none of {', '.join(SENTIMENTS)}")
    return lowered


def _sentiment_csv(path: Path) -> Iterator[Example]:
    for number, row in _rows(path, ("text", "label")):
        yield Example(
            clean_text(row["text"]), sentiment=_sentiment(path, number, row["label"]), source=path.parent.name
        )


def _topic_csv(path: Path) -> Iterator[Example]:
    for number, row in _rows(path, ("text", "label")):
        if not row["label"].strip():
            raise ConfigError(f"{path}, row {number}: no label")
        yield Example(clean_text(row["text"]), topic=row["label"].strip(), source=path.parent.name)


def _sentfin(path: Path) -> Iterator[Example]:
    """SEntFiN 1.0 (Sinha et al., 2022): only headlines whose entities all carry the same sentiment."""
    for number, row in _rows(path, ("Title", "Decisions")):
        # Not a literal that Python could read: names hold apostrophes ('Osian's Art Fund': 'neutral').
        labels = {_sentiment(path, number, label) for label in _DECISION.findall(row["Decisions"])}
        if not labels:
            raise ConfigError(f"{path}, row {number}: Decisions holds no sentiment: {row['Decisions'][:60]!r}")
        if len(labels) == 1:
            yield Example(clean_text(row["Title"]), sentiment=labels.pop(), source="sentfin")


def _surge_stock(path: Path) -> Iterator[Example]:
    for number, row in _rows(path, ("Tweet Text", "Sentiment")):
        yield Example(
            clean_text(row["Tweet Text"]), sentiment=_sentiment(path, number, row["Sentiment"]), source="surge_stock"
        )
