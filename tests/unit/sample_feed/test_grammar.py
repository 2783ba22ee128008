"""Laws of filling the slots of a pattern."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.grammar import Filler, capitalised
from pipelines.sample_feed.phrasebook import read_lexicon
from pipelines.sample_feed.writer import in_style

SEEDS = st.integers(min_value=0, max_value=10_000)


def filler(seed: int, **slots: list[str]) -> Filler:
    """A filler with the shared words and these of its own."""
    return Filler(Draw(seed, "test"), read_lexicon(), slots)


@given(seed=SEEDS)
def test_a_slot_keeps_its_value_within_a_document(seed: int) -> None:
    """Title and summary speak of the same company, and its cashtag goes with it."""
    document = filler(seed)
    assert document.fill("{firm} {house}") == document.fill("{firm} {house}")
    assert document.company is not None
    assert document.fill("{firm.cash}") == f"${document.company.ticker}"


@given(seed=SEEDS)
def test_numbered_slots_differ(seed: int) -> None:
    """No company buys itself, and no broker contradicts itself."""
    first, second, house, other = filler(seed).fill("{bank};{firm};{house};{house2}").split(";")
    assert first != second
    assert house != other


@given(seed=SEEDS)
def test_a_number_stays_in_its_range_and_as_exact_as_written(seed: int) -> None:
    """`{1.20..1.90}` has two decimals; `{1,200..9,800}` is a multiple of 100."""
    whole, decimal, rounded = filler(seed).fill("{4..9};{1.20..1.90};{1,200..9,800}").split(";")
    assert 4 <= int(whole) <= 9
    assert len(decimal) == 4
    assert 1.2 <= float(decimal) <= 1.9
    assert int(rounded.replace(",", "")) in range(1200, 9801, 100)


def test_a_slot_without_words_is_refused() -> None:
    """A mistyped slot is an error, not a hole in the text."""
    with pytest.raises(KeyError):
        filler(1).fill("{no_such_slot}")


@pytest.mark.parametrize(
    ("word", "article"),
    [("outperform", "an"), ("18-month", "an"), ("$8 billion", "an"), ("European", "a"), ("80", "an"), ("12", "a")],
)
def test_the_article_follows_the_sound(word: str, article: str) -> None:
    """Where a pattern says "a(n)", the text has what a reader would say."""
    assert filler(1, word=[word]).fill("a(n) {word}") == f"{article} {word}"


def test_a_topics_own_words_go_before_the_shared_ones() -> None:
    """A phrase file may redefine even a company slot."""
    assert filler(1, firm=["鸿澜科技"]).fill("{firm}") == "鸿澜科技"


def test_sentences_begin_with_a_capital() -> None:
    """A slot at the start of a sentence may be lower case."""
    assert capitalised("gold fell. silver rose by 1.2") == "Gold fell. Silver rose by 1.2"


@pytest.mark.parametrize(
    ("style", "headline"),
    [
        ("sentence", "Norrvik Bank to cut jobs in “north west”"),
        ("title", "Norrvik Bank to Cut Jobs in “North West”"),
        ("ticker", "$NRVQ - Norrvik Bank to cut jobs in “north west”"),
        ("squawk", "NORRVIK BANK TO CUT JOBS IN “NORTH WEST”"),
    ],
)
def test_each_source_sets_headlines_in_its_style(style: str, headline: str) -> None:
    """The words stay, the case and the cashtag are the source's."""
    assert in_style("Norrvik Bank to cut jobs in “north west”", style, "NRVQ") == headline
