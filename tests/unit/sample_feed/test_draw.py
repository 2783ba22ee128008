"""Laws of seeded choices."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipelines.sample_feed.draw import Draw

SEEDS = st.integers(min_value=0, max_value=10_000)


def test_the_sequence_is_the_same_everywhere() -> None:
    """Pinned values: another Python must draw the same."""
    draw = Draw(7, "pinned")
    assert [draw.integer(0, 99) for _ in range(5)] == [19, 75, 66, 85, 57]


@given(seed=SEEDS)
def test_streams_of_different_names_are_independent(seed: int) -> None:
    """Another part's choices do not move this one's."""
    first, again = Draw(seed, "a"), Draw(seed, "a")
    Draw(seed, "b").shuffled(range(50))
    assert [first.chance(0.5) for _ in range(40)] == [again.chance(0.5) for _ in range(40)]


@given(seed=SEEDS, size=st.integers(1, 9), count=st.integers(0, 40))
def test_a_deck_deals_evenly(seed: int, size: int, count: int) -> None:
    """No item is dealt twice more than another."""
    dealt = Counter(Draw(seed, "deck").deck(range(size), count))
    assert dealt.total() == count
    assert max(dealt[i] for i in range(size)) - min(dealt[i] for i in range(size)) <= 1


@given(seed=SEEDS)
def test_weightless_items_are_never_drawn(seed: int) -> None:
    """A source of weight 0 prints nothing."""
    draw = Draw(seed, "weights")
    assert {draw.weighted("abc", [1.0, 0.0, 2.0]) for _ in range(50)} <= {"a", "c"}
