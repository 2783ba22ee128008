"""Trends in this process: for replay and tests; held to the same contract suite as redis_trends.py."""

from __future__ import annotations

from collections import Counter

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
    Subject,
)


class MemoryTrends:
    """Implements TrendStore and TrendReader; keeps everything."""

    def __init__(self) -> None:
        self._states: dict[int, PartitionState] = {}
        self._counts: dict[tuple[int, Bucket], Counter[Cell]] = {}
        self._touched: dict[tuple[int, Bucket], int] = {}
        self._evidence: set[tuple[Subject, Evidence]] = set()
        self._told: Counter[str] = Counter()

    def assign(self, partition: int, earliest: int) -> Assignment:
        """See TrendStore."""
        state = self._states.get(partition) or PartitionState(partition, earliest, 0, 0)
        self._states[partition] = PartitionState(partition, state.position, state.epoch + 1, state.last_published_ms)
        return Assignment(partition, state.epoch + 1, state.position)

    def skip_to(self, partition: int, epoch: int, position: int) -> ApplyOutcome:
        """See TrendStore."""
        state = self._state(partition)
        if epoch != state.epoch:
            return ApplyOutcome(ApplyResult.STALE_EPOCH, state.position)
        if position <= state.position:
            return ApplyOutcome(ApplyResult.ALREADY_APPLIED, state.position)
        self._states[partition] = PartitionState(partition, position, epoch, state.last_published_ms)
        return ApplyOutcome(ApplyResult.APPLIED, position)

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        state = self._state(update.partition)
        if update.epoch != state.epoch:
            return ApplyOutcome(ApplyResult.STALE_EPOCH, state.position)
        if update.end <= state.position:
            return ApplyOutcome(ApplyResult.ALREADY_APPLIED, state.position)
        if update.begin != state.position:
            return ApplyOutcome(ApplyResult.GAP, state.position)
        for bucket, counts in update.counts.items():
            self._counts.setdefault((update.partition, bucket), Counter()).update(counts)
            self._touched[update.partition, bucket] = update.end
        self._evidence.update(update.evidence)
        self._told.update(story_id for _, story_id in update.copies)
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
        ranked = [
            RankedStory(evidence, 1 + self._told[evidence.story_id])
            for about, evidence in self._evidence
            if about == subject and from_ms <= evidence.published_ms < to_ms
        ]
        ranked.sort(key=lambda s: (-s.documents, -s.evidence.negative_probability, s.evidence.story_id))
        return ranked[:limit]

    def _state(self, partition: int) -> PartitionState:
        return self._states.get(partition) or PartitionState(partition, -1, 0, 0)
