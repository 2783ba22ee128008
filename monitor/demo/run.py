"""The demo from start to end: servers, roles, feed, verdict, report; then it serves until Ctrl-C.

Guarantees: nothing it started outlives it, however it ends; exit code 0 only if the alerts are exactly those declared.
"""

from __future__ import annotations

import json
import math
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from monitor.adapters.kafka_raw import RawProducer
from monitor.adapters.system_clock import SystemClock
from monitor.demo.alerting import Alerting, find_programs, rules_folder
from monitor.demo.feed import SAMPLE, SAMPLE_MANIFEST, Feed, Manifest, load_feed, load_manifest, sample_path
from monitor.demo.player import FeedPlayer
from monitor.demo.report import Samples, dead_letters, delay_quantiles, show, stage_rates
from monitor.demo.roles import Role
from monitor.demo.verdict import Verdict, judge
from monitor.embedded.services import EmbeddedServices
from monitor.errors import ConfigError, TransientError
from monitor.settings import KafkaSettings

_READY_SECONDS = 120.0
_KAFKA = KafkaSettings()
_SETTLE_SECONDS = 600.0
_LONGEST_LIVE_SECONDS = 3600.0
_VERDICT_SECONDS = 15.0
_NOTIFICATION_SECONDS = 75.0
_LONGEST_TIMELINE_HOURS = 24.0 * 34  # baselines reach back 35 days


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The command's flags."""

    exit_when_done: bool
    report: Path | None
    feed: Path | None
    expect: Path | None
    live_seconds: float
    run_dir: Path | None
    config: Path | None
    flags: tuple[str, ...]


def run_demo(options: DemoOptions) -> int:
    """Runs the demo and returns its exit code: 0 as declared, 1 not so, 130 interrupted before the verdict."""
    feed = load_feed(options.feed or sample_path(SAMPLE))
    manifest_path = options.expect or (None if options.feed else sample_path(SAMPLE_MANIFEST))
    manifest = load_manifest(manifest_path) if manifest_path else None
    _check_options(options, feed)
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    console = Console()
    with _folder(options, console) as folder, ExitStack() as stack:
        demo = _Demo(options, feed, manifest, folder.path, console, stack)
        folder.code = 130
        try:
            folder.code = demo.run()
            if not options.exit_when_done:
                demo.serve()
        except KeyboardInterrupt:
            console.print("stopping everything", style="dim")
        except TransientError as exc:
            console.print(f"[bold red]The demo failed:[/] {exc}", highlight=False)
            folder.code = 1
    return folder.code


@dataclass(slots=True)
class _Folder:
    path: Path
    code: int = 1


@contextmanager
def _folder(options: DemoOptions, console: Console) -> Iterator[_Folder]:
    """Where data and logs are; a temporary one goes at the end, but for the logs of a demo that failed."""
    folder = _Folder(options.run_dir or Path(tempfile.mkdtemp(prefix="monitor-demo-")))
    try:
        yield folder
    finally:
        if folder.code == 1:
            console.print(f"The logs are kept in {folder.path}", highlight=False, soft_wrap=True)
        elif options.run_dir is None:
            shutil.rmtree(folder.path, ignore_errors=True)


