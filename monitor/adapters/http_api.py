"""The exporter's JSON API and console page: snapshots as JSON, instants as ISO-8601 UTC, "no data" as null."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from monitor.adapters.http_server import Answer, Handler, NotFoundError, Query, status_answer
from monitor.errors import InvalidMessageError, TransientError
from monitor.messages import Level, RankedStory, Spike, Subject
from monitor.overview import TURN_HOURS, Snapshot, SpikeView, SubjectView
from monitor.settings import Settings
from monitor.spikes.timeline import Timeline

_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_NOT_READ = "nothing has been read from Redis yet"
_DIMENSIONS = ("topic", "entity", "all")


class Api:
    """Answers queries.

    Args:
        settings: for window lengths.
        now_ms: the time.
        newest: the newest snapshot; None before the first.
        failure: why the last refresh failed; None if it did not.
        timeline: one subject's whole timeline.
        stories: negative stories of a subject in the last hours, at most so many.
    """

    def __init__(
        self,
        settings: Settings,
        now_ms: Callable[[], int],
        newest: Callable[[], Snapshot | None],
        failure: Callable[[], str | None],
        timeline: Callable[[Subject], Timeline],
        stories: Callable[[Subject, float, int], list[RankedStory]],
    ) -> None:
        self._settings, self._now_ms = settings, now_ms
        self._newest, self._failure = newest, failure
        self._timeline, self._stories = timeline, stories

    def routes(self) -> dict[str, Handler]:
        """Handlers by path."""
        return {
            "/": lambda query: console_file("index.html"),
            "/console/{name}": lambda query: console_file(query["name"]),
            "/healthz": self.health,
            "/readyz": self.ready,
            "/api/status": self.status,
            "/api/subjects": self.subjects,
            "/api/timeline": self.timeline,
            "/api/spikes": self.spikes,
            "/api/stories": self.stories,
        }

    def health(self, query: Query) -> Answer:
        """200 before the first reading of Redis that works, which is waited for, and from then on while the newest did."""
        if self._newest() is None:
            return self._starting(ok=True)
        return status_answer("ok", ok=True) if self._failure() is None else status_answer("unavailable", ok=False)

    def ready(self, query: Query) -> Answer:
        """200 while the newest reading of Redis worked."""
        if self._newest() is None:
            return self._starting(ok=False)
        failure = self._failure()
        if failure is not None:
            return status_answer("not ready", ok=False, missing=["redis"], why=failure)
        return status_answer("ready", ok=True)

    def status(self, query: Query) -> dict[str, Any]:
        """How far the data reach."""
        snapshot = self._snapshot()
        return {
            "now": iso(self._now_ms()),  # not the snapshot's: a reading that hangs must show
            "refreshed": iso(snapshot.at_ms),
            "last_published": iso(snapshot.last_published_ms) if snapshot.last_published_ms else None,
            "documents": sum(state.position for state in snapshot.partitions),
            "window_minutes": self._settings.spikes.window_minutes,
            "min_history_hours": self._settings.spikes.min_history_hours + self._settings.spikes.guard_hours,
            "history_hours": round(snapshot.history_hours, 2),
            "partitions": [
                {
                    "partition": state.partition,
                    "position": state.position,
                    "last_published": iso(state.last_published_ms) if state.last_published_ms else None,
                }
                for state in snapshot.partitions
            ],
            "spikes_on": sum(view.spike.end_ms is None for view in snapshot.spikes),
            "unsupported": snapshot.unsupported.get(max(snapshot.unsupported, default=0.0), {}),
        }

    def subjects(self, query: Query) -> dict[str, Any]:
        """Subjects of a dimension: spikes that are on first, then by how much they turned."""
        dimension = _dimension(query)
        snapshot = self._snapshot()
        since = {(v.spike.dimension, v.spike.key): v.spike.start_ms for v in snapshot.spikes if v.spike.end_ms is None}
        views = [view for view in snapshot.subjects if view.subject[0] == dimension]
        views.sort(key=lambda view: _turned_most(view, view.subject in since))
        return {
            "now": iso(snapshot.at_ms),
            "window_minutes": self._settings.spikes.window_minutes,
            "subjects": [_subject_json(view, since.get(view.subject)) for view in views],
        }

    def timeline(self, query: Query) -> dict[str, Any]:
        """Level against expectation over time."""
        subject, snapshot = self._known_subject(query), self._snapshot()
        hours = _number(query, "hours", 24.0, self._settings.spikes.timeline_hours)
        timeline = self._timeline(subject)
        first = max(0, len(timeline.at_ms) - int(hours * 3600 / self._settings.trends.fine_bucket_seconds))
        spikes = [v.spike for v in snapshot.spikes if (v.spike.dimension, v.spike.key) == subject]
        return {
            "dimension": subject[0],
            "key": subject[1],
            "window_minutes": self._settings.spikes.window_minutes,
            "step_seconds": self._settings.trends.fine_bucket_seconds,
            "points": [level_json(timeline.level(i)) for i in range(first, len(timeline.at_ms))],
            "spikes": [spike_json(spike) for spike in spikes],
        }

    def spikes(self, query: Query) -> dict[str, Any]:
        """Spikes that are on, then past ones, newest first, each with its stories."""
        snapshot = self._snapshot()
        return {"now": iso(snapshot.at_ms), "spikes": [spike_view_json(view) for view in snapshot.spikes]}

    def stories(self, query: Query) -> dict[str, Any]:
        """Negative stories of a subject, most told first."""
        subject = self._known_subject(query)
        hours = _number(query, "hours", 1.0, self._settings.trends.fine_retention_hours)
        limit = int(_number(query, "limit", 20, 200))
        return {"stories": [story_json(story) for story in self._stories(subject, hours, limit)]}

    def _starting(self, *, ok: bool) -> Answer:
        why = self._failure() or _NOT_READ
        return status_answer("starting", ok=ok, missing=["redis"], why=why)

    def _snapshot(self) -> Snapshot:
        failure, snapshot = self._failure(), self._newest()
        if failure is not None:
            raise TransientError(failure, reason="refresh_failed")
        if snapshot is None:
            raise TransientError(_NOT_READ, reason="not_refreshed")
        return snapshot

    def _known_subject(self, query: Query) -> Subject:
        subject = (_dimension(query), query.get("key", ""))
        if subject not in {view.subject for view in self._snapshot().subjects}:
            raise NotFoundError(f"no {subject[0]} {subject[1]!r} has been seen", reason="unknown_subject")
        return subject


def console_file(name: str) -> Answer:
    """One of the console's files."""
    ending = name.rpartition(".")[2]
    folder = resources.files("monitor.adapters").joinpath("console")
    if ending not in _CONTENT_TYPES or name not in {entry.name for entry in folder.iterdir()}:
        raise NotFoundError(f"no console file {name!r}", reason="unknown_file")
    return Answer(folder.joinpath(name).read_bytes(), _CONTENT_TYPES[ending])


