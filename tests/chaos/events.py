"""Draws what happens next and does it, from a seed; measures how long it takes until every partition moves again.

What happens to a server goes on in the background, one such thing at a time, while workers are killed and frozen.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from monitor.adapters.system_clock import SystemClock
from tests.chaos.arenas import SESSION_SECONDS, Fault
from tests.chaos.fleet import Fleet, Member

WORKER_EVENTS = {"worker_killed": 6, "worker_stalled": 3, "worker_frozen": 4, "worker_added": 3, "worker_removed": 3}
# How long a worker is stopped: less than its session, and longer, so that others have taken over when it wakes up.
_STOPPED_SECONDS = {
    "worker_stalled": (0.5, SESSION_SECONDS - 1),
    "worker_frozen": (SESSION_SECONDS + 0.5, SESSION_SECONDS + 3),
}
LARGEST_FLEET = 4
_LONGEST_FAULT_SECONDS = 300.0
_GONE_SECONDS = 30.0
Positions = Mapping[int, int]


@dataclass(slots=True)
class Event:
    """Something that happened.

    Attributes:
        number: counted from 1.
        at_seconds: when it began, since the start of the run.
        kind: its name.
        detail: what it was done to, and what was done.
        recovery_seconds: from its beginning until every partition had moved on after it; None if that was not seen.
    """

    number: int
    at_seconds: float
    kind: str
    detail: str = ""
    recovery_seconds: float | None = None


class Deck:
    """Kinds of events in random order: each once at first, then as often as their weights say.

    Args:
        weights: by kind.
        draw: where chance comes from.
    """

    def __init__(self, weights: Mapping[str, int], draw: random.Random) -> None:
        self._weights, self._draw = weights, draw
        self._first = draw.sample(sorted(weights), len(weights))

    def next(self) -> str:
        """The next kind."""
        if self._first:
            return self._first.pop()
        kinds = sorted(self._weights)
        return self._draw.choices(kinds, [self._weights[kind] for kind in kinds])[0]


class Strike:
    """Does what was drawn; a context manager that waits for what still goes on in the background.

    Args:
        fleet: the workers.
        faults: what may happen to the servers.
    """

    def __init__(self, fleet: Fleet, faults: Mapping[str, tuple[int, Fault]]) -> None:
        self._fleet, self._faults = fleet, faults
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fault")
        self._going_on: Future[str] | None = None
        self._target: Event | None = None

    @property
    def at_rest(self) -> bool:
        """Whether all servers are back."""
        return self._going_on is None or self._going_on.done()

    def __call__(self, event: Event, draw: random.Random) -> None:
        """Does it; the event's detail says to what. Raises what went wrong with the fault before.

        Args:
            event: what is to be done.
            draw: where chance comes from; of its own for each event, since what one takes of it depends on who is there.
        """
        if event.kind not in self._faults:
            event.detail = self._strike_worker(event.kind, draw)
            return
        self.settle()
        event.detail = "going on"
        self._target = event
        gone = threading.Event()
        self._going_on = self._pool.submit(self._faults[event.kind][1], draw.random(), gone.set)
        gone.wait(_GONE_SECONDS)

    def settle(self) -> None:
        """Waits until all servers are back; raises what went wrong."""
        going_on, self._going_on = self._going_on, None
        if going_on is not None and self._target is not None:
            self._target.detail = going_on.result(_LONGEST_FAULT_SECONDS)

    def __enter__(self) -> Strike:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def _strike_worker(self, kind: str, draw: random.Random) -> str:
        fleet = self._fleet
        if kind == "worker_added" and fleet.size < LARGEST_FLEET:
            return f"{fleet.add()} started"
        if kind == "worker_removed" and len(fleet.awake) > 1:
            return fleet.remove(self._any_awake(draw))
        if kind in _STOPPED_SECONDS and fleet.awake:
            return fleet.freeze(self._any_awake(draw), draw.uniform(*_STOPPED_SECONDS[kind]))
        if fleet.awake:
            return fleet.kill(self._any_awake(draw))
        return f"{fleet.add()} started"

    def _any_awake(self, draw: random.Random) -> Member:
        return draw.choice(self._fleet.awake)


class Recovery:
    """Notices when every partition has moved on after an event.

    Args:
        partitions: how many there are.
        idle: whether a partition at this position has nothing left to read.
    """

    def __init__(self, partitions: int, idle: Callable[[int, int], bool]) -> None:
        self._partitions, self._idle = partitions, idle
        self._clock = SystemClock()
        self._waiting: list[_Wait] = []

    @property
    def waiting(self) -> int:
        """After how many events some partition has not moved yet."""
        return len(self._waiting)

    def mark(self, event: Event, began: float) -> None:
        """Begins to wait for movement after an event that began at this time of the monotonic clock."""
        self._waiting.append(_Wait(event, began))

    def see(self, positions: Positions) -> None:
        """Takes in where the partitions are now; what is seen first after an event is where they must move on from."""
        if len(positions) < self._partitions:
            return
        now = self._clock.monotonic_seconds()
        for wait in self._waiting:
            if wait.left is None:
                wait.left = dict(positions)
            for partition, position in list(wait.left.items()):
                if positions[partition] > position or self._idle(partition, positions[partition]):
                    del wait.left[partition]
            if not wait.left:
                wait.event.recovery_seconds = round(now - wait.began, 2)
        self._waiting = [wait for wait in self._waiting if wait.event.recovery_seconds is None]

    def give_up(self) -> list[Event]:
        """Waits for no event any more; returns those after which some partition has not moved."""
        stuck, self._waiting = [wait.event for wait in self._waiting], []
        return stuck


@dataclass(slots=True)
class _Wait:
    event: Event
    began: float
    left: dict[int, int] | None = None
