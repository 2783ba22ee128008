"""Laws of reading SEntFiN: headlines with a sentiment per entity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.load import load_examples
from tests.unit.datasets.conftest import Write
from tests.unit.datasets.written import SENTIMENT, as_csv

HEADER = ("Title", "Decisions")
NAMES = st.text("abzÄ3 '\"&.-", min_size=1, max_size=12).filter(clean_text)
DECISIONS = st.lists(st.tuples(NAMES, SENTIMENT), min_size=1, max_size=5)


def test_a_headline_about_several_companies_counts_if_they_agree(write: Write) -> None:
    """Otherwise no one label is its own."""
    rows = [
        ("One", "{'Ann's Art Fund': 'neutral'}"),
        ("Two", "{'A': 'negative', 'B': 'negative'}"),
        ("Three", "{'A': 'negative', 'B': 'positive'}"),
    ]
    found = [(row.text, row.sentiment) for row in load_examples(write("a.csv", as_csv(HEADER, *rows)), "sentfin")]
    assert found == [("One", "neutral"), ("Two", "negative")]


def test_each_entity_has_its_own_sentiment(write: Write) -> None:
    """Names are cleaned as the headline is, so that they are found in it; apostrophes and quotes belong to them."""
    rows = [
        ("Baker&amp;Sons gains, Dr Noor's slips", "{'Baker&amp;Sons': 'positive', \"Dr Noor's\": 'negative'}"),
        ('Moor\'s cuts "Big" Ore', "{'Moor's': 'neutral', '\"Big\" Ore': 'negative'}"),
    ]
    found = load_examples(write("a.csv", as_csv(HEADER, *rows)), "sentfin_entities")
    assert [(row.entity, row.sentiment, row.place) for row in found] == [
        ("Baker&Sons", "positive", "set/a.csv, row 2"),
        ("Dr Noor's", "negative", "set/a.csv, row 2"),
        ("Moor's", "neutral", "set/a.csv, row 3"),
        ('"Big" Ore', "negative", "set/a.csv, row 3"),
    ]
    assert all(row.entity is not None and row.entity in row.text for row in found)


def test_names_that_a_replacement_of_labels_damaged_are_found(write: Write) -> None:
    """In the published file Holdings reads neutralings; the entity is as the headline writes it."""
    rows = [
        ("Acorn Holdings buys a stake in Bussell Foods", "{'Acorn neutralings': 'neutral', 'Busnegative': 'positive'}")
    ]
    found = load_examples(write("a.csv", as_csv(HEADER, *rows)), "sentfin_entities")
    assert [row.entity for row in found] == ["Acorn Holdings", "Bussell"]


@given(st.lists(DECISIONS, min_size=1, max_size=5), st.booleans())
def test_no_entity_is_lost(write: Write, headlines: list[list[tuple[str, str]]], literal: bool) -> None:
    """Whatever quotes a name holds, escaped as Python does or bare as in the published file."""
    rows = []
    for decisions in headlines:
        written = (f"{name!r}: {label!r}" if literal else f"'{name}': '{label}'" for name, label in decisions)
        rows.append((" ; ".join(name for name, _ in decisions), f"{{{', '.join(written)}}}"))
    found = load_examples(write("a.csv", as_csv(HEADER, *rows)), "sentfin_entities")
    expected = [(clean_text(name), label) for decisions in headlines for name, label in decisions]
    assert [(row.entity, row.sentiment) for row in found] == expected


@pytest.mark.parametrize("kind", ["sentfin", "sentfin_entities"])
@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        ("none", "row 2: Decisions holds no sentiment: 'none'"),
        ("{}", "row 2: Decisions holds no sentiment"),
        ("{'X': 'bullish'}", "row 2: label 'bullish' is none of negative"),
        ("{'X': 'neutral', 'Y'}", "row 2: Decisions can't be read from .* on"),
        ("{'X': 'neutral' 'Y': 'neutral'}", "row 2"),
    ],
)
def test_decisions_that_cannot_be_read_are_named(write: Write, kind: str, decisions: str, said: str) -> None:
    """With row and what stands there."""
    with pytest.raises(ConfigError, match=said):
        load_examples(write("a.csv", as_csv(HEADER, ("X and Y", decisions))), kind)


def test_an_entity_that_the_headline_does_not_name_is_an_error(write: Write) -> None:
    """Nothing could be marked in the text."""
    path = write("a.csv", as_csv(HEADER, ("Acorn sells pumps", "{'Beech': 'neutral'}")))
    with pytest.raises(ConfigError, match="row 2: the headline doesn't name 'Beech'"):
        load_examples(path, "sentfin_entities")
