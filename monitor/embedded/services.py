"""Valkey and Kafka together under one run directory and one watchdog, started side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from monitor.embedded.kafka import EmbeddedKafka
from monitor.embedded.processes import ManagedProcess, Watchdog
from monitor.embedded.started import Started
from monitor.embedded.valkey import EmbeddedValkey


class EmbeddedServices(Started):
    """The servers that the program needs; a context manager that has them up inside and gone outside.

    Args:
        run_dir: where configuration, data and logs live. Data in it from an earlier run is used again.
        say: told in a line what goes on; may be called from another thread than the caller's.
        cache_dir: where Kafka's jars are kept; None for the user's cache.
        kafka_properties: broker settings to add or replace.
        valkey_maxmemory_bytes: bound on Valkey's memory; None for none.

    Attributes:
        kafka: the Kafka node.
        valkey: the Valkey server.
        watchdog: ends everything if this process dies; other processes may be started under it too. It is there from
            construction on.
    """

    def __init__(
        self,
        *,
        run_dir: Path,
        say: Callable[[str], None],
        cache_dir: Path | None = None,
        kafka_properties: Mapping[str, str | int] | None = None,
        valkey_maxmemory_bytes: int | None = None,
    ) -> None:
        self.watchdog = Watchdog(run_dir)
        self.valkey = EmbeddedValkey(run_dir, say, maxmemory_bytes=valkey_maxmemory_bytes, watchdog=self.watchdog)
        self.kafka = EmbeddedKafka(
            run_dir=run_dir, say=say, cache_dir=cache_dir, properties=kafka_properties, watchdog=self.watchdog
        )

    @property
    def kafka_address(self) -> str:
        """What Kafka clients bootstrap from: host:port."""
        return self.kafka.address

    @property
    def redis_url(self) -> str:
        """What Redis clients connect to."""
        return self.valkey.url

    @property
    def processes(self) -> tuple[ManagedProcess, ...]:
        """The processes of the servers, Kafka's and Valkey's."""
        return (self.kafka.process, self.valkey.process)

    def start(self) -> None:
        """Starts both; returns once clients can use them.

        Raises:
            ConfigError: one of them can't run here.
            TransientError: one of them did not come up in time.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="valkey") as pool:
            valkey = pool.submit(self.valkey.start)
            # Kafka starts in this thread: it takes seconds, minutes when jars are fetched, and Ctrl-C lands here.
            self.kafka.start()
            valkey.result()

    def stop(self) -> None:
        """Stops both, then the watchdog with whatever else was started under it. May be called again."""
        try:
            self.kafka.stop()
            self.valkey.stop()
        finally:
            self.watchdog.close()
