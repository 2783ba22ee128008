"""Laws of reading labelled text."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.load import load_examples


def written(folder: Path, content: str | bytes) -> Path:
    """A data file."""
    path = folder / "rows.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_texts_are_cleaned_as_in_the_live_service(tmp_path: Path) -> None:
    """The model sees at run time what it was tuned on; rows without text are left out."""
    path = written(tmp_path, 'text,label\n"AT&amp;T, https://t.example/x  falls",Negative\n"  ",neutral\n')
    assert load_examples(path, "sentiment_csv") == [Example("AT&T, falls", sentiment="negative", source=tmp_path.name)]


def test_topics_are_read(tmp_path: Path) -> None:
    """As they are written, without the space around them; a byte-order mark is no part of a column's name."""
    path = written(tmp_path, "\ufefftext,label\nRates cut, Fed / Central Banks \n")
    assert load_examples(path, "topic_csv")[0].topic == "Fed / Central Banks"


def test_a_headline_about_several_companies_counts_if_they_agree(tmp_path: Path) -> None:
    """Otherwise no one label is its own; names with an apostrophe are read."""
    rows = [
        '''One,"{'Osian's Art Fund': 'neutral'}"''',
        '''Two,"{'A': 'negative', 'B': 'negative'}"''',
        '''Three,"{'A': 'negative', 'B': 'positive'}"''',
    ]
    path = written(tmp_path, "Title,Decisions\n" + "\n".join(rows))
    found = [(row.text, row.sentiment) for row in load_examples(path, "sentfin")]
    assert found == [("One", "neutral"), ("Two", "negative")]


def test_tweets_are_read(tmp_path: Path) -> None:
    """By the names of their columns, wherever those stand."""
    path = written(tmp_path, "Sentiment,Company,Tweet Text\npositive,X,$X to the moon\n")
    assert load_examples(path, "surge_stock") == [Example("$X to the moon", sentiment="positive", source="surge_stock")]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("sentiment_csv", "text,label\na,negative\nb,bullish\n", r"row 3: label 'bullish' is none of negative"),
        ("sentiment_csv", "text,label\na,negative\nb\n", "row 3: label ''"),
        ("sentiment_csv", "text,label\na,b,negative\n", "row 2: label 'b'"),
        ("topic_csv", "text,label\na, \n", "row 2: no label"),
        ("sentfin", "Title,Decisions\na,none\n", "row 2: Decisions holds no sentiment"),
        ("sentfin", "Title,Decisions\na,\"{'X': 'bullish'}\"\n", "row 2: label 'bullish'"),
        ("sentiment_csv", "headline,label\na,negative\n", "no column 'text'; found headline, label"),
        ("sentiment_csv", "", "no column 'text'; found nothing"),
        ("sentiment_csv", "text,label\n", "holds no labelled text"),
        ("sentiment_csv", b"text,label\ncaf\xe9,negative\n", "can't be read"),
        ("tsv", "text,label\n", "unknown data kind 'tsv'; known: sentfin"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row(tmp_path: Path, kind: str, content: str | bytes, said: str) -> None:
    """File, row, and what is wrong with it."""
    with pytest.raises(ConfigError, match=said) as caught:
        load_examples(written(tmp_path, content), kind)
    assert "rows.csv" in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Before anything is trained."""
    with pytest.raises(ConfigError, match=r"missing\.csv: no such file"):
        load_examples(tmp_path / "missing.csv", "topic_csv")
