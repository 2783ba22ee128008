"""Laws of reading what annotation tools export."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import ConfigError
from pipelines.labels.answer_files import read_answers
from tests.unit.labels.written import TOPICS, exported, headline, said, task


def lines(path: Path, *items: object) -> Path:
    """A file of JSON lines whose time is known."""
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf-8")
    os.utime(path, (1_772_700_000, 1_772_700_000))
    return path


def test_label_studios_export_is_read(tmp_path: Path) -> None:
    """Document, labels, who and when; other controls are none of ours."""
    other = {"from_name": "note", "to_name": "text", "type": "textarea", "value": {"text": ["unsure"]}}
    annotation = said(who={"id": 3, "email": "ann@example.com"}, at="2026-03-05T10:30:00.123456+01:00")
    annotation["result"].append(other)
    found = read_answers(exported(tmp_path / "a.json", [task(1, annotation)]), TOPICS)
    (one,) = found.annotations
    assert (one.document_id, one.text, one.sentiment, one.topic) == ("d-1", headline(1), "negative", "Earnings")
    assert (one.annotator, one.answered_at, found.format) == ("3", "2026-03-05T09:30:00.123Z", "label_studio")


def test_skipped_and_empty_annotations_are_counted(tmp_path: Path) -> None:
    """Tasks that nobody has opened as well."""
    tasks = [task(1, said(skipped=True), said()), task(2), task(3, said(None, None)), task(4, said(skipped=True))]
    found = read_answers(exported(tmp_path / "a.json", tasks), TOPICS)
    assert (len(found.annotations), found.skipped, found.unanswered) == (1, 2, 2)


def test_a_task_of_somebodys_own_is_known_by_its_text(tmp_path: Path) -> None:
    """The same text again is the same document."""
    tasks = [task(1, said(), text="Oil  falls", document_id=None), task(2, said(), text="Oil falls", document_id=None)]
    one, other = read_answers(exported(tmp_path / "a.json", tasks), TOPICS).annotations
    assert one.document_id == other.document_id
    assert one.document_id.startswith("text-")


def test_labels_are_written_as_the_model_writes_them(tmp_path: Path) -> None:
    """Whatever their case was."""
    (one,) = read_answers(exported(tmp_path / "a.json", [task(1, said("Negative", "earnings"))]), TOPICS).annotations
    assert (one.sentiment, one.topic) == ("negative", "Earnings")


def test_a_name_that_could_not_be_read_back_is_cleaned(tmp_path: Path) -> None:
    """A NUL or half a character in an annotator's name must not spoil the set."""
    annotation = said(who={"email": "ann\x00\ud83d@example.com"})
    (one,) = read_answers(exported(tmp_path / "a.json", [task(1, annotation)]), TOPICS).annotations
    assert one.annotator == "ann ?@example.com"


def without(annotation: dict[str, Any], *names: str) -> dict[str, Any]:
    """An annotation that lacks some keys."""
    return {name: value for name, value in annotation.items() if name not in names}


TWICE = said()
TWICE["result"] *= 2
SEVERAL = said()
SEVERAL["result"][0]["value"] = {"choices": ["negative", "neutral"]}


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (task(5, said("bullish")), "task 5: sentiment 'bullish' is none of negative, neutral, positive"),
        (task(5, said(topic="Weather")), "task 5: topic 'Weather' is none of Earnings, Energy / Oil, M&A"),
        (task(5, SEVERAL), r"task 5: one sentiment is expected, not {'choices': \['negative', 'neutral'\]}"),
        (task(5, TWICE), "task 5: two answers for the sentiment"),
        (task(5, said(at="last week")), "task 5: an annotation's updated_at is 'last week'"),
        (task(5, said(at="2026-03-05T09:00:00")), "no ISO-8601 time with a zone"),
        (task(5, without(said(), "updated_at", "created_at")), "task 5: an annotation's updated_at is None"),
        (task(5, without(said(), "result")), "task 5: an annotation without a list of results"),
        (task(5, said(), text=" "), "task 5: no text"),
        (task(5, said(), text="https://example.com/1"), "task 5: nothing is left of the text"),
        (task(5, said(), document_id=5), "task 5: the text is 5"),
        ({"id": 5, "text": "a", "sentiment": "negative"}, "task 5: no data and annotations; export .* as JSON, not"),
        ({"text": "a"}, "task number 2: no data and annotations"),
        (5, "task number 2: no data and annotations"),
    ],
)
def test_what_is_wrong_with_a_task_is_named(tmp_path: Path, broken: Any, problem: str) -> None:
    """File, task, and what is allowed."""
    path = exported(tmp_path / "answers.json", [task(1, said()), broken])
    with pytest.raises(ConfigError, match=problem) as caught:
        read_answers(path, TOPICS)
    assert str(path) in str(caught.value)


