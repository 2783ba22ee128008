"""Laws of guessing what kind of data a file holds."""

from __future__ import annotations

import pytest

from monitor.errors import ConfigError
from pipelines.datasets.kinds import kind_of
from pipelines.datasets.load import EXAMPLE_KINDS, TAGGED_KINDS, load_examples, load_tagged
from tests.unit.datasets.conftest import Write

ALIKE = {
    "sentfin_entities": "is SEntFiN's file as well; whole headlines are the guess",
    "conll_iob1": "is told from IOB2 by nothing that one line shows",
}
SAMPLES: dict[str, tuple[str, str | bytes]] = {
    "sentiment_csv": ("a.csv", "text,label\nOre falls,negative\n"),
    "topic_csv": ("a.csv", "text,label\nOre falls,Macro\n"),
    "labelled_csv": ("a.CSV", "\ufefftext,sentiment,topic,genre\nOre falls,negative,,headline\n"),
    "sentfin": ("a.csv", "S No.,Title,Decisions,Words\n1,Ore falls,{'Ore': 'negative'},2\n"),
    "phrasebank": ("a.txt", b"\nCaf\xe9 B-shares fell .@negative\n"),
    "surge_stock": ("a.csv", "Stock Ticker,Tweet Text,Sentiment,Tweet URL\n$ORE,$ORE to the moon,Positive,x\n"),
    "fincuge_finfe": ("a.json", '[["铁矿石下跌", 0]]'),
    "fincuge_finnl": ("a.json", '[["铁矿石下跌", "国际 期货"]]'),
    "label_studio": (
        "a.json",
        '[{"data": {"text": "Ore falls"}, "annotations": [{"result": [{"from_name": "sentiment", "type": "choices", '
        '"value": {"choices": ["negative"]}}]}]}]',
    ),
    "doccano": ("a.jsonl", '\n{"text": "Ore falls", "label": ["negative"]}\n'),
    "conll": ("a.txt", "-DOCSTART- -X- -X- O\n\nAcorn NNP B-NP B-ORG\n"),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_each_kind_is_told_from_the_others(write: Write, kind: str) -> None:
    """And what is guessed can be read as that."""
    path = write(*SAMPLES[kind])
    assert kind_of(path) == kind
    assert len(load_examples(path, kind) if kind in EXAMPLE_KINDS else load_tagged(path, kind)) == 1


def test_every_kind_is_guessed_or_has_its_reason() -> None:
    """A new kind needs a sample here."""
    assert set(SAMPLES) | set(ALIKE) == {*EXAMPLE_KINDS, *TAGGED_KINDS}
    assert not set(SAMPLES) & set(ALIKE)


@pytest.mark.parametrize("first", ["Acorn B-ORG", "Acorn\tO", "Acorn B-ORG 0"])
def test_tagged_files_are_known_by_any_of_their_layouts(write: Write, first: str) -> None:
    """Under any suffix."""
    assert kind_of(write("a.bio", f"{first}\n")) == "conll"


def test_one_sentiment_among_the_labels_is_enough(write: Write) -> None:
    """Then a label that is none is a mistake to be named, and no topic."""
    assert kind_of(write("a.csv", "text,label\nOre falls,negtive\nOre rises,positive\n")) == "sentiment_csv"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "headline,tone\nOre falls,negative\n"),
        ("a.csv", "text,label\nOre falls,0\n"),
        ("a.json", '{"text": "Ore falls"}'),
        ("a.json", "[]"),
        ("a.jsonl", '{"headline": "Ore falls"}\n'),
        ("a.txt", "Ore falls as demand worries grow\n"),
        ("a.parquet", "PAR1\n"),
    ],
)
def test_a_file_of_no_kind_is_an_error_that_lists_them(write: Write, name: str, content: str) -> None:
    """So that one can be given."""
    with pytest.raises(ConfigError, match=rf"{name}: can't tell .*: conll, .*doccano, .*topic_csv"):
        kind_of(write(name, content))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("a.csv", "", "empty"), ("a.json", "[", "line 1: broken JSON"), ("a.jsonl", "x", "line 1: broken JSON"),
     ("a.csv", 'te"xt"\n"', "row 1: not CSV|can't tell"), ("a.txt", b"\0", "NUL")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(write: Write, name: str, content: str | bytes, said: str) -> None:
    """Rather than that its kind is unknown."""
    with pytest.raises(ConfigError, match=said):
        kind_of(write(name, content))
