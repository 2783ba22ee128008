"""A past to measure with: what Redis would hold after weeks of documents, written by the parts that a worker has."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice

import redis

from monitor.adapters import redis_connection
from monitor.adapters.redis_keys import RedisKeys
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import SENTIMENTS, Document, Kind, PartitionUpdate, Score, ScoredDocument, Story
from monitor.settings import Settings, TrendSettings
from monitor.trends.buckets import contribution_of
from tests.benchmarks.arena import CLOCK
from tests.benchmarks.documents import REPRINT_RATIO, headline

_STEP_DOCUMENTS = 1000
_DAY_MS = 86_400_000
_TOPICS = ("Macro", "Earnings", "Energy / Oil", "M&A / Investments", "Company / Product News", "Stock Movement")
_TICKERS = ("AAPL", "MSFT", "GOOGL", "AMZN", "TSLA", "BA", "INTC", "NVDA", "GS", "PFE")
_MIX = ((0.7, 0.2, 0.1), (0.1, 0.8, 0.1), (0.1, 0.2, 0.7))


def write_history(client: redis.Redis, settings: Settings, documents: int, days: int) -> None:
    """Writes trends of the past, and the stories of it that are still remembered; what would have expired is left out.

    Args:
        client: for the positions, which are put back to the beginning of an empty topic.
        settings: names the keys.
        documents: how many documents the trends count.
        days: how far back they reach; they end an hour ago.
    """
    store = redis_connection.connect(settings.redis)
    trends = RedisTrends(store, settings.redis.key_prefix, settings.trends)
    horizon_seconds = int(settings.ingest.story_horizon_hours * 3600)
    memory = RedisStoryMemory(store, settings.redis.key_prefix, horizon_seconds)
    novelty = NoveltyIndex(memory, horizon_seconds * 1000)
    now_ms = CLOCK.now_ms()
    past = _past(documents, now_ms - 3_600_000, days)
    epochs = [trends.assign(number, 0).epoch for number in range(settings.kafka.partitions)]
    step = 0
    while chunk := list(islice(past, _STEP_DOCUMENTS)):
        scored = _remembered(chunk, novelty, now_ms - horizon_seconds * 1000)
        position, partition = divmod(step, settings.kafka.partitions)
        trends.apply(_update(scored, settings.trends, now_ms, partition, epochs[partition], position))
        step += 1
    keys = RedisKeys(settings.redis.key_prefix)
    for number in range(settings.kafka.partitions):
        client.hset(keys.state(number), "position", "0")
        client.hset(keys.state(number), "epoch", "0")


def _remembered(chunk: list[ScoredDocument], novelty: NoveltyIndex, since_ms: int) -> list[ScoredDocument]:
    """Documents with their stories; those since an instant are told to the novelty index."""
    recent = [one.document for one in chunk if one.document.available_ms >= since_ms]
    stories = dict(zip((document.id for document in recent), novelty.assign(recent), strict=True))
    return [ScoredDocument(one.document, stories.get(one.document.id, one.story), one.score) for one in chunk]


def _update(
    scored: list[ScoredDocument], trends: TrendSettings, now_ms: int, partition: int, epoch: int, position: int
) -> PartitionUpdate:
    total = contribution_of(scored, trends)
    kept_ms = now_ms - int(trends.fine_retention_hours * 3_600_000)
    return PartitionUpdate(
        partition,
        epoch,
        position,
        position + 1,
        {
            bucket: counts
            for bucket, counts in total.counts.items()
            if bucket.seconds != trends.fine_bucket_seconds or bucket.start_ms >= kept_ms
        },
        tuple((subject, evidence) for subject, evidence in total.evidence if evidence.published_ms >= kept_ms),
        tuple(copy for copy in total.copies if copy[0] >= kept_ms),
        scored[-1].document.published_ms,
    )


def _past(documents: int, end_ms: int, days: int) -> Iterator[ScoredDocument]:
    draw = random.Random(3)
    for number in range(documents):
        at_ms = end_ms - round((documents - 1 - number) / documents * days * _DAY_MS)
        probabilities = draw.choice(_MIX)
        document = Document(
            id=f"past-{number}",
            origin=f"0:{number}",
            kind=Kind.COMMENT if draw.random() < 0.2 else Kind.NEWS,
            source="Harbour Wire",
            title=headline(draw),
            text="",
            url=f"https://example.net/past/{number}",
            language="en",
            published_ms=at_ms,
            available_ms=at_ms,
            entities=(draw.choice(_TICKERS),) if draw.random() < 0.3 else (),
        )
        story = Story(document.id, first=draw.random() >= REPRINT_RATIO)
        sentiment = SENTIMENTS[probabilities.index(max(probabilities))]
        yield ScoredDocument(document, story, Score(draw.choice(_TOPICS), 0.9, sentiment, probabilities, "past-1"))
