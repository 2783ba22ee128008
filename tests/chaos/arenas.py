"""The servers of a kill test and what may happen to them, one thing at a time.

`SingleArena`: one Kafka and one Valkey with its append-only file. `ClusterArena`: three brokers (replication 3, min ISR 2)
and a Valkey cluster whose masters have replicas.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from monitor.adapters import kafka_connection
from monitor.adapters.system_clock import SystemClock
from monitor.embedded.loopback_server import LoopbackServer
from monitor.embedded.processes import Watchdog
from monitor.embedded.services import EmbeddedServices
from monitor.embedded.started import Started
from monitor.settings import Settings
from tests.clusters.kafka_cluster import KafkaCluster
from tests.clusters.valkey_cluster import ValkeyCluster
from tests.waiting import eventually

PARTITIONS = 4
SESSION_SECONDS = 6.0
_LONGEST_DOWN_SECONDS = 1.5
_PROMOTION_SECONDS = 90.0
# About what Valkey writes in the second that may be lost with a machine.
_LOST_BYTES = 300_000
# What happens to a server. Told a number in [0, 1) to choose by, and what to call once the server is gone; it returns what
# it did, once the server is back.
Fault = Callable[[float, Callable[[], None]], str]


class Arena(Started):
    """Servers; a context manager that has them up, with the topics, inside and gone outside.

    Args:
        folder: for their data and logs, and those of the workers.
        say: told in a line what goes on.

    Attributes:
        name: what it is called in the report.
        watchdog: ends everything if this process dies.
    """

    name: ClassVar[str]
    watchdog: Watchdog

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self._say = say
        self._clock = SystemClock()

    @property
    def settings(self) -> Settings:
        """Settings of a worker here: small rounds, the shortest session."""
        sections = self._sections()
        kafka = {
            "group_id": "chaos",
            "partitions": PARTITIONS,
            "max_poll_records": 40,
            "session_timeout_seconds": SESSION_SECONDS,
            "connect_timeout_seconds": 120.0,
        }
        redis = {"key_prefix": "chaos", "connect_timeout_seconds": 120.0}
        worker = {"port": 0, "max_round_records": 60}
        return Settings.model_validate(
            {"kafka": kafka | sections["kafka"], "redis": redis | sections["redis"], "worker": worker}
        )

    @property
    @abstractmethod
    def faults(self) -> Mapping[str, tuple[int, Fault]]:
        """By name: how often in proportion to others, and what happens."""

    @abstractmethod
    def _sections(self) -> dict[str, dict[str, Any]]:
        """Where the servers are: keys of the sections kafka and redis."""

    @abstractmethod
    def _start_servers(self) -> None: ...

    def start(self) -> None:
        """Starts the servers, and creates the topics."""
        self._start_servers()
        admin = kafka_connection.wait_until_reachable(self.settings.kafka, self._clock)
        kafka_connection.ensure_topics(admin, self.settings.kafka)
        admin.close()

    def _stay_down(self, share: float) -> None:
        self._clock.wait_seconds(share * 97 % 1 * _LONGEST_DOWN_SECONDS)


class SingleArena(Arena):
    """See the module."""

    name = "single"

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder, say)
        self._services = EmbeddedServices(run_dir=folder, say=say)
        self.watchdog = self._services.watchdog

    @property
    def faults(self) -> Mapping[str, tuple[int, Fault]]:
        return {
            "redis_killed": (3, self._redis_killed),
            "redis_restarted": (2, self._redis_restarted),
            "redis_lost_tail": (2, self._redis_lost_tail),
            "broker_killed": (2, self._broker_killed),
            "broker_restarted": (1, self._broker_restarted),
        }

    def _sections(self) -> dict[str, dict[str, Any]]:
        return {
            "kafka": {"bootstrap_servers": self._services.kafka_address},
            "redis": {"url": self._services.redis_url},
        }

    def _start_servers(self) -> None:
        self._services.start()

    def stop(self) -> None:
        """See Started."""
        self._services.stop()

    def _redis_killed(self, share: float, gone: Callable[[], None]) -> str:
        self._services.valkey.kill()
        gone()
        self._stay_down(share)
        self._services.valkey.start()
        return "SIGKILL, restarted with its append-only file"

    def _redis_restarted(self, share: float, gone: Callable[[], None]) -> str:
        return self._restarted(self._services.valkey, gone)

    def _redis_lost_tail(self, share: float, gone: Callable[[], None]) -> str:
        """What a crash of the machine may do under `appendfsync everysec`.

        SIGKILL alone loses nothing that was written, and only what waited for an fsync that was going on was not. In either
        case the end of one file is lost, no claim without all that was counted since, so that copies stay exact; but for a
        worker that stands still between its last look at a claim and its step while all of this happens, and then finds the
        position where it was.
        """
        self._services.valkey.kill()
        gone()
        newest = max(self.folder.glob("valkey/appendonlydir/*.incr.aof"), key=_generation)
        lost = min(newest.stat().st_size, int(share * _LOST_BYTES))
        with newest.open("r+b") as file:
            file.truncate(newest.stat().st_size - lost)
        self._stay_down(share)
        self._services.valkey.start()
        return f"SIGKILL, the last {lost:,} bytes of its append-only file lost, restarted"

    def _broker_killed(self, share: float, gone: Callable[[], None]) -> str:
        self._services.kafka.kill()
        gone()
        self._stay_down(share)
        self._services.kafka.start()
        return "SIGKILL, restarted"

    def _broker_restarted(self, share: float, gone: Callable[[], None]) -> str:
        return self._restarted(self._services.kafka, gone)

    def _restarted(self, server: LoopbackServer, gone: Callable[[], None]) -> str:
        server.process.terminate(server.stop_seconds)
        gone()
        server.start()
        return "SIGTERM, restarted"


class ClusterArena(Arena):
    """See the module.

    Claims lie in a slot of their own, and a failover may lose some while their counts stay, so that a copy counts again
    (ARCHITECTURE.md, known limits). Not here, where copies are fed all the same: a master is killed only while its replica
    follows it, and its process dies, not its machine. What it had written to the replica's socket still arrives, and a claim is
    looked up once more before its document counts, in a later turn of the server's loop than the one that wrote it. With
    `min-replicas-to-write` nothing would be more certain.
    """

    name = "clusters"

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        super().__init__(folder, say)
        self.watchdog = Watchdog(folder)
        self._kafka = KafkaCluster(folder / "kafka", say, watchdog=self.watchdog)
        self._valkey = ValkeyCluster(folder / "valkey", say, watchdog=self.watchdog)

    @property
    def faults(self) -> Mapping[str, tuple[int, Fault]]:
        return {"broker_killed": (4, self._broker_killed), "master_failed_over": (4, self._master_failed_over)}

    def _sections(self) -> dict[str, dict[str, Any]]:
        return {"kafka": self._kafka.settings, "redis": self._valkey.settings}

    def _start_servers(self) -> None:
        self._valkey.start()
        self._kafka.start()

    def stop(self) -> None:
        """See Started."""
        try:
            self._kafka.stop()
            self._valkey.stop()
        finally:
            self.watchdog.close()

    def _broker_killed(self, share: float, gone: Callable[[], None]) -> str:
        number = int(share * len(self._kafka.nodes))
        node = self._kafka.nodes[number]
        self._kafka.kill(node)
        gone()
        self._stay_down(share)
        self._kafka.restart(node)
        self._kafka.await_whole()
        return f"broker {number + 1} of {len(self._kafka.nodes)}: SIGKILL, restarted, all replicas in sync again"

    def _master_failed_over(self, share: float, gone: Callable[[], None]) -> str:
        before = self._valkey.masters()
        old = before[int(share * len(before))]
        self._valkey.kill(old)
        gone()
        eventually(lambda: old not in self._valkey.masters(), "a replica is promoted", _PROMOTION_SECONDS)
        new = [node.port for node in self._valkey.masters() if node not in before]
        self._stay_down(share)
        self._valkey.restart(old)
        self._valkey.await_whole()
        return f"master on port {old.port}: SIGKILL, port {new} promoted, the old one back as its replica"


def _generation(path: Path) -> int:
    found = re.search(r"\.(\d+)\.incr", path.name)
    return int(found[1]) if found else 0
