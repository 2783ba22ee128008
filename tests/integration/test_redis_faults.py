"""What Redis may do to us: be full, be gone, come back, refuse a password. Nothing is half-applied, no secret is shown."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
import redis
from redis._parsers.base import BaseParser

from monitor.adapters import redis_connection
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.valkey import EmbeddedValkey
from monitor.errors import ConfigError, MonitorError, TransientError
from monitor.messages import ApplyResult, Bucket, BucketCounts, Cell, Evidence, PartitionUpdate, StoryClaim, StoryRecord
from monitor.settings import RedisSettings, TrendSettings
from tests.fakes import ManualClock

MIB = 2**20
NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z
SECRET = "p4ss-w0rd"  # noqa: S105 - of a server that lives as long as its test


def large_update(begin: int, cells: int = 400) -> PartitionUpdate:
    """A batch whose writes take room: many counters, many stories."""
    bucket = Bucket(60, NOON_MS + 60_000 * begin)
    counts = {bucket: {Cell("entity", f"company {begin} {number}", "news", "stories"): 1 for number in range(cells)}}
    evidence = tuple(
        (("entity", f"company {number}"), Evidence(f"{begin}-{number}", "T" * 300, "Wire", "", "news", NOON_MS, 0.9))
        for number in range(40)
    )
    return PartitionUpdate(0, 1, begin, begin + 1, counts, evidence, ((NOON_MS, f"{begin}"),), NOON_MS)


def apply_until_refused(trends: RedisTrends) -> None:
    """Applies one large batch after another."""
    for begin in range(2_000):
        assert trends.apply(large_update(begin)).result is ApplyResult.APPLIED


def connect(url: str) -> redis_connection.Client:
    """A client as the program makes it."""
    return redis_connection.connect(RedisSettings.model_validate({"url": url}))


def test_a_full_redis_refuses_a_batch_as_a_whole(tmp_path: Path) -> None:
    """TransientError `redis_memory`; position and counts are those before, and with room again all of it goes in."""
    with EmbeddedValkey(tmp_path, lambda line: None, maxmemory_bytes=8 * MIB) as server, connect(server.url) as client:
        trends = RedisTrends(client, "full", TrendSettings())
        trends.assign(0, 0)
        with pytest.raises(TransientError) as caught:
            apply_until_refused(trends)
        assert caught.value.reason == "redis_memory"
        (begin,) = (state.position for state in trends.partitions())
        assert begin > 0
        refused = large_update(begin)
        (bucket,) = refused.counts
        names = {part.bucket for part in trends.changed_since(0, -1)}
        assert bucket not in names
        assert not client.exists(f"full:{{0}}:b:60:{bucket.start_ms}")
        assert trends.changed_since(0, begin - 1) == [
            BucketCounts(0, *next(iter(large_update(begin - 1).counts.items())))
        ]
        client.config_set("maxmemory", 64 * MIB)
        assert trends.apply(refused).result is ApplyResult.APPLIED
        assert trends.changed_since(0, begin) == [BucketCounts(0, bucket, refused.counts[bucket])]


def test_a_full_redis_refuses_claims_and_assignments_too(tmp_path: Path) -> None:
    """Each with the same reason, and without a trace."""
    with EmbeddedValkey(tmp_path, lambda line: None) as server, connect(server.url) as client:
        memory = RedisStoryMemory(client, "full", 3600)
        client.config_set("maxmemory", 1)
        claim = StoryClaim("a", "0:1", "a", StoryRecord("a", 1, b"\0\0\0\0"), ("0:x",), ("",))
        with pytest.raises(TransientError) as refused:
            memory.remember([claim])
        with pytest.raises(TransientError) as unassigned:
            RedisTrends(client, "full", TrendSettings()).assign(0, 0)
        assert {refused.value.reason, unassigned.value.reason} == {"redis_memory"}
        assert memory.look_up(["a"], ["0:x"]) == ([None], [None])


def test_positions_counts_and_stories_outlive_a_crash_of_redis(own_valkey: EmbeddedValkey) -> None:
    """What was acknowledged is in the append-only file, counts and position together."""
    claim = StoryClaim("a", "0:1", "a", StoryRecord("a", 1, b"\0\0\0\0"), ("0:x",), ("",))
    with connect(own_valkey.url) as client:
        trends, memory = RedisTrends(client, "kept", TrendSettings()), RedisStoryMemory(client, "kept", 3600)
        trends.assign(0, 0)
        for begin in range(20):
            trends.apply(large_update(begin, cells=20))
        memory.remember([claim])
        before = trends.partitions(), trends.changed_since(0, -1), memory.look_up(["a"], ["0:x"])
        own_valkey.kill()
        with pytest.raises(TransientError) as gone:
            trends.apply(large_update(20))
        assert gone.value.reason == "redis_unreachable"
        own_valkey.restart()
        assert (trends.partitions(), trends.changed_since(0, -1), memory.look_up(["a"], ["0:x"])) == before
        assert trends.apply(large_update(20)).position == 21


@pytest.mark.parametrize(
    "address",
    [
        f"redis://:{SECRET}@{LOOPBACK}:{{port}}/0",
        f"redis://reader:{SECRET}@{LOOPBACK}:{{port}}/0",
        f"redis://{LOOPBACK}:{{port}}/0?password={SECRET}",
    ],
    ids=["password", "user and password", "password in the query"],
)
def test_a_password_is_shown_nowhere_when_redis_is_gone(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in what is logged while it is tried, nor in the error, nor in the errors behind it."""
    caplog.set_level(logging.DEBUG)
    settings = RedisSettings.model_validate(
        {"url": address.format(port=free_ports(1)[0]), "connect_timeout_seconds": 1}
    )
    with redis_connection.connect(settings) as client, pytest.raises(ConfigError) as caught:
        redis_connection.wait_until_reachable(client, settings, ManualClock())
    said = caplog.text + "".join(traceback.format_exception(caught.value))
    assert "redis.url" in said
    assert SECRET not in said


