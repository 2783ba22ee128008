"""Replays through Kafka and a worker and waits for the trends: against the configured services, or against its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from monitor.adapters import redis_connection
from monitor.adapters.kafka_connection import ensure_topics, wait_until_reachable
from monitor.adapters.kafka_raw import RawProducer
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.demo.report import Samples, dead_letters, stage_rates
from monitor.demo.roles import Role
from monitor.embedded.services import EmbeddedServices
from monitor.errors import ConfigError
from monitor.ports import Clock
from monitor.settings import Settings
from pipelines.progress_bar import progress_bar
from pipelines.replay.options import ReplayOptions
from pipelines.replay.run import replay
from pipelines.replay.weeks import read_report, save_report, show_report, wait_until_applied

_WAIT_SECONDS = 600.0
_READY_SECONDS = 120.0


def replay_through(
    options: ReplayOptions, settings: Settings, console: Console, arguments: Sequence[str], *, own_services: bool
) -> int:
    """Runs `pipelines replay`; returns the exit code: 1 if the trends did not catch up, 130 if interrupted.

    Args:
        options: what is replayed, and how.
        settings: broker and Redis.
        console: for progress and tables.
        arguments: the settings flags as given, for the worker of `own_services`.
        own_services: start a Kafka, a Valkey and a worker for this replay alone.
    """
    clock = SystemClock()
    if options.dry_run:
        if options.report is not None:
            raise ConfigError("--report needs what a replay leaves in the trends; a --dry-run leaves nothing")
        replay(options, None, clock, console)
        return 0
    with ExitStack() as stack:
        worker = None
        if own_services:
            settings, worker = _own(settings, arguments, console, clock, stack)
        admin = wait_until_reachable(settings.kafka, clock)
        ensure_topics(admin, settings.kafka)
        admin.close()
        producer = RawProducer(settings.kafka)
        stack.callback(producer.close)
        started = clock.monotonic_seconds()
        summary = replay(options, producer, clock, console)
        producer.flush()
        if summary.interrupted:
            return 130
        if worker is None and options.report is None:
            return 0
        return _report(options, settings, producer, worker, started, console, clock)


def _report(
    options: ReplayOptions,
    settings: Settings,
    producer: RawProducer,
    worker: Role | None,
    started: float,
    console: Console,
    clock: Clock,
) -> int:
    client = redis_connection.connect(settings.redis)
    redis_connection.wait_until_reachable(client, settings.redis, clock)
    reader = RedisTrends(client, settings.redis.key_prefix, settings.trends)
    caught_up = _wait(reader, producer.end_positions, worker, console, clock)
    seconds = clock.monotonic_seconds() - started
    if not caught_up:
        console.print(f"[red]the trends did not move for {_WAIT_SECONDS:.0f} s: is a worker running?[/]")
        return 1
    report = read_report(reader, settings.trends.coarse_bucket_seconds)
    show_report(report, console)
    if options.report is not None:
        save_report(report, options.report)
    if worker is not None:
        _show_rates(worker.metrics(), seconds, console)
    return 0


def _wait(
    reader: RedisTrends, positions: Mapping[int, int], worker: Role | None, console: Console, clock: Clock
) -> bool:
    with progress_bar(console) as progress:
        bar = progress.add_task("applied to the trends", total=sum(positions.values()))

        def note(applied: int) -> None:
            progress.update(bar, completed=applied)
            if worker is not None:
                worker.check()

        return wait_until_applied(reader, positions, clock, _WAIT_SECONDS, note)


def _show_rates(metrics: Samples, seconds: float, console: Console) -> None:
    applied = sum(value for _, value in metrics.get("sentiment_documents_total", []))
    console.print(f"{applied:,.0f} documents in the trends after {seconds:.0f} s ({applied / seconds:.0f} a second)")
    console.print(f"dead letters: {dead_letters(metrics) or 'none'}; documents a second by stage:", highlight=False)
    for stage, row in stage_rates(metrics).items():
        console.print(f"  {stage:<9} {row['documents_per_second']:>10,.0f}", highlight=False)


def _own(
    settings: Settings, arguments: Sequence[str], console: Console, clock: Clock, stack: ExitStack
) -> tuple[Settings, Role]:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replay-", ignore_cleanup_errors=True)))
    services = EmbeddedServices(run_dir=folder, say=lambda line: console.print(line, style="dim"))
    stack.callback(services.stop)
    services.start()
    addresses = {"kafka": services.kafka_address, "redis": services.redis_url}
    flags = ["--set", f"kafka.bootstrap_servers={addresses['kafka']}", "--set", f"redis.url={addresses['redis']}"]
    worker = Role("worker", [*arguments, *flags], folder, services.watchdog)
    stack.callback(worker.process.terminate)
    console.print("the worker loads its model", style="dim")
    worker.wait_until("/readyz", clock, _READY_SECONDS, worker.check)
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": addresses["kafka"]})
    redis = settings.redis.model_copy(update={"url": SecretStr(addresses["redis"])})
    return settings.model_copy(update={"kafka": kafka, "redis": redis}), worker
