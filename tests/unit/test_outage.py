"""Laws of an outage: pauses grow to a cap, are drawn from zero on, and it may last so long and no longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import TransientError
from monitor.outage import FIRST_SECONDS, LONGEST_SECONDS, Outage, outlast
from tests.fakes import ManualClock

GONE = TransientError("Redis is away", reason="redis_unreachable")


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40))
def test_a_pause_is_a_share_of_a_bound_that_doubles_up_to_the_cap(draws: list[float]) -> None:
    """Full jitter: the share is drawn anew each time."""
    rest = iter(draws)
    outage = Outage(ManualClock(), 3600.0, draw=lambda: next(rest))
    for number, share in enumerate(draws):
        assert outage.failed(GONE) == share * min(LONGEST_SECONDS, FIRST_SECONDS * 2**number)


def test_an_outage_that_is_over_begins_anew() -> None:
    """With short pauses and the whole time before it."""
    clock = ManualClock()
    outage = Outage(clock, 10.0, draw=lambda: 1.0)
    for _ in range(4):
        outage.failed(GONE)
    clock.wait_seconds(9.0)
    outage.over()
    assert (outage.lasted_seconds, outage.cause) == (0.0, None)
    clock.wait_seconds(9.0)
    assert outage.failed(GONE) == FIRST_SECONDS
    assert not outage.too_long


def test_an_outage_is_too_long_after_its_limit() -> None:
    """Counted from its first failure, however often it is tried."""
    clock = ManualClock()
    outage = Outage(clock, 10.0)
    outage.failed(GONE)
    clock.wait_seconds(10.0)
    outage.failed(GONE)
    assert not outage.too_long
    clock.wait_seconds(0.1)
    assert outage.too_long


@given(st.integers(0, 6))
def test_start_up_does_a_step_again_until_it_is_done(failures: int) -> None:
    """After a pause each time, of which others are told; a later step may wait as long again."""
    clock, tried = ManualClock(), 0

    def step() -> int:
        nonlocal tried
        tried += 1
        if tried <= failures:
            raise GONE
        return tried

    outage = Outage(clock, 3600.0, draw=lambda: 1.0)
    began = clock.monotonic_seconds()
    told: list[TransientError] = []
    assert outlast(step, outage, clock, told.append) == failures + 1
    assert told == [GONE] * failures
    assert clock.monotonic_seconds() - began == sum(min(LONGEST_SECONDS, FIRST_SECONDS * 2**n) for n in range(failures))
    assert (outage.lasted_seconds, outage.cause) == (0.0, None)


def test_start_up_gives_up_after_the_limit() -> None:
    """With what was wrong; not before."""
    clock = ManualClock()
    began = clock.monotonic_seconds()

    def step() -> None:
        raise GONE

    with pytest.raises(TransientError, match="Redis is away"):
        outlast(step, Outage(clock, 60.0), clock)
    assert 60.0 < clock.monotonic_seconds() - began <= 60.0 + LONGEST_SECONDS
