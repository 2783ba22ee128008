"""Plays a feed into the raw topic: what is already past at once, the rest when its time comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.adapters.kafka_raw import RawProducer
from monitor.demo.feed import Feed, at_end
from monitor.ports import Clock

_LONGEST_WAIT_SECONDS = 0.25


@dataclass(slots=True)
class Played:
    """How many messages have been sent of the past and of the live part."""

    history: int = 0
    live: int = 0


class FeedPlayer:
    """Plays one feed once.

    Args:
        feed: what to play.
        end_ms: when its last document is published.
        producer: where to.
        clock: the time.
    """

    def __init__(self, feed: Feed, end_ms: int, producer: RawProducer, clock: Clock) -> None:
        self._feed, self._end_ms, self._producer, self._clock = feed, end_ms, producer, clock
        self.played = Played()

    def play(self, on_wait: Callable[[], None]) -> None:
        """Sends everything; calls `on_wait` a few times a second meanwhile."""
        started_ms = self._clock.now_ms()
        for item in self._feed.items:
            due_ms = (
                started_ms if item.before_end_seconds is None else self._end_ms - int(item.before_end_seconds * 1000)
            )
            live = due_ms > started_ms
            while live and self._clock.now_ms() < due_ms:
                self._producer.flush()
                on_wait()
                self._clock.wait_seconds(min(_LONGEST_WAIT_SECONDS, max(0.0, (due_ms - self._clock.now_ms()) / 1000)))
            self._producer.send(item.key, at_end(item, self._end_ms))
            if live:
                self.played.live += 1
            else:
                self.played.history += 1
                if self.played.history % 500 == 0:
                    on_wait()
        self._producer.flush()
