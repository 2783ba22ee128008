"""Runs ahead of the main thread: one thread prepares rounds, one has the model; they come back in order.

Guarantees: a bounded number of rounds is on its way; what a thread raises is raised where its round is taken; a dropped
round is not seen again and goes through no further stage. A thread can't be interrupted: none outlives its process.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

from monitor.messages import PartitionBatch
from monitor.ports import Clock

Prepared = TypeVar("Prepared")
Scored = TypeVar("Scored")
# One in the model, one prepared, one whose scores wait for the main thread.
ROUNDS = 3
STAGES = ("prepare", "score", "finish")


@dataclass(slots=True)
class _Round(Generic[Prepared, Scored]):
    records: int
    since_seconds: float
    prepared: Future[Prepared]
    scored: Future[Scored] = field(default_factory=Future)
    dropped: bool = False

    @property
    def stage(self) -> str:
        """What it waits for."""
        return "finish" if self.scored.done() else "score" if self.prepared.done() else "prepare"


class Prefetch(Generic[Prepared, Scored]):
    """The two threads and the rounds that are with them.

    Args:
        prepare: first stage, batches to what it makes of them.
        score: second stage, run while the first one works on the next round.
        clock: tells how long a round has been on its way.
    """

    def __init__(
        self, prepare: Callable[[Sequence[PartitionBatch]], Prepared], score: Callable[[Prepared], Scored], clock: Clock
    ) -> None:
        self._prepare, self._score, self._clock = prepare, score, clock
        self._lanes = (_Lane("prepare"), _Lane("score"))
        self._rounds: list[_Round[Prepared, Scored]] = []
        self._leaving: list[_Round[Prepared, Scored]] = []  # dropped, and not out of their threads yet
        self._came_out_seconds = clock.monotonic_seconds()  # of the second thread, the last one

    @property
    def has_room(self) -> bool:
        """Whether another round may be offered."""
        self._leaving = [one for one in self._leaving if not one.scored.done()]
        return len(self._rounds) + len(self._leaving) < ROUNDS

    @property
    def in_flight(self) -> int:
        """Rounds that will come back."""
        return len(self._rounds)

    def offer(self, batches: Sequence[PartitionBatch]) -> None:
        """Hands a round over; it comes back from `take` after those offered before."""
        first, second = self._lanes
        prepared = first.submit(partial(self._prepare, batches))
        one = _Round[Prepared, Scored](
            sum(len(batch.records) for batch in batches), self._clock.monotonic_seconds(), prepared
        )
        self._rounds.append(one)
        one.scored = second.submit(partial(self._score_round, one))

    def wait(self, timeout_seconds: float) -> bool:
        """Waits until the oldest round is done; returns whether it is."""
        if not self._rounds:
            return False
        return bool(wait([self._rounds[0].scored], timeout_seconds).done)

    def take(self) -> Scored | None:
        """Returns the oldest round if it is done, else None; raises what a stage raised on it."""
        if not self._rounds or not self._rounds[0].scored.done():
            return None
        return self._rounds.pop(0).scored.result()

    def drop(self) -> int:
        """Forgets all that is in flight; returns how many records that were."""
        dropped, self._rounds = self._rounds, []
        for one in dropped:
            one.dropped = True
            one.prepared.cancel()
            one.scored.cancel()
        self._leaving += dropped
        return sum(one.records for one in dropped)

    def rounds_at(self, stage: str) -> int:
        """Rounds that wait for a stage out of `STAGES`; may be asked from any thread."""
        return sum(one.stage == stage for one in tuple(self._rounds))

    def records_at(self, stage: str) -> int:
        """Records of those rounds; may be asked from any thread."""
        return sum(one.records for one in tuple(self._rounds) if one.stage == stage)

    def oldest_seconds(self) -> float:
        """How long the threads have had the oldest round, without its wait behind others; may be asked from any thread."""
        since = [one.since_seconds for one in (*self._rounds, *self._leaving) if not one.scored.done()]
        return self._clock.monotonic_seconds() - max(min(since), self._came_out_seconds) if since else 0.0

    def close(self, timeout_seconds: float) -> bool:
        """Drops everything and ends the threads; returns whether both have ended within the timeout."""
        self.drop()
        deadline = self._clock.monotonic_seconds() + timeout_seconds
        return all([lane.close(max(0.0, deadline - self._clock.monotonic_seconds())) for lane in self._lanes])

    def _score_round(self, one: _Round[Prepared, Scored]) -> Scored:
        try:
            prepared = one.prepared.result()
            if one.dropped:
                raise CancelledError
            return self._score(prepared)
        finally:
            self._came_out_seconds = self._clock.monotonic_seconds()


class _Lane:
    """A thread that does one thing after another; a daemon, so that a stuck model can't keep the process alive."""

    def __init__(self, name: str) -> None:
        self._tasks: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        self._tasks.put((future, work))
        return future

    def close(self, timeout_seconds: float) -> bool:
        self._tasks.put(None)
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            future, work = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = work()
            except BaseException as exc:  # noqa: BLE001 - raised again where the round is taken
                future.set_exception(exc)
            else:
                future.set_result(result)
