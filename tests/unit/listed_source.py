"""A source over lists, for the worker's loop: it keeps the contract of a consumer group and can be made to misbehave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from monitor.errors import TransientError
from monitor.messages import PartitionBatch
from monitor.ports import TrendStore
from tests.builders import record


@dataclass(slots=True)
class _Held:
    epoch: int
    position: int
    applied: int
    reading: int = 0


class ListedSource:
    """Implements GroupSource.

    Args:
        topic: values by partition; all are this worker's.
        trends: gives epochs and positions.
        each_poll: called with the number of each poll, before it; may call the methods below.
    """

    def __init__(
        self,
        topic: Sequence[Sequence[bytes]],
        trends: TrendStore,
        each_poll: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._topic, self._trends, self._each_poll = topic, trends, each_poll
        self._held: dict[int, _Held] = {}
        self._held_back = False
        self.polls = self.polled = 0
        self.closed = False
        self.away = False
        self.most_ahead = 0

    @property
    def partitions(self) -> frozenset[int]:
        """Those opened so far."""
        return frozenset(self._held)

    def poll(self, timeout_seconds: float, at_most: int) -> list[PartitionBatch]:
        """A few records of each partition."""
        self._each_poll(self.polls)
        self.polls += 1
        self.check()
        batches, left = [], at_most
        for partition, values in enumerate(self._topic):
            held = self._held.get(partition) or self._open(partition)
            end = min(len(values), held.position + left)
            if self._held_back or end <= held.position:
                continue
            records = [record(values[i], offset=i, partition=partition) for i in range(held.position, end)]
            batches.append(PartitionBatch(partition, held.epoch, held.position, end, tuple(records), held.reading))
            left -= len(records)
            self.polled += len(records)
            held.position = end
        self.most_ahead = max(self.most_ahead, sum(h.position - h.applied for h in self._held.values()))
        return batches

    def holds(self, batch: PartitionBatch) -> bool:
        """See Source."""
        held = self._held.get(batch.partition)
        return held is not None and (held.epoch, held.reading) == (batch.epoch, batch.reading)

    def hold_back(self, held_back: bool) -> None:
        """See GroupSource."""
        self._held_back = held_back

    def rewind(self, partition: int, position: int) -> None:
        """See Source."""
        if (held := self._held.get(partition)) is not None:
            held.position = held.applied = position
            held.reading += 1

    def start_over(self) -> None:
        """See GroupSource."""
        for partition, held in self._held.items():
            self.rewind(partition, held.applied)

    def release(self, partition: int) -> None:
        """See Source; also a rebalance that takes the partition away and gives it back."""
        self._held.pop(partition, None)

    def doubt(self, partition: int) -> None:
        """See Source."""
        self.release(partition)

    def commit(self, positions: Mapping[int, int]) -> None:
        """See Source."""
        for partition, position in positions.items():
            if partition in self._held:
                self._held[partition].applied = position

    def check(self) -> None:
        """See GroupSource."""
        if self.away:
            raise TransientError("the broker is away", reason="kafka_unavailable")

    def close(self, timeout_seconds: float) -> None:
        """See GroupSource."""
        self.closed = True

    def _open(self, partition: int) -> _Held:
        assignment = self._trends.assign(partition, 0)
        self._held[partition] = _Held(assignment.epoch, assignment.position, assignment.position)
        return self._held[partition]
