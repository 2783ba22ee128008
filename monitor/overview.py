"""The reading side: changed buckets -> series -> timelines -> one Snapshot that console, API and /metrics share.

Guarantees: what a Snapshot shows is a function of Redis and the time; two exporters show the same. A failed refresh
leaves the last Snapshot in place and says how old it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.messages import (
    ALL,
    DOCUMENTS,
    POLARITY_SCALE,
    POLARITY_SUM,
    SENTIMENTS,
    STORIES,
    UNSUPPORTED,
    Kind,
    PartitionState,
    RankedStory,
    Spike,
    Subject,
    documents_of,
    stories_of,
)
from monitor.ports import Clock, TrendReader
from monitor.settings import Settings
from monitor.spikes.timeline import HOUR_MS, Timeline, TimelineBuilder
from monitor.trends.series import TrendSeries

TURN_HOURS = 6
_TURN_PAST_DAYS = 7
_MAX_ENTITIES = 200
_SPIKE_STORIES = 10
_MAX_SPIKES = 100


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """A rolling window of one subject and one kind of source; tuples are in the order of SENTIMENTS."""

    hours: float
    kind: str
    stories: tuple[int, int, int]
    documents: tuple[int, int, int]
    polarity_sum: float  # over stories


@dataclass(frozen=True, slots=True)
class Turn:
    """Mean polarity of the last hours against the days before; None where there are no stories."""

    now: float | None
    before: float | None

    @property
    def change(self) -> float | None:
        """By how much it turned."""
        return None if self.now is None or self.before is None else self.now - self.before


@dataclass(frozen=True, slots=True)
class SubjectView:
    """All that is shown of a subject."""

    subject: Subject
    timeline: Timeline
    windows: tuple[WindowCounts, ...]
    turn: Turn


@dataclass(frozen=True, slots=True)
class SpikeView:
    """A spike with the stories behind it."""

    spike: Spike
    stories: tuple[RankedStory, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment.

    Attributes:
        at_ms: the moment.
        history_hours: how much past the baselines have.
        unsupported: documents by language that no model reads, by window hours.
        took_seconds: how long it took to make.
    """

    at_ms: int
    partitions: tuple[PartitionState, ...]
    subjects: tuple[SubjectView, ...]
    spikes: tuple[SpikeView, ...]
    history_hours: float
    unsupported: dict[float, dict[str, int]]
    took_seconds: float

    @property
    def last_published_ms(self) -> int:
        """When the newest applied document was published; 0 if there is none."""
        return max((state.last_published_ms for state in self.partitions), default=0)


