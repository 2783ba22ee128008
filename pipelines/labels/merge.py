"""What becomes of a label set's rows by new answers.

Guarantees: of two labels of a document for one task the later one stands, whatever order they come in; an answer takes
nothing away that it doesn't speak of; no new label contradicts another one of the same text.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.errors import ConfigError
from pipelines.labels.answers import TASKS, Answer, OnConflict

_NEW = ("added", "changed")


def merged(
    before: Mapping[str, Answer], answers: Sequence[Answer], on_conflict: OnConflict
) -> tuple[dict[str, Answer], Counter[str]]:
    """Rows of the next version by document id, and how many answers were added, changed, known, outdated, contradicted.

    Args:
        before: the rows that are there, by document id.
        answers: at most one a document.
        on_conflict: "error", or anything else to leave an answer out that contradicts a row.

    Raises:
        ConfigError: there is such an answer, and `on_conflict` is "error"; names both.
    """
    rows, fates = dict(before), dict.fromkeys((answer.document_id for answer in answers), "added")
    for answer in answers:
        known = before.get(answer.document_id)
        fate, row = ("added", answer) if known is None else _met(known, answer)
        if known is not None and fate == "contradicted" and on_conflict == "error":
            raise _contradiction(answer, known, "answered at the same time")
        rows[answer.document_id], fates[answer.document_id] = row, fate
    while found := _contradicting(rows, [rows[document] for document, fate in fates.items() if fate in _NEW]):
        row, other = found[0]
        if on_conflict == "error":
            raise _contradiction(row, other, "another document with the same text")
        left_out = [row.document_id for row, _ in found]
        fates.update(dict.fromkeys(left_out, "contradicted"))
        rows = {**before, **{document: row for document, row in rows.items() if document not in left_out}}
    return rows, Counter(fates.values())


def _met(known: Answer, answer: Answer) -> tuple[str, Answer]:
    """What becomes of an answer for a document that has a row, and of that row: by task the later label."""
    differing = [task for task in TASKS if answer.label(task) not in (None, known.label(task))]
    if answer.text != known.text:
        # Labels of another text tell nothing of this one: they stand or go together.
        differing = [task for task in TASKS if answer.label(task) != known.label(task)]
        taken = differing if answer.answered_at > known.answered_at else []
    else:
        taken = [task for task in differing if _is_later(answer, known, task)]
    if any(answer.time_of(task) == known.time_of(task) for task in differing if task not in taken):
        return "contradicted", known
    if not taken:
        return "outdated" if differing else "known", known
    return "changed", answer if answer.text != known.text else _joined(known, answer, taken)


def _is_later(answer: Answer, known: Answer, task: str) -> bool:
    return known.label(task) is None or answer.time_of(task) > known.time_of(task)


def _joined(known: Answer, answer: Answer, taken: Sequence[str]) -> Answer:
    """The row with the answer's labels of some tasks, and when those were given that it has now.

    A row doesn't say which of its annotators gave which label, so that one may be named whose label was replaced.
    """
    given: dict[str, Answer] = {}
    for task in TASKS:
        said_later = answer.label(task) == known.label(task) and answer.time_of(task) >= known.time_of(task)
        row = answer if task in taken or said_later else known
        if row.label(task) is not None:
            given[task] = row
    times = {task: row.time_of(task) for task, row in given.items()}
    latest = max(times.values())
    at = {task: "" if time == latest else time for task, time in times.items()}
    names = {name for row in given.values() for name in row.annotator.split("; ") if name}
    return replace(
        answer,
        sentiment=given["sentiment"].sentiment if "sentiment" in given else None,
        topic=given["topic"].topic if "topic" in given else None,
        annotator="; ".join(sorted(names)),
        answered_at=latest,
        sentiment_at=at.get("sentiment", ""),
        topic_at=at.get("topic", ""),
    )


def _contradicting(rows: Mapping[str, Answer], new: Sequence[Answer]) -> list[tuple[Answer, Answer]]:
    """Each new row that says something else than another document's row of the same text, with the first such row."""
    by_text: dict[str, list[Answer]] = defaultdict(list)
    for row in rows.values():
        by_text[row.text].append(row)
    found = ((row, next((other for other in by_text[row.text] if _contradict(row, other)), None)) for row in new)
    return [(row, other) for row, other in found if other is not None]


def _contradict(one: Answer, other: Answer) -> bool:
    labels = ((one.label(task), other.label(task)) for task in TASKS)
    return any(None not in pair and pair[0] != pair[1] for pair in labels)


def _contradiction(answer: Answer, known: Answer, why: str) -> ConfigError:
    said = " against ".join(f"{one.sentiment}, {one.topic} ({one.annotator or 'unknown'})" for one in (answer, known))
    return ConfigError(f"{answer.place}: contradicts {known.place}, {why}: {said}; see --on-conflict")
