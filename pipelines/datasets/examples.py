"""The rows that labelled data comes as, whatever file it stood in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

SENTIMENTS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; a task without a label here has `None`.

    Attributes:
        text: cleaned as the live path cleans it (`monitor.ingest.normalise.clean_text`).
        sentiment: one of `SENTIMENTS`.
        topic: name of the topic.
        entity: whose sentiment it is, as written in the text; None where it is the whole text's.
        source: name of the data set.
        place: file and row, for messages.
    """

    text: str
    sentiment: str | None = None
    topic: str | None = None
    entity: str | None = None
    source: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """One sentence for named-entity recognition: a tag of the IOB2 scheme per token."""

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    place: str = ""


def as_served(rows: Sequence[Example]) -> list[Example]:
    """The rows as the live path asks the model: an entity that is the only one of its text has the text's sentiment."""
    entities: dict[str, set[str]] = {}
    for row in rows:
        if row.entity is not None:
            entities.setdefault(row.text, set()).add(row.entity)
    return [replace(row, entity=None) if len(entities.get(row.text, ())) == 1 else row for row in rows]
