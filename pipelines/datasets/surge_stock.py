"""Surge AI's stock tweets of 2022: a sentiment for the ticker that each names, never neutral."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.labels import sentiment_at
from pipelines.datasets.reading import csv_rows, text_at


def tweets(path: Path) -> Iterator[Example]:
    """Yields the rows of a file with the columns Tweet Text and Sentiment; the sentiment counts for the whole tweet."""
    for place, row in csv_rows(path, ("Tweet Text", "Sentiment")):
        text, sentiment = clean_text(text_at(place, row["Tweet Text"])), sentiment_at(place, row["Sentiment"])
        yield Example(text, sentiment=sentiment, source="surge_stock", place=str(place))
