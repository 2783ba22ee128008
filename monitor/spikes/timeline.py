"""A subject's timeline: level against expectation at each step, and the spikes in it.

Guarantees: step t uses nothing published after t, and no baseline hour after t minus the guard, so a shuffled future
changes no past step. The same numbers come out live and in a backtest: it is a function of the series and the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.messages import ALL, STORIES, Level, Spike, Subject, stories_of
from monitor.ports import Series
from monitor.settings import SpikeSettings, TrendSettings
from monitor.spikes.baseline import Baseline, age_weights, fit_baseline, rhythm_of, slots_of
from monitor.spikes.state import active_steps
from monitor.spikes.surprise import count_at_score, count_score, share_score

HOUR_MS = 3_600_000
NEGATIVE = stories_of("negative")


@dataclass(frozen=True, slots=True)
class Timeline:
    """Arrays of (steps,), ascending in time; `expected`, `upper` and scores are NaN where history is too short."""

    subject: Subject
    at_ms: np.ndarray
    observed: np.ndarray
    stories: np.ndarray
    expected: np.ndarray
    upper: np.ndarray
    score: np.ndarray
    share_score: np.ndarray
    active: np.ndarray

    @property
    def judged(self) -> bool:
        """Whether the newest step could be judged."""
        return bool(len(self.at_ms)) and not np.isnan(self.score[-1])

    def level(self, i: int) -> Level:
        """Step `i` as a value."""
        return Level(
            int(self.at_ms[i]),
            int(self.observed[i]),
            int(self.stories[i]),
            float(self.expected[i]),
            float(self.upper[i]),
            float(self.score[i]),
            float(self.share_score[i]),
            bool(self.active[i]),
        )

    def spikes(self) -> list[Spike]:
        """Runs of active steps, oldest first; the one that is on now has no end."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], self.active, [False])).astype(int)))
        found = []
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            peak = int(start + np.argmax(self.score[start:stop]))
            end_ms = None if stop == len(self.active) else int(self.at_ms[stop])
            found.append(Spike(*self.subject, int(self.at_ms[start]), end_ms, self.level(peak)))
        return found


