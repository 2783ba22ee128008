"""Laws of labels that are kept without their texts."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example, as_served
from pipelines.datasets.hashed_labels import load_hashed_labels


def files(folder: Path, texts: list[str], labels: list[tuple[str, str, str]]) -> tuple[Path, Path]:
    """The labels' file and the texts' file."""
    with (folder / "texts.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("date", "text"), *(("2020-01-01", text) for text in texts)])
    rows = [(hashlib.sha256(text.encode()).hexdigest(), sentiment, topic) for text, sentiment, topic in labels]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("text_sha256", "sentiment", "topic"), *rows])
    return folder / "labels.csv", folder / "texts.csv"


def test_a_label_finds_its_text(tmp_path: Path) -> None:
    """Whatever else is in the file, and in whatever order."""
    found = load_hashed_labels(*files(tmp_path, ["油价大跌 ", "别的", "a, b"], [("a, b", "neutral", "Macro")]))
    assert [(row.text, row.sentiment, row.topic) for row in found] == [("a, b", "neutral", "Macro")]


def test_a_text_that_is_missing_names_the_row(tmp_path: Path) -> None:
    """A figure over fewer rows would look like the same figure."""
    with pytest.raises(ConfigError, match=r"labels\.csv, row 2: .*texts\.csv holds no text"):
        load_hashed_labels(*files(tmp_path, ["别的"], [("油价大跌", "negative", "Macro")]))


def test_no_label_at_all_is_an_error(tmp_path: Path) -> None:
    """Nothing measured is no figure."""
    with pytest.raises(ConfigError, match="holds no labels"):
        load_hashed_labels(*files(tmp_path, ["别的"], []))


def test_an_entity_that_is_alone_in_its_text_has_the_texts_sentiment() -> None:
    """As the live path asks the model: pairs only where there are two companies."""
    rows = [Example("A up", "positive", entity="A"), Example("A up, B down", "positive", entity="A")]
    rows.append(Example("A up, B down", "negative", entity="B"))
    assert [row.entity for row in as_served(rows)] == [None, "A", "B"]
