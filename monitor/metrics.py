"""Every Prometheus instrument of the worker, on the registry that is handed in.

What the exporter derives from Redis is in adapters/trend_collector.py: it is a function of Redis and the time, not of
the process.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from monitor.errors import INVALID_REASONS
from monitor.messages import ApplyResult

CLASSIFIER_REASONS = ("model_failed", "not_finite")
RETRY_REASONS = ("kafka_unavailable", "redis_unreachable", "redis_memory", "redis_readonly")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class WorkerMetrics:
    """The worker's instruments; labels are bounded sets.

    Args:
        registry: where they are registered; a fresh one in each test.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.documents = Counter(
            "sentiment_documents", "Documents applied to the trends.", ["kind", "language"], registry=registry
        )
        self.reprints = Counter("sentiment_reprints", "Documents that told a story already known.", registry=registry)
        self.repeated = Counter(
            "sentiment_repeated_documents",
            "Documents whose id had been read before; they count for nothing.",
            registry=registry,
        )
        self.dead_letters = Counter(
            "sentiment_dead_letters", "Records sent to the dead-letter topic.", ["reason"], registry=registry
        )
        self.late = Counter(
            "sentiment_late_documents",
            "Documents too old for a bucket resolution when they became available.",
            ["resolution"],
            registry=registry,
        )
        self.clamped = Counter(
            "sentiment_clamped_documents", "Documents whose publication time lay in the future.", registry=registry
        )
        self.unsupported = Counter(
            "sentiment_unsupported_language_documents",
            "Documents in a language that no model reads.",
            ["language"],
            registry=registry,
        )
        self.refused = Counter(
            "sentiment_refused_updates", "Batches that the trend store refused.", ["result"], registry=registry
        )
        self.offsets_lost = Counter(
            "sentiment_offsets_lost", "Offsets that the broker dropped before they were read.", registry=registry
        )
        self.retries = Counter(
            "sentiment_retries", "Batches tried again after a failure that may pass.", ["reason"], registry=registry
        )
        self.stage_seconds = Histogram(
            "sentiment_stage_seconds",
            "Time a batch spent in a stage.",
            ["stage"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.stage_documents = Counter(
            "sentiment_stage_documents", "Records that went through a stage.", ["stage"], registry=registry
        )
        self.delay_seconds = Histogram(
            "sentiment_produce_to_trend_seconds",
            "From a record's broker timestamp to its count in Redis.",
            registry=registry,
            buckets=(*_SECONDS, 60, 300, 1800),
        )
        self.lag = Gauge(
            "sentiment_partition_lag_records",
            "Records of a partition not yet applied.",
            ["partition"],
            registry=registry,
        )
        self.last_processed = Gauge(
            "sentiment_last_processed_timestamp_seconds", "When the worker last applied a batch.", registry=registry
        )
        self.ready = Gauge(
            "sentiment_worker_ready",
            "1 when model, broker and Redis are there and partitions are assigned.",
            registry=registry,
        )
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Makes the series of known label values exist, so that `rate()` sees the first burst of each."""
        for reason in (*INVALID_REASONS, *CLASSIFIER_REASONS):
            self.dead_letters.labels(reason)
        for reason in RETRY_REASONS:
            self.retries.labels(reason)
        for result in ApplyResult:
            if result is not ApplyResult.APPLIED:
                self.refused.labels(result)
        for resolution in ("fine", "coarse"):
            self.late.labels(resolution)
