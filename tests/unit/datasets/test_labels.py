"""Laws of leaving out duplicates and contradictions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipelines.datasets.examples import Example
from pipelines.datasets.labels import cleaned
from tests.unit.datasets.written import SENTIMENT, TOPICS

EXAMPLES = st.lists(
    st.builds(
        Example,
        st.sampled_from(["one", "two", "three"]),
        st.none() | SENTIMENT,
        st.none() | TOPICS,
        st.sampled_from([None, "one", "t"]),
        place=st.uuids().map(str),
    ),
    max_size=12,
)


@given(EXAMPLES)
def test_what_is_left_neither_repeats_nor_contradicts_itself(examples: list[Example]) -> None:
    """In the order it came in; and what is clean stays as it is."""
    kept = cleaned(examples)
    assert kept == [example for example in examples if example in kept]
    assert cleaned(kept) == kept
    for i, one in enumerate(kept):
        for other in kept[:i]:
            if (one.text, one.entity) == (other.text, other.entity):
                assert (one.sentiment, one.topic) != (other.sentiment, other.topic)
                assert one.sentiment == other.sentiment or None in (one.sentiment, other.sentiment)
                assert one.topic == other.topic or None in (one.topic, other.topic)


def test_a_contradicted_text_goes_with_all_its_rows() -> None:
    """Neither label is known to be right; of equal rows the first stays."""
    rows = [Example("a", "neutral", place="1"), Example("a", "neutral", place="2"), Example("b", "neutral")]
    assert cleaned(rows) == [rows[0], rows[2]]
    assert cleaned([*rows, Example("a", "positive")]) == [rows[2]]


def test_what_differs_is_no_contradiction() -> None:
    """Two entities of one text may fare differently, and a sentiment says nothing against a topic."""
    rows = [
        Example("a b", "positive", entity="a"),
        Example("a b", "negative", entity="b"),
        Example("a b", topic="Macro"),
    ]
    assert cleaned(rows) == rows
