"""Laws of batching by padded tokens."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.classify.batches import token_batches

LENGTHS = st.lists(st.integers(1, 200), max_size=60)
BUDGETS = st.integers(1, 1000)


@given(LENGTHS, BUDGETS)
def test_every_text_is_in_exactly_one_batch(lengths: list[int], budget: int) -> None:
    """None is lost, none is scored twice."""
    batches = token_batches(lengths, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(batches)


@given(LENGTHS, BUDGETS)
def test_a_batch_never_exceeds_its_budget_unless_it_is_a_single_text(lengths: list[int], budget: int) -> None:
    """Padded size is the longest text times the number of texts."""
    for batch in token_batches(lengths, budget):
        assert len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= budget


@given(LENGTHS, BUDGETS)
def test_batches_are_as_full_as_their_order_allows(lengths: list[int], budget: int) -> None:
    """The next text would not have fitted, and texts of a length stay together."""
    batches = token_batches(lengths, budget)
    for batch, following in pairwise(batches):
        assert lengths[following[0]] * (len(batch) + 1) > budget
        assert max(lengths[i] for i in batch) <= min(lengths[i] for i in following)


@given(LENGTHS, BUDGETS)
def test_batches_are_a_function_of_the_lengths(lengths: list[int], budget: int) -> None:
    """The same texts are scored in the same company each time."""
    assert token_batches(lengths, budget) == token_batches(list(lengths), budget)
