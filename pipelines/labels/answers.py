"""What annotators said, and one answer per document out of it.

Guarantees: of one annotator's annotations of a document the latest counts; what different annotators say is either in
agreement or a contradiction, which is never settled by chance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.datasets.reading import Place, shown

OnConflict = Literal["error", "majority", "skip"]
ON_CONFLICT: tuple[OnConflict, ...] = ("error", "majority", "skip")
TASKS = ("sentiment", "topic")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one annotator said of one document.

    Attributes:
        place: file and task.
        text: cleaned.
        sentiment, topic: None where the annotator gave none; at least one is given.
        annotator: "" where the file names none.
        answered_at: ISO 8601 in UTC with milliseconds, so that text order is time order.
    """

    place: Place
    document_id: str
    text: str
    sentiment: str | None
    topic: str | None
    annotator: str
    answered_at: str

    def label(self, task: str) -> str | None:
        """Its label for one of `TASKS`."""
        return self.sentiment if task == "sentiment" else self.topic


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A file of annotations; `skipped` counts those that were cancelled, `unanswered` tasks and those without a label."""

    format: str
    annotations: list[Annotation]
    skipped: int
    unanswered: int


@dataclass(frozen=True, slots=True)
class Answer:
    """One document's labels: what is kept of the annotations that agree on it, with all their annotators."""

    document_id: str
    text: str
    sentiment: str | None
    topic: str | None
    annotator: str
    answered_at: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Answers in the order of their document ids.

    Attributes:
        by_majority: answers that annotators contradict each other on, settled by most of them.
        contradicted: documents left out because they do, and that isn't settled.
    """

    answers: list[Answer]
    by_majority: int
    contradicted: int


def resolve(annotations: Iterable[Annotation], on_conflict: OnConflict) -> Resolved:
    """Makes one answer per document.

    Args:
        annotations: of one file, in its order.
        on_conflict: for annotators who contradict each other: an error, the label that more than half of them gave (the
            document is left out where there is none), or leave the document out.

    Raises:
        ConfigError: a contradiction and `on_conflict` is "error", or two texts under one document id; names the task.
    """
    by_document: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_document[annotation.document_id].append(annotation)
    answers, by_majority, contradicted = [], 0, 0
    for _, given in sorted(by_document.items()):
        _check_one_text(given)
        latest = _latest_by_annotator(given)
        conflict = _conflict(latest)
        if conflict and on_conflict == "error":
            raise latest[-1].place.error(f"{conflict}; see --on-conflict")
        agreed = _agreed(latest)
        if agreed is None or (conflict and on_conflict == "skip"):
            contradicted += 1
            continue
        by_majority += bool(conflict)
        answers.append(agreed)
    return Resolved(answers, by_majority, contradicted)


def _check_one_text(given: Sequence[Annotation]) -> None:
    first = given[0]
    for other in given[1:]:
        if other.text != first.text:
            stands = f"{shown(other.text)}, and {first.place} has {shown(first.text)}"
            raise other.place.error(f"document {shown(other.document_id)} is {stands}")


def _latest_by_annotator(given: Sequence[Annotation]) -> list[Annotation]:
    """In the file's order; annotations without an annotator's name may be of several people."""
    latest: dict[tuple[str, int], Annotation] = {}
    for number, annotation in enumerate(given):
        who = (annotation.annotator, 0 if annotation.annotator else number)
        if who not in latest or annotation.answered_at >= latest[who].answered_at:
            latest[who] = annotation
    return list(latest.values())


def _conflict(latest: Sequence[Annotation]) -> str:
    """Says which labels contradict each other; "" if none do."""
    for task in TASKS:
        said = sorted({(label, one.annotator or "unknown") for one in latest if (label := one.label(task))})
        if len({label for label, _ in said}) > 1:
            stand = ", ".join(f"{label} ({who})" for label, who in said)
            return f"annotators contradict each other on the {task}: {stand}"
    return ""


def _agreed(latest: Sequence[Annotation]) -> Answer | None:
    """What more than half of those say who gave a label at all; None if it is not so for each task."""
    labels: dict[str, str | None] = {}
    for task in TASKS:
        counts = Counter(label for one in latest if (label := one.label(task)))
        labels[task] = next((label for label, count in counts.items() if 2 * count > counts.total()), None)
        if counts and labels[task] is None:
            return None
    chosen = [one for one in latest if all(one.label(task) in (None, labels[task]) for task in TASKS)] or list(latest)
    return Answer(
        document_id=latest[0].document_id,
        text=latest[0].text,
        sentiment=labels["sentiment"],
        topic=labels["topic"],
        annotator="; ".join(sorted({one.annotator for one in chosen if one.annotator})),
        answered_at=max(one.answered_at for one in chosen),
        place=str(latest[0].place),
    )
