"""The whole path on embedded servers: documents per second by stage, produce-to-trend delay, resident memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psutil
from rich.console import Console

from monitor.adapters import redis_connection
from monitor.adapters.kafka_raw import RawProducer
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.demo.feed import SAMPLE, at_end, load_feed, sample_path
from monitor.demo.report import Samples, stage_rates
from monitor.demo.roles import Role
from monitor.errors import TransientError
from tests.benchmarks.arena import Arena
from tests.settings_flags import flags_of

_DELAYS = "sentiment_produce_to_trend_seconds_bucket"


def measure_path(
    console: Console, arena: Arena, rates: tuple[float, ...] = (20.0, 50.0), seconds: float = 30.0
) -> dict[str, Any]:
    """Plays the sample feed at full speed, then documents at steady rates.

    Args:
        console: told what goes on.
        arena: the servers.
        rates: documents per second of the steady parts.
        seconds: length of each steady part.
    """
    clock = SystemClock()
    with ExitStack() as stack:
        settings = arena.settings("path")
        roles = [Role(name, flags_of(settings), arena.run_dir, arena.watchdog) for name in ("worker", "exporter")]
        for role in roles:
            stack.callback(role.process.terminate)
        worker = roles[0]
        worker.wait_until("/readyz", clock, 120, worker.check)
        producer = RawProducer(settings.kafka)
        stack.callback(producer.close)
        reader = RedisTrends(redis_connection.connect(settings.redis), settings.redis.key_prefix, settings.trends)
        lines = [at_end(item, clock.now_ms()) for item in load_feed(sample_path(SAMPLE)).items]

        def caught_up() -> bool:
            held = {state.partition: state.position for state in reader.partitions()}
            return all(held.get(p, 0) >= end for p, end in producer.end_positions.items())

        console.print("worker and exporter are up", style="dim")
        full = _full_speed(lines, producer, worker, caught_up, clock)
        steady = [_steady(rate, seconds, lines, producer, worker, caught_up, clock) for rate in rates]
        processes = [*arena.servers, *(role.process for role in roles)]
        memory = {p.name: round(psutil.Process(p.pid).memory_info().rss / 2**20) for p in processes}
    return {"full_speed": full, "steady": steady, "resident_mib": memory}


def _full_speed(
    lines: list[bytes], producer: RawProducer, worker: Role, caught_up: Callable[[], bool], clock: SystemClock
) -> dict[str, Any]:
    started = clock.monotonic_seconds()
    for number, line in enumerate(lines):
        producer.send(f"full-{number}", line)
    producer.flush()
    _wait(caught_up, clock)
    seconds = clock.monotonic_seconds() - started
    stages = stage_rates(worker.metrics())
    return {
        "documents": len(lines),
        "seconds": round(seconds, 1),
        "documents_per_second": round(len(lines) / seconds, 1),
        "stages": stages,
    }


def _steady(
    rate: float,
    seconds: float,
    lines: list[bytes],
    producer: RawProducer,
    worker: Role,
    caught_up: Callable[[], bool],
    clock: SystemClock,
) -> dict[str, Any]:
    before = worker.metrics()
    count = int(rate * seconds)
    started = clock.monotonic_seconds()
    for number in range(count):
        message = json.loads(lines[number % len(lines)])
        message["id"] = f"steady-{rate:g}-{number}"
        producer.send(message["id"], json.dumps(message, ensure_ascii=False).encode())
        clock.wait_seconds(max(0.0, started + (number + 1) / rate - clock.monotonic_seconds()))
    producer.flush()
    _wait(caught_up, clock)
    delays = {f"p{share * 100:g}_seconds": _quantile(before, worker.metrics(), share) for share in (0.5, 0.95, 0.99)}
    return {"documents_per_second": rate, "documents": count, **delays}


def _quantile(before: Samples, after: Samples, share: float) -> float | None:
    """Linear within the histogram's bucket, as Prometheus's histogram_quantile does."""
    earlier = {labels["le"]: value for labels, value in before.get(_DELAYS, [])}
    grown = sorted((float(labels["le"]), value - earlier.get(labels["le"], 0.0)) for labels, value in after[_DELAYS])
    wanted = share * grown[-1][1]
    low, low_count = 0.0, 0.0
    for bound, count in grown:
        if count >= wanted and count > low_count:
            return (
                None
                if bound == float("inf")
                else round(low + (bound - low) * (wanted - low_count) / (count - low_count), 4)
            )
        low, low_count = bound, count
    return None


def _wait(predicate: Callable[[], bool], clock: SystemClock, limit_seconds: float = 600.0) -> None:
    deadline = clock.monotonic_seconds() + limit_seconds
    while not predicate():
        if clock.monotonic_seconds() > deadline:
            raise TransientError("the worker did not catch up", reason="settle")
        clock.wait_seconds(0.05)
