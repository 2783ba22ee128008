"""Laws of what Label Studio is given."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from monitor.errors import ConfigError
from monitor.messages import SENTIMENTS
from pipelines.labels.candidates import candidates_of
from pipelines.labels.label_studio import labelling_config, task_of, topics_of, write_new
from pipelines.labels.strategies import Pick
from tests.unit.labels.written import TOPICS, headline, told

PICK = Pick(
    candidates_of([told("a", headline(1), (0.4, 0.35, 0.25), "M&A / Investments", 0.7)], []).all[0],
    "margin",
    "sentiment margin 0.050",
)


def test_a_task_says_what_it_is_about_and_why_it_was_picked() -> None:
    """What the model says of it is not shown unless asked for: it would be believed."""
    assert task_of(PICK, predictions=False) == {
        "data": {
            "text": headline(1),
            "url": "https://example.com/a",
            "published": "2026-03-04T12:00:00Z",
            "source": "Example Wire",
            "document_id": "a",
            "model_version": "test@1",
            "strategy": "margin",
            "why": "sentiment margin 0.050",
        }
    }


def test_predictions_are_choices_with_their_probability() -> None:
    """By the names of the config's controls; the whole is as sure as its least sure part."""
    (prediction,) = task_of(PICK, predictions=True)["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("test@1", 0.4)
    said = [(row["from_name"], row["to_name"], row["type"], row["value"], row["score"]) for row in prediction["result"]]
    assert said == [
        ("sentiment", "text", "choices", {"choices": ["negative"]}, 0.4),
        ("topic", "text", "choices", {"choices": ["M&A / Investments"]}, 0.7),
    ]
    assert len({row["id"] for row in prediction["result"]}) == 2


def test_the_config_asks_for_one_sentiment_and_one_topic() -> None:
    """Each needed for an answer, about the task's text; names with & stay what they are."""
    view = ElementTree.fromstring(labelling_config(TOPICS))  # noqa: S314 - of our own writing
    assert [(text.get("name"), text.get("value")) for text in view.iter("Text")] == [("text", "$text")]
    for choices, labels in zip(view.iter("Choices"), (SENTIMENTS, TOPICS), strict=True):
        assert choices.attrib.items() >= {"toName": "text", "choice": "single", "required": "true"}.items()
        assert tuple(choice.get("value") for choice in choices) == labels
    assert [choices.get("name") for choices in view.iter("Choices")] == ["sentiment", "topic"]
    assert {header.get("value") for header in view.iter("Header")}.isdisjoint({"$why", "$model_version", "$strategy"})


def test_the_topics_are_the_shipped_models() -> None:
    """All twenty."""
    assert len(set(topics_of(None))) == 20
    assert "M&A / Investments" in topics_of(None)


@pytest.mark.parametrize("heads", ["{}", "[]", '{"heads": {"topic": {"id2label": {"1": "a"}}}}', '{"heads": 3}'])
def test_a_model_without_topics_is_named(tmp_path: Path, heads: str) -> None:
    """The file that should name them."""
    (tmp_path / "heads.json").write_text(heads)
    with pytest.raises(ConfigError, match=r"heads\.json: names no topics"):
        topics_of(tmp_path)


def test_topics_are_in_class_order(tmp_path: Path) -> None:
    """As the head numbers them."""
    labels = {"1": "b", "0": "c", "2": "a"}
    (tmp_path / "heads.json").write_text(json.dumps({"heads": {"topic": {"id2label": labels}}}))
    assert topics_of(tmp_path) == ("c", "b", "a")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file that is there is named and left as it is; so is a folder that isn't there."""
    path = tmp_path / "tasks.json"
    write_new(path, "first")
    with pytest.raises(ConfigError, match=r"tasks\.json: is there already"):
        write_new(path, "second")
    assert path.read_text() == "first"
    with pytest.raises(ConfigError, match="can't be written: No such file"):
        write_new(tmp_path / "none" / "tasks.json", "first")
