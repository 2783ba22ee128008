"""What every trend store holds to: one suite over the store in memory, in one Redis and in a Redis Cluster."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.memory_trends import MemoryTrends
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.errors import TransientError
from monitor.messages import (
    ApplyOutcome,
    ApplyResult,
    Bucket,
    BucketCounts,
    Cell,
    Evidence,
    PartitionState,
    PartitionUpdate,
    StoryClaim,
    StoryRecord,
    Subject,
)
from monitor.ports import StoryMemory, TrendReader, TrendStore
from monitor.settings import TrendSettings

HOUR_MS = 3_600_000
NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z
SETTINGS = TrendSettings(evidence_per_bucket=3)
OIL: Subject = ("topic", "Energy / Oil")
CELL = Cell("topic", "Energy / Oil", "news", "stories")
POLARITY = Cell("topic", "Energy / Oil", "news", "polarity_sum")
MINUTE, HOUR = Bucket(60, NOON_MS), Bucket(3600, NOON_MS)


class Trends(TrendStore, TrendReader, Protocol):
    """Both sides of a store."""


@pytest.fixture(params=["memory", "redis", "cluster"])
def trends(request: pytest.FixtureRequest, name: str) -> Trends:
    """An empty store of each kind."""
    if request.param == "memory":
        return MemoryTrends(SETTINGS, MemoryStoryMemory())
    client = request.getfixturevalue("redis_client" if request.param == "redis" else "cluster_client")
    return RedisTrends(client, name, SETTINGS)


def memory_beside(trends: Trends, name: str) -> StoryMemory:
    """Where the claims lie that the store's batches are decided by."""
    if isinstance(trends, MemoryTrends):
        assert trends._memory is not None
        return trends._memory
    assert isinstance(trends, RedisTrends)
    return RedisStoryMemory(trends._client, name, 3600)


@contextmanager
def forgotten(trends: RedisTrends | MemoryTrends, partition: int = 0) -> Iterator[None]:
    """Puts what is kept of a partition back to what it was, as a failover does that loses the last writes."""
    if isinstance(trends, MemoryTrends):
        before = trends._states[partition], trends._holders[partition]
        yield
        trends._states[partition], trends._holders[partition] = before
    else:
        client, key = trends._client, trends._keys.state(partition)
        kept: Any = client.dump(key)
        yield
        client.restore(key, 0, kept, replace=True)


def another_worker(trends: Trends, name: str) -> RedisTrends | MemoryTrends:
    """A second worker's store of the same trends."""
    if isinstance(trends, MemoryTrends):
        return trends.beside()
    assert isinstance(trends, RedisTrends)
    return RedisTrends(trends._client, name, SETTINGS)


def update(
    begin: int,
    end: int,
    *,
    partition: int = 0,
    epoch: int = 1,
    counts: dict[Bucket, dict[Cell, int]] | None = None,
    evidence: Sequence[Evidence] = (),
    copies: Sequence[tuple[int, str]] = (),
    last_published_ms: int = 0,
    claims: Sequence[StoryClaim] = (),
) -> PartitionUpdate:
    """An update that counts something unless told what."""
    return PartitionUpdate(
        partition=partition,
        epoch=epoch,
        begin=begin,
        end=end,
        counts={MINUTE: {CELL: 1}} if counts is None else counts,
        evidence=tuple((OIL, one) for one in evidence),
        copies=tuple(copies),
        last_published_ms=last_published_ms,
        claims=tuple(claims),
    )


def story(story_id: str, negative: float, at_ms: int = NOON_MS) -> Evidence:
    """A negative story."""
    return Evidence(story_id, f"Title of {story_id} — “é”", "Wire", "https://a.example/1", "news", at_ms, negative)


def total(trends: Trends, partitions: Sequence[int] = (0,)) -> Counter[tuple[Bucket, Cell]]:
    """All counts of some partitions."""
    counts: Counter[tuple[Bucket, Cell]] = Counter()
    for partition in partitions:
        for part in trends.changed_since(partition, -1):
            counts.update({(part.bucket, cell): amount for cell, amount in part.counts.items()})
    return counts


def in_order(parts: Sequence[BucketCounts]) -> list[BucketCounts]:
    """Buckets, ascending."""
    return sorted(parts, key=lambda part: (part.bucket.seconds, part.bucket.start_ms))


