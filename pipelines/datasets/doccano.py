"""doccano's JSONL: an object per line with `text` and `label` (or `labels`), names of classes or `[start, end, tag]`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS, Example, TaggedSentence
from pipelines.datasets.labels import topic_at
from pipelines.datasets.reading import Place, folder_of, json_lines, shown, text_at
from pipelines.datasets.spans import span_at, tagged_text


def examples(path: Path) -> Iterator[Example]:
    """Yields the labelled texts: a label that is a sentiment is taken as one, any other is a topic.

    Texts without a label are not labelled yet, and left out.

    Raises:
        ConfigError: two sentiments or two topics for one text, or spans in place of names.
    """
    for place, text, labels in _items(path):
        names = [topic_at(place, label) for label in labels]
        sentiments = sorted({name.lower() for name in names if name.lower() in SENTIMENTS})
        topics = sorted({name for name in names if name.lower() not in SENTIMENTS})
        for task, found in (("sentiments", sentiments), ("topics", topics)):
            if len(found) > 1:
                raise place.error(f"{len(found)} {task} for one text: {', '.join(found)}")
        if names:
            sentiment, topic = (found[0] if found else None for found in (sentiments, topics))
            yield Example(clean_text(text), sentiment, topic, source=folder_of(path), place=str(place))


def tagged(path: Path) -> Iterator[TaggedSentence]:
    """Yields the texts with their spans as tagged tokens; a text without spans names nothing.

    Raises:
        ConfigError: a label is no `[start, end, tag]`, or spans overlap.
    """
    for place, text, labels in _items(path):
        spans = []
        for label in labels:
            if not (isinstance(label, list) and len(label) == 3):
                raise place.error(f"label {shown(label)} is not [start, end, tag]")
            spans.append(span_at(place, label[0], label[1], label[2], len(text)))
        yield tagged_text(place, text, spans)


def _items(path: Path) -> Iterator[tuple[Place, str, list[object]]]:
    for place, item in json_lines(path):
        if not isinstance(item, dict):
            raise place.error(f"{shown(item)} is not an object with text and label")
        text = text_at(place, item.get("text"))
        labels = item["label"] if "label" in item else item.get("labels")
        if isinstance(labels, str):
            labels = [labels]
        if not isinstance(labels, list):
            raise place.error(f"no list 'label' or 'labels'; found {', '.join(item)}")
        yield place, text, labels
