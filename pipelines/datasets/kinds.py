"""Guesses which kind a data file is, by its suffix and by how it begins."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from monitor.errors import ConfigError
from pipelines.datasets.conll import looks_tagged
from pipelines.datasets.examples import SENTIMENTS
from pipelines.datasets.load import EXAMPLE_KINDS, TAGGED_KINDS
from pipelines.datasets.reading import bytes_of, csv_header, csv_rows, json_in, json_lines

_LOOKED_AT = 100
_CSV_KINDS = {
    ("text", "sentiment", "topic"): "labelled_csv",
    ("Title", "Decisions"): "sentfin",
    ("Tweet Text", "Sentiment"): "surge_stock",
}


def kind_of(path: Path) -> str:
    """Returns one of `EXAMPLE_KINDS` or `TAGGED_KINDS`; of SEntFiN's two, the one for whole headlines.

    Raises:
        ConfigError: the file can't be read, or looks like none of them.
    """
    guesses = {".csv": _csv_kind, ".json": _json_kind, ".jsonl": _json_lines_kind, ".ndjson": _json_lines_kind}
    kind = guesses.get(path.suffix.lower(), _lines_kind)(path)
    if kind is None:
        kinds = ", ".join(sorted({*EXAMPLE_KINDS, *TAGGED_KINDS}))
        raise ConfigError(f"{path}: can't tell what kind of data this is; say which: {kinds}")
    return kind


def _csv_kind(path: Path) -> str | None:
    header = csv_header(path)
    for columns, kind in _CSV_KINDS.items():
        if set(columns) <= set(header):
            return kind
    if not {"text", "label"} <= set(header):
        return None
    labels = [row["label"].strip().lower() for _, row in islice(csv_rows(path, ("text", "label")), _LOOKED_AT)]
    # One sentiment is enough: among them a label that is none is a mistake to be named, not a topic.
    if any(label in SENTIMENTS for label in labels):
        return "sentiment_csv"
    return "topic_csv" if any(label and not label.isdigit() for label in labels) else None


def _json_kind(path: Path) -> str | None:
    match json_in(path):
        case [[str(), int()], *_]:
            return "fincuge_finfe"
        case [[str(), str()], *_]:
            return "fincuge_finnl"
        case [{"data": _, "annotations": _}, *_]:
            return "label_studio"
    return None


def _json_lines_kind(path: Path) -> str | None:
    match next(json_lines(path))[1]:
        case {"text": _, "label": _} | {"text": _, "labels": _}:
            return "doccano"
    return None


def _lines_kind(path: Path) -> str | None:
    # Either encoding of PhraseBank: what is looked at is ASCII.
    first = bytes_of(path).lstrip().split(b"\n", 1)[0].decode("iso-8859-1")
    if first.rpartition("@")[2].strip().lower() in SENTIMENTS:
        return "phrasebank"
    return "conll" if looks_tagged(first.strip()) else None
