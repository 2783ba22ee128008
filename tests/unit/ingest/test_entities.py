"""Laws of finding companies."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.entities import EntityIndex, load_entities

INDEX = EntityIndex(
    [("Apple", "AAPL"), ("Target", "TGT"), ("Bank of America", "BAC"), ("Bank of America Home", "BAH"), ("AT&T", "T")]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Apple's margins, Apple.", ("AAPL",)),
        ("(Apple)", ("AAPL",)),
        ("Pineapple and Applebee stocks", ()),
        ("an apple a day", ()),
        ("Price target raised; Target sues", ("TGT",)),
        ("price target raised", ()),
        ("Bank of America falls", ("BAC",)),
        ("Bank of America Home loses", ("BAH",)),
        ("Bank of", ()),
        ("AT&T’s dividend", ("T",)),
        ("$TSLA and $BRK.B, not $toolong or 5$", ("BRK.B", "TSLA")),
        ("", ()),
    ],
)
def test_entities_are_whole_words_in_their_case(text: str, found: tuple[str, ...]) -> None:
    """A company is not found inside another word, nor where its name is a common word; the longer name wins."""
    assert INDEX.find(text) == found


@given(st.text(), st.lists(st.text("ABC", min_size=1, max_size=3), max_size=20))
def test_entities_are_ascending_and_bounded(text: str, given_tickers: list[str]) -> None:
    """At most eight, each once."""
    found = INDEX.find(text, tuple(given_tickers))
    assert list(found) == sorted(set(found))
    assert len(found) <= 8


@given(st.permutations(["Apple", "Target", "AT&T", "sues", "Bank of America"]))
def test_entities_do_not_depend_on_their_order(words: list[str]) -> None:
    """A set of companies, not a list of mentions."""
    assert INDEX.find(", ".join(words)) == ("AAPL", "BAC", "T", "TGT")


def test_a_company_list_of_ones_own_is_read(tmp_path: Path) -> None:
    """Comments and empty lines are skipped; names after the first are further names."""
    path = tmp_path / "companies.csv"
    path.write_text("# ticker,name\n\nSAP,SAP,Systemanalyse\n", encoding="utf-8")
    assert load_entities(path).find("Systemanalyse gains") == ("SAP",)


def test_a_bad_company_list_is_named_with_its_line(tmp_path: Path) -> None:
    """So that it can be put right."""
    path = tmp_path / "companies.csv"
    path.write_text("AAPL,Apple\nMSFT\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"companies\.csv, line 2"):
        load_entities(path)
    with pytest.raises(ConfigError, match="missing"):
        load_entities(tmp_path / "missing.csv")
