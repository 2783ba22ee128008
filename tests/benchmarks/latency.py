"""From producing a document to seeing it counted in Redis: steady open-loop sending, watched from outside the worker.

A document's time begins when it was due to be sent, so that a producer which falls behind doesn't hide a delay, and ends
when a reader that asks every few milliseconds sees its partition's position behind it.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaProducer
from rich.console import Console

from monitor.adapters.kafka_connection import client_options
from monitor.embedded.processes import ManagedProcess
from monitor.settings import Settings
from tests.benchmarks.arena import CLOCK, Arena, Progress, wait_until
from tests.benchmarks.documents import Message, write_messages

_READ_SECONDS = 0.003
_WARM_UP = 500
_CAPACITY_DOCUMENTS = 1500
_START_SECONDS = 180.0


class _Watcher:
    """Notes when positions are seen to move, in a thread of its own; a context manager.

    Args:
        arena: the servers.
        settings: names the keys.
    """

    def __init__(self, arena: Arena, settings: Settings) -> None:
        self._client = arena.client()
        self._progress = Progress(self._client, settings)
        self._seconds: dict[int, list[float]] = defaultdict(list)
        self._positions: dict[int, list[int]] = defaultdict(list)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def seen_at(self, partition: int, offset: int) -> float:
        """The monotonic second at which the record was first seen to be applied."""
        return self._seconds[partition][bisect_right(self._positions[partition], offset)]

    def has_seen(self, ends: Mapping[int, int]) -> bool:
        """Whether each partition was seen to have come as far as its end."""
        return all(max(self._positions[partition][-1:], default=0) >= end for partition, end in ends.items())

    def _run(self) -> None:
        while not self._stop.wait(_READ_SECONDS):
            positions = self._progress.positions()
            now = CLOCK.monotonic_seconds()
            for partition, position in enumerate(positions):
                if position > max(self._positions[partition][-1:], default=0):
                    self._positions[partition].append(position)
                    self._seconds[partition].append(now)

    def __enter__(self) -> _Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()


def measure_latency(
    console: Console,
    arena: Arena,
    rates: Sequence[float] = (100.0, 500.0, 1000.0),
    seconds: float = 20.0,
    *,
    real: bool = True,
) -> dict[str, Any]:
    """Sends at steady rates to a worker with a null classifier, then at half of its capacity to one with the real one.

    Args:
        console: told what goes on.
        arena: the servers.
        rates: documents per second for the null classifier.
        seconds: length of each part.
        real: whether to measure the real classifier as well.
    """
    rows = []
    settings = arena.settings("latency")
    with _running(arena, settings, arena.null_worker(settings)) as worker:
        _steady(arena, settings, worker, _WARM_UP, _WARM_UP)
        for rate in rates:
            rows.append({"classifier": "null", **_steady(arena, settings, worker, rate, int(rate * seconds))})
            console.print(f"{rate:g} documents/s: p99 {rows[-1]['p99_ms']:.0f} ms", style="dim")
    capacity = None
    if real:
        settings = arena.settings("latency-real")
        with _running(arena, settings, arena.real_worker(settings)) as worker:
            capacity = _capacity(arena, settings, worker)
            console.print(f"the real classifier takes {capacity:.0f} documents/s", style="dim")
            row = _steady(arena, settings, worker, capacity / 2, int(capacity / 2 * seconds))
            rows.append({"classifier": "real", **row})
    at_1000 = next((row["p99_ms"] for row in rows if row["documents_per_second"] == 1000), None)
    return {"rows": rows, "real_capacity_per_second": capacity and round(capacity, 1), "p99_ms_at_1000": at_1000}


@contextmanager
def _running(arena: Arena, settings: Settings, worker: ManagedProcess) -> Iterator[ManagedProcess]:
    try:
        with arena.client() as client:
            progress = Progress(client, settings)
            wait_until(progress.assigned, "the worker has its partitions", [worker], limit_seconds=_START_SECONDS)
        yield worker
    finally:
        worker.terminate(30.0)


def _capacity(arena: Arena, settings: Settings, worker: ManagedProcess) -> float:
    """Documents a second of a burst, from the first applied to the last."""
    with arena.client() as client:
        progress = Progress(client, settings)
        before = progress.applied()
        arena.fill(settings, write_messages(_CAPACITY_DOCUMENTS, "burst", CLOCK.now_ms(), seed=7))
        begin = wait_until(lambda: progress.applied() > before, "the first is applied", [worker])
        already = progress.applied()
        total = before + _CAPACITY_DOCUMENTS
        end = wait_until(lambda: progress.applied() >= total, "all are applied", [worker])
    return (total - already) / (end - begin)


def _steady(arena: Arena, settings: Settings, worker: ManagedProcess, rate: float, count: int) -> dict[str, Any]:
    messages = write_messages(count, f"at-{rate:g}", CLOCK.now_ms(), span_seconds=60.0, seed=int(rate))
    options = client_options(settings.kafka)
    producer = KafkaProducer(**options, acks="all", linger_ms=5, batch_size=65_536)  # as kafka_raw.py has it
    try:
        with _Watcher(arena, settings) as watcher:
            due, futures, late = _send(producer, settings, messages, rate)
            producer.flush(timeout=60)
            sent = [future.get(timeout=60) for future in futures]
            ends: dict[int, int] = {}
            for record in sent:
                ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
            wait_until(lambda: watcher.has_seen(ends), "all are applied", [worker])
        delays = sorted(watcher.seen_at(r.partition, r.offset) - at for r, at in zip(sent, due, strict=True))
    finally:
        producer.close(timeout=5)
    quantiles = {f"p{q}_ms": round(1000 * delays[min(count - 1, count * q // 100)], 1) for q in (50, 95, 99)}
    return {"documents_per_second": round(rate, 1), "documents": count, **quantiles,
            "max_ms": round(1000 * delays[-1], 1), "producer_late_ms": round(1000 * late, 1)}  # fmt: skip


def _send(
    producer: KafkaProducer, settings: Settings, messages: Sequence[Message], rate: float
) -> tuple[list[float], list[Any], float]:
    """Sends each when it is due, whatever became of those before; returns when they were due, and the worst lateness."""
    begin = CLOCK.monotonic_seconds() + 0.1
    due = [begin + number / rate for number in range(len(messages))]
    futures, late = [], 0.0
    for number, message in enumerate(messages):
        now = CLOCK.monotonic_seconds()
        if now < due[number]:
            CLOCK.wait_seconds(due[number] - now)
        late = max(late, CLOCK.monotonic_seconds() - due[number])
        partition = number % settings.kafka.partitions
        futures.append(
            producer.send(settings.kafka.raw_topic, key=message.key, value=message.value, partition=partition)
        )
    return due, futures, late
