"""A versioned training set in a folder: whole, immutable versions, and a manifest that says what each came from.

Guarantees: a version's file is never written again and its SHA-256 is checked whenever it is read; the manifest changes
in one step; a copy of each fixed evaluation file lies beside, and no version that repeats one is loaded.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.load import load_examples, sha256_of
from pipelines.datasets.reading import bytes_of, csv_rows
from pipelines.datasets.splits import check_no_leak
from pipelines.labels.answers import Answer

MANIFEST = "manifest.json"
EVALUATION_FOLDER = "evaluation"
KIND = "labelled_csv"
_COLUMNS = ("text", "sentiment", "topic", "document_id", "annotator", "answered_at")
_LATER_COLUMNS = ("sentiment_at", "topic_at")  # which older versions don't have


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Record):
    """The file of answers that a version was made from."""

    file: str
    sha256: str
    format: str


class Version(_Record):
    """One version: its file, what is in it, and how it came about; `created` is ISO 8601."""

    file: str
    sha256: str
    rows: int
    sentiment: dict[str, int]
    topic: dict[str, int]
    created: str
    source: Source
    parent: str | None
    added: int
    changed: int


class EvaluationFile(_Record):
    """A copy of a fixed evaluation file, relative to the set's folder, and how to read it."""

    file: str
    sha256: str
    kind: str
    rows: int


class Manifest(_Record):
    """All versions, oldest first, and the fixed evaluation files."""

    versions: tuple[Version, ...] = ()
    evaluation: tuple[EvaluationFile, ...] = ()

    @property
    def newest(self) -> Version | None:
        """None where there is no version yet."""
        return self.versions[-1] if self.versions else None


def load_label_set(path: Path) -> list[Example]:
    """Reads the newest version of a label set.

    Args:
        path: its folder, or the manifest in it.

    Raises:
        ConfigError: there is no version, a file is not what the manifest says, or a text is a near-duplicate of one in a
            fixed evaluation file; names both.
    """
    folder = path.parent if path.name == MANIFEST else path
    manifest = read_manifest(folder)
    if manifest.newest is None:
        raise ConfigError(f"{path}: no label set with a version: `pipelines labels import` makes one")
    examples = load_examples(checked(folder, manifest.newest), KIND)
    check_no_leak(examples, evaluation_examples(folder, manifest))
    return examples


def evaluation_examples(folder: Path, manifest: Manifest) -> list[Example]:
    """All texts of the fixed evaluation files."""
    files = [(checked(folder, record), record.kind) for record in manifest.evaluation]
    return [example for path, kind in files for example in load_examples(path, kind)]


def read_manifest(folder: Path) -> Manifest:
    """Reads a set's manifest; an empty one where there is none.

    Raises:
        ConfigError: it is damaged; names the key.
    """
    path = folder / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        return Manifest.model_validate_json(bytes_of(path))
    except ValidationError as exc:
        lines = [f"{path}: {'.'.join(map(str, error['loc'])) or 'manifest'}: {error['msg']}" for error in exc.errors()]
        raise ConfigError("\n".join(lines)) from exc


def checked(folder: Path, record: Version | EvaluationFile) -> Path:
    """Path of a file that the manifest names.

    Raises:
        ConfigError: it is missing, or has been changed.
    """
    path = folder / record.file
    if not path.is_file():
        raise ConfigError(f"{path}: missing, and the manifest names it")
    if sha256_of(path) != record.sha256:
        raise ConfigError(f"{path}: has been changed: its SHA-256 is not the one in the manifest")
    return path


def answers_in(folder: Path, manifest: Manifest) -> list[Answer]:
    """The answers of the newest version; none where there is no version.

    Raises:
        ConfigError: its file is not what the manifest says.
    """
    if manifest.newest is None:
        return []
    rows = csv_rows(checked(folder, manifest.newest), _COLUMNS)
    return [
        Answer(
            document_id=row["document_id"],
            text=row["text"],
            sentiment=row["sentiment"] or None,
            topic=row["topic"] or None,
            annotator=row["annotator"],
            answered_at=row["answered_at"],
            place=str(place),
            **{column: row.get(column, "") for column in _LATER_COLUMNS},
        )
        for place, row in rows
    ]


def add_version(
    folder: Path, manifest: Manifest, rows: Sequence[Answer], source: Source, created: str, added: int, changed: int
) -> Version:
    """Writes the next version and puts it into the manifest; returns it.

    Args:
        folder: the set's folder, which is made where it is missing.
        manifest: the manifest that the rows were made from.
        rows: all rows of the version.
        source: where what is new comes from.
        created: ISO 8601.
        added: how many rows are new.
        changed: how many have another label than in the version before.

    Raises:
        ConfigError: the folder can't be written to, or somebody else is writing the same version.
    """
    content = _csv(rows)
    version = Version(
        file=f"v{len(manifest.versions) + 1:04d}.csv",
        sha256=hashlib.sha256(content).hexdigest(),
        rows=len(rows),
        sentiment=_counts(row.sentiment for row in rows),
        topic=_counts(row.topic for row in rows),
        created=created,
        source=source,
        parent=manifest.newest.file if manifest.newest else None,
        added=added,
        changed=changed,
    )
    _write_new(folder / version.file, content)
    _write_manifest(folder, manifest.model_copy(update={"versions": (*manifest.versions, version)}))
    return version


def add_evaluation_file(folder: Path, manifest: Manifest, path: Path, kind: str, rows: int) -> EvaluationFile:
    """Copies a file into the set's folder and fixes it as an evaluation file; returns its record.

    Raises:
        ConfigError: another file of that name is fixed, or the folder can't be written to.
    """
    content = bytes_of(path)
    name = f"{EVALUATION_FOLDER}/{path.name}"
    record = EvaluationFile(file=name, sha256=hashlib.sha256(content).hexdigest(), kind=kind, rows=rows)
    for known in manifest.evaluation:
        if known.file == name and known != record:
            raise ConfigError(f"{path}: another {path.name} is fixed already, as {folder / name}; rename this one")
    if record not in manifest.evaluation:
        _write_new(folder / name, content)
        _write_manifest(folder, manifest.model_copy(update={"evaluation": (*manifest.evaluation, record)}))
    return record


def _csv(rows: Sequence[Answer]) -> bytes:
    stream = io.StringIO(newline="")
    # All is quoted: a line end in a document's id must not end a row.
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow((*_COLUMNS, *_LATER_COLUMNS))
    for row in sorted(rows, key=lambda row: row.document_id):
        writer.writerow([getattr(row, column) or "" for column in (*_COLUMNS, *_LATER_COLUMNS)])
    return stream.getvalue().encode()


def _counts(labels: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(label for label in labels if label).items()))


def _write_new(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError as exc:
        raise ConfigError(
            f"{path}: is there, and the manifest doesn't name it: it is being written, or its writing was cut short; "
            "delete it if nobody is writing"
        ) from exc
    except OSError as exc:
        raise ConfigError(f"{path}: can't be written: {exc.strerror or exc}") from exc


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    path, written = folder / MANIFEST, folder / f"{MANIFEST}.new"
    try:
        written.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8", newline="\n")
        os.replace(written, path)  # in one step: a reader finds the old manifest or the new one
    except OSError as exc:
        raise ConfigError(f"{path}: can't be written: {exc.strerror or exc}") from exc
