"""The data path and its commit order.

1 decode, or dead-letter · 2 classify · 3 publish scored and dead letters, and flush · 4 apply to the trends together
with the offsets, atomically · 5 commit to Kafka, for watching lag only. Reading goes on from the offset that 4 stored.
Publishing comes before 4: after a crash it is done again under the same keys, where what 4 had counted never would be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from monitor.classify.isolate import classify_isolating
from monitor.errors import ClassifierError, InvalidMessageError
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import (
    ApplyResult,
    DeadLetter,
    Document,
    PartitionBatch,
    PartitionUpdate,
    RawRecord,
    ScoredDocument,
    language_label,
)
from monitor.metrics import WorkerMetrics
from monitor.ports import Classifier, Clock, Sink, Source, TrendStore
from monitor.settings import TrendSettings
from monitor.trends.buckets import contribution_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Work:
    """A partition batch on its way."""

    batch: PartitionBatch
    documents: list[Document] = field(default_factory=list)
    scored: list[ScoredDocument] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stages:
    """The parts that a pipeline is made of; replay swaps them."""

    decode: Callable[[RawRecord], Document]
    novelty: NoveltyIndex
    classifier: Classifier
    sink: Sink
    trends: TrendStore
    clock: Clock


class Pipeline:
    """Takes batches through the stages.

    Args:
        stages: the parts.
        settings: bucket lengths and retentions.
        metrics: the worker's instruments.
    """

    def __init__(self, stages: Stages, settings: TrendSettings, metrics: WorkerMetrics) -> None:
        self._stages = stages
        self._settings = settings
        self._metrics = metrics
        self._flushed: dict[int, tuple[int, int]] = {}  # by partition: epoch, position up to which all is published

    def process(self, batches: Sequence[PartitionBatch], source: Source) -> None:
        """Takes what one poll brought through all stages, in the order above.

        Raises:
            TransientError: an outside system failed for now. Some partitions may have been applied; the caller rewinds
                to where the batches began, and those are refused the second time.
        """
        work = [_Work(batch) for batch in batches]
        self._decode(work)
        self._classify(work)
        self._publish(work)
        applied = {item.batch.partition: item.batch.end for item in work if self._apply(item, source)}
        with self._timed("commit", len(applied)):
            source.commit(applied)

    def _decode(self, work: Sequence[_Work]) -> None:
        with self._timed("decode", sum(len(item.batch.records) for item in work)):
            for item in work:
                for record in item.batch.records:
                    try:
                        item.documents.append(self._stages.decode(record))
                    except InvalidMessageError as exc:
                        item.dead.append(DeadLetter(record, exc.reason, str(exc)))

    def _classify(self, work: Sequence[_Work]) -> None:
        documents = [document for item in work for document in item.documents]
        with self._timed("novelty", len(documents)):
            stories = self._stages.novelty.assign(documents)
        readable = [
            document
            for document, story in zip(documents, stories, strict=True)
            if document.language in self._stages.classifier.languages and not story.repeated
        ]
        with self._timed("classify", len(readable)):
            results = dict(zip(map(id, readable), classify_isolating(self._stages.classifier, readable), strict=True))
        remaining = iter(zip(documents, stories, strict=True))
        for item in work:
            records = {f"{record.partition}:{record.offset}": record for record in item.batch.records}
            for document, story in (next(remaining) for _ in item.documents):
                result = results.get(id(document))
                if isinstance(result, ClassifierError):
                    item.dead.append(DeadLetter(records[document.origin], result.reason, str(result)))
                else:
                    item.scored.append(ScoredDocument(document, story, result))

    def _publish(self, work: Sequence[_Work]) -> None:
        with self._timed("publish", sum(len(item.batch.records) for item in work)):
            for item in work:
                # A batch that comes again because step 4 failed need not be published again.
                epoch, flushed = self._flushed.get(item.batch.partition, (-1, 0))
                since = flushed if epoch == item.batch.epoch else 0
                told = [scored for scored in item.scored if not scored.story.repeated]
                self._stages.sink.publish_scored([scored for scored in told if _offset_of(scored) >= since])
                self._stages.sink.publish_dead([letter for letter in item.dead if letter.record.offset >= since])
            self._stages.sink.flush()
            for item in work:
                self._flushed[item.batch.partition] = (item.batch.epoch, item.batch.end)

    def _apply(self, item: _Work, source: Source) -> bool:
        batch = item.batch
        contribution = contribution_of(item.scored, self._settings)
        update = PartitionUpdate(
            partition=batch.partition,
            epoch=batch.epoch,
            begin=batch.begin,
            end=batch.end,
            counts=contribution.counts,
            evidence=tuple(contribution.evidence),
            copies=tuple(contribution.copies),
            last_published_ms=max((scored.document.published_ms for scored in item.scored), default=0),
        )
        with self._timed("apply", len(batch.records)):
            outcome = self._stages.trends.apply(update)
        if outcome.result is ApplyResult.APPLIED:
            for resolution, count in contribution.late.items():
                self._metrics.late.labels(resolution).inc(count)
            self._count(item)
            return True
        self._metrics.refused.labels(outcome.result).inc()
        log.warning(
            "partition %d: batch %d to %d refused (%s), the trends hold position %d",
            batch.partition,
            batch.begin,
            batch.end,
            outcome.result,
            outcome.position,
        )
        if outcome.result is ApplyResult.STALE_EPOCH:
            source.release(batch.partition)
        else:
            source.rewind(batch.partition, outcome.position)
        return False

    def _count(self, item: _Work) -> None:
        """Counts only what was applied, so that a refused batch is not counted twice."""
        now_ms = self._stages.clock.now_ms()
        for letter in item.dead:
            self._metrics.dead_letters.labels(letter.reason).inc()
        if item.dead:
            first = item.dead[0]
            log.warning(
                "partition %d: %d of %d records dead-lettered, the first (offset %d) as %s: %s",
                item.batch.partition,
                len(item.dead),
                len(item.batch.records),
                first.record.offset,
                first.reason,
                first.detail[:200],
            )
        for scored in item.scored:
            document = scored.document
            if scored.story.repeated:
                self._metrics.repeated.inc()
                continue
            self._metrics.documents.labels(document.kind, language_label(document.language)).inc()
            if not scored.story.first:
                self._metrics.reprints.inc()
            if document.clamped:
                self._metrics.clamped.inc()
            if scored.score is None:
                self._metrics.unsupported.labels(language_label(document.language)).inc()
        for record in item.batch.records:
            self._metrics.delay_seconds.observe(max(0.0, (now_ms - record.timestamp_ms) / 1000))
        self._metrics.last_processed.set(now_ms / 1000)

    @contextmanager
    def _timed(self, stage: str, count: int) -> Iterator[None]:
        start = self._stages.clock.monotonic_seconds()
        yield
        self._metrics.stage_seconds.labels(stage).observe(self._stages.clock.monotonic_seconds() - start)
        self._metrics.stage_documents.labels(stage).inc(count)


def _offset_of(scored: ScoredDocument) -> int:
    return int(scored.document.origin.rpartition(":")[2])
