"""Trends in Redis: the TrendStore of workers and the TrendReader of exporters.

Guarantees: counts and position of a partition change in one Lua step, in one cluster slot; a batch is applied once, in
order, by the holder of the newest epoch, and outside a cluster while the claims that decided it stand. Sums are integers;
what is read back does not depend on the order of batches.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from monitor.adapters.redis_cluster import LazyCluster
from monitor.adapters.redis_connection import Client, Script, ping, read_all, translated
from monitor.adapters.redis_keys import RedisKeys, bucket_name, bucket_of, cell_of, field_of, value_of
from monitor.errors import TransientError
from monitor.messages import (
    ApplyOutcome,
    ApplyResult,
    Assignment,
    BucketCounts,
    Evidence,
    PartitionState,
    PartitionUpdate,
    RankedStory,
    Subject,
)
from monitor.settings import TrendSettings
from monitor.trends.buckets import bucket_at

_READ_CHUNK = 500
_ANNOUNCE_EVERY = 64


class RedisTrends:
    """Implements TrendStore and TrendReader.

    Args:
        client: the connection.
        prefix: `redis.key_prefix`.
        settings: bucket lengths and retentions.
    """

    def __init__(self, client: Client, prefix: str, settings: TrendSettings) -> None:
        self._client = client
        self._keys = RedisKeys(prefix)
        self._settings = settings
        # A failover may take an epoch back, and the number is given out once more: two could hold it, but for this.
        self._holder = secrets.token_hex(8)
        self._one_server = not isinstance(client, LazyCluster)
        self._taken: frozenset[int] = frozenset()
        self._applies = 0
        self._apply = Script(client, "apply")
        self._assign = Script(client, "assign")
        self._skip = Script(client, "skip")
        fine, coarse = settings.fine_bucket_seconds, settings.coarse_bucket_seconds
        self._retention_seconds = {
            fine: int(settings.fine_retention_hours * 3600) + fine,
            coarse: int(settings.coarse_retention_days * 86_400) + coarse,
        }

    def check(self) -> None:
        """Raises TransientError if Redis doesn't answer."""
        ping(self._client)
        self._announce()

    def assign(self, partition: int, earliest: int) -> Assignment:
        """See TrendStore."""
        self._taken |= {partition}
        self._announce()
        with translated():
            # In an epoch below it no claim could be taken back; the two lie in slots that fail over one by one.
            claimed: Any = self._client.hget(self._keys.epochs(), str(partition))
            keys = [self._keys.state(partition), self._keys.nothing(partition)]
            if self._one_server:
                keys.append(self._keys.epochs())
            epoch, position = self._assign(keys, [earliest, self._holder, int(claimed or 0)])
        return Assignment(partition, int(epoch), int(position))

    def skip_to(self, partition: int, epoch: int, position: int) -> ApplyOutcome:
        """See TrendStore."""
        with translated():
            return _outcome(self._skip([self._keys.state(partition)], [epoch, self._holder, position]))

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        keys, plan = self._plan(update)
        claims = update.claims if self._one_server else ()
        keys += [self._keys.document(claim.document_id) for claim in claims]
        args: list[str | int] = [
            update.epoch,
            self._holder,
            update.begin,
            update.end,
            update.last_published_ms,
            json.dumps(plan, ensure_ascii=False),
            *map(value_of, claims),
        ]
        self._applies += 1
        if self._applies % _ANNOUNCE_EVERY == 0:
            self._announce()
        with translated():
            answer = self._apply(keys, args)
        if answer[0] == b"claim_gone":
            raise TransientError(
                f"partition {update.partition}: a claim that decided batch {update.begin} to {update.end} does not stand any "
                "more: Redis has lost its last writes, or a copy could not be scored",
                reason="redis_lost_writes",
            )
        return _outcome(answer)

    def _announce(self) -> None:
        """Puts the partitions on the list by which readers find them.

        Again now and then: the list lies in a slot of its own, and a failover there may lose its last writes while the
        partition's own slot keeps them.
        """
        if self._taken:
            with translated():
                self._client.sadd(self._keys.partitions(), *sorted(self._taken))

    def _plan(self, update: PartitionUpdate) -> tuple[list[str], dict[str, Any]]:
        partition, coarse = update.partition, self._settings.coarse_bucket_seconds
        lengths = sorted(self._retention_seconds)
        keys = [self._keys.state(partition), *(self._keys.touched(partition, seconds) for seconds in lengths)]
        buckets = [
            {
                "name": bucket_name(bucket),
                "ttl": self._retention_seconds[bucket.seconds],
                "touched": 2 + lengths.index(bucket.seconds),
                "counts": {field_of(cell): amount for cell, amount in counts.items()},
            }
            for bucket, counts in update.counts.items()
        ]
        keys += [self._keys.bucket(partition, bucket) for bucket in update.counts]
        stories: dict[str, dict[str, float]] = defaultdict(dict)
        for subject, evidence in update.evidence:
            key = self._keys.evidence(partition, bucket_at(evidence.published_ms, coarse).start_ms, subject)
            stories[key][_dump(evidence)] = evidence.negative_probability
        told: dict[str, Counter[str]] = defaultdict(Counter)
        for published_ms, story_id in update.copies:
            told[self._keys.copies(partition, bucket_at(published_ms, coarse).start_ms)][story_id] += 1
        ttl = self._retention_seconds[self._settings.fine_bucket_seconds]
        plan = {
            "buckets": buckets,
            "evidence": [{"stories": members, "ttl": ttl} for members in stories.values()],
            "evidence_limit": self._settings.evidence_per_bucket,
            "copies": [{"counts": counts, "ttl": ttl} for counts in told.values()],
            "bucket_prefix": self._keys.bucket_prefix(partition),
        }
        return [*keys, *stories, *told], plan

    def partitions(self) -> list[PartitionState]:
        """See TrendReader."""
        with translated():
            numbers = self._numbers()
            fields = ("position", "epoch", "last_published_ms")
            rows = read_all(self._client, [("HMGET", self._keys.state(number), *fields) for number in numbers])
        return [
            PartitionState(number, *(int(value or 0) for value in row))
            for number, row in zip(numbers, rows, strict=True)
            if row[0] is not None
        ]

    def changed_since(self, partition: int, position: int) -> list[BucketCounts]:
        """See TrendReader."""
        names: list[Any] = []
        with translated():
            for seconds in sorted(self._retention_seconds):
                names += self._client.zrangebyscore(self._keys.touched(partition, seconds), f"({position}", "+inf")
        found = []
        for start in range(0, len(names), _READ_CHUNK):
            buckets = [bucket_of(name.decode()) for name in names[start : start + _READ_CHUNK]]
            with translated():
                rows = read_all(self._client, [("HGETALL", self._keys.bucket(partition, bucket)) for bucket in buckets])
            for bucket, row in zip(buckets, rows, strict=True):
                counts = {cell_of(field.decode()): int(value) for field, value in row.items()}
                found.append(BucketCounts(partition, bucket, counts))
        return found

    def stories(self, subject: Subject, from_ms: int, to_ms: int, limit: int) -> list[RankedStory]:
        """See TrendReader."""
        length = self._settings.coarse_bucket_seconds
        starts = range(bucket_at(from_ms, length).start_ms, to_ms, length * 1000)
        with translated():
            numbers = self._numbers()
            keys = [self._keys.evidence(number, start, subject) for number in numbers for start in starts]
            rows = read_all(self._client, [("ZRANGE", key, 0, -1) for key in keys])
            found = [_load(member) for row in rows for member in row]
            told = self._told(numbers, starts, [evidence.story_id for evidence in found])
        ranked = [
            RankedStory(evidence, 1 + told[evidence.story_id])
            for evidence in found
            if from_ms <= evidence.published_ms < to_ms
        ]
        ranked.sort(key=lambda story: story.rank)
        return ranked[:limit]

    def _numbers(self) -> list[int]:
        members: Any = self._client.smembers(self._keys.partitions())
        return sorted(int(member) for member in members)

    def _told(self, numbers: Sequence[int], starts: Iterable[int], story_ids: Sequence[str]) -> Counter[str]:
        told: Counter[str] = Counter()
        if not story_ids:
            return told
        keys = [self._keys.copies(number, start) for number in numbers for start in starts]
        for row in read_all(self._client, [("HMGET", key, *story_ids) for key in keys]):
            for story_id, value in zip(story_ids, row, strict=True):
                told[story_id] += int(value or 0)
        return told


def _outcome(answer: Sequence[Any]) -> ApplyOutcome:
    return ApplyOutcome(ApplyResult(answer[0].decode()), int(answer[1]))


def _dump(evidence: Evidence) -> str:
    values = [getattr(evidence, name) for name in Evidence.__dataclass_fields__]
    return json.dumps(values, ensure_ascii=False)


def _load(member: bytes) -> Evidence:
    return Evidence(*json.loads(member))
