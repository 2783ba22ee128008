"""Laws of reading Label Studio's JSON export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.datasets.load import load_examples, load_tagged
from tests.unit.datasets.conftest import Write
from tests.unit.datasets.written import SENTIMENT, TEXTS, TOPICS

EXPORT = Path(__file__).parents[2] / "fixtures" / "datasets" / "label_studio_export.json"


def choice(name: str, *labels: str) -> dict[str, Any]:
    """The result of choosing labels."""
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(labels)}}


def span(start: int, end: int, text: str | None, *tags: str) -> dict[str, Any]:
    """The result of marking a part of the text."""
    said = {} if text is None else {"text": text}
    return {
        "from_name": "entity",
        "type": "labels",
        "value": {"start": start, "end": end, "labels": list(tags), **said},
    }


def task(text: str, *answers: list[dict[str, Any]]) -> dict[str, Any]:
    """A task with an annotation per annotator."""
    annotations = [{"was_cancelled": False, "result": results} for results in answers]
    return {"id": 5, "data": {"text": text}, "annotations": annotations}


def test_an_export_is_read_without_what_was_skipped() -> None:
    """Cancelled annotations, predictions and tasks that nobody answered are left out; two that agree are one."""
    place = "datasets/label_studio_export.json, task {}"
    text = "Acorn Mills opens second plant in Graz"
    assert load_examples(EXPORT, "label_studio") == [
        Example(text, "positive", "Company / Product News", source="datasets", place=place.format(41)),
        Example("Ferry operator warns that bookings dry up", "negative", source="datasets", place=place.format(42)),
    ]
    tags = ("B-ORG", "I-ORG", "O", "O", "O", "O", "B-LOC")
    assert load_tagged(EXPORT, "label_studio") == [
        TaggedSentence(tuple(text.split()), tags, place.format(41)),
        TaggedSentence(("Ferry", "operator", "warns", "that", "bookings", "dry", "up"), ("O",) * 7, place.format(42)),
    ]


@given(st.lists(st.tuples(TEXTS, SENTIMENT, TOPICS), min_size=1, max_size=8))
def test_every_labelled_task_comes_back(write: Write, rows: list[tuple[str, str, str]]) -> None:
    """Whether one annotator gave both labels or each gave one."""
    tasks = [task(t, [choice("sentiment", s)], [choice("topic", c)]) for t, s, c in rows]
    tasks += [task(t, [choice("topic", c), choice("sentiment", s)]) for t, s, c in rows]
    found = load_examples(write("a.json", json.dumps(tasks)), "label_studio")
    assert [(row.text, row.sentiment, row.topic) for row in found] == [(clean_text(t), s, c) for t, s, c in rows] * 2


@pytest.mark.parametrize(("start", "end"), [(3, 8), (4, 9)])
@pytest.mark.parametrize("said", ["Acorn", " Acorn\n"])
def test_spans_behind_an_emoji_are_found(write: Write, start: int, end: int, said: str) -> None:
    """Whether positions count characters or, as older versions did, the two halves of an emoji."""
    path = write("a.json", json.dumps([task("🚀: Acorn up", [span(start, end, said, "ORG")])]))
    (sentence,) = load_tagged(path, "label_studio")
    assert [pair for pair in zip(sentence.tokens, sentence.tags, strict=True) if pair[1] != "O"] == [("Acorn", "B-ORG")]


def test_a_span_without_its_text_is_taken_by_its_position(write: Write) -> None:
    """Some exports leave the text out; two annotators may mark in another order."""
    marks = [span(0, 5, None, "ORG"), span(6, 9, None, "PER")]
    (sentence,) = load_tagged(write("a.json", json.dumps([task("Acorn Ann", marks, marks[::-1])])), "label_studio")
    assert sentence.tags == ("B-ORG", "B-PER")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([task("a", [choice("sentiment", "up")])], "task 5: label 'up' is none of negative"),
        ([task("a", [choice("sentiment", "neutral", "positive")])], "task 5: choices of sentiment are .*; wanted one"),
        (
            [task("a", [choice("topic", "IPO")], [choice("topic", "Macro")])],
            "task 5: annotators contradict .* IPO, Macro",
        ),
        ([task("a", [choice("tone", "neutral")])], "no task has choices whose from_name is .*; found tone"),
        ([task(" ", [choice("sentiment", "neutral")])], "task 5: no text"),
        ([{"data": {"text": "a"}, "annotations": [{}]}], "item 1: {} is no annotation"),
        ([{"data": {"head": "a"}, "annotations": []}], "item 1: no data.text; found head"),
        ([{"id": 5, "text": "a", "sentiment": "neutral"}], "task 5: .* not as JSON-MIN"),
        ([task("a", [{"from_name": "topic", "type": "choices"}])], "task 5: .* has no value"),
        (["a"], "item 1: no data and annotations"),
        ({"id": 5}, "wanted a list of tasks"),
        ([], "no task has choices"),
    ],
)
def test_a_task_that_cannot_be_read_is_named(write: Write, content: object, said: str) -> None:
    """File, task and reason."""
    with pytest.raises(ConfigError, match=rf"a\.json.*{said}"):
        load_examples(write("a.json", json.dumps(content)), "label_studio")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([[span(0, 5, "Acorn", "ORG")], []], "annotators contradict each other on the spans"),
        ([[span(0, 5, "Acorn", "ORG")], [span(0, 5, "Acorn", "PER")]], "annotators contradict"),
        ([[span(0, 5, "Beech", "ORG")]], "span 0 to 5 is not 'Beech' in the text"),
        ([[span(0, 50, "Acorn", "ORG")]], "span 0 to 50 is not in the text"),
        ([[span(0, 5, "Acorn", "ORG", "PER")]], "labels of entity are .*; wanted one"),
        ([[span(0, 5, "Acorn", "ORG"), span(3, 8, None, "ORG")]], "overlaps"),
    ],
)
def test_spans_that_cannot_be_read_are_named(write: Write, answers: list[list[dict[str, Any]]], said: str) -> None:
    """File, task and reason."""
    with pytest.raises(ConfigError, match=rf"a\.json, task 5: .*{said}"):
        load_tagged(write("a.json", json.dumps([task("Acorn up", *answers)])), "label_studio")


def test_broken_json_is_named_with_its_line(write: Write) -> None:
    """An export that was cut short."""
    with pytest.raises(ConfigError, match=r"a\.json, line 2: broken JSON"):
        load_examples(write("a.json", '[\n{"id": 1,'), "label_studio")
