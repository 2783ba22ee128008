"""Composition root: settings -> adapters -> pipeline; start, drain, stop. The only place that knows every part.

A worker stops for three reasons: a signal (drains, exit 0), a setting that can't work (exit 2), an outage longer than its
bound (exit 3). Nothing is lost in either case: what was not applied is read again.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from monitor.adapters import kafka_connection, redis_connection
from monitor.adapters.http_api import Api
from monitor.adapters.http_server import Answer, Handler, HttpServer, Query
from monitor.adapters.kafka_sink import KafkaSink
from monitor.adapters.kafka_source import KafkaSource
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.adapters.trend_collector import TrendCollector
from monitor.errors import ConfigError, TransientError
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import ApplyResult, Assignment, PartitionBatch, RankedStory, Subject
from monitor.metrics import WorkerMetrics
from monitor.overview import Overview, Snapshot
from monitor.pipeline import Pipeline, Stages
from monitor.ports import Classifier, Clock
from monitor.settings import Settings
from monitor.spikes.timeline import HOUR_MS, Timeline

log = logging.getLogger(__name__)

EXIT_OK, EXIT_CONFIG, EXIT_OUTAGE = 0, 2, 3
_POLL_SECONDS = 0.5
_PROBE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 10.0


class Worker:
    """Consumes, classifies and applies until it is told to stop.

    Args:
        settings: all settings.
        classifier: the models.
        clock: the time.
    """

    def __init__(self, settings: Settings, classifier: Classifier, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._stop = threading.Event()
        self._failing_since: float | None = None
        self._probed = clock.monotonic_seconds()
        self.registry = process_registry()
        self.metrics = WorkerMetrics(self.registry)
        client = redis_connection.connect(settings.redis)
        redis_connection.wait_until_reachable(client, settings.redis, clock)
        admin = kafka_connection.wait_until_reachable(settings.kafka, clock)
        kafka_connection.ensure_topics(admin, settings.kafka)
        admin.close()
        horizon_seconds = int(settings.ingest.story_horizon_hours * 3600)
        self._trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        memory = RedisStoryMemory(client, settings.redis.key_prefix, horizon_seconds)
        self._sink = KafkaSink(settings.kafka, clock)
        self._source = KafkaSource(settings.kafka, self._trends.assign, self._skip, self._lag)
        stages = Stages(
            decode=partial(decode, settings=settings.ingest, entities=load_entities(settings.ingest.entities_file)),
            novelty=NoveltyIndex(memory, horizon_seconds * 1000),
            classifier=classifier,
            sink=self._sink,
            trends=self._trends,
            clock=clock,
        )
        self._pipeline = Pipeline(stages, settings.trends, self.metrics)

    def stop(self) -> None:
        """Lets the batch in hand finish, then ends `run`."""
        self._stop.set()

    def run(self) -> int:
        """Returns the exit code."""
        try:
            while not self._stop.is_set():
                if not self._step():
                    return EXIT_OUTAGE
            log.info("stopped; %s", "everything read was applied" if self._failing_since is None else "in an outage")
            return EXIT_OK
        finally:
            self.metrics.ready.set(0)
            self._source.close()
            self._sink.close()

    def routes(self) -> dict[str, Handler]:
        """The worker's own HTTP routes."""
        return {"/metrics": partial(metrics_answer, self.registry), "/healthz": self._health, "/readyz": self._ready}

    def _step(self) -> bool:
        batches: Sequence[PartitionBatch] = ()
        try:
            batches = self._source.poll(_POLL_SECONDS)
            if batches:
                self._pipeline.process(batches, self._source)
            else:
                self._probe()
        except TransientError as exc:
            for batch in batches:
                self._source.rewind(batch.partition, batch.begin)
            return self._pause(exc)
        if self._failing_since is not None:
            log.info("works again after %.1f s", self._clock.monotonic_seconds() - self._failing_since)
        self._failing_since = None
        self.metrics.ready.set(1 if self._source.partitions else 0)
        return True

    def _probe(self) -> None:
        """Asks broker and Redis for a sign of life when nothing comes: silence and an outage look alike to a poll."""
        now = self._clock.monotonic_seconds()
        if self._failing_since is None and now - self._probed < _PROBE_SECONDS:
            return
        self._probed = now
        self._trends.check()
        self._source.check()

    def _pause(self, exc: TransientError) -> bool:
        """Waits a growing while; False when the outage has lasted too long."""
        now = self._clock.monotonic_seconds()
        if self._failing_since is None:
            self._failing_since = now
        lasted = now - self._failing_since
        self.metrics.retries.labels(exc.reason).inc()
        self.metrics.ready.set(0)
        if lasted > self._settings.worker.retry_limit_seconds:
            log.error("giving up after %.0f s (worker.retry_limit_seconds): %s; nothing is lost", lasted, exc)
            return False
        pause = min(_LONGEST_PAUSE_SECONDS, 0.5 + lasted / 2)
        log.warning("consuming has stopped: %s; nothing is lost, trying again in %.1f s", exc, pause)
        self._stop.wait(pause)
        return True

    def _skip(self, assignment: Assignment, position: int) -> None:
        outcome = self._trends.skip_to(assignment.partition, assignment.epoch, position)
        if outcome.result is ApplyResult.APPLIED:
            self.metrics.offsets_lost.inc(position - assignment.position)

    def _lag(self, partition: int, records: int | None) -> None:
        if records is not None:
            self.metrics.lag.labels(str(partition)).set(records)
            return
        with suppress(KeyError):  # nothing had been told of it yet
            self.metrics.lag.remove(str(partition))

    def _health(self, query: Query) -> Answer:
        return Answer(b'{"status":"ok"}', "application/json")

    def _ready(self, query: Query) -> Answer:
        ready = self._failing_since is None and bool(self._source.partitions)
        body = b'{"status":"ready"}' if ready else b'{"status":"not ready"}'
        return Answer(body, "application/json", 200 if ready else 503)