class TimelineBuilder:
    """Builds timelines over one series, and remembers fits that no new data can have changed.

    Args:
        series: the counts.
        spikes: thresholds and history.
        trends: bucket lengths.
    """

    def __init__(self, series: Series, spikes: SpikeSettings, trends: TrendSettings) -> None:
        self._series = series
        self._settings = spikes
        self._fine_ms = trends.fine_bucket_seconds * 1000
        self._coarse_ms = trends.coarse_bucket_seconds * 1000
        self._fits: dict[tuple[Subject, int], Baseline | None] = {}

    def build(self, subjects: Sequence[Subject], now_ms: int) -> list[Timeline]:
        """Returns the timelines up to and with the fine bucket that holds `now_ms`.

        Expectation is left out (NaN) before the first hour in which a spike could have begun, except in the newest hour:
        fitting it costs, and can't change what is on. `build_whole` fills it in.
        """
        self._drop_stale_fits(now_ms)
        return [self._timeline(subject, now_ms, whole=False) for subject in subjects]

    def build_whole(self, subject: Subject, now_ms: int) -> Timeline:
        """Returns one timeline with its expectation at every step."""
        return self._timeline(subject, now_ms, whole=True)

    def _drop_stale_fits(self, now_ms: int) -> None:
        changes = self._series.take_changes()
        oldest_all = changes.get(ALL, now_ms)
        guard_ms = int(self._settings.guard_hours * HOUR_MS)
        oldest_kept = now_ms - int(self._settings.timeline_hours * HOUR_MS) - 2 * HOUR_MS

        def valid(subject: Subject, hour: int) -> bool:
            limit = hour * HOUR_MS - guard_ms
            # The daily rhythm comes from all subjects, so a change to any old hour reaches every fit after it.
            changed = min(oldest_all, changes.get(subject, now_ms))
            return hour * HOUR_MS >= oldest_kept and changed >= limit

        self._fits = {key: fit for key, fit in self._fits.items() if valid(*key)}

    def _timeline(self, subject: Subject, now_ms: int, *, whole: bool) -> Timeline:
        stop = now_ms // self._fine_ms + 1
        count = int(self._settings.timeline_hours * HOUR_MS) // self._fine_ms
        width = self._settings.window_minutes * 60_000 // self._fine_ms
        observed = self._rolling(subject, NEGATIVE, stop, count, width)
        stories = self._rolling(subject, STORIES, stop, count, width)
        at_ms = (np.arange(stop - count, stop, dtype=np.int64) + 1) * self._fine_ms
        expected, upper, score, share = (np.full(count, np.nan) for _ in range(4))
        # A step belongs to the hour of its bucket: its end may be the next hour's first instant.
        hours = (at_ms - self._fine_ms) // HOUR_MS
        enough = np.flatnonzero(observed >= self._settings.min_negative_stories)
        begin = hours[0] if whole else hours[enough[0]] if len(enough) else hours[-1]
        for hour in range(int(begin), int(hours[-1]) + 1):
            fit = self._fit(subject, hour)
            if fit is None:
                continue
            rows = hours == hour
            expected[rows] = self._expected(fit.rates, at_ms[rows], hour)
            score[rows] = count_score(observed[rows], expected[rows], fit.dispersion)
            band = count_at_score(self._settings.on_score, expected[rows], fit.dispersion)
            upper[rows] = np.maximum(band, self._settings.min_negative_stories)
            share[rows] = share_score(observed[rows], stories[rows], fit.share, fit.share_dispersion)
        # What is not judged is shown with its expectation, and never alerts.
        judged_score = score if subject[0] in self._settings.dimensions else np.full(count, np.nan)
        active = active_steps(observed, judged_score, share, self._fine_ms // 1000, self._settings)
        return Timeline(subject, at_ms, observed, stories, expected, upper, score, share, active)

    def _rolling(self, subject: Subject, measure: str, stop: int, count: int, width: int) -> np.ndarray:
        steps = self._series.steps(subject, measure, self._fine_ms // 1000, stop - count - width + 1, stop)
        sums = np.concatenate(([0], np.cumsum(steps)))
        return np.asarray(sums[width:] - sums[:-width])

    def _expected(self, rates: np.ndarray, at_ms: np.ndarray, hour: int) -> np.ndarray:
        """Expected count of the windows that end at `at_ms`, all within `hour`: rates weighted by how much they overlap."""
        window_ms = self._settings.window_minutes * 60_000
        total = np.zeros(len(at_ms))
        for back in range(window_ms // HOUR_MS + 2):
            start = (hour - back) * HOUR_MS
            overlap = np.minimum(at_ms, start + HOUR_MS) - np.maximum(at_ms - window_ms, start)
            slot = slots_of(np.array([hour - back]))[0]
            total += np.maximum(overlap, 0) / HOUR_MS * rates[slot]
        return total

    def _fit(self, subject: Subject, hour: int) -> Baseline | None:
        key = (subject, hour)
        if key not in self._fits:
            self._fits[key] = self._new_fit(subject, hour)
        return self._fits[key]

    def _new_fit(self, subject: Subject, hour: int) -> Baseline | None:
        seconds = self._coarse_ms // 1000
        per_hour = HOUR_MS / self._coarse_ms
        stop = int((hour * HOUR_MS - self._settings.guard_hours * HOUR_MS) // self._coarse_ms)
        seen = self._series.first_index(ALL, STORIES, seconds)
        first = stop - int(self._settings.history_days * 24 * per_hour)
        first = stop if seen is None else max(first, seen)
        if stop - first < self._settings.min_history_hours * per_hour:
            return None
        slots = slots_of(np.arange(first, stop, dtype=np.int64) * self._coarse_ms // HOUR_MS)
        weights = age_weights(stop - first, self._settings.half_life_days * 24 * per_hour)
        rhythm = rhythm_of(self._series.steps(ALL, STORIES, seconds, first, stop), slots, weights)
        negative = self._series.steps(subject, NEGATIVE, seconds, first, stop) * per_hour
        stories = self._series.steps(subject, STORIES, seconds, first, stop) * per_hour
        return fit_baseline(negative, stories, slots, weights, rhythm)
