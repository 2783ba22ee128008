"""What a real Redis Cluster may do to us: fail over, lose its last writes, move slots, be down. Nothing is counted twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from redis.crc import key_slot

from monitor.adapters import redis_connection
from monitor.adapters.redis_keys import RedisKeys
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.valkey import EmbeddedValkey
from monitor.errors import ConfigError, TransientError
from monitor.messages import (
    ApplyOutcome,
    ApplyResult,
    Bucket,
    Cell,
    PartitionUpdate,
    StoryClaim,
    StoryRecord,
)
from monitor.settings import RedisSettings, TrendSettings
from tests.clusters.valkey_cluster import ValkeyCluster, ValkeyNode
from tests.fakes import ManualClock
from tests.waiting import eventually

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z
CELL = Cell("all", "all", "news", "documents")
BUCKETS = (Bucket(60, NOON_MS), Bucket(3600, NOON_MS))
PASSING = {"redis_unreachable", "redis_cluster", "redis_readonly"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """A cluster with replicas, whole again after each test."""
    with ValkeyCluster(tmp_path_factory.mktemp("own-cluster")) as cluster:
        yield cluster


@pytest.fixture
def client(cluster: ValkeyCluster) -> Iterator[redis_connection.Client]:
    """A client of it, as the program makes it."""
    with connect(**cluster.settings) as client:
        yield client


def connect(**keys: object) -> redis_connection.Client:
    """A client as the program makes it."""
    return redis_connection.connect(RedisSettings.model_validate(keys))


def update(begin: int, epoch: int = 1, partition: int = 0) -> PartitionUpdate:
    """One record."""
    return PartitionUpdate(partition, epoch, begin, begin + 1, {bucket: {CELL: 1} for bucket in BUCKETS})


def counted(trends: RedisTrends, partition: int = 0) -> set[int]:
    """What each of the buckets counts."""
    return {part.counts.get(CELL, 0) for part in trends.changed_since(partition, -1)}


def persisted(step: Callable[[], ApplyOutcome]) -> ApplyOutcome:
    """Tries a step again, as a worker does, until the cluster takes it."""
    reasons = set()

    def taken() -> ApplyOutcome | None:
        try:
            return step()
        except TransientError as exc:
            reasons.add(exc.reason)
            return None

    outcome = eventually(taken, f"the cluster takes a step; reasons against: {reasons}", 60)
    assert reasons <= PASSING
    assert outcome is not None
    return outcome


def refused(step: Callable[[], object]) -> str:
    """The reason why a step is not taken for now."""
    with pytest.raises(TransientError) as caught:
        step()
    return caught.value.reason


def state_key(name: str) -> str:
    """A key in the slot of partition 0."""
    return RedisKeys(name).state(0)


def test_a_worker_goes_on_with_the_promoted_replica_and_so_does_a_reader(
    cluster: ValkeyCluster, client: redis_connection.Client, name: str
) -> None:
    """Without a new client, and each record is counted once; a read finds the old master, now a replica, no hindrance."""
    trends = RedisTrends(client, name, TrendSettings())
    trends.assign(0, 0)
    for begin in range(20):
        assert trends.apply(update(begin)).result is ApplyResult.APPLIED
    with connect(**cluster.settings) as reading:
        reader = RedisTrends(reading, name, TrendSettings())
        assert counted(reader) == {20}
        old = cluster.master_of(state_key(name))
        cluster.kill(old)
        assert refused(lambda: trends.apply(update(20))) in PASSING
        step = persisted(lambda: trends.apply(update(20)))
        # What was lost with the master, and what was taken although its answer was lost, both show by the position.
        for begin in range(step.position if step.result is not ApplyResult.ALREADY_APPLIED else 21, 30):
            assert persisted(lambda begin=begin: trends.apply(update(begin))).result is ApplyResult.APPLIED  # type: ignore[misc]
        cluster.restart(old)
        cluster.await_whole()
        assert counted(reader) == {30}  # its slots still point to the old master
        assert [state.position for state in reader.partitions()] == [30]


def test_a_failover_that_loses_writes_loses_counts_and_position_together(
    cluster: ValkeyCluster, client: redis_connection.Client, name: str
) -> None:
    """The worker is told a gap, reads again from the position that is left, and all is counted once."""
    trends = RedisTrends(client, name, TrendSettings())
    trends.assign(0, 0)
    for begin in range(5):
        trends.apply(update(begin))
    master = cluster.master_of(state_key(name))
    cut_off(cluster, master)
    for begin in range(5, 9):
        trends.apply(update(begin))
    fenced = RedisTrends(client, name, TrendSettings())
    assert fenced.assign(0, 0).epoch == 2
    cluster.fail_over(master)
    assert persisted(lambda: trends.apply(update(9))) == ApplyOutcome(ApplyResult.GAP, 5)
    assert counted(trends) == {5}
    for begin in range(5, 10):
        assert trends.apply(update(begin)).result is ApplyResult.APPLIED
    assert counted(trends) == {10}
    # The second worker's assignment went too, and its number is given out again: to one of them alone.
    assert trends.assign(0, 0).epoch == 2
    assert fenced.apply(update(10, epoch=2)).result is ApplyResult.STALE_EPOCH
    cluster.restart(master)
    cluster.await_whole()


def cut_off(cluster: ValkeyCluster, master: ValkeyNode) -> None:
    """Stops replication from a master: its replicas offer a password that it doesn't want."""
    for replica in cluster.replicas_of(master):
        replica.ask("CONFIG SET", "masterauth", "unwanted")
    master.ask("CLIENT KILL", "TYPE", "replica")
    replicas = cluster.replicas_of(master)
    eventually(lambda: all(node.ask("ROLE")[3] != "connected" for node in replicas), "replication has stopped")


