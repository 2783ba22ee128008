"""Ten times more than a worker can take, for minutes: what waits, waits in Kafka; the worker's memory stays flat."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from kafka import KafkaProducer
from rich.console import Console

from monitor.adapters.kafka_connection import client_options
from monitor.settings import Settings
from tests.benchmarks.arena import CLOCK, Arena, Progress, rss_mib, wait_until
from tests.benchmarks.documents import write_messages

_WRITTEN = 5000
_FACTOR = 10
_TICK_SECONDS = 0.05


def measure_overload(
    console: Console, arena: Arena, seconds: float = 300.0, seconds_per_text: float = 0.005
) -> dict[str, Any]:
    """Produces ten times what a slowed worker can take, and reads its resident memory every second.

    Args:
        console: told what goes on.
        arena: the servers.
        seconds: how long.
        seconds_per_text: how slow its classifier is.
    """
    settings = arena.settings("overload")
    arena.create_topics(settings)
    worker = arena.null_worker(settings, seconds_per_text)
    try:
        with arena.client() as client:
            progress = Progress(client, settings)
            wait_until(progress.assigned, "the worker has its partitions", [worker], limit_seconds=60)
            flood = _Flood(settings, _FACTOR / seconds_per_text)
            with flood:
                begin = CLOCK.monotonic_seconds()
                samples: list[float] = []
                while (now := CLOCK.monotonic_seconds()) < begin + seconds:
                    samples.append(rss_mib(worker))
                    CLOCK.wait_seconds(max(0.0, min(begin + len(samples), begin + seconds) - now))
                samples.append(rss_mib(worker))
                applied = progress.applied()
            lasted = CLOCK.monotonic_seconds() - begin
    finally:
        worker.terminate(60.0)
    console.print(f"{flood.sent:,} sent, {applied:,} applied", style="dim")
    return {
        "seconds": round(lasted, 1),
        "sent": flood.sent,
        "applied": applied,
        "factor": round(flood.sent / max(applied, 1), 1),
        "lag_records": flood.sent - applied,
        **_flatness(samples),
    }


def _flatness(samples: list[float]) -> dict[str, float]:
    """Resident memory over time: the slope is fitted to the second half, after caches and buffers have filled."""
    half = samples[len(samples) // 2 :]
    slope = float(np.polyfit(np.arange(len(half)), half, 1)[0]) * 60 if len(half) > 2 else 0.0
    return {
        "start_mib": round(samples[0], 1),
        "half_time_mib": round(half[0], 1),
        "end_mib": round(samples[-1], 1),
        "max_mib": round(max(samples), 1),
        "slope_mib_per_minute": round(slope, 2),
    }


class _Flood:
    """Sends at a rate until it is told to stop, in a thread of its own; a context manager.

    Args:
        settings: broker and topic.
        rate: messages per second.
    """

    def __init__(self, settings: Settings, rate: float) -> None:
        self.sent = 0
        self._settings = settings
        self._rate = rate
        self._messages = write_messages(_WRITTEN, "flood", CLOCK.now_ms())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flood", daemon=True)

    def _run(self) -> None:
        producer = KafkaProducer(**client_options(self._settings.kafka), acks=1, linger_ms=20, batch_size=262_144)
        begin = CLOCK.monotonic_seconds()
        while not self._stop.wait(_TICK_SECONDS):
            due = int((CLOCK.monotonic_seconds() - begin) * self._rate)
            for number in range(self.sent, due):
                message = self._messages[number % _WRITTEN]
                # Ids are told apart by the round: each is a document of its own.
                value = message.value.replace(b'"flood-', b'"%d-' % (number // _WRITTEN), 1)
                producer.send(self._settings.kafka.raw_topic, key=message.key, value=value)
            self.sent = due
        producer.flush(timeout=60)
        producer.close(timeout=5)

    def __enter__(self) -> _Flood:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