class Overview:
    """Keeps the series up to date and makes snapshots. Not safe for several threads.

    Args:
        reader: where the trends are.
        settings: all settings.
        clock: the time.
    """

    def __init__(self, reader: TrendReader, settings: Settings, clock: Clock) -> None:
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._series = TrendSeries()
        self._cursors: dict[int, PartitionState] = {}
        self._builder = TimelineBuilder(self._series, settings.spikes, settings.trends)
        self._fine = settings.trends.fine_bucket_seconds
        self._coarse = settings.trends.coarse_bucket_seconds

    def refresh(self) -> Snapshot:
        """Reads what changed and returns a new snapshot. Raises TransientError."""
        start = self._clock.monotonic_seconds()
        partitions = self._read_changes()
        now_ms = self._clock.now_ms()
        self._prune(now_ms)
        subjects = self._subjects()
        timelines = self._builder.build(subjects, now_ms)
        views = tuple(self._view(timeline, now_ms) for timeline in timelines)
        spikes = self._spikes(timelines, now_ms)
        unsupported = {hours: self._unsupported(hours, now_ms) for hours in self._settings.trends.windows_hours}
        took = self._clock.monotonic_seconds() - start
        history = self._history_hours(now_ms)
        return Snapshot(now_ms, tuple(partitions), views, spikes, history, unsupported, took)

    def whole_timeline(self, subject: Subject) -> Timeline:
        """One subject's timeline with its expectation at every step."""
        return self._builder.build_whole(subject, self._clock.now_ms())

    def _read_changes(self) -> list[PartitionState]:
        partitions = self._reader.partitions()
        for gone in self._cursors.keys() - {state.partition for state in partitions}:
            # Redis lost all of it.
            self._series.forget(gone)
            del self._cursors[gone]
        for state in partitions:
            cursor = self._cursors.get(state.partition)
            if cursor is not None and state.position < cursor.position:
                # Redis lost its newest writes, and what we read of them is no longer true.
                self._series.forget(state.partition)
                del self._cursors[state.partition]  # if the reading below fails, the next one must begin anew as well
                cursor = None
            for part in self._reader.changed_since(state.partition, cursor.position if cursor else -1):
                self._series.replace(part)
            self._cursors[state.partition] = state
        return partitions

    def _prune(self, now_ms: int) -> None:
        trends = self._settings.trends
        self._series.prune(self._fine, now_ms - int(trends.fine_retention_hours * HOUR_MS))
        self._series.prune(self._coarse, now_ms - int(trends.coarse_retention_days * 24 * HOUR_MS))

    def _subjects(self) -> list[Subject]:
        found: list[Subject] = [ALL]
        found += [("topic", key) for key in self._series.subjects("topic")]
        recent = self._series.busiest("entity", STORIES, self._coarse, _MAX_ENTITIES)
        return found + [("entity", key) for key in recent]

    def _view(self, timeline: Timeline, now_ms: int) -> SubjectView:
        windows = tuple(
            self._window(timeline.subject, hours, kind, now_ms)
            for hours in self._settings.trends.windows_hours
            for kind in Kind
        )
        return SubjectView(timeline.subject, timeline, windows, self._turn(timeline.subject, now_ms))

    def _window(self, subject: Subject, hours: float, kind: Kind, now_ms: int) -> WindowCounts:
        stop = now_ms // (self._fine * 1000) + 1
        first = stop - int(hours * 3600) // self._fine

        def total(measure: str) -> int:
            return self._series.total(subject, measure, self._fine, first, stop, kind)

        negative, neutral, positive = (total(stories_of(name)) for name in SENTIMENTS)
        documents = tuple(total(documents_of(name)) for name in SENTIMENTS)
        polarity = total(POLARITY_SUM) / POLARITY_SCALE
        return WindowCounts(hours, kind, (negative, neutral, positive), documents, polarity)  # type: ignore[arg-type]

    def _turn(self, subject: Subject, now_ms: int) -> Turn:
        stop = now_ms // (self._coarse * 1000) + 1
        split = stop - TURN_HOURS * 3600 // self._coarse
        first = split - _TURN_PAST_DAYS * 86_400 // self._coarse
        return Turn(self._mean_polarity(subject, split, stop), self._mean_polarity(subject, first, split))

    def _mean_polarity(self, subject: Subject, first: int, stop: int) -> float | None:
        stories = self._series.total(subject, STORIES, self._coarse, first, stop)
        if not stories:
            return None
        return self._series.total(subject, POLARITY_SUM, self._coarse, first, stop) / POLARITY_SCALE / stories

    def _spikes(self, timelines: Sequence[Timeline], now_ms: int) -> tuple[SpikeView, ...]:
        judged = self._settings.spikes.dimensions
        found = [spike for t in timelines if t.subject[0] in judged for spike in t.spikes()]
        found.sort(key=lambda spike: (spike.end_ms is not None, -spike.start_ms))
        window_ms = self._settings.spikes.window_minutes * 60_000
        views = []
        for spike in found[:_MAX_SPIKES]:
            until = spike.end_ms or now_ms + 1
            subject = (spike.dimension, spike.key)
            stories = self._reader.stories(subject, spike.start_ms - window_ms, until, _SPIKE_STORIES)
            views.append(SpikeView(spike, tuple(stories)))
        return tuple(views)

    def _unsupported(self, hours: float, now_ms: int) -> dict[str, int]:
        stop = now_ms // (self._fine * 1000) + 1
        first = stop - int(hours * 3600) // self._fine
        counts = {
            language: self._series.total(("language", language), UNSUPPORTED, self._fine, first, stop)
            for language in self._series.subjects("language")
        }
        return {language: count for language, count in counts.items() if count}

    def _history_hours(self, now_ms: int) -> float:
        first = self._series.first_index(ALL, DOCUMENTS, self._coarse)
        if first is None:
            return 0.0
        since_ms = first * self._coarse * 1000
        fine = self._series.first_index(ALL, DOCUMENTS, self._fine)
        if fine is not None and fine * self._fine // self._coarse == first:
            since_ms = fine * self._fine * 1000
        return max(0.0, (now_ms - since_ms) / HOUR_MS)
