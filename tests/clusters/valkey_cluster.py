"""A real Valkey cluster: three masters that share the slots, and a replica for each, unless told otherwise.

`settings` is a `[redis]` section for it. `kill`, `fail_over` and `restart` are what a test does to it; each returns when
that has happened, and `await_whole` waits until all slots are served and copied again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.retry import Retry

from monitor.embedded.ports import LOOPBACK
from monitor.embedded.processes import Watchdog
from monitor.embedded.started import Started
from monitor.embedded.valkey import EmbeddedValkey
from tests.waiting import eventually

SLOTS = 16_384
MASTERS = 3
_PATIENCE_SECONDS = 90.0


class ValkeyNode(EmbeddedValkey):
    """One node, in a folder of its own; it keeps its name in the cluster and its data over restarts."""

    # The second port is the bus over which the nodes talk to each other.
    port_count = 2

    def __init__(self, run_dir: Path, say: Callable[[str], None], watchdog: Watchdog, extra: Mapping[str, str]) -> None:
        super().__init__(run_dir, say, watchdog=watchdog)
        self._extra = dict(extra)

    @property
    def bus_port(self) -> int:
        """The port for other nodes."""
        assert self._ports is not None
        return self._ports[1]

    @property
    def runs(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def ask(self, *words: str | int) -> Any:
        """Sends one command to this very node; raises redis.RedisError."""
        once = Retry(NoBackoff(), 0)
        with redis.Redis(
            host=LOOPBACK, port=self.port, socket_timeout=5.0, decode_responses=True, retry=once
        ) as client:
            return client.execute_command(*words)

    def identity(self) -> str:
        """Its name in the cluster."""
        return str(self.ask("CLUSTER MYID"))

    def view(self) -> dict[int, int]:
        """Who serves, as this node sees it: port of each master that has slots -> how many it has."""
        served: dict[int, int] = {}
        for first, last, (_, port, *_), *_ in self.ask("CLUSTER SLOTS"):
            served[port] = served.get(port, 0) + last - first + 1
        return served

    def sound(self) -> bool:
        """Whether it sees no node as failing, and has its master's copy if it is a replica."""
        role = self.ask("ROLE")
        nodes = self.ask("CLUSTER NODES")
        failing = any("fail" in node["flags"] or not node["connected"] for node in nodes.values())
        state = self.ask("CLUSTER INFO")["cluster_state"]
        return not failing and state == "ok" and (role[0] == "master" or role[3] == "connected")

    def _options(self, ports: tuple[int, ...]) -> dict[str, str]:
        return {
            **super()._options(ports),
            "cluster-enabled": "yes",
            "cluster-port": str(ports[1]),
            "repl-diskless-sync-delay": "0",
            "repl-ping-replica-period": "1",
            # On a busy machine a replica may have heard nothing for a while; it is still the best there is.
            "cluster-replica-validity-factor": "0",
            **self._extra,
        }


