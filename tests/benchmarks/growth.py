"""How throughput grows with workers, and how the cost of a document grows with the history that Redis keeps."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import redis
from rich.console import Console

from monitor.embedded.processes import ManagedProcess
from monitor.settings import Settings
from tests.benchmarks.arena import CLOCK, Arena, Progress, cpu_seconds, wait_until
from tests.benchmarks.documents import Message, write_messages
from tests.benchmarks.history import write_history

_PARTITIONS = 8
# No rebalance for so long: all members have joined.
_QUIET_SECONDS = 3.0


def measure_growth(
    console: Console,
    arena: Arena,
    documents: int = 30_000,
    workers: Sequence[int] = (1, 2, 4),
    history_documents: Sequence[int] = (0, 150_000),
    history_days: int = 30,
) -> dict[str, Any]:
    """Measures both.

    Args:
        console: told what goes on.
        arena: the servers.
        documents: how many the workers are given each time.
        workers: processes side by side, on eight partitions.
        history_documents: how many the trends hold already, each time, spread over `history_days`.
        history_days: how far back they reach.
    """
    messages = write_messages(documents, "doc", CLOCK.now_ms())
    by_workers = []
    for count in workers:
        by_workers.append({"workers": count, **_run(arena, arena.settings("growth", kafka=_kafka()), messages, count)})
        rate = by_workers[-1]["documents_per_second"]
        console.print(f"{count} workers: {rate:,.0f} documents/s", style="dim")
    by_history = []
    for held in history_documents:
        settings = arena.settings("history", kafka=_kafka())
        with arena.client() as client:
            before = _size(client)
            if held:
                write_history(client, settings, held, history_days)
            keys, mib = (now - then for now, then in zip(_size(client), before, strict=True))
        row = _run(arena, settings, messages, 1)
        by_history.append({"history_documents": held, "history_days": history_days if held else 0,
                           "redis_keys": int(keys), "redis_mib": round(mib, 1), **row})  # fmt: skip
        console.print(f"with {held:,} documents of history: {row['us_per_document']} µs a document", style="dim")
    return {"partitions": _PARTITIONS, "documents": documents, "workers": by_workers, "history": by_history}


def _kafka() -> dict[str, object]:
    # Long enough for workers to stand still while the topic is filled.
    return {"partitions": _PARTITIONS, "session_timeout_seconds": 120.0}


def _run(arena: Arena, settings: Settings, messages: Sequence[Message], count: int) -> dict[str, Any]:
    """Starts workers, stops them in their tracks, fills the topic, and lets them go on: none has a head start."""
    arena.create_topics(settings)
    with ExitStack() as stack:
        client = stack.enter_context(arena.client())
        progress = Progress(client, settings)
        running: list[ManagedProcess] = []
        for number in range(count):
            epochs = progress.epochs()
            running.append(arena.null_worker(settings, name=f"worker-{number}"))
            stack.callback(running[-1].terminate, 30.0)
            # Whoever joins takes partitions, each with a new epoch.
            wait_until(partial(_moved, progress, epochs), "the worker joins", running, limit_seconds=120)
        if count > 1:
            _wait_until_settled(progress, running)
        with _stopped(running):
            arena.fill(settings, messages)
            spent = sum(cpu_seconds(process) for process in running)
            served = _redis_cpu_seconds(client)
        begin = CLOCK.monotonic_seconds()
        end = wait_until(lambda: progress.applied() >= len(messages), "all are applied", running, pause_seconds=0.02)
        spent = sum(cpu_seconds(process) for process in running) - spent
        served = _redis_cpu_seconds(client) - served
    return {
        "documents_per_second": round(len(messages) / (end - begin), 1),
        "us_per_document": round((end - begin) / len(messages) * 1e6, 1),
        "worker_cpu_us_per_document": round(spent / len(messages) * 1e6, 1),
        "redis_cpu_us_per_document": round(served / len(messages) * 1e6, 1),
    }


@contextmanager
def _stopped(processes: Sequence[ManagedProcess]) -> Iterator[None]:
    """Processes stand still inside."""
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def _moved(progress: Progress, epochs: list[int]) -> bool:
    return progress.epochs() != epochs


def _wait_until_settled(progress: Progress, running: Sequence[ManagedProcess]) -> None:
    """Waits until every partition is taken and the epochs have stood still for a while: no rebalance is under way."""
    wait_until(progress.assigned, "all partitions are taken", running, limit_seconds=120)
    epochs: list[int] = []
    since = CLOCK.monotonic_seconds()

    def settled() -> bool:
        nonlocal epochs, since
        now, seen = CLOCK.monotonic_seconds(), progress.epochs()
        if seen != epochs:
            epochs, since = seen, now
        return now - since > _QUIET_SECONDS

    wait_until(settled, "rebalances are over", running, limit_seconds=120, pause_seconds=0.1)


def _redis_cpu_seconds(client: redis.Redis) -> float:
    cpu: Any = client.info("cpu")
    return float(cpu["used_cpu_sys"]) + float(cpu["used_cpu_user"])


def _size(client: redis.Redis) -> tuple[float, float]:
    """Keys, and MiB of memory."""
    memory: Any = client.info("memory")
    size: Any = client.dbsize()
    return float(size), memory["used_memory"] / 2**20
