"""When the background's stories appear: a day's rhythm, and never a crowd of bad news on one topic."""

from __future__ import annotations

from bisect import insort
from datetime import timedelta

from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.stories import FEED_END, FEED_SECONDS, HOUR

NEGATIVES_PER_HOUR = 3
"""At most so many negative background documents of one topic within any 60 minutes."""

# Relative rate by hour of the day (UTC): quiet at night, busy from the American morning to the close.
_BEFORE_NOON = (0.30, 0.35, 0.35, 0.30, 0.30, 0.40, 0.65, 0.90, 1.00, 0.95, 0.90, 1.10)
_AFTER_NOON = (1.70, 2.00, 2.10, 1.90, 1.70, 1.50, 1.50, 1.50, 1.70, 1.20, 0.70, 0.40)
_WEEKDAY = (*_BEFORE_NOON, *_AFTER_NOON)
_WEEKEND_RATE = 0.25
_TRIES = 500


class Schedule:
    """Gives out times, and keeps count of the negative ones.

    Args:
        draw: where choices come from.
        blocked: by topic, the (first, last) seconds in which no negative background story may fall.
    """

    def __init__(self, draw: Draw, blocked: dict[str, tuple[int, int]]) -> None:
        self._draw = draw
        self._blocked = blocked
        self._negatives: dict[str, list[int]] = {}
        self._hours = list(range(-FEED_SECONDS // HOUR, 0))
        self._rates = [_rate(hour) for hour in self._hours]

    def time_for(self, topic: str, sentiment: str) -> int:
        """Returns a time for a story, in seconds from the end of the feed.

        Raises:
            RuntimeError: the topic has too many negative stories to keep them apart.
        """
        for _ in range(_TRIES):
            at_seconds = self._draw.weighted(self._hours, self._rates) * HOUR + self._draw.integer(0, HOUR - 1)
            if sentiment != "negative" or self.admits(topic, at_seconds):
                if sentiment == "negative":
                    insort(self._negatives.setdefault(topic, []), at_seconds)
                return at_seconds
        raise RuntimeError(f"no room for another negative story on {topic}")

    def admits(self, topic: str, at_seconds: int) -> bool:
        """Whether one more negative document of the topic at this time leaves every hour below the limit."""
        first, last = self._blocked.get(topic, (1, 1))
        if first <= at_seconds <= last:
            return False
        times = sorted([*self._negatives.get(topic, []), at_seconds])
        within = (sum(start <= time <= start + HOUR for time in times) for start in times)
        return max(within) <= NEGATIVES_PER_HOUR

    def take(self, topic: str, at_seconds: int) -> None:
        """Counts a negative document whose time was chosen elsewhere."""
        insort(self._negatives.setdefault(topic, []), at_seconds)


def _rate(hour: int) -> float:
    start = FEED_END + timedelta(hours=hour)
    return _WEEKDAY[start.hour] * (_WEEKEND_RATE if start.weekday() >= 5 else 1.0)