@pytest.mark.parametrize("given", [f":wrong-{SECRET}@", ""], ids=["a wrong password", "none"])
def test_a_refused_password_is_a_setting_to_mend(
    own_valkey: EmbeddedValkey, given: str, caplog: pytest.LogCaptureFixture
) -> None:
    """ConfigError that names the setting and shows no password, also when it is refused in mid-work."""
    caplog.set_level(logging.DEBUG)
    with redis.Redis.from_url(own_valkey.url) as client:
        client.config_set("requirepass", SECRET)
    settings = RedisSettings.model_validate({"url": f"redis://{given}{LOOPBACK}:{own_valkey.port}/0"})
    with redis_connection.connect(settings) as client:
        with pytest.raises(ConfigError) as caught:
            redis_connection.wait_until_reachable(client, settings, ManualClock())
        with pytest.raises(ConfigError):
            RedisTrends(client, "any", TrendSettings()).partitions()
    assert caught.value.reason == "redis_auth"
    assert "redis.url" in str(caught.value)
    assert SECRET not in caplog.text + "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "address",
    [
        f"redis://:{SECRET}/slash@{LOOPBACK}:6379/0",
        f"redis://:{SECRET}@{LOOPBACK}:port/0",
        f"http://:{SECRET}@{LOOPBACK}/0",
    ],
    ids=["unescaped slash", "no port number", "wrong scheme"],
)
def test_an_address_that_cannot_be_read_is_not_shown_either(address: str) -> None:
    """ConfigError that says what an address looks like."""
    with pytest.raises(ConfigError, match=r"redis\.url.*redis://") as caught:
        connect(address)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_redis_that_takes_no_writes_is_an_outage_not_a_crash(own_valkey: EmbeddedValkey) -> None:
    """A replica, or one without enough replicas, refuses: TransientError, so that the batch is tried again."""
    with connect(own_valkey.url) as client:
        trends = RedisTrends(client, "any", TrendSettings())
        trends.assign(0, 0)
        client.config_set("min-replicas-to-write", 1)
        reasons = []
        for attempt in (lambda: trends.assign(0, 0), lambda: trends.apply(large_update(0))):
            with pytest.raises(MonitorError) as caught:
                attempt()
            reasons.append(caught.value.reason)
        assert reasons == ["redis_readonly", "redis_readonly"]


@pytest.mark.parametrize(
    "answer",
    [
        "READONLY You can't write against a read only replica.",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "TRYAGAIN Multiple keys request during rehashing of slot",
        "MISCONF Errors writing to the AOF file: No space left on device",
        "NOREPLICAS Not enough good replicas to write.",
        "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        "LOADING Redis is loading the dataset in memory",
    ],
)
def test_a_server_that_takes_no_writes_for_now_is_waited_for(answer: str) -> None:
    """As the library parses the answer: it has classes for some, and strips their word from the text."""
    with pytest.raises(TransientError), redis_connection.translated():
        raise BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