class ValkeyCluster(Started):
    """Three masters with replicas.

    Args:
        run_dir: where data and logs live, a folder a node.
        say: told in a line what goes on.
        replicas: how many each master has; without one a killed master is an outage until it is back.
        node_timeout_ms: silence after which the others hold a node for dead; a failover takes a second or two longer.
        options: options of all nodes, to add or replace.
        watchdog: the watchdog to run under; None for one of its own.

    Attributes:
        nodes: all nodes; the first three are masters at the start.
    """

    def __init__(
        self,
        run_dir: Path,
        say: Callable[[str], None] = lambda line: None,
        *,
        replicas: int = 1,
        node_timeout_ms: int = 2000,
        options: Mapping[str, str] | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._own_watchdog = None if watchdog else Watchdog(run_dir)
        under = watchdog or self._own_watchdog
        assert under is not None
        extra = {"cluster-node-timeout": str(node_timeout_ms), **(options or {})}

        def make(number: int) -> ValkeyNode:
            return ValkeyNode(run_dir / f"node-{number}", say, under, extra)

        self._make = make
        self.nodes = tuple(self._make(number) for number in range(1, MASTERS * (1 + replicas) + 1))

    @property
    def url(self) -> str:
        """What clients start from: all nodes."""
        return "redis://" + ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)

    @property
    def settings(self) -> dict[str, Any]:
        """Keys of a `[redis]` section for it."""
        return {"url": self.url, "cluster": True}

    def start(self) -> None:
        """Starts the nodes and joins them; returns once every slot is served and every replica has its copy."""
        with ThreadPoolExecutor(len(self.nodes), thread_name_prefix="valkey") as pool:
            list(pool.map(ValkeyNode.start, self.nodes))
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        for number, node in enumerate(masters):
            first, last = (SLOTS * bound // MASTERS for bound in (number, number + 1))
            node.ask("CLUSTER ADDSLOTSRANGE", first, last - 1)
            # Nodes that all begin with the same epoch settle it among themselves, one collision after the other.
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            node.ask("CLUSTER MEET", LOOPBACK, self.nodes[0].port, self.nodes[0].bus_port)
        for number, node in enumerate(replicas):
            self._replicate(node, masters[number % MASTERS].identity())
        self.await_whole()

    def stop(self) -> None:
        """Ends all nodes. May be called again."""
        for node in self.nodes:
            node.stop()
        if self._own_watchdog is not None:
            self._own_watchdog.close()

    def masters(self) -> list[ValkeyNode]:
        """The nodes that serve slots, as the cluster sees it."""
        ports = self._alive()[0].view()
        return [node for node in self.nodes if node.port in ports]

    def master_of(self, key: str) -> ValkeyNode:
        """The node that serves a key."""
        slot = key_slot(key.encode())
        for first, last, (_, port, *_), *_ in self._alive()[0].ask("CLUSTER SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody serves slot {slot}")

    def replicas_of(self, master: ValkeyNode) -> list[ValkeyNode]:
        """The living nodes that copy a master."""
        roles = [(node, node.ask("ROLE")) for node in self._alive()]
        return [node for node, role in roles if role[0] != "master" and int(role[2]) == master.port]

    def kill(self, node: ValkeyNode) -> None:
        """Ends a node by SIGKILL; what the cluster makes of it, it makes later."""
        node.kill()

    def restart(self, node: ValkeyNode) -> None:
        """Starts a node on its ports and data, after stopping it if it runs; returns when it answers for itself."""
        node.restart()

    def fail_over(self, master: ValkeyNode) -> ValkeyNode:
        """Kills a master, waits until all others take one of its replicas for the new one, and returns that."""
        replicas = self.replicas_of(master)
        assert replicas, "a master without a replica can't fail over"
        self.kill(master)

        def promoted() -> ValkeyNode | None:
            views = [node.view() for node in self._alive()]
            agreed = all(view == views[0] for view in views) and sum(views[0].values()) == SLOTS
            return next((node for node in replicas if agreed and node.port in views[0]), None)

        node = eventually(promoted, f"a replica of the master on port {master.port} is promoted", _PATIENCE_SECONDS)
        assert node is not None
        return node

    def add_node(self) -> ValkeyNode:
        """Starts another node and joins it, as a master that serves nothing yet."""
        node = self._make(len(self.nodes) + 1)
        node.start()
        self.nodes = (*self.nodes, node)
        node.ask("CLUSTER MEET", LOOPBACK, self.nodes[0].port, self.nodes[0].bus_port)
        self.await_whole()
        return node

    def await_whole(self) -> None:
        """Waits until all nodes run, agree on who serves, and every replica has its copy."""
        eventually(self._is_whole, "the cluster is whole", _PATIENCE_SECONDS)

    def _alive(self) -> list[ValkeyNode]:
        return [node for node in self.nodes if node.runs]

    def _replicate(self, node: ValkeyNode, master: str) -> None:
        def accepted() -> bool:
            try:
                return bool(node.ask("CLUSTER REPLICATE", master))
            except redis.ResponseError:
                return False  # it hasn't heard of its master yet

        eventually(accepted, "a node knows the master that it is to copy", _PATIENCE_SECONDS)

    def _is_whole(self) -> bool:
        try:
            views = [node.view() for node in self.nodes]
            return (
                all(view == views[0] for view in views)
                and sum(views[0].values()) == SLOTS
                and all(len(node.ask("CLUSTER NODES")) == len(self.nodes) and node.sound() for node in self.nodes)
            )
        except redis.RedisError:
            return False
