"""One run: workers under load in an arena, events one after another, then everything is applied and counted again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from monitor.adapters import redis_connection
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.errors import ConfigError, TransientError
from tests.chaos.arenas import Arena
from tests.chaos.events import WORKER_EVENTS, Deck, Event, Recovery, Strike
from tests.chaos.feed import Feed
from tests.chaos.fleet import FENCED, Fleet
from tests.chaos.recount import Input, Verdict, input_of, judge

_LOOK_SECONDS = 0.2
_PAUSE_SECONDS = (0.3, 3.0)
_PATIENCE_SECONDS = 180.0
_MOST_BEHIND = 4_000


@dataclass(slots=True)
class Outcome:
    """What a run brought.

    Attributes:
        stuck: events after which some partition did not move for minutes.
        surprises: workers that ended otherwise than they should, with the end of their logs.
        gave_up: workers that said at their start that a server was away, and were replaced.
        logged: what workers logged of refusals and retries, by name.
    """

    arena: str
    seconds: float
    events: list[Event]
    wanted: Input
    verdict: Verdict
    resent: int
    stuck: list[Event] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    gave_up: int = 0
    logged: Counter[str] = field(default_factory=Counter)

    @property
    def sound(self) -> bool:
        """Whether counts are exact, of anything at all, and nothing else went wrong."""
        return (
            self.verdict.documents > 0
            and self.verdict.exact
            and not (self.wanted.absent or self.stuck or self.surprises)
        )


class Campaign:
    """Events in an arena.

    Args:
        arena: the servers, up.
        seed: the same seed draws the same events and writes the same documents.
        say: told in a line what goes on.
        rate: documents a second.
        workers: how many there are at first.
        program: what a worker runs, see fleet.py.
        seconds_per_text: how slow the workers' classifier is; at the default, one worker can keep up.
        most_waiting: after how many events some partition may not have moved yet before the next one waits for that.
    """

    def __init__(
        self,
        arena: Arena,
        seed: int,
        say: Callable[[str], None],
        *,
        rate: float = 120.0,
        workers: int = 2,
        program: Path = FENCED,
        seconds_per_text: float = 0.002,
        most_waiting: int = 5,
    ) -> None:
        self._arena, self._say, self._workers, self._most_waiting = arena, say, workers, most_waiting
        self._settings = arena.settings
        self._seed = f"{arena.name} {seed}"
        self._clock = SystemClock()
        self._began = self._clock.monotonic_seconds()
        self._client = redis_connection.connect(self._settings.redis)
        self._trends = RedisTrends(self._client, self._settings.redis.key_prefix, self._settings.trends)
        kafka = self._settings.kafka
        self._feed = Feed(kafka.bootstrap_servers, kafka.raw_topic, seed, rate)
        self._fleet = Fleet(self._settings, arena.folder, arena.watchdog, program, seconds_per_text)
        self._strike = Strike(self._fleet, arena.faults)
        self._recovery = Recovery(
            kafka.partitions, lambda partition, at: self._feed.held.is_set() and at >= self._end(partition)
        )
        self._stuck: list[Event] = []

    @property
    def kinds(self) -> dict[str, int]:
        """What may happen here, and how often in proportion to the rest."""
        return WORKER_EVENTS | {name: weight for name, (weight, _) in self._arena.faults.items()}

    def run(self, count: int, only: Collection[str] = ()) -> Outcome:
        """Lets things happen, then counts.

        Args:
            count: how many events.
            only: kinds that they are drawn from, others are passed over; all of them if empty.

        Raises:
            ConfigError: none of these can happen here.
        """
        kinds = {kind: weight for kind, weight in self.kinds.items() if not only or kind in only}
        if not kinds:
            raise ConfigError(f"--only: none of {', '.join(only)} is one of {', '.join(self.kinds)}")
        deck = Deck(kinds, random.Random(self._seed))
        events: list[Event] = []
        with ExitStack() as stack:
            stack.callback(self._client.close)
            stack.enter_context(self._fleet)
            stack.enter_context(self._feed)
            stack.enter_context(self._strike)
            for _ in range(self._workers):
                self._fleet.add()
            self._wait(lambda: len(self._look()) == self._settings.kafka.partitions, "the workers have begun")
            for number in range(1, count + 1):
                events.append(self._happen(number, deck.next()))
            self._calm_down()
        seconds = self._clock.monotonic_seconds() - self._began
        wanted = input_of(self._settings, self._feed.told)
        return Outcome(
            self._arena.name,
            round(seconds, 1),
            events,
            wanted,
            judge(self._settings, wanted),
            self._feed.resent,
            self._stuck,
            self._fleet.surprises,
            self._fleet.gave_up,
            self._fleet.logged(),
        )

    def _happen(self, number: int, kind: str) -> Event:
        self._look()
        now = self._clock.monotonic_seconds()
        event = Event(number, round(now - self._began, 1), kind)
        draw = random.Random(f"{self._seed} {number}")
        pause_seconds = draw.uniform(*_PAUSE_SECONDS)
        self._strike(event, draw)
        self._recovery.mark(event, now)
        self._say(f"{self._arena.name} {number:>3} at {event.at_seconds:6.1f} s  {kind}  {event.detail}")
        self._pass(pause_seconds)
        if self._recovery.waiting > self._most_waiting:
            self._await_recovery()
        return event

    def _await_recovery(self) -> None:
        deadline = self._clock.monotonic_seconds() + _PATIENCE_SECONDS
        while self._recovery.waiting:
            self._pass(_LOOK_SECONDS)
            if self._clock.monotonic_seconds() > deadline:
                self._stuck += self._recovery.give_up()

    def _calm_down(self) -> None:
        """Everything back and awake, all that was sent applied, all workers gone in order."""
        self._strike.settle()
        self._fleet.tend(everyone=True)
        self._await_recovery()
        self._feed.finish()
        self._say(
            f"{self._arena.name}: the feed has ended, {len(self._feed.told):,} documents; what is left is applied"
        )
        self._wait(lambda: self._behind(self._look()) == 0, "all is applied")
        self._fleet.dismiss()

    def _pass(self, seconds: float) -> None:
        """Lets time go by, looking after everything."""
        until = self._clock.monotonic_seconds() + seconds
        while True:
            self._look()
            if self._clock.monotonic_seconds() >= until:
                return
            self._clock.wait_seconds(_LOOK_SECONDS)

    def _look(self) -> dict[int, int]:
        """Tends the workers, takes in the positions (none while Redis is away), and holds the feed if much is left."""
        self._fleet.tend()
        try:
            positions = {state.partition: state.position for state in self._trends.partitions()}
        except TransientError:
            return {}
        self._recovery.see(positions)
        if positions and self._behind(positions) > _MOST_BEHIND:
            self._feed.held.set()
        else:
            self._feed.held.clear()
        return positions

    def _behind(self, positions: dict[int, int]) -> int:
        """Records that were acknowledged and are not applied; what nobody has begun counts whole."""
        return sum(max(0, end - positions.get(partition, 0)) for partition, end in self._feed.ends.items())

    def _end(self, partition: int) -> int:
        return self._feed.ends.get(partition, 0)

    def _wait(self, predicate: Callable[[], bool], description: str) -> None:
        deadline = self._clock.monotonic_seconds() + _PATIENCE_SECONDS
        while not predicate():
            if self._clock.monotonic_seconds() > deadline:
                surprises = "\n".join(self._fleet.surprises)
                raise TransientError(
                    f"not within {_PATIENCE_SECONDS:.0f} s: {description}\n{surprises}", reason="chaos"
                )
            self._pass(_LOOK_SECONDS)
