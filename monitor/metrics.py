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
    "redis_lost_writes",
)
_TOKENS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class WorkerMetrics:
    """The worker's instruments; labels are bounded sets.

    Args:
        registry: where they are registered; a fresh one in each test.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
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
        abandoned = (
            "Records whose work was dropped, to be read again: by a rebalance, an outage or the end of the worker."
        )
        self.abandoned = counter("sentiment_abandoned_records", abandoned)
        retries = "Batches, and steps of start-up, tried again after a failure that may pass."
        self.retries = counter("sentiment_retries", retries, ["reason"])
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
        self.draining = gauge("sentiment_worker_draining", "1 while a worker that was told to stop finishes its work.")
        self.paused = gauge("sentiment_paused_partitions", "Partitions not fetched from, because queues are full.")
        stuck = "How long loop, round or loading has not moved, beyond kafka.max_poll_interval_seconds; 0 before that."
        self.stuck = gauge("sentiment_stuck_seconds", stuck)
        self.queue_rounds = gauge("sentiment_queue_rounds", "Rounds on their way, by what they wait for.", ["stage"])
        self.queue_records = gauge("sentiment_queue_records", "Records on their way, by what they wait for.", ["stage"])
        self.classify = ClassifyMetrics(registry)
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


class ClassifyMetrics:
    """Implements ClassifyObserver (monitor/classify/observer.py): batches, padding and the score cache.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        batch = "Tokens of a batch of a model, padding included."
        self.batch_tokens = Histogram("sentiment_batch_tokens", batch, buckets=_TOKENS, registry=registry)
        self.model_tokens = counter(
            "sentiment_model_tokens", "Tokens that went through a model: of texts, and padding.", ["kind"]
        )
        cache = "Rows that the score cache was asked for; one that comes twice in a round is a hit."
        self.score_cache = counter("sentiment_score_cache", cache, ["result"])
        for kind in ("text", "padding"):
            self.model_tokens.labels(kind)
        for result in ("hit", "miss"):
            self.score_cache.labels(result)

    def batch_scored(self, text_tokens: int, padding_tokens: int) -> None:
        """See ClassifyObserver."""
        self.batch_tokens.observe(text_tokens + padding_tokens)
        self.model_tokens.labels("text").inc(text_tokens)
        self.model_tokens.labels("padding").inc(padding_tokens)

    def looked_up(self, hits: int, misses: int) -> None:
        """See ClassifyObserver."""
        self.score_cache.labels("hit").inc(hits)
        self.score_cache.labels("miss").inc(misses)
