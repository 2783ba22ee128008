"""Label Studio's JSON export: tasks with `data.text` and annotations, whose choices or spans are the labels.

Cancelled (skipped) annotations and predictions are left out; what annotators say of one task must agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.datasets.labels import sentiment_at, topic_at
from pipelines.datasets.reading import Place, folder_of, json_in, shown, text_at
from pipelines.datasets.spans import Span, span_at, tagged_text

_LABELS = {"sentiment": sentiment_at, "topic": topic_at}


def examples(path: Path) -> Iterator[Example]:
    """Yields the tasks that have a choice named (`from_name`) sentiment or topic.

    Raises:
        ConfigError: a choice isn't one label, annotators contradict each other, or no choice has such a name.
    """
    labelled = False
    other_names: set[str] = set()
    for place, text, answers in _tasks(path):
        chosen: dict[str, set[str]] = {task: set() for task in _LABELS}
        for result in chain.from_iterable(answers):
            name = str(result.get("from_name"))
            if result.get("type") == "choices" and name in _LABELS:
                chosen[name].add(_LABELS[name](place, _only(place, result, "choices")))
            else:
                other_names.add(name)
        for task, labels in chosen.items():
            if len(labels) > 1:
                raise place.error(f"annotators contradict each other on the {task}: {', '.join(sorted(labels))}")
        sentiment, topic = (next(iter(chosen[task]), None) for task in ("sentiment", "topic"))
        if sentiment or topic:
            labelled = True
            yield Example(clean_text(text), sentiment, topic, source=folder_of(path), place=str(place))
    if not labelled:
        found = ", ".join(sorted(other_names)) or "nothing"
        raise ConfigError(f"{path}: no task has choices whose from_name is sentiment or topic; found {found}")


def tagged(path: Path) -> Iterator[TaggedSentence]:
    """Yields the annotated tasks with their spans as tagged tokens; an annotation without spans says: no names.

    Raises:
        ConfigError: a span doesn't fit the text, spans overlap, or annotators contradict each other.
    """
    for place, text, answers in _tasks(path):
        marked = [
            sorted({_span(place, text, result) for result in answer if result.get("type") == "labels"})
            for answer in answers
        ]
        if any(spans != marked[0] for spans in marked):
            raise place.error("annotators contradict each other on the spans")
        yield tagged_text(place, text, marked[0])


def _tasks(path: Path) -> Iterator[tuple[Place, str, list[list[dict[str, Any]]]]]:
    """The tasks that somebody annotated, each with the results of every annotation."""
    tasks = json_in(path)
    if not isinstance(tasks, list):
        raise ConfigError(f"{path}: holds {shown(tasks)}; wanted a list of tasks (export as JSON)")
    for number, task in enumerate(tasks, start=1):
        place = Place(path, f"task {task['id']}" if isinstance(task, dict) and "id" in task else f"item {number}")
        match task:
            case {"data": dict(data), "annotations": list(annotations)}:
                pass
            case _:
                raise place.error("no data and annotations; export as JSON, not as JSON-MIN")
        if "text" not in data:
            raise place.error(f"no data.text; found {', '.join(data) or 'nothing'}")
        results = [_results(place, annotation) for annotation in annotations]
        if done := [result for result in results if result is not None]:
            yield place, text_at(place, data["text"]), done


def _results(place: Place, annotation: object) -> list[dict[str, Any]] | None:
    """What an annotation says; None if its annotator skipped the task."""
    match annotation:
        case {"was_cancelled": True}:
            return None
        case {"result": list(results)} if all(isinstance(result, dict) for result in results):
            return results
        case _:
            raise place.error(f"{shown(annotation)} is no annotation with results")


def _value(place: Place, result: dict[str, Any]) -> dict[str, Any]:
    value = result.get("value")
    if not isinstance(value, dict):
        raise place.error(f"{shown(result)} has no value")
    return value


def _only(place: Place, result: dict[str, Any], key: str) -> object:
    labels = _value(place, result).get(key)
    if not (isinstance(labels, list) and len(labels) == 1):
        raise place.error(f"{key} of {result.get('from_name')} are {shown(labels)}; wanted one")
    return labels[0]


def _span(place: Place, text: str, result: dict[str, Any]) -> Span:
    """Reads a span by code points, or by UTF-16 units as versions before 1.4 wrote it where emoji come first."""
    value = _value(place, result)
    tag, said = _only(place, result, "labels"), value.get("text")
    span = span_at(place, value.get("start"), value.get("end"), tag, len(text.encode("utf-16-le")) // 2)
    readings = [span, Span(_code_points(text, span.start), _code_points(text, span.end), span.tag)]
    for reading in readings:
        if reading.end <= len(text) and (
            not isinstance(said, str) or text[reading.start : reading.end].split() == said.split()
        ):
            return reading
    raise place.error(f"span {span.start} to {span.end} is not {shown(said)} in the text")


def _code_points(text: str, units: int) -> int:
    """How many characters the first UTF-16 units of a text are."""
    return len(text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", errors="ignore"))
