"""Composition root: settings -> adapters -> pipeline; start, drain, stop. The only place that knows every part.

A worker stops for three reasons: a signal (drains, exit 0), a setting that can't work (exit 2), an outage longer than its
bound (exit 3). Nothing is lost in either case: what was not applied is read again.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Protocol

from monitor.adapters import kafka_connection, redis_connection
from monitor.adapters.http_server import Answer, Handler, HttpServer, Query
from monitor.adapters.kafka_sink import KafkaSink
from monitor.adapters.kafka_source import KafkaSource
from monitor.adapters.metrics_route import metrics_answer, process_registry
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.classify.isolate import model_input
from monitor.errors import ConfigError
from monitor.exporter import Exporter
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import ApplyResult, Assignment, ModelInput
from monitor.metrics import WorkerMetrics
from monitor.outage import Outage, outlast
from monitor.pipeline import Pipeline, Stages
from monitor.ports import Classifier, Clock
from monitor.settings import Settings
from monitor.worker_loop import WorkerLoop

__all__ = ["EXIT_CONFIG", "EXIT_OK", "EXIT_OUTAGE", "Exporter", "Worker", "run_exporter", "run_worker"]

log = logging.getLogger(__name__)

EXIT_OK, EXIT_CONFIG, EXIT_OUTAGE = 0, 2, 3
_ABANDON_SECONDS = 3.0


class Worker:
    """The worker's parts, put together.

    Args:
        settings: all settings.
        classifier: the models.
        clock: the time.
        metrics: the instruments, where the classifier has some of them already.
        on_gpu: whether the models run on one.
        foresee: told of what the classifier will be asked for, if it can make use of that.

    Raises:
        ConfigError: a service can't be reached, or a setting doesn't fit what is there.
        TransientError: Kafka answered, and was away for longer than `worker.retry_limit_seconds` after that.
    """

    def __init__(
        self,
        settings: Settings,
        classifier: Classifier,
        clock: Clock,
        metrics: WorkerMetrics | None = None,
        *,
        on_gpu: bool = False,
        foresee: Callable[[Sequence[ModelInput]], None] | None = None,
    ) -> None:
        self.metrics = metrics or WorkerMetrics(process_registry())
        self.registry = self.metrics.registry
        client = redis_connection.connect(settings.redis)
        redis_connection.wait_until_reachable(client, settings.redis, clock)
        outage = Outage(clock, settings.worker.retry_limit_seconds)
        with closing(kafka_connection.wait_until_reachable(settings.kafka, clock)) as admin:
            outlast(partial(kafka_connection.ensure_topics, admin, settings.kafka), outage, clock)
        horizon_seconds = int(settings.ingest.story_horizon_hours * 3600)
        self._trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        memory = RedisStoryMemory(client, settings.redis.key_prefix, horizon_seconds)
        self._sink = KafkaSink(settings.kafka, clock)
        told = self._trends.assign, self._skip, self.metrics.offsets_lost.inc, self._tell_lag
        source = outlast(partial(KafkaSource, settings.kafka, *told), outage, clock)
        stages = Stages(
            decode=partial(decode, settings=settings.ingest, entities=load_entities(settings.ingest.entities_file)),
            novelty=NoveltyIndex(memory, horizon_seconds * 1000),
            classifier=classifier,
            sink=self._sink,
            trends=self._trends,
            clock=clock,
        )
        pipeline = Pipeline(stages, settings.trends, self.metrics)
        ahead = None if foresee is None else lambda documents: foresee([model_input(one) for one in documents])
        check = self._trends.check
        self._loop = WorkerLoop(settings, source, pipeline, check, self.metrics, clock, on_gpu=on_gpu, foresee=ahead)

    @property
    def threads_ended(self) -> bool:
        """Whether nothing runs any more once `run` is over; a model that is stuck goes on until its process ends."""
        return self._loop.threads_ended

    def stop(self) -> None:
        """Lets what is on its way finish, within `worker.drain_seconds`, then ends `run`; a second call abandons it."""
        self._loop.stop()

    def run(self) -> int:
        """Works until stopped; returns the exit code."""
        try:
            return EXIT_OK if self._loop.run() else EXIT_OUTAGE
        finally:
            self._sink.close()

    def routes(self) -> dict[str, Handler]:
        """The worker's own HTTP routes."""
        return {"/metrics": partial(metrics_answer, self.registry), "/healthz": self._health, "/readyz": self._ready}

    def _skip(self, assignment: Assignment, position: int) -> None:
        outcome = self._trends.skip_to(assignment.partition, assignment.epoch, position)
        if outcome.result is ApplyResult.APPLIED:
            self.metrics.offsets_lost.inc(position - assignment.position)

    def _tell_lag(self, partition: int, records: int | None) -> None:
        if records is not None:
            self.metrics.lag.labels(str(partition)).set(records)
            return
        with suppress(KeyError):  # nothing had been told of it yet
            self.metrics.lag.remove(str(partition))

    def _health(self, query: Query) -> Answer:
        """503 when its loop or its model is stuck: nothing but a restart helps."""
        stuck = self._loop.stuck_seconds()
        return _status("stuck" if stuck else "ok", ok=not stuck, **({"seconds": round(stuck)} if stuck else {}))

    def _ready(self, query: Query) -> Answer:
        if self._loop.stopping:
            return _status("draining", ok=False)
        missing = self._loop.missing()
        return _status("not ready", ok=False, missing=missing) if missing else _status("ready", ok=True)


