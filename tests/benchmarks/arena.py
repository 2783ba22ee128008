"""Where a measurement runs: a Kafka, a Redis, topics of its own, and workers as processes; and how far they have come."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from rich.console import Console

from monitor.adapters import kafka_connection
from monitor.adapters.kafka_raw import RawProducer
from monitor.adapters.redis_keys import RedisKeys
from monitor.adapters.system_clock import SystemClock
from monitor.embedded.processes import ManagedProcess, Watchdog, start_process
from monitor.embedded.services import EmbeddedServices
from monitor.errors import TransientError
from monitor.settings import Settings
from tests.benchmarks.documents import Message
from tests.settings_flags import flags_of

_ROOT = Path(__file__).parents[2]
_REAL_WORKER = ("-m", "monitor", "worker")
_NULL_WORKER = ("-m", "tests.benchmarks.null_worker")
_QUIX_JOB = ("-m", "tests.benchmarks.quix_job")
CLOCK = SystemClock()


@dataclass(frozen=True)
class Arena:
    """The servers that a measurement uses.

    Attributes:
        run_dir: where logs go.
        watchdog: ends the measurement's processes with this one.
        servers: the servers' processes, where they are ours.
    """

    kafka_address: str
    redis_url: str
    run_dir: Path
    watchdog: Watchdog
    servers: tuple[ManagedProcess, ...] = ()

    def settings(self, name: str, *, kafka: Mapping[str, object] | None = None) -> Settings:
        """Settings with topics, group and keys of their own under a name that is made unique."""
        unique = f"{name}-{uuid.uuid4().hex[:6]}"
        return Settings.model_validate(
            {
                "kafka": {
                    "bootstrap_servers": self.kafka_address,
                    "raw_topic": f"{unique}.raw",
                    "scored_topic": f"{unique}.scored",
                    "dead_topic": f"{unique}.dead",
                    "group_id": unique,
                    **(kafka or {}),
                },
                "redis": {"url": self.redis_url, "key_prefix": unique},
                "worker": {"port": 0},
                "log": {"level": "WARNING"},
            }
        )

    def client(self) -> redis.Redis:
        """A client of the Redis."""
        return redis.Redis.from_url(self.redis_url)

    def fill(self, settings: Settings, messages: Sequence[Message]) -> dict[int, int]:
        """Makes the topics and writes messages; returns the end of each partition written to."""
        self.create_topics(settings)
        producer = RawProducer(settings.kafka)
        try:
            for message in messages:
                producer.send(message.key.decode(), message.value)
            producer.flush()
            return producer.end_positions
        finally:
            producer.close()

    def create_topics(self, settings: Settings) -> None:
        """Makes the topics that are missing."""
        admin = kafka_connection.wait_until_reachable(settings.kafka, CLOCK)
        try:
            kafka_connection.ensure_topics(admin, settings.kafka)
        finally:
            admin.close()

    def null_worker(self, settings: Settings, seconds_per_text: float = 0.0, name: str = "worker") -> ManagedProcess:
        """Starts `monitor worker` with constant scores."""
        return self.start(name, [*_NULL_WORKER, str(seconds_per_text), *flags_of(settings)])

    def real_worker(self, settings: Settings) -> ManagedProcess:
        """Starts `monitor worker` as it is shipped."""
        return self.start("real-worker", [*_REAL_WORKER, *flags_of(settings)])

    def quix_job(self, settings: Settings, *arguments: object) -> ManagedProcess:
        """Starts the Quix Streams job; quix_job.py says with which arguments."""
        return self.start("quix", [*_QUIX_JOB, *map(str, arguments), *flags_of(settings)])

    def start(self, name: str, arguments: Sequence[str]) -> ManagedProcess:
        """Starts a Python program of this repository."""
        environment = {**os.environ, "PYTHONPATH": str(_ROOT), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        argv = [sys.executable, *arguments]
        return start_process(name, argv, run_dir=self.run_dir, watchdog=self.watchdog, env=environment)


@contextmanager
def embedded_arena(console: Console) -> Iterator[Arena]:
    """An arena on servers that are started for it and gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        run_dir = Path(folder)
        with EmbeddedServices(run_dir=run_dir, say=lambda line: console.print(line, style="dim")) as services:
            yield Arena(services.kafka_address, services.redis_url, run_dir, services.watchdog, services.processes)


class Progress:
    """How far workers have come with a topic, as anyone sees it in Redis.

    Args:
        client: the connection.
        settings: names the keys.
    """

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._client = client
        keys = RedisKeys(settings.redis.key_prefix)
        self._states = [keys.state(partition) for partition in range(settings.kafka.partitions)]

    def positions(self) -> list[int]:
        """The position of each partition; 0 where none is stored."""
        return [position for _, position in self._read()]

    def epochs(self) -> list[int]:
        """The epoch of each partition; 0 where none was taken."""
        return [epoch for epoch, _ in self._read()]

    def applied(self) -> int:
        """Records applied."""
        return sum(self.positions())

    def assigned(self) -> bool:
        """Whether every partition was taken by a worker."""
        return all(self.epochs())

    def started(self) -> bool:
        """Whether any partition was taken by a worker."""
        return any(self.epochs())

    def _read(self) -> list[tuple[int, int]]:
        pipe = self._client.pipeline(transaction=False)
        for key in self._states:
            pipe.hmget(key, "epoch", "position")
        return [(int(epoch or 0), int(position or 0)) for epoch, position in pipe.execute()]


def wait_until(
    predicate: Callable[[], bool],
    what: str,
    processes: Sequence[ManagedProcess] = (),
    *,
    limit_seconds: float = 600.0,
    pause_seconds: float = 0.005,
) -> float:
    """Waits for a predicate; returns the monotonic second at which it was seen to hold.

    Raises:
        TransientError: one of the processes has ended, or the limit is over.
    """
    deadline = CLOCK.monotonic_seconds() + limit_seconds
    while not predicate():
        for process in processes:
            if (status := process.poll()) is not None and not predicate():
                raise TransientError(
                    f"{process.name} ended with status {status}; its log ends:\n{process.log_tail()}", reason="bench"
                )
        if CLOCK.monotonic_seconds() > deadline:
            tails = "\n".join(process.log_tail() for process in processes)
            raise TransientError(f"not within {limit_seconds:.0f} s: {what}\n{tails}", reason="bench")
        CLOCK.wait_seconds(pause_seconds)
    return CLOCK.monotonic_seconds()


def cpu_seconds(process: ManagedProcess) -> float:
    """CPU time that a process has used, in user and system mode, all threads."""
    times = psutil.Process(process.pid).cpu_times()
    return float(times.user + times.system)


def rss_mib(process: ManagedProcess) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20


def redis_bytes(client: redis.Redis) -> tuple[int, int]:
    """Bytes that the Redis has received and sent so far."""
    stats: Any = client.info("stats")
    return int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"])
