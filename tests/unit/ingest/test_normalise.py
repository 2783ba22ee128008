"""Laws of text clean-up."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.normalise import clean_text, story_text, tokens_of

PIECES = st.sampled_from(
    [
        *("&", "&amp;", "&amp", "&#38;", "amp;", "#38;", "&lt;", "&nbsp;", "&#8203;", "&#x26;lt;"),
        *("https://a.example/b?c ", "t.co/x", "www.", "\x00", "\ufeff", "\u200b", "\u0301", "\n"),
        *("ＡＢＣ", "ﬁ", "ﷺ", "é", "银行", "a", " "),
    ]
)
MESSY = st.one_of(st.text(), st.lists(PIECES).map("".join))


@given(MESSY)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    """What training stored clean, serving leaves as it is."""
    once = clean_text(text)
    assert clean_text(once) == once


@given(st.lists(st.characters(codec="ascii") | st.sampled_from(["  ", "&amp;", "wWw.a", "://"])).map("".join))
def test_plain_text_is_cleaned_as_any_other(text: str) -> None:
    """It takes a shorter way, which a mark that nobody sees bars."""
    assert clean_text(text) == clean_text(f"\u200b{text}")


@given(MESSY)
def test_clean_text_has_single_spaces_and_no_control_marks(text: str) -> None:
    """Nothing invisible is left, and every gap is one space."""
    cleaned = clean_text(text)
    assert cleaned == " ".join(cleaned.split())
    assert not any(unicodedata.category(character) == "Cc" for character in cleaned)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("AT&amp;amp;T cuts &quot;outlook&quot;", 'AT&T cuts "outlook"'),
        ("Ｓａｍｓｕｎｇ　falls", "Samsung falls"),
        ("Read https://example.com/a?b=1 now www.example.org", "Read now"),
        ("Chart pic.twitter.com/abc up", "Chart up"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("bank\u200bruptcy", "bank ruptcy"),
        ("\u202etxet neddih", "txet neddih"),
        ("R&#381;", "RŽ"),
        ("S&ampersand", "S&ersand"),
        ("", ""),
    ],
)
def test_cleaning_by_example(raw: str, clean: str) -> None:
    """Entities, full-width letters, links, control and direction marks."""
    assert clean_text(raw) == clean


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["amp;", "amp", "AMP;", "#38;", "#x26;", "amp;#038;"])
def test_an_entity_nested_a_thousandfold_costs_no_more_than_its_length(piece: str) -> None:
    """A hostile message of the largest size can't hold a worker up."""
    assert clean_text("&" + piece * (262_144 // len(piece)) + "lt;") == "<"


@pytest.mark.parametrize(
    "telling",
    [
        "UPDATE 2-Chip maker warns of weak demand",
        "BREAKING: Chip maker warns of weak demand",
        "(Reuters) - Chip maker warns of weak demand",
        "RT @trader: Chip maker warns of weak demand",
        "Chip maker warns of weak demand - Example Times",
        "Chip maker warns of weak demand | example.com",
        "RPT-UPDATE 1-Chip maker warns of weak demand",
    ],
)
def test_what_an_editor_adds_is_not_part_of_the_story(telling: str) -> None:
    """Wire prefixes in front and the publisher's name behind."""
    assert story_text(telling) == "Chip maker warns of weak demand"


@pytest.mark.parametrize("text", ["Breaking: Oil", "Reuters - AP", "UPDATE 1- Profit", "Oil up - Brent Crude Futures"])
def test_little_is_left_as_it_is_rather_than_emptied(text: str) -> None:
    """A headline of which hardly anything would remain is compared whole."""
    assert len(story_text(text)) >= len(text) // 3


@given(st.text())
def test_tokens_stand_in_the_text_in_their_order(text: str) -> None:
    """Nothing is made up, and nothing is moved."""
    position = 0
    for token in tokens_of(text):
        position = text.index(token, position) + len(token)


def test_tokens_keep_numbers_and_cashtags_whole_and_split_chinese() -> None:
    """A decimal comma stays in its number; Chinese is read character by character."""
    assert tokens_of("$TSLA up 1,234.5% as 银行 don't") == ["$TSLA", "up", "1,234.5%", "as", "银", "行", "don't"]
