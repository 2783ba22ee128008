"""What only the store in Redis has to do: let old keys go, keep to its prefix, and one cluster slot a partition."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import redis

from monitor.adapters import redis_trends
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.messages import ApplyResult, Bucket, Cell, Evidence, PartitionUpdate, StoryClaim, StoryRecord
from monitor.settings import TrendSettings

HOUR_MS = 3_600_000
NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z
CELL = Cell("all", "all", "news", "documents")


@pytest.fixture
def trends(redis_client: redis.Redis, name: str) -> RedisTrends:
    """A store whose partition 4 is assigned."""
    store = RedisTrends(redis_client, name, TrendSettings(fine_retention_hours=24, coarse_retention_days=2))
    store.assign(4, 0)
    return store


def update(begin: int, bucket: Bucket) -> PartitionUpdate:
    """One record that changes a bucket, evidence and copies."""
    evidence = Evidence("a", "A", "Wire", "", "news", bucket.start_ms, 0.9)
    counts = {bucket: {CELL: 1}}
    return PartitionUpdate(4, 1, begin, begin + 1, counts, ((("all", "all"), evidence),), ((bucket.start_ms, "a"),), 1)


def ttls(client: redis.Redis, name: str) -> dict[str, int]:
    """Seconds to live of all keys of a prefix, by what follows it; -1 for ever."""
    return {key.decode().removeprefix(f"{name}:"): client.ttl(key) for key in client.scan_iter(f"{name}:*")}


def test_only_positions_live_for_ever(trends: RedisTrends, redis_client: redis.Redis, name: str) -> None:
    """Fine buckets, evidence and copies live for the fine retention, coarse buckets for the coarse one."""
    trends.apply(update(0, Bucket(60, NOON_MS)))
    trends.apply(update(1, Bucket(3600, NOON_MS)))
    found = ttls(redis_client, name)
    day = 24 * 3600
    for key, seconds in {
        f"{{4}}:b:60:{NOON_MS}": day + 60,
        f"{{4}}:b:3600:{NOON_MS}": 2 * day + 3600,
        f"{{4}}:e:{NOON_MS}:all:all": day + 60,
        f"{{4}}:c:{NOON_MS}": day + 60,
    }.items():
        assert seconds - 60 < found.pop(key) <= seconds, key
    assert found == dict.fromkeys(("partitions", "{4}:state", "{4}:touched:60", "{4}:touched:3600"), -1)


def test_a_plan_that_cannot_be_read_moves_no_position(trends: RedisTrends, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script reads it before its first write: a position past records that were not counted would lose them."""
    with monkeypatch.context() as patched:
        patched.setattr(redis_trends, "json", SimpleNamespace(dumps=lambda plan, **options: "{"))
        with pytest.raises(redis.exceptions.ResponseError):
            trends.apply(update(0, Bucket(60, NOON_MS)))
    assert [state.position for state in trends.partitions()] == [0]
    assert trends.apply(update(0, Bucket(60, NOON_MS))).result is ApplyResult.APPLIED


def test_a_partition_has_one_hash_tag(trends: RedisTrends, redis_client: redis.Redis, name: str) -> None:
    """All keys that one apply writes lie in one cluster slot; only the list of partitions stands beside."""
    trends.apply(update(0, Bucket(60, NOON_MS)))
    tags = {re.findall(r"\{(.*?)\}", key)[:1] == ["4"] for key in ttls(redis_client, name) if key != "partitions"}
    assert tags == {True}


@pytest.mark.parametrize("kind", ["redis_client", "cluster_client"])
def test_an_epoch_that_a_failover_took_back_is_newer_than_those_of_claims(
    request: pytest.FixtureRequest, name: str, kind: str
) -> None:
    """Else its holder could take no claim back, and would count reprints of stories that are gone."""
    client = request.getfixturevalue(kind)
    trends, memory = RedisTrends(client, name, TrendSettings()), RedisStoryMemory(client, name, 3600)
    claim = StoryClaim("a", "4:1", "a", StoryRecord("a", 1, b"\0\0\0\0"), ("0:x",), ("",))
    epochs = [trends.assign(4, 7).epoch for _ in range(5)]
    memory.remember([claim], {4: 5})
    client.hset(f"{name}:{{4}}:state", "epoch", "2")  # as a failover of its slot may leave it
    epochs.append(trends.assign(4, 7).epoch)
    assert (epochs, trends.assign(3, 0).epoch) == ([1, 2, 3, 4, 5, 6], 1)
    memory.forget([claim], {4: epochs[-1]})
    assert memory.look_up(["a"], []) == ([None], [])


def test_expired_buckets_leave_the_list_of_changes(trends: RedisTrends, redis_client: redis.Redis, name: str) -> None:
    """A later apply drops them; until then a reader is told that they count nothing."""
    old = [Bucket(60, NOON_MS + 60_000 * minute) for minute in range(3)]
    for begin, bucket in enumerate(old):
        trends.apply(update(begin, bucket))
    for bucket in old[:2]:
        redis_client.delete(f"{name}:{{4}}:b:60:{bucket.start_ms}")  # as its expiry would
    assert [dict(part.counts) for part in trends.changed_since(4, -1)] == [{}, {}, {CELL: 1}]
    trends.apply(update(3, Bucket(60, NOON_MS + HOUR_MS)))
    kept = redis_client.zrange(f"{name}:{{4}}:touched:60", 0, -1)
    assert kept == [f"60:{NOON_MS + 120_000}".encode(), f"60:{NOON_MS + HOUR_MS}".encode()]


def test_two_prefixes_share_nothing(trends: RedisTrends, redis_client: redis.Redis, name: str) -> None:
    """Another data set in the same Redis is not seen."""
    other = RedisTrends(redis_client, f"{name}-other", TrendSettings())
    trends.apply(update(0, Bucket(60, NOON_MS)))
    assert other.partitions() == []
    assert other.changed_since(4, -1) == []


def test_scripts_that_redis_forgot_are_sent_again(trends: RedisTrends, redis_client: redis.Redis) -> None:
    """A restart or a failover empties its cache of scripts."""
    redis_client.script_flush()
    assert trends.apply(update(0, Bucket(60, NOON_MS))).position == 1
