"""Builds the values that tests are about; every argument has a harmless default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from zlib import crc32

import numpy as np

from monitor.adapters.memory_trends import MemoryTrends
from monitor.messages import (
    BucketCounts,
    Document,
    Kind,
    PartitionBatch,
    PartitionUpdate,
    RawRecord,
    Score,
    ScoredDocument,
    Story,
)
from monitor.settings import TrendSettings
from monitor.trends.buckets import contribution_of

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_772_625_600_000  # 2026-03-04T12:00:00Z, a Wednesday


def ms(iso: str) -> int:
    """An ISO-8601 time as milliseconds since the epoch."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)


def message(**changes: Any) -> dict[str, Any]:
    """A good `news.raw` message with some fields changed; a field that is set to None is left out."""
    fields = {
        "id": "story-1",
        "kind": "news",
        "source": "Example Wire",
        "title": "Chip maker warns of weak demand",
        "text": "Shares fell after hours.",
        "url": "https://example.com/1",
        "published": "2026-03-04T11:59:00Z",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def record(
    value: bytes | dict[str, Any] | None, *, offset: int = 0, partition: int = 0, timestamp_ms: int = NOW_MS
) -> RawRecord:
    """A Kafka record that holds a message, or any bytes."""
    content = json.dumps(value, ensure_ascii=False).encode() if isinstance(value, dict) else value
    return RawRecord(partition, offset, b"key", content, timestamp_ms)


def batch(
    values: Sequence[bytes | dict[str, Any] | None], *, partition: int = 0, begin: int = 0, epoch: int = 1
) -> PartitionBatch:
    """A partition batch of records with consecutive offsets."""
    records = [record(value, offset=begin + i, partition=partition) for i, value in enumerate(values)]
    return PartitionBatch(partition, epoch, begin, begin + len(records), tuple(records))


_DOCUMENT = Document(
    id="a",
    origin="0:0",
    kind=Kind.NEWS,
    source="Example Wire",
    title="Chip maker warns of weak demand",
    text="",
    url="https://example.com/1",
    language="en",
    published_ms=NOW_MS,
    available_ms=NOW_MS,
)


def document(id: str = "a", **changes: Any) -> Document:
    """A document; read from an origin of its own, and available when it was published, unless that is changed."""
    published_ms = changes.get("published_ms", NOW_MS)
    return replace(
        _DOCUMENT, **{"id": id, "origin": f"0:{crc32(id.encode())}", "available_ms": published_ms, **changes}
    )


def score(sentiment: str = "negative", topic: str = "Earnings", probability: float = 0.9) -> Score:
    """A score that gives `sentiment` that probability and shares the rest out evenly."""
    rest = (1 - probability) / 2
    negative, neutral, positive = (
        probability if name == sentiment else rest for name in ("negative", "neutral", "positive")
    )
    return Score(topic, 0.8, sentiment, (negative, neutral, positive), "test@1")


def scored(
    id: str = "a",
    sentiment: str | None = "negative",
    topic: str = "Earnings",
    story: Story | None = None,
    **changes: Any,
) -> ScoredDocument:
    """A scored document, first of its story unless one is given; no sentiment means that no model reads it."""
    about = document(id, **changes)
    return ScoredDocument(about, story or Story(id, True), None if sentiment is None else score(sentiment, topic))


def reprint(id: str, of: str, sentiment: str = "negative", topic: str = "Earnings", **changes: Any) -> ScoredDocument:
    """A scored document that tells a known story."""
    return scored(id, sentiment, topic, Story(of, False), **changes)


def update_of(
    documents: Iterable[ScoredDocument],
    *,
    partition: int = 0,
    begin: int = 0,
    end: int = 1,
    epoch: int = 1,
    settings: TrendSettings | None = None,
) -> PartitionUpdate:
    """What a batch of scored documents changes in the trends."""
    listed = list(documents)
    added = contribution_of(listed, settings or TrendSettings())
    last = max((one.document.published_ms for one in listed), default=0)
    return PartitionUpdate(partition, epoch, begin, end, added.counts, tuple(added.evidence), tuple(added.copies), last)


def parts_of(
    documents: Iterable[ScoredDocument], partition: int = 0, settings: TrendSettings | None = None
) -> list[BucketCounts]:
    """The buckets that a partition holds after these documents."""
    counts = contribution_of(documents, settings or TrendSettings()).counts
    return [BucketCounts(partition, bucket, dict(cells)) for bucket, cells in counts.items()]


def stories_at(
    times_ms: Iterable[int], sentiment: str = "negative", topic: str = "Earnings", name: str = "s", **changes: Any
) -> list[ScoredDocument]:
    """One story per instant."""
    return [
        scored(f"{name}-{i}", sentiment, topic, published_ms=int(at_ms), **changes) for i, at_ms in enumerate(times_ms)
    ]


def ordinary_news(
    *,
    from_ms: int,
    to_ms: int,
    per_hour: float = 8.0,
    negative_share: float = 0.25,
    topics: Sequence[str] = ("Earnings", "Macro"),
    seed: int = 7,
) -> list[ScoredDocument]:
    """Days on which nothing happens: per topic a Poisson stream of stories, some of them negative."""
    chance = np.random.default_rng(seed)
    found: list[ScoredDocument] = []
    for topic in topics:
        times = np.sort(chance.integers(from_ms, to_ms, size=chance.poisson(per_hour * (to_ms - from_ms) / HOUR_MS)))
        for i, at_ms in enumerate(times.tolist()):
            draw = chance.random()
            sentiment = "negative" if draw < negative_share else "positive" if draw > 0.8 else "neutral"
            found.append(scored(f"{topic}-{seed}-{i}", sentiment, topic, published_ms=at_ms))
    return found


def trends_of(documents: Iterable[ScoredDocument], *, partitions: int = 1) -> MemoryTrends:
    """Trends to which the documents have been applied, spread over partitions in turn."""
    trends, listed = MemoryTrends(), list(documents)
    for partition in range(partitions):
        epoch = trends.assign(partition, 0).epoch
        mine = listed[partition::partitions]
        trends.apply(update_of(mine, partition=partition, epoch=epoch, begin=0, end=len(mine)))
    return trends


def news_with_a_surge(*, hours: float = 60, reprints: int = 3) -> list[ScoredDocument]:
    """Ordinary news up to NOW_MS, and in the last forty minutes 24 negative Earnings stories, the first one reprinted."""
    surge = stories_at(range(NOW_MS - 40 * MINUTE_MS, NOW_MS, 100_000), name="surge", entities=("AAPL",))
    copies = [reprint(f"copy-{i}", of="surge-0", published_ms=NOW_MS - 30 * MINUTE_MS) for i in range(reprints)]
    unread = [scored(f"zh-{i}", None, language="zh", published_ms=NOW_MS - i * HOUR_MS) for i in range(3)]
    return [*ordinary_news(from_ms=NOW_MS - round(hours * HOUR_MS), to_ms=NOW_MS), *surge, *copies, *unread]
