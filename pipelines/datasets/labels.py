"""Checks the labels that a file gives, and finds out where files contradict themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pipelines.datasets.examples import SENTIMENTS, Example
from pipelines.datasets.reading import Place, shown


def sentiment_at(place: Place, label: object) -> str:
    """Returns one of `SENTIMENTS`, whatever its case was.

    Raises:
        ConfigError: it is none of them.
    """
    lowered = label.strip().lower() if isinstance(label, str) else ""
    if lowered not in SENTIMENTS:
        raise place.error(f"label {shown(label)} is none of {', '.join(SENTIMENTS)}")
    return lowered


def topic_at(place: Place, label: object) -> str:
    """Returns the topic's name without the space around it.

    Raises:
        ConfigError: it is blank or no string.
    """
    if not isinstance(label, str):
        raise place.error(f"label {shown(label)} is not the name of a topic")
    if not label.strip():
        raise place.error("no label")
    return label.strip()


def cleaned(examples: Sequence[Example]) -> list[Example]:
    """Returns what can be measured on: the first of exact duplicates, and no text whose labels contradict each other.

    A text about several entities may carry a sentiment for each. Labels of different tasks don't contradict.
    """
    labels: dict[tuple[str, str | None], tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for example in examples:
        sentiments, topics = labels[example.text, example.entity]
        sentiments.update([example.sentiment] if example.sentiment else [])
        topics.update([example.topic] if example.topic else [])
    contradicted = {text for (text, _), given in labels.items() if any(len(names) > 1 for names in given)}
    kept: dict[tuple[str | None, ...], Example] = {}
    for example in examples:
        if example.text not in contradicted:
            kept.setdefault((example.text, example.entity, example.sentiment, example.topic), example)
    return list(kept.values())