def iso(instant_ms: int) -> str:
    """An instant as ISO-8601 UTC, to the second."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def level_json(level: Level) -> dict[str, Any]:
    """A point of a timeline."""
    return {
        "at": iso(level.at_ms),
        "observed": level.observed,
        "stories": level.stories,
        "expected": _rounded(level.expected),
        "upper": _rounded(level.upper),
        "score": _rounded(level.score),
        "share_score": _rounded(level.share_score),
        "active": level.active,
    }


def spike_json(spike: Spike) -> dict[str, Any]:
    """A spike without its stories."""
    return {
        "dimension": spike.dimension,
        "key": spike.key,
        "start": iso(spike.start_ms),
        "end": None if spike.end_ms is None else iso(spike.end_ms),
        "active": spike.end_ms is None,
        "peak": level_json(spike.peak),
    }


def spike_view_json(view: SpikeView) -> dict[str, Any]:
    """A spike with its stories."""
    return {**spike_json(view.spike), "stories": [story_json(story) for story in view.stories]}


def story_json(story: RankedStory) -> dict[str, Any]:
    """A story and how many documents told it."""
    evidence = story.evidence
    return {
        "story": evidence.story_id,
        "title": evidence.title,
        "source": evidence.source,
        "url": evidence.url,
        "kind": evidence.kind,
        "published": iso(evidence.published_ms),
        "documents": story.documents,
        "negative_probability": evidence.negative_probability,
    }


def _subject_json(view: SubjectView, since_ms: int | None) -> dict[str, Any]:
    windows = []
    for hours in sorted({window.hours for window in view.windows}):
        kinds = [window for window in view.windows if window.hours == hours]
        negative, neutral, positive = (sum(window.stories[i] for window in kinds) for i in range(3))
        stories = negative + neutral + positive
        polarity = sum(window.polarity_sum for window in kinds)
        windows.append(
            {
                "hours": hours,
                "stories": stories,
                "documents": sum(sum(window.documents) for window in kinds),
                "negative": negative,
                "neutral": neutral,
                "positive": positive,
                "polarity": _rounded(polarity / stories) if stories else None,
            }
        )
    spike = None
    if view.timeline.judged:
        spike = {"since": None if since_ms is None else iso(since_ms), **level_json(view.timeline.level(-1))}
    turn = {
        "polarity_now": _rounded(view.turn.now),
        "polarity_before": _rounded(view.turn.before),
        "change": _rounded(view.turn.change),
        "hours": TURN_HOURS,
    }
    return {"dimension": view.subject[0], "key": view.subject[1], "spike": spike, "turn": turn, "windows": windows}


def _turned_most(view: SubjectView, active: bool) -> tuple[bool, bool, float, str]:
    change = view.turn.change
    return (not active, change is None, -abs(change or 0.0), view.subject[1])


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 4)


def _dimension(query: Query) -> str:
    dimension = query.get("dimension", "topic")
    if dimension not in _DIMENSIONS:
        raise InvalidMessageError(f"dimension: {dimension!r} is none of {', '.join(_DIMENSIONS)}", reason="bad_query")
    return dimension


def _number(query: Query, name: str, default: float, largest: float) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError as exc:
        raise InvalidMessageError(f"{name}: a number is expected", reason="bad_query") from exc
    if not 0 < value <= largest:
        raise InvalidMessageError(f"{name}: expected above 0, up to {largest:g}", reason="bad_query")
    return value
