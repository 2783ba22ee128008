"""Reads the raw topic as one member of a consumer group; positions are the trend store's, never the group's.

Guarantees: a partition is read from the position that the trend store gives with its epoch; batches of a partition join
without a hole, and one that was read before a rewind is told from one that was read after it. Rebalances are noted on
Kafka's thread and acted on in `poll`, so that no listener ever blocks; while one goes on no partition is taken.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata

from monitor.adapters.kafka_connection import client_options, connected, translated
from monitor.adapters.kafka_headers import raw_record
from monitor.errors import ConfigError, TransientError
from monitor.messages import Assignment, PartitionBatch
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
_CHECK_MS = 5000
_COMMIT_SECONDS = 1.0
_REBALANCE_SECONDS = 0.1
_PARTITION_FETCH_BYTES = 2**20


@dataclass(slots=True)
class _Held:
    """A partition of ours: what is read next, what is applied next, how often it was rewound, and if that is in doubt."""

    epoch: int
    position: int
    applied: int
    reading: int = 0
    doubted: bool = False


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Remembers what the coordinator said until the next poll."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: set[int] = set()
        self.under_way = False

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        # Until the group has agreed, the client goes on naming what it had: taking that again would fence its next owner.
        self._note(revoked, under_way=True)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        # Whatever was held before must be opened anew: another member may have had it in between.
        self._note(assigned, under_way=False)

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        self._note(lost, under_way=True)

    def take_lost(self) -> set[int]:
        with self._lock:
            lost, self._lost = self._lost, set()
        return lost

    def _note(self, partitions: Sequence[TopicPartition], under_way: bool) -> None:
        with self._lock:
            self._lost.update(tp.partition for tp in partitions)
            self.under_way = under_way


class KafkaSource:
    """Implements GroupSource.

    Args:
        settings: broker, topic and group.
        take: takes a partition for this worker: (partition, earliest position) to its assignment.
        skip: tells the store that the broker dropped records: (assignment, new position).
        on_lost: called with the number of records that the broker dropped in mid-work, before they were read.
        on_lag: called with (partition, records not yet applied), or None when the partition is no longer this worker's.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        take: Callable[[int, int], Assignment],
        skip: Callable[[Assignment, int], None],
        on_lost: Callable[[int], None],
        on_lag: Callable[[int, int | None], None],
    ) -> None:
        self._settings = settings
        self._take, self._skip, self._on_lost, self._on_lag = take, skip, on_lost, on_lag
        self._held: dict[int, _Held] = {}
        self._held_back = False
        self._uncommitted: dict[int, int] = {}
        self._committed_at = monotonic()
        self._told: dict[int, tuple[int, int]] = {}  # by partition: end and applied position when lag was last told
        self._rebalances = _Rebalances()
        with translated():
            self._consumer = connected(
                KafkaConsumer,
                **client_options(settings),
                bootstrap_timeout_ms=_CHECK_MS,
                group_id=settings.group_id,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=settings.max_poll_records,
                session_timeout_ms=int(settings.session_timeout_seconds * 1000),
                heartbeat_interval_ms=int(settings.session_timeout_seconds * 1000 / 4),
                max_poll_interval_ms=int(settings.max_poll_interval_seconds * 1000),
                metrics_enabled=False,  # the library's own cost time with each request; ours are in metrics.py
                # A broker answers as soon as there is one record; waiting longer would only add delay.
                fetch_max_wait_ms=100,
                # What was fetched waits in the client: this bounds its memory, whatever the backlog.
                fetch_max_bytes=settings.max_fetch_bytes,
                max_partition_fetch_bytes=min(settings.max_fetch_bytes, _PARTITION_FETCH_BYTES),
            )
            self._consumer.subscribe([settings.raw_topic], listener=self._rebalances)

    @property
    def partitions(self) -> frozenset[int]:
        """Partitions that this worker holds now."""
        return frozenset(self._held)

    def poll(self, timeout_seconds: float, at_most: int | None = None) -> list[PartitionBatch]:
        """See GroupSource. Raises ConfigError when the topic and the stored positions can't belong together."""
        if self._rebalances.under_way:
            timeout_seconds = max(timeout_seconds, _REBALANCE_SECONDS)  # nothing comes until the group has agreed
        limit = min(at_most or self._settings.max_poll_records, self._settings.max_poll_records)
        try:
            with translated():
                self._pause_or_resume()
                if self._uncommitted and monotonic() - self._committed_at >= _COMMIT_SECONDS:
                    self._commit()
                polled = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000), max_records=limit)
                assigned = {tp.partition for tp in self._consumer.assignment()}
            batches = self._batches(polled, set() if self._rebalances.under_way else assigned)
        except TransientError:
            # What was polled is handed to nobody, and who has which partition now is not known: every one is opened anew,
            # at its stored position.
            for partition in list(self._held):
                self.release(partition)
            raise
        if not self._held_back:  # in an outage polls go on, and bring nothing
            try:
                self._take_doubted()
            except TransientError:  # as above: what this poll brought is handed to nobody
                for batch in batches:
                    self.release(batch.partition)
                raise
        return batches

    def holds(self, batch: PartitionBatch) -> bool:
        """See Source."""
        held = self._held.get(batch.partition)
        return held is not None and (held.epoch, held.reading) == (batch.epoch, batch.reading)

    def hold_back(self, held_back: bool) -> None:
        """See GroupSource."""
        self._held_back = held_back

    def rewind(self, partition: int, position: int) -> None:
        """See Source; a partition that another worker has taken meanwhile is opened anew by the next poll."""
        held = self._held.get(partition)
        if held is not None:
            held.position = held.applied = position
            held.reading += 1
            self._seek(partition, position)

    def start_over(self) -> None:
        """See GroupSource."""
        for partition, held in list(self._held.items()):
            self.rewind(partition, held.applied)

    def release(self, partition: int) -> None:
        """Forgets a partition whose epoch is stale; the next poll opens it again if it is still assigned."""
        if self._held.pop(partition, None) is not None:
            self._told.pop(partition, None)
            self._on_lag(partition, None)

    def doubt(self, partition: int) -> None:
        """See Source. It stays this worker's: its lag is told on."""
        if (held := self._held.get(partition)) is not None:
            held.doubted = True

    def commit(self, positions: Mapping[int, int]) -> None:
        """See Source; a commit to the broker that fails is of no consequence."""
        mine = {partition: position for partition, position in positions.items() if partition in self._held}
        if not mine:
            return
        for partition, position in mine.items():
            self._held[partition].applied = position
        self._uncommitted |= mine
        if monotonic() - self._committed_at >= _COMMIT_SECONDS:
            self._commit()
        self._report_lag()

    def check(self) -> None:
        """See GroupSource: a poll alone can't tell silence from an outage, and knows no end of what it doesn't fetch."""
        tps = [self._tp(partition) for partition in self._held] or [self._tp(0)]
        with translated():
            ends = self._consumer.end_offsets(tps, timeout_ms=_CHECK_MS)
        for tp, end in ends.items():
            if tp.partition in self._held:
                self._on_lag(tp.partition, max(0, end - self._held[tp.partition].applied))

    def close(self, timeout_seconds: float = 3.0) -> None:
        """See GroupSource."""
        self._commit()
        try:
            self._consumer.close(autocommit=False, timeout_ms=int(timeout_seconds * 1000))
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("leaving the consumer group failed: %s", exc)

    def _commit(self) -> None:
        """Once in a while: lag is watched at a scrape's pace, and a commit with each round costs as much as the fetch."""
        offsets = {self._tp(p): OffsetAndMetadata(at, "", -1) for p, at in self._uncommitted.items() if p in self._held}
        self._uncommitted, self._committed_at = {}, monotonic()
        try:
            if offsets:
                self._consumer.commit_async(offsets)
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("positions could not be committed for watching lag: %s", exc)

    def _pause_or_resume(self) -> None:
        """Each time anew: a rebalance may forget that a partition was paused."""
        paused = self._consumer.paused()
        with suppress(KeyError):  # revoked in between; the next poll sees to the rest
            if not self._held_back and paused:
                self._consumer.resume(*paused)
            elif self._held_back and (rest := self._consumer.assignment() - paused):
                self._consumer.pause(*rest)

    def _batches(
        self, polled: Mapping[TopicPartition, Sequence[object]], assigned: Collection[int]
    ) -> list[PartitionBatch]:
        for partition in self._rebalances.take_lost() | (set(self._held) - set(assigned)):
            self.release(partition)
        opened = {partition for partition in sorted(set(assigned) - set(self._held)) if self._open(partition)}
        batches = []
        for tp, messages in polled.items():
            # What was polled before a partition was opened was read from the wrong place.
            held = self._held.get(tp.partition)
            if held is not None and not held.doubted and tp.partition not in opened and messages:
                batches.append(self._batch(tp, messages))
        self._report_lag()
        return batches

    def _take_doubted(self) -> None:
        """After the poll: what another member has by now is not taken from it."""
        for partition in sorted(partition for partition, held in self._held.items() if held.doubted):
            self._open(partition)

    def _report_lag(self) -> None:
        for partition, held in self._held.items():
            try:
                highwater = self._consumer.highwater(self._tp(partition))
            except kafka_errors.IllegalStateError:
                continue  # revoked since the poll
            if highwater is not None and (highwater, held.applied) != self._told.get(partition):
                self._told[partition] = (highwater, held.applied)
                self._on_lag(partition, max(0, highwater - held.applied))

    def _open(self, partition: int) -> bool:
        tp = self._tp(partition)
        with translated():
            earliest = self._consumer.beginning_offsets([tp], timeout_ms=_CHECK_MS)[tp]
            latest = self._consumer.end_offsets([tp], timeout_ms=_CHECK_MS)[tp]
        assignment = self._take(partition, earliest)
        position = assignment.position
        if position > latest:
            raise _made_anew(tp, position, f"which ends at {latest}")
        if position < earliest:
            _log_gone(partition, position, earliest)
            self._skip(assignment, earliest)
            position = earliest
        if not self._seek(partition, position):
            return False
        self._held[partition] = _Held(assignment.epoch, position, position)
        log.info(
            "reading partition %d from position %d, epoch %d",
            partition,
            position,
            assignment.epoch,
            extra={"partition": partition, "offset": position, "epoch": assignment.epoch},
        )
        return True

    def _batch(self, tp: TopicPartition, messages: Sequence[object]) -> PartitionBatch:
        held = self._held[tp.partition]
        records = tuple(map(raw_record, messages))
        if records[0].offset < held.position:
            # The broker put the consumer back: what lies there now is not what was applied.
            raise _made_anew(tp, held.position, f"which went back to {records[0].offset}")
        if records[0].offset > held.position:
            self._note_hole(tp, held, records[0].offset)
        batch = PartitionBatch(tp.partition, held.epoch, held.position, records[-1].offset + 1, records, held.reading)
        held.position = batch.end
        return batch

    def _note_hole(self, tp: TopicPartition, held: _Held, first: int) -> None:
        """Tells a hole left by compaction or transactions from records that retention deleted before we read them."""
        with translated():
            earliest = self._consumer.beginning_offsets([tp], timeout_ms=_CHECK_MS)[tp]
        if earliest > held.position:
            # The batch begins before the hole, so that the position moves over it after what is still on its way.
            _log_gone(tp.partition, held.position, first)
            self._on_lost(earliest - held.position)

    def _seek(self, partition: int, position: int) -> bool:
        """Whether it is still assigned; forgets it if it isn't. What the client raises then depends on its version."""
        try:
            self._consumer.seek(self._tp(partition), position)
        except (AssertionError, ValueError, kafka_errors.IllegalStateError):
            self.release(partition)  # revoked since the poll
            return False
        return True

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.raw_topic, partition)


def _log_gone(partition: int, begin: int, end: int) -> None:
    log.error(
        "offsets %d to %d of partition %d are gone from the broker",
        begin,
        end,
        partition,
        extra={"partition": partition, "offset": begin},
    )


def _made_anew(tp: TopicPartition, position: int, found: str) -> ConfigError:
    return ConfigError(
        f"the trends hold position {position} of {tp.topic} partition {tp.partition}, {found}: the topic was made anew. "
        "Use another redis.key_prefix for it",
        reason="topic_recreated",
    )
