"""A real Kafka cluster: three nodes that are broker and controller, topics with replication 3 and min ISR 2.

With one node gone it goes on: `acks=all` is acknowledged by the two that are left. `settings` is a part of a `[kafka]`
section for it; bring a node back and `await_whole` before the next is killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from monitor.embedded.kafka import EmbeddedKafka, new_cluster_id
from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.processes import Watchdog
from monitor.embedded.started import Started
from tests.waiting import eventually

NODES = 3
_PATIENCE_SECONDS = 120.0
_ANSWER_MS = 5_000


class KafkaNode(EmbeddedKafka):
    """One node, in a folder of its own, on ports that the others were told."""

    start_seconds = 180.0

    def __init__(self, ports: tuple[int, ...], **options: Any) -> None:
        super().__init__(**options)
        self._ports = ports

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None


class KafkaCluster(Started):
    """Three nodes.

    Args:
        run_dir: where configuration, data and logs live, a folder a node.
        say: told in a line what goes on.
        properties: broker settings of all nodes, to add or replace.
        watchdog: the watchdog to run under; None for one of its own.

    Attributes:
        nodes: all nodes.
    """

    def __init__(
        self,
        run_dir: Path,
        say: Callable[[str], None] = lambda line: None,
        *,
        properties: Mapping[str, str | int] | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._own_watchdog = None if watchdog else Watchdog(run_dir)
        ports = free_ports(2 * NODES)
        voters = ",".join(f"{number}@{LOOPBACK}:{ports[2 * number - 1]}" for number in range(1, NODES + 1))
        cluster_id = new_cluster_id()
        self.nodes = tuple(
            KafkaNode(
                ports[2 * number - 2 : 2 * number],
                run_dir=run_dir / f"node-{number}",
                say=say,
                cluster_id=cluster_id,
                properties=cluster_properties(number, voters) | dict(properties or {}),
                watchdog=watchdog or self._own_watchdog,
            )
            for number in range(1, NODES + 1)
        )

    @property
    def address(self) -> str:
        """What clients bootstrap from: host:port of all nodes, separated by commas."""
        return ",".join(node.address for node in self.nodes)

    @property
    def settings(self) -> dict[str, Any]:
        """Keys of a `[kafka]` section for it."""
        return {"bootstrap_servers": self.address, "replication_factor": NODES}

    def start(self) -> None:
        """Starts the nodes side by side, for one alone has no quorum; returns once all may lead partitions."""
        with ThreadPoolExecutor(NODES, thread_name_prefix="kafka") as pool:
            list(pool.map(KafkaNode.start, self.nodes))
        self.await_whole()

    def stop(self) -> None:
        """Ends all nodes, by SIGKILL: once two have gone, the third waits for them in vain. May be called again."""
        for node in self.nodes:
            if node.runs:
                node.kill()
            node.stop()
        if self._own_watchdog is not None:
            self._own_watchdog.close()

    def kill(self, node: KafkaNode) -> None:
        """Ends a node by SIGKILL; the others take its partitions over once its session has run out."""
        node.kill()

    def restart(self, node: KafkaNode) -> None:
        """Starts a node on its ports and data, after stopping it if it runs; returns once it may lead partitions."""
        node.restart()

    def await_whole(self) -> None:
        """Waits until all nodes run and every partition of every topic has all its replicas in sync."""
        eventually(self._is_whole, "all Kafka nodes are back and in sync", _PATIENCE_SECONDS)

    def _is_whole(self) -> bool:
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self.address.split(","),
                bootstrap_timeout_ms=_ANSWER_MS,
                request_timeout_ms=_ANSWER_MS,
            )
            try:
                brokers = admin.describe_cluster()["brokers"]
                topics = admin.describe_topics()
            finally:
                admin.close()
        except (KafkaError, OSError):
            return False
        partitions = [partition for topic in topics for partition in topic["partitions"]]
        return sum(not broker.get("is_fenced") for broker in brokers) == NODES and all(
            len(partition["isr_nodes"]) == len(partition["replica_nodes"]) for partition in partitions
        )


def cluster_properties(number: int, voters: str) -> dict[str, str | int]:
    """What a node of three has other than one that is alone."""
    return {
        "node.id": number,
        "controller.quorum.voters": voters,
        "default.replication.factor": NODES,
        "min.insync.replicas": 2,
        "offsets.topic.replication.factor": NODES,
        "transaction.state.log.replication.factor": NODES,
        "transaction.state.log.min.isr": 2,
        "share.coordinator.state.topic.replication.factor": NODES,
        "share.coordinator.state.topic.min.isr": 2,
        "controlled.shutdown.enable": "true",
        # How long partitions of a killed node have no leader; less, and a busy machine takes live nodes for dead.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
    }
