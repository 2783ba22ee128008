"""Labels of texts that may not be copied: a CSV with the SHA-256 of each text, beside a file that holds the texts."""

from __future__ import annotations

import hashlib
from pathlib import Path

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.labels import sentiment_at, topic_at
from pipelines.datasets.reading import csv_rows


def load_hashed_labels(path: Path, texts: Path) -> list[Example]:
    """Reads labels and looks their texts up.

    Args:
        path: CSV with the columns text_sha256 (of the stripped text in UTF-8), sentiment and topic.
        texts: CSV with a column text.

    Raises:
        ConfigError: a file can't be read, a label is none, or `texts` lacks a text; names file and row.
    """
    by_sum = {
        hashlib.sha256(row["text"].strip().encode()).hexdigest(): row["text"].strip()
        for _, row in csv_rows(texts, ("text",))
    }
    found = []
    for place, row in csv_rows(path, ("text_sha256", "sentiment", "topic")):
        if row["text_sha256"] not in by_sum:
            raise ConfigError(f"{place}: {texts} holds no text with the SHA-256 {row['text_sha256'][:12]}…")
        found.append(
            Example(
                clean_text(by_sum[row["text_sha256"]]),
                sentiment=sentiment_at(place, row["sentiment"]),
                topic=topic_at(place, row["topic"]),
                source=path.stem,
                place=str(place),
            )
        )
    if not found:
        raise ConfigError(f"{path}: holds no labels")
    return found
