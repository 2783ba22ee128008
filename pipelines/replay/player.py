"""Sends messages in the order in which they could have been known, as fast as asked.

Guarantees: ascending in available time, then in publication, equal times as they stood in the file; each message is
sent once. Records carry no historical timestamp of their own: the broker would expire them by it while they wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from monitor.ports import Clock
from pipelines.replay.mapping import Message

# A pause of this length or longer flushes first, so that what was sent has arrived while nothing happens.
_IDLE_SECONDS = 1.0


class Destination(Protocol):
    """Where messages go."""

    def send(self, key: str, value: bytes, timestamp_ms: int | None = None) -> None:
        """Hands one message over; durable only after `flush`."""

    def flush(self) -> None:
        """Returns when everything handed over is durable; raises TransientError if it may not be."""


def in_order(messages: Iterable[Message]) -> list[Message]:
    """Sorts by available time, then publication; stable."""
    return sorted(messages, key=lambda message: (message.available_ms, message.published_ms))


def due_seconds(available_ms: int, first_ms: int, speed: float) -> float:
    """When a message is due, in seconds after the first one, at `speed` times real time."""
    return (available_ms - first_ms) / 1000 / speed


def play(
    messages: Sequence[Message],
    destination: Destination,
    clock: Clock,
    speed: float | None = None,
    sent: Callable[[Message], None] = lambda message: None,
) -> None:
    """Sends messages and flushes, also when it is interrupted.

    Args:
        messages: as `in_order` leaves them.
        destination: where they go.
        clock: paces them.
        sent: called after each.
        speed: times real time; None sends without waiting.

    Raises:
        TransientError: the destination failed; what was reported as sent may not have arrived.
    """
    started = clock.monotonic_seconds()
    try:
        for message in messages:
            if speed is not None:
                due = started + due_seconds(message.available_ms, messages[0].available_ms, speed)
                _wait_until(due, destination, clock)
            destination.send(message.id, message.value)
            sent(message)
    except KeyboardInterrupt:
        destination.flush()
        raise
    destination.flush()


def _wait_until(due: float, destination: Destination, clock: Clock) -> None:
    if due - clock.monotonic_seconds() >= _IDLE_SECONDS:
        destination.flush()
    while (seconds := due - clock.monotonic_seconds()) > 0:
        clock.wait_seconds(seconds)