def test_the_list_of_partitions_is_mended_where_a_failover_lost_it(client: redis_connection.Client, name: str) -> None:
    """It lies in another slot than the partition; while a worker works, or idles, it is written again."""
    trends = RedisTrends(client, name, TrendSettings())
    trends.assign(0, 0)
    for lost, mend in ((0, trends.check), (0, lambda: [trends.apply(update(begin)) for begin in range(64)])):
        client.delete(f"{name}:partitions")
        assert len(trends.partitions()) == lost
        mend()
        assert [state.partition for state in trends.partitions()] == [0]


class Move:
    """A slot on its way from one master to another, with the keys moved one by one."""

    def __init__(self, cluster: ValkeyCluster, key: str, target: ValkeyNode | None = None) -> None:
        self.slot = key_slot(key.encode())
        self.source = cluster.master_of(key)
        self.target = target or next(node for node in cluster.masters() if node is not self.source)
        self._cluster = cluster
        self.target.ask("CLUSTER SETSLOT", self.slot, "IMPORTING", self.source.identity())
        self.source.ask("CLUSTER SETSLOT", self.slot, "MIGRATING", self.target.identity())

    def take(self, *keys: str) -> None:
        """Moves keys; all that are left if none is named."""
        left = keys or self.source.ask("CLUSTER GETKEYSINSLOT", self.slot, 1000)
        if left:
            self.source.ask("MIGRATE", LOOPBACK, self.target.port, "", 0, 5000, "KEYS", *left)

    def end(self) -> None:
        """Moves what is left and gives the slot to the target."""
        self.take()
        for node in (self.target, self.source):
            node.ask("CLUSTER SETSLOT", self.slot, "NODE", self.target.identity())
        self._cluster.await_whole()


def test_a_slot_on_the_move_refuses_a_step_whole_and_stays_readable(
    cluster: ValkeyCluster, client: redis_connection.Client, name: str
) -> None:
    """Half of the keys here, half there: the step is for later and changes nothing; reads are led to where each key is."""
    trends, keys = RedisTrends(client, name, TrendSettings()), RedisKeys(name)
    trends.assign(0, 0)
    trends.apply(update(0))
    move = Move(cluster, state_key(name))
    move.take(keys.bucket(0, BUCKETS[0]))
    assert counted(trends) == {1}
    assert refused(lambda: trends.apply(update(1))) == "redis_cluster"
    assert counted(trends) == {1}
    assert trends.partitions()[0].position == 1
    move.end()
    assert trends.apply(update(1)).result is ApplyResult.APPLIED
    assert counted(trends) == {2}


