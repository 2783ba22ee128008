"""Laws of scoring rows: order, one pass for what is the same, a lack of memory, what is remembered."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.adapters.row_scorer import Row, RowScorer
from monitor.adapters.token_rows import Logits, NoMemoryError, Started, TokenRow, token_row
from monitor.errors import ClassifierError, TransientError
from tests.unit.adapters.noting import Noting

ROW = st.builds(Row, st.text("ab ", max_size=40), st.sampled_from([None, "a", "b"]))
ROWS = st.lists(ROW, max_size=300)


class Summing:
    """Implements Engine: a row's logit is the sum of its ids; a batch of more than `room` padded tokens finds no memory.

    With `late` it says so only when it is waited for, as a GPU may.
    """

    def __init__(self, room: int = 10**9, *, late: bool = False) -> None:
        self.room = room
        self.late = late
        self.seen: list[list[TokenRow]] = []
        self.made_room = 0

    def padded_length(self, length: int) -> int:
        """See Engine."""
        return length

    def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
        """See Engine."""
        padded = len(rows) * max(row.length for row in rows)
        if padded > self.room:
            if self.late:
                return Started(padded, lambda: _without_room(padded))
            _without_room(padded)
        self.seen.append(list(rows))
        sums = np.array([[np.frombuffer(row.ids, np.uint32).sum()] for row in rows], np.float64)
        return Started(padded, lambda: {"sum": sums})

    def make_room(self) -> None:
        """See Engine."""
        self.made_room += 1


def _without_room(padded: int) -> NoReturn:
    raise NoMemoryError(f"{padded} tokens")


def encode(rows: Sequence[Row]) -> list[TokenRow | None]:
    """A token a character; a name is read too, and one that the text has not is not scored."""
    return [
        token_row([1, *map(ord, (row.name or "") + row.text)]) if (row.name or "") in row.text else None for row in rows
    ]


def decide(logits: Logits) -> list[float]:
    """The sum, which must not be that of the text "bad"."""
    if (logits["sum"] == 1 + sum(map(ord, "bad"))).any():
        raise ClassifierError("bad", reason="not_finite")
    return [float(value) for (value,) in logits["sum"]]


def scorer(engine: Summing, budget: int = 128, entries: int = 0) -> RowScorer[float]:
    """Of that engine."""
    return RowScorer[float](engine, encode, decide, budget, entries)


def expected(row: Row) -> float | None:
    """What a row's value is, by itself."""
    (told,) = encode([row])
    return None if told is None else float(np.frombuffer(told.ids, np.uint32).sum())