def _check_options(options: DemoOptions, feed: Feed) -> None:
    """Finds what would fail at the end of the run before it begins. Raises ConfigError."""
    if not 0 <= options.live_seconds <= _LONGEST_LIVE_SECONDS:
        raise ConfigError(f"--live-seconds {options.live_seconds:g}: expected 0 to {_LONGEST_LIVE_SECONDS:g}")
    if feed.span_seconds > _LONGEST_TIMELINE_HOURS * 3600:
        raise ConfigError(f"--feed {feed.name} spans {feed.span_seconds / 86_400:.0f} days; at most 34 can be judged")
    if options.report is not None and not options.report.absolute().parent.is_dir():
        raise ConfigError(f"--report {options.report}: there is no such folder")
    if options.run_dir is not None and (options.run_dir / "kafka").exists():
        raise ConfigError(
            f"--run-dir {options.run_dir} holds the data of an earlier run, which would be judged with this one"
        )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class _Demo:
    def __init__(
        self,
        options: DemoOptions,
        feed: Feed,
        manifest: Manifest | None,
        run_dir: Path,
        console: Console,
        stack: ExitStack,
    ) -> None:
        self._options, self._feed, self._manifest = options, feed, manifest
        self._run_dir, self._console, self._stack = run_dir, console, stack
        self._clock = SystemClock()
        self._services = EmbeddedServices(run_dir=run_dir, say=self._say)
        self._alerting: Alerting | None = None
        self._last_applied = 0

    def run(self) -> int:
        started = self._clock.monotonic_seconds()
        self._start()
        up = self._clock.monotonic_seconds()
        end_ms, before_live = self._play()
        verdict = self._verdict(end_ms)
        notifications = self._notifications()
        if notifications is not None:
            notified = {
                (a["labels"]["dimension"], a["labels"]["key"]) for a in notifications if "dimension" in a["labels"]
            }
            verdict = self._verdict(end_ms, notified)
        summary = self._summary(verdict, notifications, before_live)
        finished = self._clock.monotonic_seconds()
        summary["seconds"] = {"start": round(up - started, 1), "whole_run": round(finished - started, 1)}
        show(self._console, summary, served=not self._options.exit_when_done)
        self._console.print(
            f"whole run {finished - started:.0f} s, of which {up - started:.0f} s to start", highlight=False
        )
        if self._options.report:
            self._options.report.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return 0 if verdict is None or verdict.right else 1

    def serve(self) -> None:
        """Keeps everything up until Ctrl-C; says so if a part ends by itself."""
        self._console.print("[bold]Serving; Ctrl-C stops everything.[/]")
        while True:
            self._check()
            self._clock.wait_seconds(1.0)

    def _say(self, line: str) -> None:
        self._console.print(line, style="dim", highlight=False)

    def _start(self) -> None:
        self._stack.enter_context(self._services)
        arguments = [] if self._options.config is None else ["--config", str(self._options.config)]
        for flag in (*self._options.flags, *self._own_flags()):
            arguments += ["--set", flag]
        watchdog = self._services.watchdog
        self._worker = Role("worker", arguments, self._run_dir, watchdog)
        self._stack.callback(self._worker.process.terminate)
        self._exporter = Role("exporter", arguments, self._run_dir, watchdog)
        self._stack.callback(self._exporter.process.terminate)
        programs, rules = find_programs(), rules_folder()
        if programs and rules:
            targets = {role.name: role.url.removeprefix("http://") for role in (self._worker, self._exporter)}
            self._alerting = Alerting(programs, rules, targets, self._run_dir, watchdog)
            self._stack.callback(self._alerting.close)
        self._say("worker and exporter are starting; the worker loads its model")
        self._exporter.wait_until("/readyz", self._clock, _READY_SECONDS, self._check)
        self._worker.wait_until("/readyz", self._clock, _READY_SECONDS, self._check)
        self._say(f"all up; console: {self._exporter.url}/  logs: {self._run_dir}")

    def _own_flags(self) -> list[str]:
        hours = min(_LONGEST_TIMELINE_HOURS, max(48.0, math.ceil(self._feed.span_seconds / 3600) + 2))
        return [
            f"kafka.bootstrap_servers={self._services.kafka_address}",
            f"redis.url={self._services.redis_url}",
            # What a configuration says for production must not reach the demo's own servers.
            *(
                f"kafka.{key}={getattr(_KAFKA, key)}"
                for key in ("security_protocol", "raw_topic", "scored_topic", "dead_topic")
            ),
            "exporter.refresh_seconds=1",
            # The whole feed is judged, so that what should not alert, days ago, is seen not to.
            f"spikes.timeline_hours={hours:g}",
            f"trends.fine_retention_hours={hours + 2:g}",
        ]

    def _play(self) -> tuple[int, Samples]:
        """Plays the feed; returns when it ends (ms) and the worker's metrics from when history was through."""
        producer = RawProducer(_KAFKA.model_copy(update={"bootstrap_servers": self._services.kafka_address}))
        self._stack.callback(producer.close)
        end_ms = self._clock.now_ms() + int(self._options.live_seconds * 1000)
        player = FeedPlayer(self._feed, end_ms, producer, self._clock)
        live_total = sum(1 for item in self._feed.items if self._is_live(item.before_end_seconds))
        history_total = len(self._feed.items) - live_total
        before_live: Samples = {}
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            bars = [progress.add_task("history applied", total=history_total)]
            bars.append(progress.add_task("live, sent", total=live_total))
            bars.append(progress.add_task("live, applied", total=live_total))

            def look() -> None:
                nonlocal before_live
                applied = self._applied()
                _update(progress, bars, applied, history_total, player.played.live)
                if not before_live and applied >= history_total:
                    before_live = self._worker.metrics()

            player.play(self._every(0.5, look))
            self._settle(len(self._feed.items), look)
        return end_ms, before_live

    def _is_live(self, before_end_seconds: float | None) -> bool:
        return before_end_seconds is not None and before_end_seconds < self._options.live_seconds

    def _every(self, seconds: float, look: Callable[[], None]) -> Callable[[], None]:
        """Looks at most that often, and always checks that everything still runs."""
        last = -math.inf

        def sometimes() -> None:
            nonlocal last
            now = self._clock.monotonic_seconds()
            if now - last >= seconds:
                last = now
                self._check()
                look()

        return sometimes

    def _settle(self, total: int, look: Callable[[], None]) -> None:
        deadline = self._clock.monotonic_seconds() + _SETTLE_SECONDS
        while self._applied() < total:
            if self._clock.monotonic_seconds() > deadline:
                raise TransientError(f"{self._applied()} of {total} documents applied in time", reason="settle")
            self._check()
            look()
            self._clock.wait_seconds(0.3)
        look()

    def _applied(self) -> int:
        with suppress(TransientError):  # one reading of Redis may fail; a part that has ended is _check's to find
            self._last_applied = int(self._exporter.get("/api/status")["documents"])
        return self._last_applied

    def _verdict(self, end_ms: int, notified: set[tuple[str, str]] | None = None) -> Verdict | None:
        if self._manifest is None:
            return None
        deadline = self._clock.monotonic_seconds() + _VERDICT_SECONDS
        while True:
            verdict = judge(self._exporter.get("/api/spikes")["spikes"], self._manifest, end_ms, notified)
            if verdict.right or self._clock.monotonic_seconds() > deadline:
                return verdict
            self._clock.wait_seconds(0.5)

    def _notifications(self) -> list[dict[str, Any]] | None:
        """Waits for Prometheus to have told of each spike that is on."""
        if self._alerting is None:
            return None
        on = {(s["dimension"], s["key"]) for s in self._exporter.get("/api/spikes")["spikes"] if s["active"]}
        deadline = self._clock.monotonic_seconds() + _NOTIFICATION_SECONDS
        with self._console.status("waiting for the notification of Alertmanager"):
            while self._clock.monotonic_seconds() < deadline:
                self._alerting.check()
                labels = [alert["labels"] for alert in self._alerting.notifications]
                if on <= {(each.get("dimension"), each.get("key")) for each in labels}:
                    break
                self._clock.wait_seconds(0.5)
        return self._alerting.notifications

    def _summary(
        self, verdict: Verdict | None, notifications: list[dict[str, Any]] | None, before_live: Samples
    ) -> dict[str, Any]:
        metrics = self._worker.metrics()
        status = self._exporter.get("/api/status")
        stages = stage_rates(metrics)
        busy = sum(row["seconds"] for row in stages.values())
        applied = int(status["documents"])
        return {
            "feed": self._feed.name,
            "documents": {
                "sent": len(self._feed.items),
                "applied": applied,
                "reprints": int(metrics["sentiment_reprints_total"][0][1]),
                "unsupported": {
                    labels["language"]: int(value)
                    for labels, value in metrics.get("sentiment_unsupported_language_documents_total", [])
                },
                "dead_letters": dead_letters(metrics),
            },
            "lag": len(self._feed.items) - applied,
            "verdict": None if verdict is None else {**asdict(verdict), "right": verdict.right},
            "spikes": self._exporter.get("/api/spikes")["spikes"],
            "topics": self._exporter.get("/api/subjects", dimension="topic")["subjects"],
            "stages": stages,
            "documents_per_second": round(applied / busy, 1) if busy else 0.0,
            "produce_to_trend_seconds": delay_quantiles(before_live, metrics),
            "resident_mib": self._resident_mib(),
            "notifications": notifications,
            "addresses": self._addresses(),
        }

    def _resident_mib(self) -> dict[str, float]:
        processes = [*self._services.processes, self._worker.process, self._exporter.process]
        processes += self._alerting.processes if self._alerting else []
        return {p.name: round(psutil.Process(p.pid).memory_info().rss / 2**20, 1) for p in processes}

    def _addresses(self) -> dict[str, str]:
        found = {
            "console": f"{self._exporter.url}/",
            "API": f"{self._exporter.url}/api/subjects",
            "metrics": f"{self._exporter.url}/metrics",
            "worker": f"{self._worker.url}/metrics",
            "Kafka": self._services.kafka_address,
            "Valkey": self._services.redis_url,
        }
        if self._alerting:
            found |= {"Prometheus": self._alerting.prometheus_url, "Alertmanager": self._alerting.alertmanager_url}
        return found

    def _check(self) -> None:
        """Raises TransientError if a part has ended by itself."""
        self._worker.check()
        self._exporter.check()
        for process in self._services.processes:
            if process.poll() is not None:
                raise TransientError(
                    f"{process.name} has ended; its log ends:\n{process.log_tail()}", reason="role_ended"
                )


def _update(progress: Progress, bars: list[TaskID], applied: int, history_total: int, live_sent: int) -> None:
    progress.update(bars[0], completed=min(applied, history_total))
    progress.update(bars[1], completed=live_sent)
    progress.update(bars[2], completed=max(0, applied - history_total))
