"""`pipelines labels import`: a file of answers into the next version of a label set.

Guarantees: all or nothing; the same answers again add nothing; see merge.py for what becomes of labels that are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import ConfigError
from monitor.ports import Clock
from pipelines.datasets.load import sha256_of
from pipelines.datasets.splits import check_no_leak
from pipelines.labels.answer_files import Format, read_answers
from pipelines.labels.answers import Answer, OnConflict, resolve
from pipelines.labels.evaluation import examples_of, held_out
from pipelines.labels.label_set import Source, Version, add_version, answers_in, read_manifest
from pipelines.labels.merge import merged
from pipelines.replay.times import iso


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What to import, and how.

    Attributes:
        file: the answers; format: None tells it by the content.
        set: folder of the label set; made where it is missing.
        topics: the topics that may be answered.
        evaluation: files that no answer may repeat, besides those fixed in the set.
    """

    file: Path
    set: Path
    topics: tuple[str, ...]
    format: Format | None = None
    on_conflict: OnConflict = "error"
    evaluation: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Counts of an import: documents, but for `skipped` and `unanswered`, which count annotations and tasks.

    Attributes:
        version: the one that was made; None if nothing is new.
        known: answers that change no label; outdated: those that are older than what the set has.
        by_majority, contradicted: contradictions, settled or left out.
    """

    version: Version | None
    added: int
    changed: int
    known: int
    outdated: int
    by_majority: int
    contradicted: int
    skipped: int
    unanswered: int


def import_answers(options: ImportOptions, clock: Clock) -> ImportSummary:
    """Imports a file of answers.

    Raises:
        ConfigError: the file can't be read, a label is unknown, annotators contradict each other (with `on_conflict`
            "error"), or an answer repeats an evaluation text; nothing is imported then.
    """
    manifest = read_manifest(options.set)
    held = held_out(options.set, manifest, options.evaluation)
    read = read_answers(options.file, options.topics, options.format)
    resolved = resolve(read.annotations, options.on_conflict)
    before = {answer.document_id: answer for answer in answers_in(options.set, manifest)}
    rows, counts = merged(before, resolved.answers, options.on_conflict)
    try:
        check_no_leak(examples_of(_each_once(resolved.answers, rows)), held)
    except ConfigError as exc:
        raise ConfigError(f"{options.file}: nothing is imported: {exc}") from exc
    version = None
    if counts["added"] or counts["changed"]:
        source = Source(file=options.file.name, sha256=sha256_of(options.file), format=read.format)
        created = iso(clock.now_ms() // 1000 * 1000)
        version = add_version(
            options.set, manifest, list(rows.values()), source, created, counts["added"], counts["changed"]
        )
    return ImportSummary(
        version=version,
        added=counts["added"],
        changed=counts["changed"],
        known=counts["known"],
        outdated=counts["outdated"],
        by_majority=resolved.by_majority,
        contradicted=resolved.contradicted + counts["contradicted"],
        skipped=read.skipped,
        unanswered=read.unanswered,
    )


def _each_once(answers: Sequence[Answer], rows: Mapping[str, Answer]) -> list[Answer]:
    """What was answered first, so that an error names its task; then the other rows, since the version has to load."""
    answered = {(answer.document_id, answer.text) for answer in answers}
    return [*answers, *(row for row in rows.values() if (row.document_id, row.text) not in answered)]