def test_reads_in_one_go_follow_a_slot_that_has_moved(
    cluster: ValkeyCluster, client: redis_connection.Client, name: str
) -> None:
    """Also where the client has not been told yet."""
    with connect(**cluster.settings) as writing:
        trends = RedisTrends(writing, name, TrendSettings())
        for partition in range(8):
            trends.assign(partition, 10 * partition)
    reader = RedisTrends(client, name, TrendSettings())
    wanted = [10 * partition for partition in range(8)]
    assert [state.position for state in reader.partitions()] == wanted
    for partition in (0, 3, 5):
        Move(cluster, RedisKeys(name).state(partition)).end()
    assert [state.position for state in reader.partitions()] == wanted


def test_a_node_that_has_just_joined_is_learned_of(tmp_path: Path) -> None:
    """While a slot moves to it a key may be out of reach; nothing worse, and once it is there it is found."""
    with ValkeyCluster(tmp_path, replicas=0) as cluster, connect(**cluster.settings) as client:
        trends, keys = RedisTrends(client, "grown", TrendSettings()), RedisKeys("grown")
        trends.assign(0, 0)
        trends.apply(update(0))
        new = cluster.add_node()
        move = Move(cluster, state_key("grown"), new)
        move.take(keys.state(0))
        assert refused(trends.partitions) == "redis_cluster"
        assert refused(lambda: trends.apply(update(1))) == "redis_cluster"
        move.end()
        assert persisted(lambda: trends.apply(update(1))).result is ApplyResult.APPLIED
        assert counted(trends) == {2}
        assert trends.partitions()[0].position == 2


def test_claims_are_refused_whole_while_their_slot_moves(
    cluster: ValkeyCluster, client: redis_connection.Client, name: str
) -> None:
    """Never a document without its story, or a story without its bands."""
    memory, keys = RedisStoryMemory(client, name, 3600), RedisKeys(name)
    first = StoryClaim("a", "0:1", "a", StoryRecord("a", 1, b"\0\0\0\0"), ("0:x",), ("",))
    second = StoryClaim("b", "0:2", "b", StoryRecord("b", 1, b"\0\0\0\0"), ("0:x", "1:y"), ("a", ""))
    memory.remember([first])
    move = Move(cluster, keys.document("a"))
    move.take(keys.document("a"))
    assert refused(lambda: memory.remember([second])) == "redis_cluster"
    assert refused(lambda: memory.forget([first])) == "redis_cluster"
    assert refused(lambda: memory.look_up(["a", "b"], ["0:x", "1:y"])) == "redis_cluster"
    move.end()
    assert memory.look_up(["a", "b"], ["0:x", "1:y"])[0][1] is None
    assert memory.remember([second])[0] is not None


def test_a_cluster_that_was_down_as_a_whole_is_found_again(tmp_path: Path) -> None:
    """While it is down the reason says so; the client that knew it before goes on."""
    with ValkeyCluster(tmp_path, replicas=0, node_timeout_ms=1000) as cluster, connect(**cluster.settings) as client:
        trends = RedisTrends(client, "down", TrendSettings())
        trends.assign(0, 0)
        serving = cluster.master_of(state_key("down"))
        one, other = (node for node in cluster.masters() if node is not serving)
        cluster.kill(one)
        eventually(lambda: serving.ask("CLUSTER INFO")["cluster_state"] == "fail", "the cluster knows that it is down")
        assert refused(lambda: trends.apply(update(0))) == "redis_cluster"
        assert refused(trends.check) in PASSING
        for node in (serving, other):
            cluster.kill(node)
        assert refused(lambda: trends.apply(update(0))) == "redis_unreachable"
        for node in cluster.nodes:
            cluster.restart(node)
        cluster.await_whole()
        assert persisted(lambda: trends.apply(update(0))).result is ApplyResult.APPLIED
        assert counted(trends) == {1}


def test_one_node_that_answers_is_enough_to_start_from(valkey_cluster: ValkeyCluster) -> None:
    """Whichever of those named it is; the others are learned of."""
    dead = f"{LOOPBACK}:{free_ports(1)[0]}"
    address = f"redis://{dead},{LOOPBACK}:{valkey_cluster.nodes[1].port}"
    settings = RedisSettings.model_validate({"url": address, "cluster": True, "connect_timeout_seconds": 5})
    with redis_connection.connect(settings) as client:
        redis_connection.wait_until_reachable(client, settings, ManualClock())
        assert isinstance(client, redis.RedisCluster)
        assert len(client.get_primaries()) == 3  # type: ignore[no-untyped-call]