def test_counts_evidence_and_position_change_together(trends: Trends) -> None:
    """After one apply, all of it is there."""
    assert trends.assign(0, 10).position == 10
    counts = {MINUTE: {CELL: 2, POLARITY: -15_000}, HOUR: {CELL: 2, POLARITY: -15_000}}
    applied = update(10, 14, counts=counts, evidence=[story("a", 0.9)], last_published_ms=NOON_MS + 5)
    assert trends.apply(applied) == ApplyOutcome(ApplyResult.APPLIED, 14)
    assert in_order(trends.changed_since(0, -1)) == [
        BucketCounts(0, MINUTE, counts[MINUTE]),
        BucketCounts(0, HOUR, counts[HOUR]),
    ]
    assert trends.partitions() == [PartitionState(0, 14, 1, NOON_MS + 5)]
    assert [ranked.evidence for ranked in trends.stories(OIL, NOON_MS, NOON_MS + 1, 10)] == [story("a", 0.9)]


@pytest.mark.parametrize(
    ("refused", "result"),
    [
        (update(0, 5), ApplyResult.ALREADY_APPLIED),
        (update(0, 4), ApplyResult.ALREADY_APPLIED),
        (update(6, 9), ApplyResult.GAP),
        (update(3, 9), ApplyResult.GAP),
        (update(5, 9, epoch=0), ApplyResult.STALE_EPOCH),
        (update(5, 9, epoch=2), ApplyResult.STALE_EPOCH),
    ],
    ids=[
        "the same again",
        "an earlier end",
        "a hole before it",
        "an overlap",
        "an older epoch",
        "an epoch never given",
    ],
)
def test_what_is_refused_changes_nothing(trends: Trends, refused: PartitionUpdate, result: ApplyResult) -> None:
    """The outcome names the reason and the position that is held."""
    trends.assign(0, 0)
    trends.apply(update(0, 5))
    before = total(trends), trends.partitions()
    assert trends.apply(refused) == ApplyOutcome(result, 5)
    assert (total(trends), trends.partitions()) == before


def test_assign_keeps_the_position_and_raises_the_epoch(trends: Trends) -> None:
    """The earliest position counts only where none is stored; the holder before is fenced off."""
    first = trends.assign(0, 7)
    trends.apply(update(7, 9, epoch=first.epoch))
    second = trends.assign(0, 0)
    assert (first.epoch, first.position) == (1, 7)
    assert (second.epoch, second.position) == (2, 9)
    assert trends.apply(update(9, 11, epoch=first.epoch)).result is ApplyResult.STALE_EPOCH
    assert trends.apply(update(9, 11, epoch=second.epoch)).result is ApplyResult.APPLIED


def test_an_epoch_that_was_given_out_twice_has_one_holder(trends: Trends, name: str) -> None:
    """A failover may lose an assignment, and the next one gets its number again: the first holder is fenced off."""
    other = another_worker(trends, name)
    trends.assign(0, 0)
    with forgotten(other):
        lost = other.assign(0, 0)
    assert lost.epoch == trends.assign(0, 0).epoch == 2
    assert other.apply(update(0, 5, epoch=2)) == ApplyOutcome(ApplyResult.STALE_EPOCH, 0)
    assert other.skip_to(0, 2, 5) == ApplyOutcome(ApplyResult.STALE_EPOCH, 0)
    assert trends.apply(update(0, 5, epoch=2)) == ApplyOutcome(ApplyResult.APPLIED, 5)
    assert other.assign(0, 0).position == 5
    assert other.apply(update(5, 6, epoch=3)).result is ApplyResult.APPLIED


FIRST = StoryClaim("é {a}:1", "0:1", "é {a}:1", StoryRecord("é {a}:1", 1, b""), ("0:x",), ("",))
REPRINT = StoryClaim("b", "0:2", FIRST.story_id)


