"""Workers to test with, in a thread or as a process of their own, and what they left in Redis."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import redis

from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.app import Worker
from monitor.ports import Classifier
from monitor.settings import Settings
from monitor.starting import Starting
from tests.headlines import Counts, without_zeros
from tests.integration.role_processes import ROOT, ProcessRole
from tests.integration.topics import end_positions
from tests.keyword_classifier import KeywordClassifier
from tests.waiting import eventually


class ThreadWorker:
    """A worker in a thread; a context manager that has it running inside and stopped outside.

    Args:
        settings: all settings.
        classifier: in place of the plain keyword classifier.
        starting: what it waits by while it starts.
    """

    def __init__(
        self, settings: Settings, classifier: Classifier | None = None, starting: Starting | None = None
    ) -> None:
        self.settings = settings
        self.exit_code: int | None = None
        self._worker = Worker(settings, classifier or KeywordClassifier(), SystemClock(), starting=starting)
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)

    def metric(self, name: str, **labels: str) -> float:
        """A sample of the worker's metrics; 0 where there is none."""
        return self._worker.registry.get_sample_value(name, labels) or 0.0

    def status(self, path: str) -> int:
        """HTTP status of one of the worker's routes."""
        return int(self._worker.routes()[path]({}).status)

    def answer(self, path: str) -> tuple[int, Any]:
        """Status and JSON body of one of the worker's routes."""
        answer = self._worker.routes()[path]({})
        return int(answer.status), json.loads(answer.body)

    def stop(self) -> None:
        """Stops it as a signal would and waits for its end."""
        self._worker.stop()
        self._thread.join(timeout=30)
        assert not self._thread.is_alive(), "the worker did not stop"

    def __enter__(self) -> ThreadWorker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        self.exit_code = self._worker.run()


class ProcessWorker(ProcessRole):
    """A worker as a process of its own, with a classifier that needs no model.

    Args:
        settings: all settings; those given explicitly are passed on.
        log: file that its standard error is appended to.
        seconds_per_text: how slow its classifier is.
        program: the file of tests/ that runs it.
    """

    def __init__(
        self, settings: Settings, log: Path, seconds_per_text: float = 0.0, program: str = "worker_program.py"
    ) -> None:
        super().__init__([str(ROOT / "tests" / program), str(seconds_per_text)], settings, log)


def stored_counts(settings: Settings) -> Counts:
    """All that the trends count now."""
    counts: Counts = Counter()
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        for state in trends.partitions():
            for part in trends.changed_since(state.partition, -1):
                for cell, amount in part.counts.items():
                    counts[
                        part.bucket.seconds,
                        part.bucket.start_ms,
                        cell.dimension,
                        cell.key,
                        str(cell.kind),
                        cell.measure,
                    ] += amount
    return without_zeros(counts)


def positions(settings: Settings) -> dict[int, int]:
    """How far each partition is applied."""
    with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
        states = RedisTrends(client, settings.redis.key_prefix, settings.trends).partitions()
    return {state.partition: state.position for state in states}


def wait_until_applied(settings: Settings, timeout_seconds: float = 60.0) -> None:
    """Waits until everything that the raw topic holds now is applied."""
    ends = end_positions(settings.kafka.bootstrap_servers, settings.kafka.raw_topic)
    eventually(lambda: positions(settings) == ends, f"all is applied up to {ends}", timeout_seconds)


def difference(stored: Counts, wanted: Counts) -> dict[Any, tuple[int, int]]:
    """Cells that differ, with what is stored and what is wanted; empty where all is as it should be."""
    return {
        cell: (stored[cell], wanted[cell]) for cell in stored.keys() | wanted.keys() if stored[cell] != wanted[cell]
    }