@given(
    ROWS | st.lists(ROW, min_size=60, max_size=300),
    st.integers(32, 600),
    st.integers(0, 50),
    st.sampled_from([10**9, 150, 45]),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_each_row_has_its_own_value_whatever_budget_cache_and_memory(
    rows: list[Row], budget: int, entries: int, room: int, late: bool
) -> None:
    """In order, asked once or again, over several chunks and after batches that found no room, then or when waited for."""
    engine = Summing(room, late=late)
    model = scorer(engine, budget, entries)
    for _ in range(2):
        assert model.score(rows) == [expected(row) for row in rows]
    for batch in engine.seen:
        assert len(batch) == 1 or len(batch) * max(row.length for row in batch) <= budget


@given(ROWS, st.integers(32, 600))
@settings(deadline=None, max_examples=40)
def test_rows_that_are_the_same_to_the_model_are_scored_once_a_round(rows: list[Row], budget: int) -> None:
    """Without a cache too."""
    engine, seen = Summing(), Noting()
    model = scorer(engine, budget)
    model.observer = seen
    model.score(rows)
    told = [row for row in encode(rows) if row is not None]
    scored = [row for batch in engine.seen for row in batch]
    assert sorted(row.ids for row in scored) == sorted({row.ids for row in told})
    assert (seen.hits, seen.misses) == (len(told) - len(scored), len(scored))
    assert sum(text for text, _ in seen.batches) == sum(row.length for row in scored)


def test_a_reprint_costs_no_pass_while_the_cache_has_it() -> None:
    """The one used longest ago is forgotten first."""
    engine = Summing()
    model = scorer(engine, entries=2)
    for text, passes in [("one", 1), ("two", 2), ("one", 2), ("three", 3), ("one", 3), ("two", 4)]:
        assert model.score([Row(text)]) == [expected(Row(text))]
        assert len(engine.seen) == passes


def test_what_failed_is_never_remembered() -> None:
    """It is asked again, and fails again."""
    engine = Summing()
    model = scorer(engine, entries=100)
    for passes in (1, 2):
        with pytest.raises(ClassifierError):
            model.score([Row("bad")])
        assert len(engine.seen) == passes


@pytest.mark.parametrize("late", [False, True])
def test_a_batch_without_room_halves_the_budget_and_work_goes_on(late: bool) -> None:
    """The next round does not run into it again."""
    engine = Summing(room=300, late=late)
    model = scorer(engine, budget=1024)
    rows = [Row("a" * n) for n in range(1, 60)]
    assert model.score(rows) == [expected(row) for row in rows]
    made = engine.made_room
    assert (model.max_batch_tokens, made) == (
        256,
        4 if late else 2,
    )  # with `late` a batch was queued behind each that failed
    model.score(rows)
    assert engine.made_room == made


def score_batches(model: RowScorer[float], count: int) -> None:
    """So many rounds of one batch each."""
    for n in range(count):
        assert model.score([Row(f"{n}")]) == [expected(Row(f"{n}"))]


def test_a_budget_that_was_halved_comes_back_when_memory_does() -> None:
    """Doubled after each run of good batches, to what is configured and no further."""
    engine = Summing(room=300)
    model = scorer(engine, budget=1000)
    rows = [Row("a" * n) for n in range(1, 60)]
    model.score(rows)
    assert model.max_batch_tokens == 250
    engine.room = 10**9
    score_batches(model, 128)
    assert model.max_batch_tokens == 500
    score_batches(model, 1000)
    assert model.max_batch_tokens == 1000


def test_where_memory_is_gone_for_good_it_is_looked_for_ever_more_rarely() -> None:
    """Making room costs a GPU its graphs: a thousand batches do it a few times."""
    engine = Summing(room=300)
    model = scorer(engine, budget=512)
    large = [Row("a" * 50 + str(n)) for n in range(12)]
    for _ in range(1000):
        assert model.score(large) == [expected(row) for row in large]
    assert 2 <= engine.made_room <= 7


def test_no_memory_for_a_single_row_is_an_outage_and_costs_the_others_nothing() -> None:
    """It stands alone; the budget stays what it was."""
    engine = Summing(room=50)
    model = scorer(engine, budget=128)
    with pytest.raises(TransientError, match="no memory for 1 texts") as caught:
        model.score([Row("a" * 80)])
    assert caught.value.reason == "model_unavailable"
    assert model.max_batch_tokens == 128


def test_a_chunk_is_tokenised_on_another_thread_while_the_model_works() -> None:
    """One ahead: when the model gets its first batch, the second chunk is being read already."""
    readers: list[str] = []
    second = threading.Event()

    def reading(rows: Sequence[Row]) -> list[TokenRow | None]:
        readers.append(threading.current_thread().name)
        if len(readers) == 2:
            second.set()
        return encode(rows)

    class Waiting(Summing):
        def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
            assert second.wait(60)
            return super().start(rows, budget)

    rows = [Row(f"{n:05}") for n in range(200)]
    model = RowScorer[float](Waiting(), reading, decide, 128, 0)
    assert model.score(rows) == [expected(row) for row in rows]
    assert len(readers) > 2
    assert threading.current_thread().name not in readers


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this operating system binds no thread to a core")
def test_a_pinned_model_leaves_the_tokenising_thread_every_core() -> None:
    """Else the two would share one, and neither would work while the other does."""
    cores = os.sched_getaffinity(0)
    kept: list[set[int]] = []

    class Pinned(Summing):
        def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
            os.sched_setaffinity(0, {min(cores)})
            return super().start(rows, budget)

    def reading(rows: Sequence[Row]) -> list[TokenRow | None]:
        kept.append(os.sched_getaffinity(0))
        return encode(rows)

    model = RowScorer[float](Pinned(), reading, decide, 128, 0)
    with ThreadPoolExecutor(1) as scoring:
        scoring.submit(model.score, [Row("a")]).result()
        kept.clear()
        scoring.submit(model.score, [Row(f"{n}") for n in range(200)]).result()
    assert len(kept) > 1
    assert all(one == cores for one in kept)


@given(st.lists(ROWS, min_size=1, max_size=7), st.lists(st.integers(0, 6), max_size=10), st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_rows_that_were_foreseen_have_the_same_values_in_the_same_batches(
    rounds: list[list[Row]], foreseen: list[int], entries: int
) -> None:
    """Whichever were, however often, and whether all of a round were or some."""
    plain, engine = Summing(), Summing()
    model, ahead = scorer(plain, entries=entries), scorer(engine, entries=entries)
    for which in foreseen:
        ahead.foresee(rounds[which % len(rounds)])
    for rows in rounds:
        assert ahead.score(rows) == model.score(rows) == [expected(row) for row in rows]
    assert engine.seen == plain.seen


def test_the_next_round_is_tokenised_while_the_model_works_on_this_one() -> None:
    """On the scorer's own thread, once; the model's thread finds the tokens there, also where the round is one chunk."""
    reading: list[tuple[str, list[Row]]] = []
    following = [Row("next")]
    read_ahead = threading.Event()

    def noting(rows: Sequence[Row]) -> list[TokenRow | None]:
        reading.append((threading.current_thread().name, list(rows)))
        if list(rows) == following:
            read_ahead.set()
        return encode(rows)

    class Waiting(Summing):
        def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
            if not self.seen:
                model.foresee(following)
                assert read_ahead.wait(60)
            return super().start(rows, budget)

    model = RowScorer[float](Waiting(), noting, decide, 128, 0)
    model.score([Row("first")])
    before = len(reading)
    assert model.score(following) == [expected(following[0])]
    assert reading[before:] == []
    assert [name for name, rows in reading if rows == following] == ["tokenise_0"]


def test_a_round_does_not_wait_for_one_that_was_foreseen_after_it() -> None:
    """Also where both have a row: its tokens are those of the first."""
    following, same = threading.Event(), Row("in both")
    read: list[Row] = []

    def reading(rows: Sequence[Row]) -> list[TokenRow | None]:
        if Row("second") in rows:
            assert following.wait(60)
        read.extend(rows)
        return encode(rows)

    model = RowScorer[float](Summing(), reading, decide, 128, 0)
    model.foresee([Row("first"), same])
    model.foresee([same, Row("second")])
    with ThreadPoolExecutor(1) as scoring:
        try:
            first = scoring.submit(model.score, [Row("first"), same]).result(30)
        finally:
            following.set()
    assert first == [expected(Row("first")), expected(same)]
    assert model.score([same, Row("second")]) == [expected(same), expected(Row("second"))]
    assert read == [Row("first"), same, Row("second")]


def test_rows_that_could_not_be_tokenised_are_tried_anew_when_they_are_foreseen_again() -> None:
    """What was wrong may have been mended, and the row that it was wrong with may be another."""
    failing = True

    def reading(rows: Sequence[Row]) -> list[TokenRow | None]:
        if failing:
            raise ClassifierError("broken", reason="model_failed")
        return encode(rows)

    model = RowScorer[float](Summing(), reading, decide, 128, 0)
    model.foresee([Row("a")])
    with pytest.raises(ClassifierError, match="broken"):
        model.score([Row("a")])
    failing = False
    model.foresee([Row("a")])
    assert model.score([Row("a")]) == [expected(Row("a"))]


def test_what_was_foreseen_and_never_asked_for_is_forgotten() -> None:
    """A worker drops rounds; what it holds of them does not grow."""
    model = scorer(Summing())
    for n in range(50):
        model.foresee([Row(f"{n}"), Row("in each")])
    assert not model._ahead.knows_any([Row(f"{n}") for n in range(40)])
    assert model._ahead.knows_any([Row("in each")])
    assert model.score([Row("3"), Row("in each")]) == [expected(Row("3")), expected(Row("in each"))]


def test_chunks_leave_no_batch_half_full() -> None:
    """What a chunk can't fill waits for the next one: only the last batch is smaller than the budget allows."""
    engine = Summing()
    scorer(engine, budget=128).score([Row(f"{n:07}") for n in range(1000)])
    assert {len(batch) for batch in engine.seen[:-1]} == {128 // 8}