class Exporter:
    """Reads Redis again and again and answers with the newest snapshot.

    Args:
        settings: all settings.
        clock: the time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        client = redis_connection.connect(settings.redis)
        redis_connection.wait_until_reachable(client, settings.redis, clock)
        self._settings, self._clock = settings, clock
        self._reader = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        self._overview = Overview(self._reader, settings, clock)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._failure: str | None = None
        self._failures = 0
        self.registry = process_registry()
        self.registry.register(
            TrendCollector(lambda: self._snapshot, lambda: self._failures, settings.exporter.evidence_stories)
        )

    def stop(self) -> None:
        """Ends `run`."""
        self._stop.set()

    def run(self) -> int:
        """Refreshes until stopped; returns the exit code."""
        while not self._stop.is_set():
            self.refresh()
            self._stop.wait(self._settings.exporter.refresh_seconds)
        return EXIT_OK

    def refresh(self) -> None:
        """Makes a new snapshot; a failure is remembered and shown."""
        try:
            with self._lock:
                self._snapshot = self._overview.refresh()
            self._failure = None
        except TransientError as exc:
            self._failures += 1
            self._failure = f"Redis can't be read: {exc}"
            log.warning("%s; showing what was read before", self._failure)

    def routes(self) -> dict[str, Handler]:
        """Console, API and metrics."""
        api = Api(
            self._settings,
            self._clock.now_ms,
            lambda: self._snapshot,
            lambda: self._failure,
            self._timeline,
            self._stories,
        )
        return {**api.routes(), "/metrics": partial(metrics_answer, self.registry)}

    def _timeline(self, subject: Subject) -> Timeline:
        with self._lock:
            return self._overview.whole_timeline(subject)

    def _stories(self, subject: Subject, hours: float, limit: int) -> list[RankedStory]:
        now_ms = self._clock.now_ms()
        return self._reader.stories(subject, now_ms - int(hours * HOUR_MS), now_ms + 1, limit)


def run_worker(settings: Settings) -> int:
    """`monitor worker`: returns the exit code."""
    # torch takes seconds to import; nothing but a worker needs it.
    from monitor.adapters.routed_classifier import load_classifier  # noqa: PLC0415

    load_entities(settings.ingest.entities_file)  # what is wrong with a setting is said before the model is loaded
    redis_connection.connect(settings.redis)
    worker = Worker(settings, load_classifier(settings.classifier), SystemClock())
    return _serve(worker, settings.worker.host, settings.worker.port, "worker.port")


def run_exporter(settings: Settings) -> int:
    """`monitor exporter`: returns the exit code."""
    exporter = Exporter(settings, SystemClock())
    return _serve(exporter, settings.exporter.host, settings.exporter.port, "exporter.port")


def _serve(role: Worker | Exporter, host: str, port: int, setting: str) -> int:
    server = HttpServer(host, port, setting, role.routes())
    server.start()
    log.info("listening on %s", server.url)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: role.stop())
    try:
        return role.run()
    except ConfigError as exc:
        log.error("%s", exc)
        return EXIT_CONFIG
    finally:
        server.stop()


def metrics_answer(registry: CollectorRegistry, query: Query) -> Answer:
    """The registry in Prometheus's text format."""
    return Answer(generate_latest(registry), CONTENT_TYPE_LATEST)


def process_registry() -> CollectorRegistry:
    """A registry with what every process tells of itself: memory, CPU, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry
