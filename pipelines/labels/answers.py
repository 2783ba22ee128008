"""What annotators said, and one answer per document out of it.

Guarantees: of one annotator's annotations of a document the latest counts; what different annotators say of a text, or one of
two documents with that text, is either in agreement or a contradiction, which is never settled by chance.
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
    """One document's labels: what is kept of the annotations that agree on it, with all their annotators.

    Attributes:
        answered_at: of the latest label.
        sentiment_at, topic_at: of a label that is older than that; else "".
    """

    document_id: str
    text: str
    sentiment: str | None
    topic: str | None
    annotator: str
    answered_at: str
    sentiment_at: str = ""
    topic_at: str = ""
    place: str = ""

    def label(self, task: str) -> str | None:
        """Its label for one of `TASKS`."""
        return self.sentiment if task == "sentiment" else self.topic

    def time_of(self, task: str) -> str:
        """When it was labelled for one of `TASKS`."""
        return (self.sentiment_at if task == "sentiment" else self.topic_at) or self.answered_at


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
        on_conflict: for annotators who contradict each other on a text: an error, the label that more than half of them
            gave (its documents are left out where there is none), or leave its documents out.

    Raises:
        ConfigError: a contradiction and `on_conflict` is "error", or two texts under one document id; names the task.
    """
    by_document: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        by_document[annotation.document_id].append(annotation)
    by_text: dict[str, list[Annotation]] = defaultdict(list)
    for _, given in sorted(by_document.items()):
        _check_one_text(given)
        by_text[given[0].text] += given
    answers, by_majority, contradicted = [], 0, 0
    for given in by_text.values():
        latest = _latest_by_annotator(given)
        documents = list(dict.fromkeys(one.document_id for one in given))
        conflict = _conflict(latest, documents)
        if conflict and on_conflict == "error":
            raise latest[-1].place.error(f"{conflict}; see --on-conflict")
        agreed = _agreed(latest)
        if agreed is None or (conflict and on_conflict == "skip"):
            contradicted += len(documents)
            continue
        by_majority += len(documents) if conflict else 0
        answers += [_answer([one for one in latest if one.document_id == document], agreed) for document in documents]
    return Resolved(sorted(answers, key=lambda answer: answer.document_id), by_majority, contradicted)


def _check_one_text(given: Sequence[Annotation]) -> None:
    first = given[0]
    for other in given[1:]:
        if other.text != first.text:
            stands = f"{shown(other.text)}, and {first.place} has {shown(first.text)}"
            raise other.place.error(f"document {shown(other.document_id)} is {stands}")


def _latest_by_annotator(given: Sequence[Annotation]) -> list[Annotation]:
    """In the file's order; annotations without an annotator's name may be of several people.

    Who says something else of another document with the same text has not changed their mind.
    """
    latest: dict[tuple[str, str, int], Annotation] = {}
    for number, annotation in enumerate(given):
        who = (annotation.document_id, annotation.annotator, 0 if annotation.annotator else number)
        if who not in latest or annotation.answered_at >= latest[who].answered_at:
            latest[who] = annotation
    return list(latest.values())


def _conflict(latest: Sequence[Annotation], documents: Sequence[str]) -> str:
    """Says which labels contradict each other; "" if none do."""
    for task in TASKS:
        said = sorted({(label, one.annotator or "unknown") for one in latest if (label := one.label(task))})
        if len({label for label, _ in said}) > 1:
            stand = ", ".join(f"{label} ({who})" for label, who in said)
            told = f"annotators contradict each other on the {task}: {stand}"
            many = f"; documents {', '.join(map(shown, documents))} have the same text"
            return told + (many if len(documents) > 1 else "")
    return ""


def _agreed(latest: Sequence[Annotation]) -> dict[str, str | None] | None:
    """By task what more than half of those say who gave a label at all; None if it is not so for each task."""
    labels: dict[str, str | None] = {}
    for task in TASKS:
        counts = Counter(label for one in latest if (label := one.label(task)))
        labels[task] = next((label for label, count in counts.items() if 2 * count > counts.total()), None)
        if counts and labels[task] is None:
            return None
    return labels


def _answer(given: Sequence[Annotation], agreed: dict[str, str | None]) -> Answer:
    """A document's answer: what was agreed on, for the tasks that were answered for it."""
    labels = {task: agreed[task] if any(one.label(task) for one in given) else None for task in TASKS}
    chosen = [one for one in given if all(one.label(task) in (None, labels[task]) for task in TASKS)] or list(given)
    return Answer(
        document_id=given[0].document_id,
        text=given[0].text,
        sentiment=labels["sentiment"],
        topic=labels["topic"],
        annotator="; ".join(sorted({one.annotator for one in chosen if one.annotator})),
        answered_at=max(one.answered_at for one in chosen),
        place=str(given[0].place),
    )