@pytest.mark.parametrize("trends", ["memory", "redis"], indirect=True)
@pytest.mark.parametrize("instead", [None, StoryClaim("b", "1:9", FIRST.story_id)], ids=["gone", "another's"])
def test_a_batch_counts_only_while_the_claims_stand_that_decided_it(
    trends: Trends, name: str, instead: StoryClaim | None
) -> None:
    """One that does not is enough to refuse it whole; decided anew it goes in. What is fenced off is told so first."""
    memory = memory_beside(trends, name)
    trends.assign(0, 0)
    memory.remember([FIRST])
    memory.remember([REPRINT])
    claims = [claim for claim in memory.look_up([FIRST.document_id, "b"], [])[0] if claim is not None]
    assert trends.apply(update(0, 5, claims=claims)) == ApplyOutcome(ApplyResult.APPLIED, 5)
    memory.forget([REPRINT])
    if instead is not None:
        memory.remember([instead])
    before = total(trends), trends.partitions()
    with pytest.raises(TransientError) as caught:
        trends.apply(update(5, 9, evidence=[story("a", 0.9)], claims=claims))
    assert caught.value.reason == "redis_lost_writes"
    fenced = [update(0, 5, claims=claims), update(6, 9, claims=claims), update(5, 9, epoch=2, claims=claims)]
    assert [trends.apply(one).result for one in fenced] == ["already_applied", "gap", "stale_epoch"]
    assert (total(trends), trends.partitions()) == before
    assert trends.apply(update(5, 9, claims=[claims[0], instead or claims[0]])) == ApplyOutcome(ApplyResult.APPLIED, 9)


@pytest.mark.parametrize("trends", ["cluster"], indirect=True)
def test_in_a_cluster_claims_are_not_looked_at_in_the_step(trends: Trends) -> None:
    """They lie in another slot, mostly on another master."""
    trends.assign(0, 0)
    assert trends.apply(update(0, 5, claims=[REPRINT])) == ApplyOutcome(ApplyResult.APPLIED, 5)


def test_skip_to_only_moves_forward_and_only_for_the_holder(trends: Trends) -> None:
    """Counts stay as they are."""
    trends.assign(0, 0)
    trends.apply(update(0, 5, last_published_ms=NOON_MS))
    before = total(trends)
    assert trends.skip_to(0, 2, 8) == ApplyOutcome(ApplyResult.STALE_EPOCH, 5)
    assert trends.skip_to(0, 1, 5) == ApplyOutcome(ApplyResult.ALREADY_APPLIED, 5)
    assert trends.skip_to(0, 1, 8) == ApplyOutcome(ApplyResult.APPLIED, 8)
    assert trends.partitions() == [PartitionState(0, 8, 1, NOON_MS)]
    assert total(trends) == before
    assert trends.apply(update(5, 9)).result is ApplyResult.GAP
    assert trends.apply(update(8, 9)).result is ApplyResult.APPLIED


def test_changed_since_gives_whole_buckets_that_changed_after_a_position(trends: Trends) -> None:
    """A bucket comes with all that it counts, not with what was added."""
    trends.assign(0, 0)
    later = Bucket(60, NOON_MS + 60_000)
    trends.apply(update(0, 5, counts={MINUTE: {CELL: 1}, later: {CELL: 1}}))
    trends.apply(update(5, 9, counts={MINUTE: {CELL: 2}}))
    assert trends.changed_since(0, 5) == [BucketCounts(0, MINUTE, {CELL: 3})]
    assert in_order(trends.changed_since(0, 4)) == [
        BucketCounts(0, MINUTE, {CELL: 3}),
        BucketCounts(0, later, {CELL: 1}),
    ]
    assert trends.changed_since(0, 9) == []
    assert trends.changed_since(1, -1) == []


def test_partitions_keep_apart(trends: Trends) -> None:
    """Positions, epochs and counts of one partition are no other's."""
    for partition in (3, 1):
        trends.assign(partition, 0)
    trends.apply(update(0, 5, partition=3))
    assert trends.partitions() == [PartitionState(1, 0, 1, 0), PartitionState(3, 5, 1, 0)]
    assert total(trends, [1]) == Counter()


def test_last_published_never_goes_back(trends: Trends) -> None:
    """A batch of old documents leaves it where it is."""
    trends.assign(0, 0)
    trends.apply(update(0, 1, last_published_ms=NOON_MS))
    trends.apply(update(1, 2, last_published_ms=NOON_MS - 1))
    assert trends.partitions()[0].last_published_ms == NOON_MS


