"""A feed to play: documents in the `news.raw` schema, moved in time so that the last one is published when it ends.

Lines that can't be read are played as they are: the worker dead-letters them, which is also something to see.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from monitor.errors import ConfigError
from monitor.ingest.decode import EARLIEST, LATEST

SAMPLE, SAMPLE_MANIFEST = "sample.jsonl", "sample.manifest.json"


@dataclass(frozen=True, slots=True)
class Item:
    """One message of a feed.

    Attributes:
        before_end_seconds: how long before the feed's end it is published; None if that can't be told.
    """

    key: str
    before_end_seconds: float | None
    line: bytes


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed in ascending time; what has no time comes first."""

    name: str
    items: tuple[Item, ...]

    @property
    def span_seconds(self) -> float:
        """From its first document to its last."""
        return max((item.before_end_seconds for item in self.items if item.before_end_seconds is not None), default=0.0)


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """An alert that a manifest declares; `starts_before_end_seconds` is None where it leaves the time open."""

    dimension: str
    key: str
    starts_before_end_seconds: float | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The alerts that a feed must give, and the dimensions in which it must give no other."""

    alerts: tuple[ExpectedAlert, ...]
    dimensions: frozenset[str]


def sample_path(name: str) -> Path:
    """Where a file of the bundled sample is."""
    return Path(str(resources.files("monitor.demo").joinpath(f"sample/{name}")))


def load_feed(path: Path) -> Feed:
    """Reads a feed.

    Raises:
        ConfigError: no such file, or no line in it that has a publication time.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as exc:
        raise ConfigError(f"--feed {path}: {exc.strerror}") from exc
    timed: list[tuple[datetime, int, bytes]] = []
    untimed: list[Item] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        published = _published(line)
        if published is None:
            untimed.append(Item(f"line-{number}", None, line))
        else:
            timed.append((published, number, line))
    if not timed:
        raise ConfigError(
            f"--feed {path}: no line has a `published` time with a zone; see the news.raw schema in the README"
        )
    timed.sort(key=lambda row: row[:2])
    end = timed[-1][0]
    items = [Item(_key(line, number), (end - published).total_seconds(), line) for published, number, line in timed]
    return Feed(path.name, (*untimed, *items))


def load_manifest(path: Path) -> Manifest:
    """Reads a manifest: {"alerts": [{"dimension": "topic", "key": "Earnings"}], "dimensions": ["topic"]}.

    An alert may also be written {"topic": "Earnings"} or {"entity": "AAPL"}. Without `dimensions`, topics and the
    dimensions of the alerts are compared.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        alerts = tuple(_expected(alert) for alert in manifest["alerts"])
        dimensions = manifest.get("dimensions", ["topic", *(alert.dimension for alert in alerts)])
    except OSError as exc:
        raise ConfigError(f"--expect {path}: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ConfigError(
            f'--expect {path}: not a manifest ({exc}); expected {{"alerts": [{{"dimension": "topic", "key": "..."}}]}}'
        ) from exc
    return Manifest(alerts, frozenset(dimensions))


def at_end(item: Item, end_ms: int) -> bytes:
    """The item's message with its times moved so that the feed ends at `end_ms`."""
    if item.before_end_seconds is None:
        return item.line
    message: dict[str, Any] = json.loads(item.line)
    published = _instant(message["published"])
    moved = datetime.fromtimestamp(end_ms / 1000, UTC) - timedelta(seconds=item.before_end_seconds)
    fetched = _instant(message.get("fetched"))
    message["published"] = _iso(moved)
    if published is not None and fetched is not None:
        message["fetched"] = _iso(moved + max(timedelta(0), fetched - published))
    elif message.get("fetched") is None and item.before_end_seconds > 0:
        # Without it, the document would count as first known when it was played, days late.
        message["fetched"] = message["published"]
    # A lone surrogate is legal in JSON, as an escape.
    return json.dumps(message, ensure_ascii=False).encode(errors="backslashreplace")


def _expected(alert: dict[str, Any]) -> ExpectedAlert:
    if "dimension" in alert:
        dimension, key = str(alert["dimension"]), str(alert["key"])
    else:
        dimension = next((name for name in ("topic", "entity", "all") if name in alert), "dimension")
        key = str(alert[dimension])
    start = alert.get("starts_before_end_seconds")
    return ExpectedAlert(dimension, key, None if start is None else float(start))


def _published(line: bytes) -> datetime | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return _instant(message.get("published")) if isinstance(message, dict) else None


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    # A year that no document is from would move the whole feed.
    return instant if instant.tzinfo and EARLIEST <= instant <= LATEST else None


def _key(line: bytes, number: int) -> str:
    message = json.loads(line)
    return str(message.get("id") or f"line-{number}").encode(errors="replace").decode()


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
