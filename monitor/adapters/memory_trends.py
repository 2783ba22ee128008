"""Trends in this process: for replay and tests; held to the same contract suite as redis_trends.py.

It forgets nothing by age.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

from monitor.errors import TransientError
from monitor.messages import (
    ApplyOutcome,
    ApplyResult,
    Assignment,
    Bucket,
    BucketCounts,
    Cell,
    Evidence,
    PartitionState,
    PartitionUpdate,
    RankedStory,
    StoryClaim,
    Subject,
)
from monitor.ports import StoryMemory
from monitor.settings import TrendSettings
from monitor.trends.buckets import bucket_at


class MemoryTrends:
    """Implements TrendStore and TrendReader.

    Args:
        settings: length of coarse buckets, and how much evidence each keeps; None for the defaults.
        memory: where claims are looked up, as where one server has both; None as in a cluster.
    """

    def __init__(self, settings: TrendSettings | None = None, memory: StoryMemory | None = None) -> None:
        self._settings = settings or TrendSettings()
        self._memory = memory
        self._states: dict[int, PartitionState] = {}
        self._counts: dict[tuple[int, Bucket], Counter[Cell]] = {}
        self._touched: dict[tuple[int, Bucket], int] = {}
        # By partition, start of the coarse bucket and subject, as Redis keeps them.
        self._evidence: dict[tuple[int, int, Subject], list[Evidence]] = {}
        self._told: Counter[tuple[int, str]] = Counter()
        self._holders: dict[int, MemoryTrends] = {}

    def beside(self) -> MemoryTrends:
        """Returns another worker's store of the same trends."""
        return copy.copy(self)

    def assign(self, partition: int, earliest: int) -> Assignment:
        """See TrendStore."""
        state = self._states.get(partition) or PartitionState(partition, earliest, 0, 0)
        self._states[partition] = PartitionState(partition, state.position, state.epoch + 1, state.last_published_ms)
        self._holders[partition] = self
        return Assignment(partition, state.epoch + 1, state.position)

    def skip_to(self, partition: int, epoch: int, position: int) -> ApplyOutcome:
        """See TrendStore."""
        state = self._state(partition)
        if not self._holds(partition, epoch):
            return ApplyOutcome(ApplyResult.STALE_EPOCH, state.position)
        if position <= state.position:
            return ApplyOutcome(ApplyResult.ALREADY_APPLIED, state.position)
        self._states[partition] = PartitionState(partition, position, epoch, state.last_published_ms)
        return ApplyOutcome(ApplyResult.APPLIED, position)

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        state = self._state(update.partition)
        if not self._holds(update.partition, update.epoch):
            return ApplyOutcome(ApplyResult.STALE_EPOCH, state.position)
        if update.end <= state.position:
            return ApplyOutcome(ApplyResult.ALREADY_APPLIED, state.position)
        if update.begin != state.position:
            return ApplyOutcome(ApplyResult.GAP, state.position)
        self._check(update.claims)
        for bucket, counts in update.counts.items():
            self._counts.setdefault((update.partition, bucket), Counter()).update(counts)
            self._touched[update.partition, bucket] = update.end
        for subject, evidence in update.evidence:
            self._keep(update.partition, subject, evidence)
        self._told.update((self._coarse_start(published_ms), story_id) for published_ms, story_id in update.copies)
        last = max(state.last_published_ms, update.last_published_ms)
        self._states[update.partition] = PartitionState(update.partition, update.end, state.epoch, last)
        return ApplyOutcome(ApplyResult.APPLIED, update.end)

    def partitions(self) -> list[PartitionState]:
        """See TrendReader."""
        return [self._states[number] for number in sorted(self._states)]

    def changed_since(self, partition: int, position: int) -> list[BucketCounts]:
        """See TrendReader."""
        return [
            BucketCounts(partition, bucket, dict(self._counts[number, bucket]))
            for (number, bucket), touched in self._touched.items()
            if number == partition and touched > position
        ]

    def stories(self, subject: Subject, from_ms: int, to_ms: int, limit: int) -> list[RankedStory]:
        """See TrendReader."""
        starts = range(self._coarse_start(from_ms), to_ms, self._settings.coarse_bucket_seconds * 1000)
        ranked = [
            RankedStory(evidence, 1 + sum(self._told[start, evidence.story_id] for start in starts))
            for (_, _, about), kept in self._evidence.items()
            for evidence in kept
            if about == subject and from_ms <= evidence.published_ms < to_ms
        ]
        ranked.sort(key=lambda story: story.rank)
        return ranked[:limit]

    def _check(self, claims: Sequence[StoryClaim]) -> None:
        if self._memory is not None:
            standing, _ = self._memory.look_up([claim.document_id for claim in claims], [])
            if standing != list(claims):
                raise TransientError("a claim does not stand any more", reason="redis_lost_writes")

    def _keep(self, partition: int, subject: Subject, evidence: Evidence) -> None:
        """Keeps the most negative stories of each coarse bucket."""
        kept = self._evidence.setdefault((partition, self._coarse_start(evidence.published_ms), subject), [])
        if evidence not in kept:
            kept.append(evidence)
            kept.sort(key=lambda one: (-one.negative_probability, one.story_id))
            del kept[self._settings.evidence_per_bucket :]

    def _coarse_start(self, instant_ms: int) -> int:
        return bucket_at(instant_ms, self._settings.coarse_bucket_seconds).start_ms

    def _holds(self, partition: int, epoch: int) -> bool:
        return epoch == self._state(partition).epoch and self._holders.get(partition) is self

    def _state(self, partition: int) -> PartitionState:
        return self._states.get(partition) or PartitionState(partition, -1, 0, 0)
