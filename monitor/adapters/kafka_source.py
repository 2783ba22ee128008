"""Reads the raw topic as one member of a consumer group; positions are the trend store's, never the group's.

Guarantees: a partition is read from the position that the trend store gives with its epoch; batches of a partition join
without a hole. Rebalances are noted on Kafka's thread and acted on in `poll`, so that no listener ever blocks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from kafka import KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata

from monitor.adapters.kafka_connection import client_options, translated
from monitor.errors import ConfigError, TransientError
from monitor.messages import Assignment, PartitionBatch, RawRecord
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
_CHECK_MS = 5000


@dataclass(slots=True)
class _Held:
    epoch: int
    position: int


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Remembers what the coordinator said until the next poll."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: set[int] = set()

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        with self._lock:
            self._lost.update(tp.partition for tp in revoked)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        # Whatever was held before must be opened anew: another member may have had it in between.
        self.on_partitions_revoked(assigned)

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        self.on_partitions_revoked(lost)

    def take_lost(self) -> set[int]:
        with self._lock:
            lost, self._lost = self._lost, set()
        return lost


class KafkaSource:
    """Implements Source.

    Args:
        settings: broker, topic and group.
        take: takes a partition for this worker: (partition, earliest position) to its assignment.
        skip: tells the store that the broker dropped records: (assignment, new position).
        on_lag: called with (partition, records not yet applied), or None when the partition is no longer this worker's.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        take: Callable[[int, int], Assignment],
        skip: Callable[[Assignment, int], None],
        on_lag: Callable[[int, int | None], None],
    ) -> None:
        self._settings = settings
        self._take, self._skip, self._on_lag = take, skip, on_lag
        self._held: dict[int, _Held] = {}
        self._rebalances = _Rebalances()
        with translated():
            self._consumer = KafkaConsumer(
                **client_options(settings),
                group_id=settings.group_id,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=settings.max_poll_records,
                session_timeout_ms=int(settings.session_timeout_seconds * 1000),
                heartbeat_interval_ms=int(settings.session_timeout_seconds * 1000 / 4),
                max_poll_interval_ms=int(settings.max_poll_interval_seconds * 1000),
                # A broker answers as soon as there is one record; waiting longer would only add delay.
                fetch_max_wait_ms=100,
            )
            self._consumer.subscribe([settings.raw_topic], listener=self._rebalances)

    @property
    def partitions(self) -> frozenset[int]:
        """Partitions that this worker holds now."""
        return frozenset(self._held)

    def poll(self, timeout_seconds: float) -> list[PartitionBatch]:
        """See Source. Raises ConfigError when the topic and the stored positions can't belong together."""
        with translated():
            polled = self._consumer.poll(timeout_ms=int(timeout_seconds * 1000))
            assigned = {tp.partition for tp in self._consumer.assignment()}
        try:
            return self._batches(polled, assigned)
        except TransientError:
            # What was polled is handed to nobody: every partition is opened anew, at its stored position.
            for partition in list(self._held):
                self.release(partition)
            raise

    def rewind(self, partition: int, position: int) -> None:
        """See Source; a partition that another worker has taken meanwhile is opened anew by the next poll."""
        held = self._held.get(partition)
        if held is not None:
            held.position = position
            self._seek(partition, position)

    def release(self, partition: int) -> None:
        """Forgets a partition whose epoch is stale; the next poll opens it again if it is still assigned."""
        if self._held.pop(partition, None) is not None:
            self._on_lag(partition, None)

    def commit(self, positions: Mapping[int, int]) -> None:
        """See Source; a commit that fails is of no consequence."""
        offsets = {
            self._tp(p): OffsetAndMetadata(position, "", -1) for p, position in positions.items() if p in self._held
        }
        if not offsets:
            return
        try:
            self._consumer.commit_async(offsets)
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("positions could not be committed for watching lag: %s", exc)
        self._report_lag({p: position for p, position in positions.items() if p in self._held})

    def check(self) -> None:
        """Raises TransientError if the broker doesn't answer; a poll alone can't tell silence from an outage."""
        tp = self._tp(min(self._held, default=0))
        with translated():
            self._consumer.end_offsets([tp], timeout_ms=_CHECK_MS)

    def close(self) -> None:
        """Leaves the group, so that others take over at once."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=3000)
        except (kafka_errors.KafkaError, OSError) as exc:
            log.warning("leaving the consumer group failed: %s", exc)

    def _batches(
        self, polled: Mapping[TopicPartition, Sequence[object]], assigned: Collection[int]
    ) -> list[PartitionBatch]:
        for partition in self._rebalances.take_lost() | (set(self._held) - set(assigned)):
            self.release(partition)
        opened = {partition for partition in sorted(set(assigned) - set(self._held)) if self._open(partition)}
        applied = {partition: held.position for partition, held in self._held.items()}
        batches = []
        for tp, messages in polled.items():
            # What was polled before a partition was opened was read from the wrong place.
            if tp.partition in self._held and tp.partition not in opened and messages:
                batches.append(self._batch(tp, messages))
        self._report_lag(applied)
        return batches

    def _report_lag(self, applied: Mapping[int, int]) -> None:
        for partition, position in applied.items():
            highwater = self._consumer.highwater(self._tp(partition))
            if highwater is not None:
                self._on_lag(partition, max(0, highwater - position))

    def _open(self, partition: int) -> bool:
        tp = self._tp(partition)
        with translated():
            earliest = self._consumer.beginning_offsets([tp])[tp]
            latest = self._consumer.end_offsets([tp])[tp]
        assignment = self._take(partition, earliest)
        position = assignment.position
        if position > latest:
            raise _made_anew(tp, position, f"which ends at {latest}")
        if position < earliest:
            log.error("offsets %d to %d of partition %d are gone from the broker", position, earliest, partition)
            self._skip(assignment, earliest)
            position = earliest
        self._seek(partition, position)
        self._held[partition] = _Held(assignment.epoch, position)
        log.info("reading partition %d from position %d, epoch %d", partition, position, assignment.epoch)
        return True

    def _batch(self, tp: TopicPartition, messages: Sequence[object]) -> PartitionBatch:
        held = self._held[tp.partition]
        records = tuple(
            RawRecord(tp.partition, m.offset, m.key, m.value, m.timestamp)  # type: ignore[attr-defined]
            for m in messages
        )
        if records[0].offset < held.position:
            # The broker put the consumer back: what lies there now is not what was applied.
            raise _made_anew(tp, held.position, f"which went back to {records[0].offset}")
        if records[0].offset > held.position:
            self._note_hole(tp, held, records[0].offset)
        batch = PartitionBatch(tp.partition, held.epoch, held.position, records[-1].offset + 1, records)
        held.position = batch.end
        return batch

    def _note_hole(self, tp: TopicPartition, held: _Held, first: int) -> None:
        """Tells a hole left by compaction or transactions from records that retention deleted before we read them."""
        with translated():
            earliest = self._consumer.beginning_offsets([tp])[tp]
        if earliest > held.position:
            log.error("offsets %d to %d of partition %d are gone from the broker", held.position, first, tp.partition)
            self._skip(Assignment(tp.partition, held.epoch, held.position), earliest)
            held.position = earliest

    def _seek(self, partition: int, position: int) -> None:
        try:
            self._consumer.seek(self._tp(partition), position)
        except (AssertionError, kafka_errors.IllegalStateError):
            # Revoked since the poll; the next poll sees that.
            self._held.pop(partition, None)

    def _tp(self, partition: int) -> TopicPartition:
        return TopicPartition(self._settings.raw_topic, partition)


def _made_anew(tp: TopicPartition, position: int, found: str) -> ConfigError:
    return ConfigError(
        f"the trends hold position {position} of {tp.topic} partition {tp.partition}, {found}: the topic was made anew. "
        "Use another redis.key_prefix for it, or another kafka.raw_topic",
        reason="topic_recreated",
    )
