"""CSV files with a text and its label or labels: `sentiment_csv`, `topic_csv` and `labelled_csv`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.labels import sentiment_at, topic_at
from pipelines.datasets.reading import csv_rows, folder_of, text_at


def sentiment_rows(path: Path) -> Iterator[Example]:
    """Yields the rows of a file with the columns text and label, a sentiment."""
    for place, row in csv_rows(path, ("text", "label")):
        text, sentiment = clean_text(text_at(place, row["text"])), sentiment_at(place, row["label"])
        yield Example(text, sentiment=sentiment, source=folder_of(path), place=str(place))


def topic_rows(path: Path) -> Iterator[Example]:
    """Yields the rows of a file with the columns text and label, a topic."""
    for place, row in csv_rows(path, ("text", "label")):
        text, topic = clean_text(text_at(place, row["text"])), topic_at(place, row["label"])
        yield Example(text, topic=topic, source=folder_of(path), place=str(place))


def labelled_rows(path: Path) -> Iterator[Example]:
    """Yields the rows of a file with the columns text, sentiment and topic; one of the labels may be empty.

    Other columns, such as genre, are for people.
    """
    for place, row in csv_rows(path, ("text", "sentiment", "topic")):
        text = clean_text(text_at(place, row["text"]))
        sentiment = sentiment_at(place, row["sentiment"]) if row["sentiment"].strip() else None
        topic = topic_at(place, row["topic"]) if row["topic"].strip() else None
        if sentiment is None and topic is None:
            raise place.error("neither sentiment nor topic")
        yield Example(text, sentiment=sentiment, topic=topic, source=folder_of(path), place=str(place))
