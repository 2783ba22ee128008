"""Every Prometheus instrument of the worker, on the registry that is handed in.

What the exporter derives from Redis is in adapters/trend_collector.py: it is a function of Redis and the time, not of
the process.
"""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitor.errors import DEAD_LETTER_REASONS
from monitor.messages import ApplyResult

RETRY_REASONS = (
    "kafka_unavailable",
    "model_unavailable",
    "redis_unreachable",
    "redis_memory",
    "redis_readonly",
    "redis_cluster",
)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class WorkerMetrics:
    """The worker's instruments; labels are bounded sets.

    Args:
        registry: where they are registered; a fresh one in each test.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        self.documents = counter("sentiment_documents", "Documents applied to the trends.", ["kind", "language"])
        self.reprints = counter("sentiment_reprints", "Documents that told a story already known.")
        self.repeated = counter(
            "sentiment_repeated_documents", "Documents whose id had been read before; they count for nothing."
        )
        self.dead_letters = counter("sentiment_dead_letters", "Records sent to the dead-letter topic.", ["reason"])
        late = "Documents too old for a bucket resolution when they became available."
        self.late = counter("sentiment_late_documents", late, ["resolution"])
        self.clamped = counter("sentiment_clamped_documents", "Documents whose publication time lay in the future.")
        unsupported = "Documents in a language that no model reads."
        self.unsupported = counter("sentiment_unsupported_language_documents", unsupported, ["language"])
        self.refused = counter("sentiment_refused_updates", "Batches that the trend store refused.", ["result"])
        self.offsets_lost = counter("sentiment_offsets_lost", "Offsets that the broker dropped before they were read.")
        self.retries = counter("sentiment_retries", "Batches tried again after a failure that may pass.", ["reason"])
        self.stage_seconds = histogram(
            "sentiment_stage_seconds", "Time a batch spent in a stage.", ["stage"], buckets=_SECONDS
        )
        self.stage_documents = counter("sentiment_stage_documents", "Records that went through a stage.", ["stage"])
        delay = "From a record's broker timestamp to its count in Redis."
        self.delay_seconds = histogram("sentiment_produce_to_trend_seconds", delay, buckets=(*_SECONDS, 60, 300, 1800))
        self.lag = gauge("sentiment_partition_lag_records", "Records of a partition not yet applied.", ["partition"])
        self.last_processed = gauge(
            "sentiment_last_processed_timestamp_seconds", "When the worker last applied a batch."
        )
        self.ready = gauge(
            "sentiment_worker_ready", "1 when model, broker and Redis are there and partitions are assigned."
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Makes the series of known label values exist, so that `rate()` sees the first burst of each."""
        for reason in DEAD_LETTER_REASONS:
            self.dead_letters.labels(reason)
        for reason in RETRY_REASONS:
            self.retries.labels(reason)
        for result in ApplyResult:
            if result is not ApplyResult.APPLIED:
                self.refused.labels(result)
        for resolution in ("fine", "coarse"):
            self.late.labels(resolution)
