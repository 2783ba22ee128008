"""Three real brokers: with one of them gone the others go on, and what was flushed is there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient

from monitor.adapters.kafka_connection import ensure_topics, wait_until_reachable
from monitor.adapters.kafka_sink import KafkaSink
from monitor.errors import TransientError
from monitor.messages import DeadLetter, RawRecord
from monitor.settings import KafkaSettings
from tests.clusters.kafka_cluster import KafkaCluster
from tests.fakes import ManualClock
from tests.integration.topics import read_all
from tests.waiting import eventually

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers."""
    with KafkaCluster(tmp_path_factory.mktemp("brokers")) as cluster:
        yield cluster


def flushed(sink: KafkaSink, offsets: range) -> bool:
    """Hands letters over; whether the cluster acknowledged them."""
    sink.publish_dead([DeadLetter(RawRecord(0, n, b"k", f"{n}".encode(), NOON_MS), "not_json", "") for n in offsets])
    try:
        sink.flush()
    except TransientError:
        return False
    return True


def offsets_in(cluster: KafkaCluster, topic: str) -> set[int]:
    """The letters that are there."""
    return {int(record.value) for record in read_all(cluster.address, topic)}


@pytest.mark.usefixtures("refused_connections")
def test_what_was_flushed_outlives_each_broker_in_turn(cluster: KafkaCluster, name: str) -> None:
    """One is killed, the rest acknowledge, it comes back; then the next. A client may start while one is away."""
    topics = {"raw_topic": f"{name}.raw", "scored_topic": f"{name}.scored", "dead_topic": f"{name}.dead"}
    settings = KafkaSettings.model_validate({**cluster.settings, **topics, "connect_timeout_seconds": 60})
    admin: KafkaAdminClient = wait_until_reachable(settings, ManualClock())
    ensure_topics(admin, settings)
    (dead,) = admin.describe_topics([settings.dead_topic])
    admin.close()
    assert {len(partition["isr_nodes"]) for partition in dead["partitions"]} == {3}
    sink = KafkaSink(settings, ManualClock(NOON_MS))
    assert flushed(sink, range(10))
    for turn, node in enumerate(cluster.nodes[:2], start=1):
        batch = range(10 * turn, 10 * turn + 10)
        cluster.kill(node)
        eventually(lambda batch=batch: flushed(sink, batch), "two brokers acknowledge", 90)  # type: ignore[misc]
        wait_until_reachable(settings, ManualClock()).close()
        cluster.restart(node)
        cluster.await_whole()
    sink.close()
    assert offsets_in(cluster, settings.dead_topic) == set(range(30))
