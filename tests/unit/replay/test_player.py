"""Laws of the order and the pace of a replay."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.replay.mapping import Message
from pipelines.replay.player import due_seconds, in_order, play
from tests.fakes import SteppedClock


class Recorder:
    """A destination that notes when each message came, and what was flushed."""

    def __init__(self, clock: SteppedClock, interrupt_after: int | None = None) -> None:
        self.sent: list[tuple[float, str]] = []
        self.flushes: list[tuple[float, int]] = []
        self.stamps: set[int | None] = set()
        self._clock = clock
        self._interrupt_after = interrupt_after

    def send(self, key: str, value: bytes, timestamp_ms: int | None = None) -> None:
        """Notes it."""
        if len(self.sent) == self._interrupt_after:
            raise KeyboardInterrupt
        self.sent.append((self._clock.seconds, key))
        self.stamps.add(timestamp_ms)

    def flush(self) -> None:
        """Notes when it was, and how many were sent by then."""
        self.flushes.append((self._clock.seconds, len(self.sent)))


def message(name: str, available_ms: int, published_ms: int | None = None) -> Message:
    """A message with those times."""
    return Message(name, available_ms if published_ms is None else published_ms, available_ms, False, b"{}")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5))))
@settings(deadline=None)
def test_order_is_ascending_and_stable(times: list[tuple[int, int]]) -> None:
    """By available time, then publication, then place in the file; nothing lost or made up."""
    messages = [message(str(n), available, published) for n, (available, published) in enumerate(times)]
    ordered = in_order(messages)
    places = [(m.available_ms, m.published_ms, int(m.id)) for m in ordered]
    assert places == sorted((m.available_ms, m.published_ms, n) for n, m in enumerate(messages))


def test_full_speed_never_waits() -> None:
    """Without a speed all is sent at once, in order, and flushed."""
    clock = SteppedClock(100.0)
    recorder = Recorder(clock)
    play([message("a", 0), message("b", 10**9)], recorder, clock)
    assert recorder.sent == [(100.0, "a"), (100.0, "b")]
    assert recorder.flushes == [(100.0, 2)]


@pytest.mark.parametrize("speed", [1.0, 3600.0])
def test_pace_is_real_time_divided_by_speed(speed: float) -> None:
    """Gaps between messages shrink by the speed, measured from the first one."""
    clock = SteppedClock(100.0)
    recorder = Recorder(clock)
    times = (("a", 5_000), ("b", 5_000), ("c", 65_000), ("d", 3_665_000))
    play([message(name, at) for name, at in times], recorder, clock, speed)
    assert [at - 100 for at, _ in recorder.sent] == pytest.approx([0, 0, 60 / speed, 3660 / speed])
    assert due_seconds(65_000, 5_000, speed) == 60 / speed


def test_a_pause_begins_flushed() -> None:
    """What was sent before a long wait has arrived when it begins."""
    clock = SteppedClock(100.0)
    recorder = Recorder(clock)
    play([message("a", 0), message("b", 900), message("c", 10_900)], recorder, clock, 1.0)
    assert recorder.flushes == [(100.9, 2), (110.9, 3)]


def test_an_interrupted_replay_flushes_what_it_sent() -> None:
    """Stopping by hand loses nothing that was handed over."""
    clock = SteppedClock(100.0)
    recorder = Recorder(clock, interrupt_after=2)
    with pytest.raises(KeyboardInterrupt):
        play([message("a", 0), message("b", 0), message("c", 0)], recorder, clock)
    assert recorder.flushes == [(100.0, 2)]


def test_records_carry_no_historical_timestamp() -> None:
    """A broker expires records by their timestamp: with a historical one they'd be gone before they are read."""
    clock = SteppedClock(100.0)
    recorder = Recorder(clock)
    play([message("a", 0)], recorder, clock)
    assert recorder.stamps == {None}
