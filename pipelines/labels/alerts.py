"""The stories behind spikes: out of Redis as the exporter reads it, or from a saved answer of its `/api/spikes`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.adapters import redis_connection
from monitor.adapters.redis_trends import RedisTrends
from monitor.errors import ConfigError
from monitor.overview import Overview, SpikeView
from monitor.ports import Clock
from monitor.settings import Settings
from pipelines.datasets.reading import json_in, shown
from pipelines.replay.times import iso


@dataclass(frozen=True, slots=True)
class AlertStory:
    """A story behind a spike; `story` is "" where only its other fields are known."""

    story: str
    url: str
    title: str
    source: str


@dataclass(frozen=True, slots=True)
class Alert:
    """A spike: of which subject, since when (ISO 8601), and the stories behind it, the best evidence first."""

    dimension: str
    key: str
    start: str
    stories: tuple[AlertStory, ...]


def alerts_in(path: Path) -> list[Alert]:
    """Reads a saved answer of the exporter's `/api/spikes`, or its list of spikes alone.

    Raises:
        ConfigError: the file is neither; names the spike.
    """
    content = json_in(path)
    spikes = content.get("spikes") if isinstance(content, dict) else content
    if not isinstance(spikes, list):
        raise ConfigError(f"{path}: no list of spikes, as /api/spikes of the exporter answers it")
    return [_alert(path, number, spike) for number, spike in enumerate(spikes, start=1)]


def alerts_now(settings: Settings, clock: Clock) -> list[Alert]:
    """Reads the spikes of the last `spikes.timeline_hours` from Redis, those that are on first.

    Raises:
        ConfigError: Redis can't be reached.
        TransientError: Redis can't be read.
    """
    client = redis_connection.connect(settings.redis)
    try:
        redis_connection.wait_until_reachable(client, settings.redis, clock)
        reader = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        return [_from_view(view) for view in Overview(reader, settings, clock).refresh().spikes]
    finally:
        client.close()


def _from_view(view: SpikeView) -> Alert:
    told = (story.evidence for story in view.stories)
    stories = tuple(AlertStory(one.story_id, one.url, one.title, one.source) for one in told)
    return Alert(view.spike.dimension, view.spike.key, iso(view.spike.start_ms), stories)


def _alert(path: Path, number: int, spike: object) -> Alert:
    match spike:
        case {"dimension": str(dimension), "key": str(key), "start": str(start), "stories": list(stories)}:
            return Alert(dimension, key, start, tuple(_story(path, number, story) for story in stories))
    raise ConfigError(f"{path}, spike {number}: dimension, key, start and stories are expected, not {shown(spike)}")


def _story(path: Path, number: int, story: Any) -> AlertStory:
    fields = (
        {name: story.get(name) or "" for name in ("story", "url", "title", "source")} if isinstance(story, dict) else {}
    )
    if not all(isinstance(value, str) for value in fields.values()) or not any(fields.values()):
        raise ConfigError(f"{path}, spike {number}: {shown(story)} is no story with title, source and url")
    return AlertStory(**fields)
