"""`pipelines labels import`: a file of answers into the next version of a label set.

Guarantees: all or nothing; the same answers again add nothing; of two answers for a document the later one stands,
whatever order their files come in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import ConfigError
from monitor.ports import Clock
from pipelines.datasets.load import sha256_of
from pipelines.datasets.splits import check_no_leak
from pipelines.labels.answer_files import Format, read_answers
from pipelines.labels.answers import TASKS, Answer, OnConflict, resolve
from pipelines.labels.evaluation import examples_of, held_out
from pipelines.labels.label_set import Source, Version, add_version, answers_in, read_manifest
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
    rows, counts = _merged(before, resolved.answers, options.on_conflict)
    try:
        # What was answered goes first, so that an error names its task; the rows make sure that the version loads.
        check_no_leak(examples_of([*resolved.answers, *rows.values()]), held)
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


def _merged(
    before: dict[str, Answer], answers: Sequence[Answer], on_conflict: OnConflict
) -> tuple[dict[str, Answer], Counter[str]]:
    """The rows of the next version, and how many answers were added, changed, known, outdated and contradicted."""
    rows, counts = dict(before), Counter[str]()
    for answer in answers:
        known = before.get(answer.document_id)
        fate = "added" if known is None else _fate(known, answer)
        if known is not None and fate == "contradicted" and on_conflict == "error":
            said = " against ".join(
                f"{one.sentiment}, {one.topic} ({one.annotator or 'unknown'})" for one in (answer, known)
            )
            raise ConfigError(f"{answer.place}: contradicts {known.place}, answered at the same time: {said}")
        if fate in ("added", "changed"):
            rows[answer.document_id] = answer
        counts[fate] += 1
    return rows, counts


def _fate(known: Answer, answer: Answer) -> str:
    if all(getattr(answer, task) == getattr(known, task) for task in TASKS):
        return "known"
    if answer.answered_at == known.answered_at:
        return "contradicted"
    return "changed" if answer.answered_at > known.answered_at else "outdated"
