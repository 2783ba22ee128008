"""Laws of running ahead: in order, bounded, and what goes wrong in a thread is heard where its round is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from monitor.adapters.system_clock import SystemClock
from monitor.messages import PartitionBatch
from monitor.prefetch import ROUNDS, Prefetch
from tests.builders import batch
from tests.fakes import ManualClock
from tests.waiting import eventually

Values = list[bytes | None]
WAIT_SECONDS = 10.0


class Gate:
    """Lets a thread through when a test says so."""

    def __init__(self) -> None:
        self.open, self.reached = threading.Event(), threading.Event()

    def __call__(self, values: Values) -> Values:
        """Waits until it is open."""
        self.reached.set()
        assert self.open.wait(WAIT_SECONDS)
        return values


def values_of(batches: Sequence[PartitionBatch]) -> Values:
    """What a round holds."""
    return [record.value for one in batches for record in one.records]


@pytest.fixture
def make() -> Iterator[Callable[[Callable[[Values], Values]], Prefetch[Values, Values]]]:
    """Makes one with that second stage; its threads must end in time."""
    made: list[Prefetch[Values, Values]] = []

    def make_one(score: Callable[[Values], Values]) -> Prefetch[Values, Values]:
        made.append(Prefetch(values_of, score, SystemClock()))
        return made[-1]

    yield make_one
    assert all([one.close(WAIT_SECONDS) for one in made])


Make = Callable[[Callable[[Values], Values]], Prefetch[Values, Values]]


def take(prefetch: Prefetch[Values, Values]) -> Values:
    """The next round, waited for."""
    assert prefetch.wait(WAIT_SECONDS)
    taken = prefetch.take()
    assert taken is not None
    return taken


def test_rounds_come_back_in_the_order_they_went(make: Make) -> None:
    """Each once, whatever the threads do."""
    prefetch, sent = make(lambda values: values), 0
    taken: list[Values] = []
    while len(taken) < 50:
        if prefetch.has_room and sent < 50:
            prefetch.offer([batch([str(sent).encode()])])
            sent += 1
        else:
            taken.append(take(prefetch))
    assert taken == [[str(number).encode()] for number in range(50)]


def test_no_more_rounds_are_on_their_way_than_the_bound(make: Make) -> None:
    """One in the model, one prepared, one waiting; and the gauges say where each is."""
    gate = Gate()
    prefetch = make(gate)
    for number in range(ROUNDS):
        assert prefetch.has_room
        prefetch.offer([batch([str(number).encode()] * (number + 1))])
    assert not prefetch.has_room
    eventually(lambda: prefetch.rounds_at("score") == ROUNDS, "all are prepared")
    assert (prefetch.records_at("score"), prefetch.take(), prefetch.wait(0.0)) == (6, None, False)
    gate.open.set()
    assert [take(prefetch) for _ in range(ROUNDS)] == [[b"0"], [b"1"] * 2, [b"2"] * 3]
    assert prefetch.has_room


def test_the_next_round_is_prepared_while_one_is_in_the_model(make: Make) -> None:
    """That is what the threads are for."""
    gate = Gate()
    prefetch = make(gate)
    prefetch.offer([batch([b"1"])])
    assert gate.reached.wait(WAIT_SECONDS)
    prefetch.offer([batch([b"2"])])
    eventually(lambda: prefetch.rounds_at("prepare") == 0, "the second is prepared")
    gate.open.set()


def test_what_a_thread_raises_is_raised_where_the_round_is_taken(make: Make) -> None:
    """In its turn: what went before is not lost; a bug is not swallowed."""

    def fail(values: Values) -> Values:
        if values == [b"bad"]:
            raise ZeroDivisionError
        return values

    prefetch = make(fail)
    prefetch.offer([batch([b"1"])])
    prefetch.offer([batch([b"bad"])])
    assert take(prefetch) == [b"1"]
    with pytest.raises(ZeroDivisionError):
        take(prefetch)
    prefetch.offer([batch([b"3"])])
    assert take(prefetch) == [b"3"]


def test_dropped_rounds_are_not_seen_again_and_go_no_further(make: Make) -> None:
    """Those in a thread still take room until they leave it: memory stays bounded."""
    gate, scored = Gate(), []

    def score(values: Values) -> Values:
        scored.append(values)
        return gate(values)

    prefetch = make(score)
    prefetch.offer([batch([b"1"])])
    assert gate.reached.wait(WAIT_SECONDS)
    prefetch.offer([batch([b"2", b"3"])])
    prefetch.offer([batch([b"4"])])
    assert prefetch.drop() == 4
    assert (prefetch.in_flight, prefetch.take()) == (0, None)
    prefetch.offer([batch([b"new"])])
    prefetch.offer([batch([b"newer"])])
    gate.open.set()
    assert [take(prefetch), take(prefetch)] == [[b"new"], [b"newer"]]
    assert scored == [[b"1"], [b"new"], [b"newer"]]


def test_a_round_does_not_age_while_it_waits_behind_another() -> None:
    """A model that is slow and works is not stuck: an age is that of one round, from when the one before it came out."""
    clock, first, second = ManualClock(), Gate(), Gate()
    prefetch = Prefetch[Values, Values](
        values_of, lambda values: (first if values == [b"1"] else second)(values), clock
    )
    prefetch.offer([batch([b"1"])])
    prefetch.offer([batch([b"2"])])
    assert first.reached.wait(WAIT_SECONDS)
    clock.wait_seconds(200.0)
    assert prefetch.oldest_seconds() == 200.0
    first.open.set()
    assert take(prefetch) == [b"1"]
    assert second.reached.wait(WAIT_SECONDS)
    clock.wait_seconds(50.0)
    assert prefetch.oldest_seconds() == 50.0
    clock.wait_seconds(200.0)
    assert prefetch.oldest_seconds() == 250.0
    second.open.set()
    assert prefetch.close(WAIT_SECONDS)


def test_a_thread_that_is_stuck_is_told_and_not_waited_for_long(make: Make) -> None:
    """Closing says that it has not ended."""
    gate = Gate()
    prefetch = make(gate)
    assert prefetch.oldest_seconds() == 0.0
    prefetch.offer([batch([b"1"])])
    assert gate.reached.wait(WAIT_SECONDS)
    assert prefetch.oldest_seconds() > 0.0
    assert not prefetch.close(0.01)
    assert prefetch.oldest_seconds() > 0.0
    gate.open.set()