def test_threads_share_a_client_from_its_first_command_on(valkey_cluster: ValkeyCluster, name: str) -> None:
    """It connects once, whoever comes first, and nobody is let through half-way."""
    with connect(**valkey_cluster.settings) as client, ThreadPoolExecutor(8) as pool:
        trends = RedisTrends(client, name, TrendSettings())
        assigned = list(pool.map(lambda partition: trends.assign(partition, partition), range(32)))
        assert [assignment.position for assignment in assigned] == list(range(32))
        assert len(trends.partitions()) == 32


@pytest.mark.parametrize("several", [False, True], ids=["one node", "several nodes"])
def test_nodes_that_do_not_answer_are_named(several: bool) -> None:
    """ConfigError with every address, after the time that start-up may take."""
    addresses = [f"{LOOPBACK}:{port}" for port in free_ports(3 if several else 1)]
    settings = RedisSettings.model_validate(
        {"url": f"redis://user:p4ss@{','.join(addresses)}", "cluster": True, "connect_timeout_seconds": 1}
    )
    with redis_connection.connect(settings) as client, pytest.raises(ConfigError) as caught:
        redis_connection.wait_until_reachable(client, settings, ManualClock())
    assert ", ".join(addresses) in str(caught.value)
    assert "redis.url" in str(caught.value)
    assert "p4ss" not in str(caught.value)


def test_a_server_that_is_no_cluster_is_told_from_one(valkey: EmbeddedValkey) -> None:
    """ConfigError at once, by the setting to mend."""
    settings = RedisSettings.model_validate({"url": valkey.url, "cluster": True})
    with redis_connection.connect(settings) as client, pytest.raises(ConfigError, match=r"redis\.cluster is true"):
        redis_connection.wait_until_reachable(client, settings, ManualClock())


def test_a_cluster_is_told_from_one_server(valkey_cluster: ValkeyCluster, name: str) -> None:
    """ConfigError at start-up; and if a server is made one later, at the first key that lies elsewhere."""
    settings = RedisSettings.model_validate({"url": f"redis://{LOOPBACK}:{valkey_cluster.nodes[0].port}"})
    with redis_connection.connect(settings) as client:
        with pytest.raises(ConfigError, match=r"redis\.cluster is false"):
            redis_connection.wait_until_reachable(client, settings, ManualClock())
        trends = RedisTrends(client, name, TrendSettings())
        with pytest.raises(ConfigError, match=r"redis\.cluster is false"):
            deque((trends.assign(partition, 0) for partition in range(16)), maxlen=0)


def test_a_server_that_keeps_claims_and_trends_apart_is_told_when_a_partition_is_taken(
    valkey_cluster: ValkeyCluster, name: str
) -> None:
    """Each key is there, as behind a proxy that spreads them over servers; one script may not see both kinds."""
    node = valkey_cluster.master_of(RedisKeys(name).epochs())
    # The number comes first: the slot is a checksum, which what differs near a key's end moves to a few places alone.
    prefix = next(
        one for i in range(99) if valkey_cluster.master_of(RedisKeys(one := f"{i}-{name}").partitions()) is node
    )
    keys = RedisKeys(prefix)
    partition = next(number for number in range(99) if valkey_cluster.master_of(keys.state(number)) is node)
    with connect(url=f"redis://{LOOPBACK}:{node.port}") as client:
        with pytest.raises(ConfigError, match=r"redis\.cluster is false.*same slot"):
            RedisTrends(client, prefix, TrendSettings()).assign(partition, 0)
        assert not client.exists(keys.state(partition))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"url": "redis://a:1,b:2"}, r"redis\.cluster = true"),
        ({"url": "redis://a:1,b:2/3", "cluster": True}, "no databases but 0"),
        ({"url": "unix:///run/valkey.sock", "cluster": True}, "no unix socket"),
        ({"url": "redis://a:1,b:port", "cluster": True}, "no address that can be read"),
    ],
    ids=["several hosts of no cluster", "a database", "a socket", "no port number"],
)
def test_an_address_must_fit_the_setting(keys: dict[str, object], said: str) -> None:
    """ConfigError before anything is sent."""
    with pytest.raises(ConfigError, match=said):
        connect(**keys)
