"""A worker's main thread: polls, hands rounds over, finishes what comes back, retries, drains.

It alone talks to the source, and through `Pipeline.finish` to the sink and the step into the trends. Nothing it drops is
lost: it was not applied, and is read again. It never waits for the model: memory is bounded by what it holds back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial

from monitor.errors import TransientError
from monitor.messages import Document, PartitionBatch
from monitor.metrics import WorkerMetrics
from monitor.outage import LONGEST_SECONDS, Outage
from monitor.pipeline import Pipeline, Work
from monitor.ports import Clock, GroupSource
from monitor.prefetch import STAGES, Prefetch
from monitor.rounds import Gathering, round_records_of
from monitor.settings import Settings

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.5  # idle; a record that arrives ends it
_TICK_SECONDS = 0.005  # between polls while rounds are on their way; one that comes back ends it
_FULL_TICK_SECONDS = 0.1  # the same while nothing may be polled
_PROBE_SECONDS = 5.0
_CLOSE_SECONDS = 3.0


class WorkerLoop:
    """Consumes, classifies and applies until it is told to stop.

    Args:
        settings: all settings.
        source: records of the partitions that are this worker's.
        pipeline: the stages.
        check_store: raises TransientError if the trend store doesn't answer.
        metrics: the worker's instruments.
        clock: the time.
        outage: paces retries; tests give one that doesn't wait.
        on_gpu: whether the model runs on one, which wants larger rounds.
        foresee: told of the documents of each round that the model will be asked for, on the thread that prepares rounds.
    """

    def __init__(
        self,
        settings: Settings,
        source: GroupSource,
        pipeline: Pipeline,
        check_store: Callable[[], None],
        metrics: WorkerMetrics,
        clock: Clock,
        outage: Outage | None = None,
        *,
        on_gpu: bool = False,
        foresee: Callable[[Sequence[Document]], None] | None = None,
    ) -> None:
        self._settings, self._source, self._pipeline = settings.worker, source, pipeline
        self._check_store, self._metrics, self._clock = check_store, metrics, clock
        self._stuck_after_seconds = settings.kafka.max_poll_interval_seconds
        longest = min(LONGEST_SECONDS, settings.kafka.max_poll_interval_seconds / 3)
        self._outage = outage or Outage(clock, settings.worker.retry_limit_seconds, longest)
        most_records = round_records_of(settings.worker, on_gpu=on_gpu)
        log.info("rounds have up to %d records", most_records)
        self._gathering = Gathering(most_records, settings.worker.max_wait_ms / 1000, settings.worker.max_round_bytes)
        self._foresee = foresee
        self._prefetch: Prefetch[list[Work], Sequence[Work]] = Prefetch(self._prepare, pipeline.score, clock)
        self._stop, self._abandon = threading.Event(), threading.Event()
        self._turned = clock.monotonic_seconds()
        self._probe_at = self._turned + _PROBE_SECONDS
        self._owed_until = 0.0
        self.threads_ended = True
        self._watch_queues()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Lets what is on its way finish, within `worker.drain_seconds`, then ends `run`; a second call abandons it."""
        if self._stop.is_set():
            self._abandon.set()
        self._stop.set()

    def missing(self) -> list[str]:
        """What it waits for: `redis`, `kafka`, `model`, `partitions`; nothing when it works. From any thread."""
        cause = self._outage.cause
        found = [] if cause is None else [cause.reason.partition("_")[0]]
        return found if self._source.partitions else [*found, "partitions"]

    def stuck_seconds(self) -> float:
        """How long its loop or a round has been stuck beyond `kafka.max_poll_interval_seconds`; 0 if not. From any thread."""
        longest = max(self._clock.monotonic_seconds() - self._turned, self._prefetch.oldest_seconds())
        return longest if longest > self._stuck_after_seconds else 0.0

    def run(self) -> bool:
        """Works until stopped; False if an outage lasted longer than `worker.retry_limit_seconds`.

        Raises:
            ConfigError: a setting can't work with what is there.
        """
        began_to_stop = None
        try:
            while not self._stop.is_set():
                try:
                    self._turn()
                except TransientError as exc:
                    if not self._pause(exc):
                        return False
            began_to_stop = self._clock.monotonic_seconds()
            self._drain(began_to_stop + self._settings.drain_seconds)
            return True
        finally:
            self._close(began_to_stop)

    def _turn(self) -> None:
        now = self._turned = self._clock.monotonic_seconds()
        self._probe(now)
        if self._prefetch.in_flight:
            self._prefetch.wait(self._tick_seconds(now))
        finished = self._finish()
        self._hand_over()
        self._source.hold_back(not self._gathering.room)
        batches = self._source.poll(self._poll_seconds(), max(1, self._gathering.room))
        self._gathering.add(batches, self._clock.monotonic_seconds())
        self._hand_over()
        idle = not (self._prefetch.in_flight or self._gathering.records)
        if self._outage.cause and (finished or (idle and now > self._owed_until)):
            log.info("works again after %.1f s", self._outage.lasted_seconds)
            self._outage.over()

    def _prepare(self, batches: Sequence[PartitionBatch]) -> list[Work]:
        work = self._pipeline.prepare(batches)
        if self._foresee is not None:
            read = (
                (document, story) for item in work for (_, document), story in zip(item.read, item.stories, strict=True)
            )
            self._foresee([document for document, story in read if not story.repeated])
        return work

    def _tick_seconds(self, now: float) -> float:
        due = self._gathering.wait_seconds(now)
        if self._prefetch.has_room and due is not None:
            return min(due, _TICK_SECONDS)
        return _TICK_SECONDS if self._gathering.room else _FULL_TICK_SECONDS

    def _poll_seconds(self) -> float:
        if self._prefetch.in_flight:
            return 0.0  # it has waited for them
        due = self._gathering.wait_seconds(self._clock.monotonic_seconds())
        return _POLL_SECONDS if due is None else due

    def _finish(self) -> bool:
        work = self._prefetch.take()
        if work is None:
            return False
        self._pipeline.finish(work, self._source)
        return True

    def _hand_over(self) -> None:
        if self._prefetch.has_room and self._gathering.wait_seconds(self._clock.monotonic_seconds()) == 0:
            gathered = self._gathering.records
            batches = self._gathering.take(self._source.holds)
            self._metrics.abandoned.inc(gathered - sum(len(batch.records) for batch in batches))
            if batches:
                self._prefetch.offer(batches)

    def _probe(self, now: float) -> None:
        """Asks broker and store for a sign of life: silence and an outage look alike to a poll."""
        if now >= self._probe_at:
            self._probe_at = now + _PROBE_SECONDS
            if self._outage.cause:  # the group must hear of this worker even if the store is away for long
                self._source.hold_back(True)
                self._gathering.add(self._source.poll(0.0, 1), now)
            self._check_store()
            self._source.check()

    def _pause(self, exc: TransientError) -> bool:
        """Drops what is on its way, waits a growing while; False when the outage has lasted too long."""
        pause = self._outage.failed(exc)
        dropped = self._drop()
        self._metrics.retries.labels(exc.reason).inc()
        if self._outage.too_long:
            lasted = self._outage.lasted_seconds
            log.error("giving up after %.0f s (worker.retry_limit_seconds): %s; nothing is lost", lasted, exc)
            return False
        log.warning("consuming has stopped: %s; nothing is lost, trying again in %.1f s", exc, pause)
        self._stop.wait(pause)
        now = self._clock.monotonic_seconds()
        # An idle turn proves nothing while records are owed: those that failed are about to be fetched again.
        self._owed_until = now + _PROBE_SECONDS if dropped else now
        self._probe_at = now
        return True

    def _drop(self) -> int:
        dropped = self._prefetch.drop() + self._gathering.records
        self._gathering.take(lambda batch: False)
        self._metrics.abandoned.inc(dropped)
        self._source.start_over()
        return dropped

    def _drain(self, deadline: float) -> None:
        """Finishes rounds that are on their way; what is left at the deadline is read again."""
        self._metrics.draining.set(1)
        until = deadline - min(_CLOSE_SECONDS, self._settings.drain_seconds / 4)
        failed = self._outage.cause
        while self._prefetch.in_flight and not (failed or self._abandon.is_set()):
            self._turned = self._clock.monotonic_seconds()
            if self._turned >= until:
                break
            self._prefetch.wait(min(_FULL_TICK_SECONDS, until - self._turned))
            try:
                self._finish()
            except TransientError as exc:
                failed = exc
        rounds, records = self._prefetch.in_flight, self._prefetch.drop()
        self._metrics.abandoned.inc(records)
        if rounds or failed:
            why = f"in an outage ({failed})" if failed else "out of time"
            log.warning("stopped %s; %d records are abandoned and will be read again", why, records)
        else:
            log.info("stopped; everything in work was applied")

    def _close(self, began_to_stop: float | None) -> None:
        now = self._clock.monotonic_seconds()
        left = _CLOSE_SECONDS if began_to_stop is None else began_to_stop + self._settings.drain_seconds - now
        bounded = 0.5 if self._abandon.is_set() else max(0.5, min(_CLOSE_SECONDS, left))
        self._source.close(bounded)
        self.threads_ended = self._prefetch.close(0.1)
        self._metrics.draining.set(0)

    def _watch_queues(self) -> None:
        """Gauges that are asked when they are scraped."""
        gathering, prefetch, metrics = self._gathering, self._prefetch, self._metrics
        metrics.queue_rounds.labels("gather").set_function(lambda: float(gathering.records > 0))
        metrics.queue_records.labels("gather").set_function(lambda: gathering.records)
        for stage in STAGES:
            metrics.queue_rounds.labels(stage).set_function(partial(prefetch.rounds_at, stage))
            metrics.queue_records.labels(stage).set_function(partial(prefetch.records_at, stage))
        metrics.paused.set_function(lambda: 0 if gathering.room else len(self._source.partitions))
        metrics.stuck.set_function(self.stuck_seconds)
        metrics.ready.set_function(lambda: float(not (self._stop.is_set() or self.missing())))