def test_stories_rank_by_reach_then_by_how_negative(trends: Trends) -> None:
    """Told most first, then most negative, then by id; at most so many."""
    trends.assign(0, 0)
    told = [story("b", 0.7), story("a", 0.7), story("c", 0.9)]
    trends.apply(update(0, 5, evidence=told, copies=[(NOON_MS, "a"), (NOON_MS, "a"), (NOON_MS + 1, "b")]))
    trends.apply(update(5, 6, copies=[(NOON_MS + 2, "b")]))
    ranked = trends.stories(OIL, NOON_MS, NOON_MS + HOUR_MS, 10)
    assert [(one.evidence.story_id, one.documents) for one in ranked] == [("a", 3), ("b", 3), ("c", 1)]
    assert trends.stories(OIL, NOON_MS, NOON_MS + HOUR_MS, 2) == ranked[:2]
    assert trends.stories(("topic", "Earnings"), NOON_MS, NOON_MS + HOUR_MS, 10) == []


def test_stories_lie_in_a_half_open_range_and_so_do_the_copies_counted(trends: Trends) -> None:
    """A story told again tomorrow is not more told today."""
    trends.assign(0, 0)
    trends.assign(1, 0)
    told = [story("a", 0.9, NOON_MS), story("b", 0.8, NOON_MS + HOUR_MS)]
    trends.apply(update(0, 2, evidence=told))
    trends.apply(
        update(0, 2, partition=1, copies=[(NOON_MS + 5, "a"), (NOON_MS + HOUR_MS, "a"), (NOON_MS + 30 * HOUR_MS, "a")])
    )

    def ranked(from_ms: int, to_ms: int) -> list[tuple[str, int]]:
        return [(one.evidence.story_id, one.documents) for one in trends.stories(OIL, from_ms, to_ms, 10)]

    assert ranked(NOON_MS, NOON_MS + HOUR_MS) == [("a", 2)]
    assert ranked(NOON_MS, NOON_MS + HOUR_MS + 1) == [("a", 3), ("b", 1)]
    assert ranked(NOON_MS + 1, NOON_MS + 2 * HOUR_MS) == [("b", 1)]


def test_evidence_keeps_the_most_negative_of_each_hour(trends: Trends) -> None:
    """At most `evidence_per_bucket` of a subject, an hour and a partition, whatever came first."""
    trends.assign(0, 0)
    trends.apply(update(0, 4, evidence=[story(f"s{n}", 0.5 + n / 100) for n in (3, 0, 5, 1)]))
    trends.apply(update(4, 6, evidence=[story(f"s{n}", 0.5 + n / 100) for n in (4, 2)]))
    trends.apply(update(6, 7, evidence=[story("next hour", 0.5, NOON_MS + HOUR_MS)]))
    kept = trends.stories(OIL, NOON_MS, NOON_MS + 2 * HOUR_MS, 10)
    assert [one.evidence.story_id for one in kept] == ["s5", "s4", "s3", "next hour"]


def test_the_same_batches_in_any_order_give_the_same(trends: Trends) -> None:
    """Counts, sums of polarity and stories don't depend on which batch came first, nor on the partition it came in."""
    draw = random.Random(20_260_101)
    batches = [
        {
            "counts": {
                Bucket(60, NOON_MS + 60_000 * draw.randrange(3)): {
                    CELL: draw.randrange(1, 5),
                    POLARITY: draw.randrange(-9, 9),
                }
            },
            "evidence": [story(f"s{number}", 0.5 + number / 100)],
            "copies": [(NOON_MS + draw.randrange(HOUR_MS), f"s{draw.randrange(12)}")],
        }
        for number in range(12)
    ]
    other = MemoryTrends(TrendSettings(evidence_per_bucket=100))
    shuffled = draw.sample(batches, len(batches))
    for store, order, partitions in ((trends, batches, 1), (other, shuffled, 3)):
        for partition in range(partitions):
            store.assign(partition, 0)
        for number, batch in enumerate(order):
            begin = number // partitions
            store.apply(update(begin, begin + 1, partition=number % partitions, **batch))  # type: ignore[arg-type]
    assert total(trends) == total(other, range(3))
    kept = trends.stories(OIL, NOON_MS, NOON_MS + HOUR_MS, 100)
    wanted = [
        one for one in other.stories(OIL, NOON_MS, NOON_MS + HOUR_MS, 100) if one.evidence.negative_probability >= 0.59
    ]
    assert kept == wanted
