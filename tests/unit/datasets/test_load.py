"""Laws of reading labelled text: which kinds there are, CSV files, and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.load import EXAMPLE_KINDS, TAGGED_KINDS, load_examples, load_tagged
from tests.unit.datasets.conftest import Write
from tests.unit.datasets.written import SENTIMENT, TEXTS, TOPICS, as_csv

HEAD = "text,label\n"


def test_texts_are_cleaned_as_in_the_live_service(write: Write) -> None:
    """The model sees at run time what it was tuned on; texts that were but a link are left out."""
    path = write("rows.csv", HEAD + '"AT&amp;T, https://t.example/x  falls",Negative\nhttps://t.example/y,neutral\n,\n')
    expected = Example("AT&T, falls", sentiment="negative", source="set", place="set/rows.csv, row 2")
    assert load_examples(path, "sentiment_csv") == [expected]


def test_topics_are_read(write: Write) -> None:
    """As they are written, without the space around them; a byte-order mark is no part of a column's name."""
    path = write("rows.csv", "\ufefftext,label\nRates cut, Fed / Central Banks \n")
    assert load_examples(path, "topic_csv")[0].topic == "Fed / Central Banks"


def test_tweets_are_read(write: Write) -> None:
    """By the names of their columns, wherever those stand."""
    path = write("rows.csv", "Sentiment,Company,Tweet Text\npositive,X,$X to the moon\n")
    expected = Example("$X to the moon", sentiment="positive", source="surge_stock", place="set/rows.csv, row 2")
    assert load_examples(path, "surge_stock") == [expected]


def test_one_of_two_labels_may_be_empty(write: Write) -> None:
    """A row teaches what it has a label for; further columns are for people."""
    rows = "Pumps sold,positive,,headline\nVote on Sunday,,Politics,headline\nOre falls,Negative,Macro,sentence\n"
    path = write("rows.csv", "text,sentiment,topic,genre\n" + rows)
    found = [(row.sentiment, row.topic) for row in load_examples(path, "labelled_csv")]
    assert found == [("positive", None), (None, "Politics"), ("negative", "Macro")]


@given(st.lists(st.tuples(TEXTS, SENTIMENT, TOPICS), min_size=1, max_size=8))
def test_every_labelled_row_comes_back(write: Write, rows: list[tuple[str, str, str]]) -> None:
    """In order, whatever quotes, commas and line ends the texts hold."""
    both = load_examples(write("rows.csv", as_csv(("text", "sentiment", "topic"), *rows)), "labelled_csv")
    assert [(row.text, row.sentiment, row.topic) for row in both] == [(clean_text(t), s, c) for t, s, c in rows]
    for kind, labels in (("sentiment_csv", [s for _, s, _ in rows]), ("topic_csv", [c for _, _, c in rows])):
        pairs = [(row[0], label) for row, label in zip(rows, labels, strict=True)]
        read = load_examples(write("rows.csv", as_csv(("text", "label"), *pairs)), kind)
        assert [(row.text, row.sentiment or row.topic) for row in read] == [
            (clean_text(t), label) for t, label in pairs
        ]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("sentiment_csv", HEAD + "a,negative\nb,bullish\n", "row 3: label 'bullish' is none of negative, neutral, pos"),
        ("sentiment_csv", HEAD + "a,negative\nb,\n", "row 3: label '' is none of"),
        ("sentiment_csv", HEAD + "a,negative\nb\n", "row 3: 1 cells in a file of 2 columns"),
        ("sentiment_csv", HEAD + "a,b,negative\n", "row 2: 3 cells in a file of 2 columns; quote a text"),
        ("sentiment_csv", HEAD + "a,negative\n ,neutral\n", "row 3: no text"),
        ("sentiment_csv", HEAD + '"a\nb",negative\n"c\nd",up\n', r"row 3 \(line 4\): label 'up'"),
        ("sentiment_csv", HEAD + 'a,negative\n"b,neutral\nc,neutral\n', "row 3: not CSV: unexpected end of data"),
        ("sentiment_csv", HEAD + 'a,negative\n"b"c,neutral\n', "row 3: not CSV"),
        ("sentiment_csv", HEAD + f"{'a' * 200_000},negative\n", "row 2: not CSV: field larger than"),
        ("topic_csv", HEAD + "a, \n", "row 2: no label"),
        ("labelled_csv", "text,sentiment,topic\na,neutral,\nb, ,\n", "row 3: neither sentiment nor topic"),
        ("labelled_csv", "text,sentiment,topic\na,good,Macro\n", "row 2: label 'good' is none of negative"),
        ("labelled_csv", "text,sentiment\na,neutral\n", "row 1: no column 'topic'; found text, sentiment"),
        ("surge_stock", "Tweet Text,Sentiment\na,neutral\n,neutral\n", "row 3: no text"),
        ("sentiment_csv", "headline,label\na,negative\n", "row 1: no column 'text'; found headline, label"),
        ("sentiment_csv", "text,label,label\na,b,c\n", "row 1: column 'label' stands twice"),
        ("sentiment_csv", "text;label\na;negative\n", "row 1: no column 'text'; found text;label"),
        ("sentiment_csv", "", "the file is empty"),
        ("sentiment_csv", b"\xef\xbb\xbf\n", "the file is empty"),
        ("sentiment_csv", HEAD, "holds no labelled text"),
        ("sentiment_csv", HEAD + "https://t.example/x,neutral\n", "holds no labelled text"),
        ("sentiment_csv", b"text,label\ncaf\xe9,negative\n", "line 2: byte 0xe9 is not UTF-8"),
        ("sentiment_csv", (HEAD + "a,negative\n").encode("utf-16"), "line 1: the file is UTF-16"),
        ("sentiment_csv", HEAD + "a,negative\nb\0,neutral\n", "line 3: a NUL byte"),
        ("tsv", HEAD, "unknown data kind 'tsv'; known: doccano, fincuge_finfe"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_row(write: Write, kind: str, content: str | bytes, said: str) -> None:
    """File, row, and what is wrong with it."""
    path = write("rows.csv", content)
    with pytest.raises(ConfigError, match=said) as caught:
        load_examples(path, kind)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", EXAMPLE_KINDS)
def test_every_kind_names_a_file_that_is_missing_or_empty(write: Write, kind: str) -> None:
    """Before anything is trained."""
    path = write("rows", " \n")
    with pytest.raises(ConfigError, match="rows: the file is empty"):
        load_examples(path, kind)
    with pytest.raises(ConfigError, match="missing: no such file"):
        load_examples(path.with_name("missing"), kind)


@pytest.mark.parametrize("kind", TAGGED_KINDS)
def test_every_tagged_kind_names_a_file_that_is_missing_or_empty(tmp_path: Path, kind: str) -> None:
    """As for labelled texts."""
    with pytest.raises(ConfigError, match="missing: no such file"):
        load_tagged(tmp_path / "missing", kind)
    with pytest.raises(ConfigError, match="unknown data kind 'iob'; known: conll, conll_iob1, doccano, label_studio"):
        load_tagged(tmp_path / "missing", "iob")


def test_topics_are_held_to_the_allowed_ones(write: Write) -> None:
    """A misspelt topic would else become a class of its own."""
    path = write("rows.csv", HEAD + "Ore falls,Macro\nOre rises,Marco\n")
    with pytest.raises(ConfigError, match=r"rows\.csv, row 3: topic 'Marco' is none of Macro, Energy"):
        load_examples(path, "topic_csv", topics=("Macro", "Energy"))
    assert len(load_examples(path, "topic_csv", topics=("Macro", "Marco"))) == 2
