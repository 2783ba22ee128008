"""What Label Studio is given: tasks (its basic JSON format, with or without predictions) and a labelling config.

Names of controls here are those that `answer_files` reads answers by.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from monitor.errors import ConfigError
from monitor.messages import SENTIMENTS
from pipelines.datasets.reading import json_in
from pipelines.labels.strategies import Pick
from pipelines.replay.times import iso

TEXT, SENTIMENT, TOPIC = "text", "sentiment", "topic"
_SHOWN_ABOVE = ("source", "published", "url")


def task_of(pick: Pick, *, predictions: bool) -> dict[str, Any]:
    """A task; `predictions` adds what the model says, which an annotator then sees."""
    document, score = pick.candidate.document, pick.candidate.score
    task: dict[str, Any] = {
        "data": {
            TEXT: pick.candidate.text,
            "url": document.url,
            "published": iso(document.published_ms),
            "source": document.source,
            "document_id": document.id,
            "model_version": score.model_version,
            "strategy": pick.strategy,
            "why": pick.why,
        }
    }
    if predictions:
        sure = {SENTIMENT: max(score.probabilities), TOPIC: score.topic_probability}
        said = {SENTIMENT: score.sentiment, TOPIC: score.topic}
        task["predictions"] = [
            {
                "model_version": score.model_version,
                "score": min(sure.values()),
                "result": [_choice(name, said[name], sure[name]) for name in (SENTIMENT, TOPIC)],
            }
        ]
    return task


def labelling_config(topics: Sequence[str]) -> str:
    """The labelling interface as XML: the text, one sentiment and one topic, both needed for an answer."""
    view = ElementTree.Element("View")
    for name in _SHOWN_ABOVE:
        ElementTree.SubElement(view, "Header", value=f"${name}", size="5")
    ElementTree.SubElement(view, "Text", name=TEXT, value=f"${TEXT}")
    _add_choices(view, SENTIMENT, SENTIMENTS)
    _add_choices(view, TOPIC, topics)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def topics_of(model: Path | None) -> tuple[str, ...]:
    """The topics that a model folder's heads.json names, in class order; None for the shipped English model.

    Raises:
        ConfigError: the folder has no heads.json with a topic head.
    """
    folder = model or Path(str(resources.files("monitor.models").joinpath("default_en")))
    heads = json_in(folder / "heads.json")
    try:
        id2label = heads["heads"]["topic"]["id2label"]  # type: ignore[index]
        topics = tuple(str(id2label[str(i)]) for i in range(len(id2label)))
    except (KeyError, TypeError) as exc:
        raise ConfigError(f"{folder / 'heads.json'}: names no topics (heads.topic.id2label)") from exc
    if not topics:
        raise ConfigError(f"{folder / 'heads.json'}: names no topics (heads.topic.id2label is empty)")
    return topics


def write_new(path: Path, content: str) -> None:
    """Writes a file that must not be there yet.

    Raises:
        ConfigError: it is there, or can't be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(content)
    except FileExistsError as exc:
        raise ConfigError(f"{path}: is there already; name another file") from exc
    except OSError as exc:
        raise ConfigError(f"{path}: can't be written: {exc.strerror or exc}") from exc


def _choice(name: str, label: str, probability: float) -> dict[str, Any]:
    return {
        "id": name,
        "from_name": name,
        "to_name": TEXT,
        "type": "choices",
        "value": {"choices": [label]},
        "score": probability,
    }


def _add_choices(view: ElementTree.Element, name: str, labels: Sequence[str]) -> None:
    ElementTree.SubElement(view, "Header", value=name.capitalize())
    choices = ElementTree.SubElement(
        view, "Choices", name=name, toName=TEXT, choice="single", required="true", showInline="true"
    )
    for label in labels:
        ElementTree.SubElement(choices, "Choice", value=label)
