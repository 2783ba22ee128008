"""Composition root: settings -> adapters -> pipeline; start, drain, stop. The only place that knows every part.

A worker that waits for its models, for Redis or for Kafka is served already; `Worker` is what comes of that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial

from monitor.adapters import kafka_connection, redis_connection
from monitor.adapters.http_server import Answer, Handler, Query, status_answer
from monitor.adapters.kafka_sink import KafkaSink
from monitor.adapters.kafka_source import KafkaSource
from monitor.adapters.metrics_route import metrics_answer, process_registry
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.classify.isolate import model_input
from monitor.errors import TransientError
from monitor.exporter import Exporter
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import ApplyResult, Assignment, ModelInput
from monitor.metrics import WorkerMetrics
from monitor.outage import Outage, outlast
from monitor.pipeline import Pipeline, Stages
from monitor.ports import Classifier, Clock
from monitor.serving import EXIT_CONFIG, EXIT_OK, EXIT_OUTAGE, exit_now, serve
from monitor.settings import Settings
from monitor.starting import Starting
from monitor.worker_loop import WorkerLoop

__all__ = ["EXIT_CONFIG", "EXIT_OK", "EXIT_OUTAGE", "Exporter", "Worker", "run_exporter", "run_worker"]

log = logging.getLogger(__name__)


class Worker:
    """The worker's parts, put together.

    Args:
        settings: all settings.
        classifier: the models.
        clock: the time.
        metrics: the instruments, where the classifier has some of them already.
        starting: what its start is told to, and waits by.
        on_gpu: whether the models run on one.
        foresee: told of what the classifier will be asked for, if it can make use of that.

    Raises:
        ConfigError: a service can't be reached, or a setting doesn't fit what is there.
        TransientError: Kafka answered, and was away for longer than `worker.retry_limit_seconds` after that.
        StoppedError: it was told to stop, by `starting`.
    """

    def __init__(
        self,
        settings: Settings,
        classifier: Classifier,
        clock: Clock,
        metrics: WorkerMetrics | None = None,
        *,
        starting: Starting | None = None,
        on_gpu: bool = False,
        foresee: Callable[[Sequence[ModelInput]], None] | None = None,
    ) -> None:
        self.metrics = metrics or WorkerMetrics(process_registry())
        self.registry = self.metrics.registry
        starting = self._starting = starting or Starting(clock)
        client = redis_connection.connect(settings.redis)
        starting.ask("redis", f"Redis at {redis_connection.address_of(settings.redis)}")
        redis_connection.wait_until_reachable(client, settings.redis, starting, self._in_vain)
        starting.ask("kafka", f"Kafka at {settings.kafka.bootstrap_servers}")
        outage = Outage(clock, settings.worker.retry_limit_seconds)
        with closing(kafka_connection.wait_until_reachable(settings.kafka, starting, self._in_vain)) as admin:
            outlast(partial(kafka_connection.ensure_topics, admin, settings.kafka), outage, starting, self._in_vain)
        horizon_seconds = int(settings.ingest.story_horizon_hours * 3600)
        self._trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        memory = RedisStoryMemory(client, settings.redis.key_prefix, horizon_seconds)
        self._sink = KafkaSink(settings.kafka, clock)
        told = self._trends.assign, self._skip, self.metrics.offsets_lost.inc, self._tell_lag
        source = outlast(partial(KafkaSource, settings.kafka, *told), outage, starting, self._in_vain)
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

    def _in_vain(self, cause: TransientError) -> None:
        self.metrics.retries.labels(cause.reason).inc()
        self._starting.failed(cause)

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
        return status_answer("stuck" if stuck else "ok", ok=not stuck, **({"seconds": round(stuck)} if stuck else {}))

    def _ready(self, query: Query) -> Answer:
        if self._loop.stopping:
            return status_answer("draining", ok=False)
        missing = self._loop.missing()
        return status_answer("not ready", ok=False, missing=missing) if missing else status_answer("ready", ok=True)


class _ServedWorker:
    """A worker as it is served: from before its models are loaded. Implements Role.

    Args:
        settings: all settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings, self._clock = settings, SystemClock()
        self._metrics = WorkerMetrics(process_registry())
        self._starting = Starting(self._clock)
        self._loading_since: float | None = None
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self._metrics.stuck.set_function(self._stuck_seconds)  # until the worker's loop tells it

    @property
    def drain_seconds(self) -> float:
        """See Stoppable."""
        return 0.0 if self._worker is None else self._settings.worker.drain_seconds

    @property
    def threads_ended(self) -> bool:
        """See Worker; true of one that has not started."""
        return self._worker is None or self._worker.threads_ended

    def start(self) -> Callable[[], int]:
        """See Role."""
        worker = self._make()
        with self._lock:
            self._worker = worker
            if self._starting.stopped:
                worker.stop()
        return worker.run

    def stop(self) -> None:
        """See Stoppable."""
        with self._lock:
            if self._worker is None:
                self._starting.stop()
            else:
                self._worker.stop()

    def routes(self) -> dict[str, Handler]:
        """See Role."""
        metrics = partial(metrics_answer, self._metrics.registry)
        return {"/metrics": metrics, "/healthz": self._health, "/readyz": self._ready}

    def _make(self) -> Worker:
        self._loading_since = self._clock.monotonic_seconds()
        self._starting.begin("model", "the models are being loaded")
        # torch takes seconds to import; nothing but a worker needs it.
        from monitor.adapters.routed_classifier import load_classifier  # noqa: PLC0415

        classifier = load_classifier(self._settings.classifier, observer=self._metrics.classify)
        self._loading_since = None
        return Worker(
            self._settings,
            classifier,
            self._clock,
            self._metrics,
            starting=self._starting,
            on_gpu=classifier.on_gpu,
            # On a CPU the model has the cores, and tokenising ahead would take them from it.
            foresee=classifier.foresee if classifier.on_gpu else None,
        )

    def _stuck_seconds(self) -> float:
        """How long the models have been loading, beyond what a round may take; 0 if not. Waiting has bounds of its own."""
        since = self._loading_since
        loading = 0.0 if since is None else self._clock.monotonic_seconds() - since
        return loading if loading > self._settings.kafka.max_poll_interval_seconds else 0.0

    def _health(self, query: Query) -> Answer:
        if self._worker is not None:
            return self._worker.routes()["/healthz"](query)  # type: ignore[no-any-return]
        stuck = self._stuck_seconds()
        if stuck:
            return status_answer("stuck", ok=False, seconds=round(stuck))
        return status_answer("starting", ok=True, **self._starting.told())

    def _ready(self, query: Query) -> Answer:
        if self._worker is not None:
            return self._worker.routes()["/readyz"](query)  # type: ignore[no-any-return]
        return status_answer("starting", ok=False, **self._starting.told())


def run_worker(settings: Settings) -> int:
    """`monitor worker`: returns the exit code."""
    # What is wrong with a setting is said before anything is loaded or waited for.
    load_entities(settings.ingest.entities_file)
    redis_connection.connect(settings.redis)
    kafka_connection.client_options(settings.kafka)
    role = _ServedWorker(settings)
    code = serve(role, settings.worker.host, settings.worker.port, "worker.port")
    if not role.threads_ended:
        exit_now(code, "a thread is still at work on what was abandoned")
    return code


def run_exporter(settings: Settings) -> int:
    """`monitor exporter`: returns the exit code."""
    exporter = Exporter(settings, SystemClock())
    return serve(exporter, settings.exporter.host, settings.exporter.port, "exporter.port")
