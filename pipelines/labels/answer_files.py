"""Reads answers: Label Studio's JSON export, or doccano's JSONL of a text classification project.

Guarantees: every annotation of the file is read, or counted as skipped or unanswered, or an error names its task.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from monitor.messages import SENTIMENTS
from pipelines.datasets.reading import Place, bytes_of, json_in, json_lines, shown, text_at
from pipelines.labels.answers import Annotation, AnswerFile
from pipelines.labels.label_studio import SENTIMENT, TOPIC

Format = Literal["label_studio", "doccano"]
FORMATS: tuple[Format, ...] = ("label_studio", "doccano")


def read_answers(path: Path, topics: Collection[str], format: Format | None = None) -> AnswerFile:
    """Reads a file of answers.

    Args:
        path: the file.
        topics: the topics that may be answered.
        format: None tells it by the first character: Label Studio writes a list.

    Raises:
        ConfigError: the file can't be read, or an answer is none of the labels; names the task.
    """
    labels = _Labels(tuple(SENTIMENTS), tuple(topics))
    if format is None:
        format = "label_studio" if bytes_of(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[") else "doccano"
    found = _label_studio(path, labels) if format == "label_studio" else _doccano(path, labels)
    if not (found.annotations or found.skipped or found.unanswered):
        raise ConfigError(f"{path}: holds no task")
    return found


@dataclass(frozen=True, slots=True)
class _Labels:
    """The labels that may be answered."""

    sentiments: tuple[str, ...]
    topics: tuple[str, ...]

    def checked(self, place: Place, task: str, label: object) -> str:
        """A label of the task's set, as the set writes it."""
        allowed = self.sentiments if task == SENTIMENT else self.topics
        if isinstance(label, str):
            for known in allowed:
                if label.strip().casefold() == known.casefold():
                    return known
        raise place.error(f"{task} {shown(label)} is none of {', '.join(allowed)}")


def _label_studio(path: Path, labels: _Labels) -> AnswerFile:
    tasks = json_in(path)
    if not isinstance(tasks, list):
        raise ConfigError(f"{path}: no list of tasks; export as JSON from Label Studio")
    annotations: list[Annotation] = []
    skipped = unanswered = 0
    ignored: set[str] = set()
    for number, task in enumerate(tasks, start=1):
        place = Place(path, f"task {task['id'] if isinstance(task, dict) and 'id' in task else f'number {number}'}")
        data, given = _parts(place, task)
        done = [annotation for annotation in given if not annotation.get("was_cancelled")]
        skipped += len(given) - len(done)
        unanswered += not given
        for annotation in done:
            chosen = _chosen(place, annotation, labels, ignored)
            if not chosen:
                unanswered += 1
                continue
            annotations.append(
                _annotation(place, data, chosen, _annotator(annotation), _answered_at(place, annotation))
            )
    if ignored and not annotations:
        raise ConfigError(f"{path}: no answer is called {SENTIMENT} or {TOPIC}; found {', '.join(sorted(ignored))}")
    return AnswerFile("label_studio", annotations, skipped, unanswered)


def _parts(place: Place, task: object) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    match task:
        case {"data": dict(data), "annotations": list(given)} if all(isinstance(one, dict) for one in given):
            return data, given
    raise place.error("no data and annotations; export from Label Studio as JSON, not as JSON-MIN or CSV")


def _chosen(place: Place, annotation: dict[str, Any], labels: _Labels, ignored: set[str]) -> dict[str, str]:
    """The labels of an annotation by task; names of other controls are noted in `ignored`."""
    results = annotation.get("result")
    if not isinstance(results, list):
        raise place.error(f"an annotation without a list of results: {shown(annotation)}")
    found: dict[str, str] = {}
    for result in results:
        match result:
            case {"type": "choices", "from_name": "sentiment" | "topic" as task, "value": {"choices": [label]}}:
                if task in found:
                    raise place.error(f"two answers for the {task}")
                found[task] = labels.checked(place, task, label)
            case {"type": "choices", "from_name": "sentiment" | "topic" as task}:
                raise place.error(f"one {task} is expected, not {shown(result.get('value'))}")
            case _:
                ignored.add(str(result.get("from_name")) if isinstance(result, dict) else shown(result))
    return found


def _annotator(annotation: dict[str, Any]) -> str:
    """A number, which exports with and without user details have alike."""
    who = annotation.get("completed_by")
    if isinstance(who, dict):
        who = who.get("id", who.get("email"))
    # What cleaning takes out of a name, and half characters, could not be written to a file that is read again.
    return "" if who is None else clean_text(str(who).encode("utf-8", "replace").decode())


def _answered_at(place: Place, annotation: dict[str, Any]) -> str:
    value = annotation.get("updated_at") or annotation.get("created_at")
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise place.error(f"an annotation's updated_at is {shown(value)}, no ISO-8601 time with a zone")
    return stamp(moment)


def stamp(moment: datetime) -> str:
    """An instant as `Annotation.answered_at` has it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _doccano(path: Path, labels: _Labels) -> AnswerFile:
    """Names of labels say which task they answer; several for one task are of several people, who are not named."""
    annotations: list[Annotation] = []
    unanswered = 0
    # doccano writes no times, and one file per annotator, of that name, or one for all.
    annotator = "" if path.stem == "all" else clean_text(path.stem)
    for place, item, answered_at in _doccano_items(path):
        chosen = _named(place, item, labels)
        unanswered += not chosen
        for pair in chosen:
            who = annotator if len(chosen) == 1 else ""
            annotations.append(_annotation(place, item, pair, who, answered_at))
    return AnswerFile("doccano", annotations, 0, unanswered)


def _doccano_items(path: Path) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Each object, its place, and the file's own time, which stands for the time of an answer."""
    bytes_of(path)  # says what is wrong with the file before its time is asked for
    answered_at = stamp(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    for line, item in json_lines(path):
        if not isinstance(item, dict):
            raise line.error(f"{shown(item)} is no object with text and label")
        place = Place(path, f"{line.item} (task {item['id']})" if "id" in item else line.item)
        yield place, item, answered_at


def _named(place: Place, item: dict[str, Any], labels: _Labels) -> list[dict[str, str]]:
    """The labels of an object by task, as many times as one task has several."""
    names = item["label"] if "label" in item else item.get("labels")
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list):
        raise place.error(f"no list 'label'; found {', '.join(item) or 'nothing'}")
    found: dict[str, list[str]] = {SENTIMENT: [], TOPIC: []}
    for name in names:
        if not isinstance(name, str):
            raise place.error(f"label {shown(name)} is no name; export a text classification project")
        task = SENTIMENT if name.strip().casefold() in labels.sentiments else TOPIC
        found[task].append(labels.checked(place, task, name))
    pairs = zip_longest(found[SENTIMENT], found[TOPIC])
    return [{task: label for task, label in zip(found, pair, strict=True) if label} for pair in pairs]


def _annotation(
    place: Place, data: dict[str, Any], chosen: dict[str, str], annotator: str, answered_at: str
) -> Annotation:
    text = clean_text(text_at(place, data.get("text")))
    if not text:
        raise place.error(f"nothing is left of the text when it is cleaned: {shown(data['text'])}")
    given = data.get("document_id")
    # Somebody's own task has no document; its text names it.
    digest = hashlib.sha256(text.encode()).hexdigest()[:24]
    document_id = text_at(place, given) if given is not None else f"text-{digest}"
    sentiment, topic = chosen.get(SENTIMENT), chosen.get(TOPIC)
    return Annotation(place, document_id, text, sentiment, topic, annotator, answered_at)
