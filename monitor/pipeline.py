"""The data path and its commit order.

1 decode, or dead-letter, and novelty · 2 classify · 3 publish scored and dead letters, and flush · 4 apply to the trends with
the offsets, atomically · 5 commit to Kafka, for watching lag only. Reading goes on from the offset that 4 stored; what was
published before a crash is published again under the same keys. 1 and 2 run ahead on their own threads; 3 to 5 are in order.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from monitor.classify.isolate import classify_isolating
from monitor.errors import ClassifierError, InvalidMessageError, TransientError
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import (
    ApplyOutcome,
    ApplyResult,
    DeadLetter,
    Document,
    Epochs,
    PartitionBatch,
    PartitionUpdate,
    RawRecord,
    Score,
    ScoredDocument,
    Story,
    StoryClaim,
    language_label,
)
from monitor.metrics import WorkerMetrics
from monitor.ports import Classifier, Clock, Sink, Source, TrendStore
from monitor.settings import TrendSettings
from monitor.trends.buckets import contribution_of

log = logging.getLogger(__name__)


# As what a record was published: a document's story and score, or the reason of a dead letter.
_Outcome: TypeAlias = tuple[Story, Score | None] | str


@dataclass(slots=True)
class Work:
    """A partition batch on its way.

    Attributes:
        read: records that could be read, with their documents.
        stories: of those documents, in the same order.
        scored: documents to be counted.
        dead: records to be dead-lettered.
        unscorable: documents among the dead that the model failed on.
        claims: of the documents to be counted, as they were found right before.
    """

    batch: PartitionBatch
    read: list[tuple[RawRecord, Document]] = field(default_factory=list)
    stories: list[Story] = field(default_factory=list)
    scored: list[ScoredDocument] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    unscorable: list[Document] = field(default_factory=list)
    claims: list[StoryClaim] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    """A document of a round, while it is scored."""

    item: Work
    record: RawRecord
    document: Document
    story: Story
    result: Score | ClassifierError | None = None


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
        # By partition and epoch, of what is not applied yet: offset, as what.
        self._published: dict[tuple[int, int], dict[int, _Outcome]] = {}

    def process(self, batches: Sequence[PartitionBatch], source: Source) -> None:
        """Takes a round, at most one batch a partition, through all stages; raises what they raise."""
        self.finish(self.score(self.prepare(batches)), source)

    def prepare(self, batches: Sequence[PartitionBatch]) -> list[Work]:
        """Decodes a round and decides its stories. May run before earlier rounds are finished: a claim is a record's own.

        Raises:
            TransientError: the stories' memory failed for now; asking again gives the same answer.
        """
        work = [Work(batch) for batch in batches]
        with self._timed("decode", _records(work)):
            for item in work:
                self._decode(item)
        documents = [document for item in work for _, document in item.read]
        with self._timed("novelty", len(documents)):
            stories = iter(self._stages.novelty.assign(documents, _epochs(work)))
        for item in work:
            item.stories = [next(stories) for _ in item.read]
        return work

    def score(self, work: Sequence[Work]) -> Sequence[Work]:
        """Scores what was prepared: each record is then either scored, counted without a score, or dead.

        Raises:
            TransientError: a model scores nothing any more; no document is to blame.
        """
        told = [_Told(item, *read, story) for item in work for read, story in zip(item.read, item.stories, strict=True)]
        waiting = told
        while waiting:
            failed = self._classify([one for one in waiting if not one.story.repeated])
            # What counted for nothing because of a document that turns out to be unscorable counts in its place.
            waiting = [one for one in told if one.story.repeated and one.document.id in failed]
            if waiting:
                epochs = _epochs(work)
                self._stages.novelty.release([failed[one.document.id].document for one in waiting], epochs)
                stories = self._stages.novelty.assign([one.document for one in waiting], epochs)
                for one, story in zip(waiting, stories, strict=True):
                    one.story = story
        for one in told:
            if isinstance(one.result, ClassifierError):
                one.item.dead.append(DeadLetter(one.record, one.result.reason, str(one.result)))
                one.item.unscorable.append(one.document)
            else:
                one.item.scored.append(ScoredDocument(one.document, one.story, one.result))
        return work

    def finish(self, work: Sequence[Work], source: Source) -> None:
        """Publishes, applies and commits a scored round; what `source` no longer holds is left out.

        Raises:
            TransientError: an outside system failed for now. Some partitions have been applied, and are committed; the one
                whose step failed may be, and is taken anew. The caller starts over from where they are applied.
        """
        current = [item for item in work if source.holds(item.batch)]
        self._metrics.abandoned.inc(_records(work) - _records(current))
        self._settle(current)
        self._publish(current)
        self._confirm(current, source)
        applied: dict[int, int] = {}
        try:
            for item in current:
                if self._apply(item, source):
                    applied[item.batch.partition] = item.batch.end
        finally:  # what was applied must not be read again because another partition's step failed
            with self._timed("commit", len(applied)):
                source.commit(applied)

    def _decode(self, item: Work) -> None:
        decode = self._stages.decode
        for record in item.batch.records:
            try:
                item.read.append((record, decode(record)))
            except InvalidMessageError as exc:
                item.dead.append(DeadLetter(record, exc.reason, str(exc)))

    def _classify(self, told: Sequence[_Told]) -> dict[str, _Told]:
        """Fills in the results; returns the documents that could not be scored, by id."""
        readable = [one for one in told if one.document.language in self._stages.classifier.languages]
        with self._timed("classify", len(readable)):
            results = classify_isolating(self._stages.classifier, [one.document for one in readable])
        for one, result in zip(readable, results, strict=True):
            one.result = result
        return {one.document.id: one for one in readable if isinstance(one.result, ClassifierError)}

    def _settle(self, work: Sequence[Work]) -> None:
        """Lets unscorable documents give their claims back; what had joined a story that is gone begins it anew."""
        epochs = _epochs(work)
        self._stages.novelty.release([document for item in work for document in item.unscorable], epochs)
        joined = [(item, i) for item in work for i, scored in enumerate(item.scored) if scored.story.joined]
        if not joined:
            return
        before = [item.scored[i] for item, i in joined]
        stories = self._stages.novelty.settle([one.document for one in before], [one.story for one in before], epochs)
        for (item, i), story in zip(joined, stories, strict=True):
            item.scored[i] = replace(item.scored[i], story=story)

    def _publish(self, work: Sequence[Work]) -> None:
        """Publishes what a batch that comes again, because step 4 failed, did not publish as the very same before."""
        with self._timed("publish", _records(work)):
            outcomes = []
            for item in work:
                held = item.batch.partition, item.batch.epoch
                # The epoch before, if it was this worker's too: nobody has published in between.
                before = self._published.get(held) or self._published.get((held[0], held[1] - 1), {})
                told = {_offset_of(scored): scored for scored in item.scored if not scored.story.repeated}
                dead = {letter.record.offset: letter for letter in item.dead}
                now: dict[int, _Outcome] = {at: (scored.story, scored.score) for at, scored in told.items()}
                now |= {at: letter.reason for at, letter in dead.items()}
                anew = {at for at, outcome in now.items() if before.get(at) != outcome}
                self._stages.sink.publish_scored([scored for at, scored in told.items() if at in anew])
                self._stages.sink.publish_dead([letter for at, letter in dead.items() if at in anew])
                outcomes.append((held, before | now))
            self._stages.sink.flush()
            self._published.update(outcomes)

    def _confirm(self, work: Sequence[Work], source: Source) -> None:
        """Raises TransientError if a claim is gone that what is to be applied was decided by: it is decided anew.

        In a new epoch: in one that is over no claim is kept, and the step, which would say so, is never come to.
        """
        scored = [scored for item in work for scored in item.scored]
        documents, stories = [one.document for one in scored], [one.story for one in scored]
        try:
            claims = iter(self._stages.novelty.confirm(documents, stories))
        except TransientError:
            for item in work:
                source.doubt(item.batch.partition)
            raise
        for item in work:
            item.claims = [next(claims) for _ in item.scored]

    def _step(self, update: PartitionUpdate, source: Source) -> ApplyOutcome:
        try:
            return self._stages.trends.apply(update)
        except TransientError:
            source.doubt(update.partition)
            raise

    def _apply(self, item: Work, source: Source) -> bool:
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
            claims=tuple(item.claims),
        )
        with self._timed("apply", len(batch.records)):
            outcome = self._step(update, source)
        for held in [held for held in self._published if held[0] == batch.partition]:
            del self._published[held]  # applied, or let go of
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
            extra={"partition": batch.partition, "offset": batch.begin, "epoch": batch.epoch, "reason": outcome.result},
        )
        if outcome.result is ApplyResult.STALE_EPOCH:
            source.release(batch.partition)
        else:
            source.rewind(batch.partition, outcome.position)
        return False

    def _count(self, item: Work) -> None:
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
                extra={"partition": first.record.partition, "offset": first.record.offset, "reason": first.reason},
            )
        told = [scored for scored in item.scored if not scored.story.repeated]
        self._metrics.repeated.inc(len(item.scored) - len(told))
        self._metrics.reprints.inc(sum(not scored.story.first for scored in told))
        self._metrics.clamped.inc(sum(scored.document.clamped for scored in told))
        kinds = Counter((one.document.kind, language_label(one.document.language), one.score is None) for one in told)
        for (kind, language, unsupported), count in kinds.items():
            self._metrics.documents.labels(kind, language).inc(count)
            if unsupported:
                self._metrics.unsupported.labels(language).inc(count)
        for record in item.batch.records:
            self._metrics.delay_seconds.observe(max(0.0, (now_ms - record.timestamp_ms) / 1000))
        self._metrics.last_processed.set(now_ms / 1000)

    @contextmanager
    def _timed(self, stage: str, count: int) -> Iterator[None]:
        start = self._stages.clock.monotonic_seconds()
        try:
            yield
            self._metrics.stage_documents.labels(stage).inc(count)
        finally:  # a stage that hangs until it fails is what the seconds are looked at for
            self._metrics.stage_seconds.labels(stage).observe(self._stages.clock.monotonic_seconds() - start)


def _records(work: Sequence[Work]) -> int:
    return sum(len(item.batch.records) for item in work)


def _epochs(work: Sequence[Work]) -> Epochs:
    return {item.batch.partition: item.batch.epoch for item in work}


def _offset_of(scored: ScoredDocument) -> int:
    return int(scored.document.origin.rpartition(":")[2])