def run_worker(settings: Settings) -> int:
    """`monitor worker`: returns the exit code."""
    # torch takes seconds to import; nothing but a worker needs it.
    from monitor.adapters.routed_classifier import load_classifier  # noqa: PLC0415

    load_entities(settings.ingest.entities_file)  # what is wrong with a setting is said before the model is loaded
    redis_connection.connect(settings.redis)
    metrics = WorkerMetrics(process_registry())
    classifier = load_classifier(settings.classifier, observer=metrics.classify)
    # On a CPU the model has the cores, and tokenising ahead would take them from it.
    foresee = classifier.foresee if classifier.on_gpu else None
    worker = Worker(settings, classifier, SystemClock(), metrics, on_gpu=classifier.on_gpu, foresee=foresee)
    code = _serve(worker, settings.worker.host, settings.worker.port, "worker.port", settings.worker.drain_seconds)
    if not worker.threads_ended:
        _exit_now(code, "a thread is still at work on what was abandoned")
    return code


def run_exporter(settings: Settings) -> int:
    """`monitor exporter`: returns the exit code."""
    exporter = Exporter(settings, SystemClock())
    return _serve(exporter, settings.exporter.host, settings.exporter.port, "exporter.port", _ABANDON_SECONDS)


def _serve(role: Worker | Exporter, host: str, port: int, setting: str, drain_seconds: float) -> int:
    server = HttpServer(host, port, setting, role.routes())
    server.start()
    log.info("listening on %s", server.url)
    signals = _Signals(role, drain_seconds)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signals.received)
    try:
        return role.run() or EXIT_OK
    except ConfigError as exc:
        log.error("%s", exc)
        return EXIT_CONFIG
    finally:
        server.stop()
        signals.over()


class _Stoppable(Protocol):
    def stop(self) -> None: ...


class _Signals:
    """What a signal does: the first one lets the role stop, a second one hurries it; neither waits for ever.

    The process ends at the bound even if a library hangs: everything that was not applied is read again.
    """

    def __init__(self, role: _Stoppable, drain_seconds: float) -> None:
        self._role, self._seconds = role, drain_seconds + _ABANDON_SECONDS
        self._heard: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._attend, name="signals", daemon=True)
        self._thread.start()

    def received(self, *_: object) -> None:
        # A handler runs in the middle of whatever the main thread does, with the locks that it holds: this call needs none.
        self._heard.put(True)

    def over(self) -> None:
        self._heard.put(False)
        self._thread.join(_ABANDON_SECONDS)

    def _attend(self) -> None:
        bound: threading.Timer | None = None
        while self._heard.get():
            following = threading.Timer(self._seconds, _exit_now, (EXIT_OK, "stopping took too long"))
            following.daemon = True
            following.start()
            if bound is not None:
                bound.cancel()
            bound, self._seconds = following, _ABANDON_SECONDS
            self._role.stop()
        if bound is not None:
            bound.cancel()


def _exit_now(code: int, why: str) -> None:
    log.warning("the process ends at once: %s; nothing is lost", why)
    logging.shutdown()
    os._exit(code)


def _status(status: str, *, ok: bool, **more: object) -> Answer:
    body = json.dumps({"status": status, **more}, separators=(",", ":")).encode()
    return Answer(body, "application/json", 200 if ok else 503)