def test_answers_under_other_names_are_not_overlooked(tmp_path: Path) -> None:
    """A project with controls of other names has no answers here; the names are told."""
    annotation = said()
    for result in annotation["result"]:
        result["from_name"] = f"my_{result['from_name']}"
    with pytest.raises(ConfigError, match="no answer is called sentiment or topic; found my_sentiment, my_topic"):
        read_answers(exported(tmp_path / "a.json", [task(1, annotation)]), TOPICS)


def test_doccanos_export_is_read(tmp_path: Path) -> None:
    """A label says by its name which task it answers; the file's name and time stand for who and when."""
    items = [
        {"id": 11, "text": headline(1), "label": ["Earnings", "negative"], "document_id": "d-1", "Comments": []},
        {"id": 12, "text": headline(2), "label": ["positive"], "document_id": "d-2"},
        {"id": 13, "text": headline(3), "labels": "Energy / Oil", "document_id": "d-3"},
        {"id": 14, "text": headline(4), "label": []},
    ]
    found = read_answers(lines(tmp_path / "ann.jsonl", *items), TOPICS)
    labels = [(one.document_id, one.sentiment, one.topic) for one in found.annotations]
    assert labels == [("d-1", "negative", "Earnings"), ("d-2", "positive", None), ("d-3", None, "Energy / Oil")]
    assert {(one.annotator, one.answered_at) for one in found.annotations} == {("ann", "2026-03-05T08:40:00.000Z")}
    assert (found.format, found.unanswered) == ("doccano", 1)


def test_several_labels_of_one_task_are_of_several_people(tmp_path: Path) -> None:
    """A project's answers come joined in one file: who said what is lost, that they differ is not."""
    item = {"text": headline(1), "label": ["negative", "neutral", "Earnings"]}
    found = read_answers(lines(tmp_path / "all.jsonl", item), TOPICS)
    assert [(one.sentiment, one.topic, one.annotator) for one in found.annotations] == [
        ("negative", "Earnings", ""),
        ("neutral", None, ""),
    ]


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"id": 3, "text": "a", "label": ["bullish"]}, r"line 2 \(task 3\): topic 'bullish' is none of Earnings"),
        ({"text": "a", "label": [[0, 1, "ORG"]]}, "line 2: label .* is no name; export a text classification project"),
        ({"text": "a"}, "line 2: no list 'label'; found text"),
        ({"label": ["negative"]}, "line 2: the text is None"),
        (["a"], "line 2: .* is no object"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(tmp_path: Path, item: object, problem: str) -> None:
    """File, line, and the task's number where there is one."""
    path = lines(tmp_path / "answers.jsonl", {"text": "Oil falls", "label": ["negative"]}, item)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_answers(path, TOPICS)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file is empty"),
        ("[]", "holds no task"),
        ("id,text\n1,a\n", "line 1: broken JSON"),
        ("[{]", "line 1: broken JSON"),
        ("\ufeff[]", "holds no task"),
    ],
)
def test_a_file_of_no_answers_is_named(tmp_path: Path, content: str, problem: str) -> None:
    """Whatever it is instead."""
    path = tmp_path / "answers"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=problem):
        read_answers(path, TOPICS)


def test_a_list_is_no_doccano_export(tmp_path: Path) -> None:
    """The format that is asked for is the one that is read."""
    path = exported(tmp_path / "a.json", [task(1, said())])
    with pytest.raises(ConfigError, match="is no object with text and label"):
        read_answers(path, TOPICS, "doccano")
    with pytest.raises(ConfigError, match="export as JSON from Label Studio"):
        read_answers(lines(tmp_path / "b.jsonl", {"text": "a", "label": []}), TOPICS, "label_studio")
