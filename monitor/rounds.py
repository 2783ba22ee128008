"""Gathers what polls bring into rounds: bounded in records, in bytes, and in how long the first record waits for company.

Guarantees: a round has at most one batch a partition; batches that are merged join without a hole; what is no longer held
when the round is taken is left out. A poll can only be asked for a number of records: the bound in bytes is kept as far as
records are as large as those before them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from monitor.messages import PartitionBatch
from monitor.settings import WorkerSettings

# On a CPU a round is a handful of batches; on a GPU one of 256 headlines would be a quarter of a batch.
_CPU_RECORDS, _GPU_RECORDS = 256, 4096
_FIRST_RECORD_BYTES = 1024.0  # what a record is taken for until some have come


def round_records_of(settings: WorkerSettings, *, on_gpu: bool) -> int:
    """`worker.max_round_records`, or what suits where the model runs."""
    if settings.max_round_records is not None:
        return settings.max_round_records
    return _GPU_RECORDS if on_gpu else _CPU_RECORDS


class Gathering:
    """The round that is being filled.

    Args:
        most_records: records after which it is due, whatever the time.
        longest_wait_seconds: how long after its first record it is due, whatever the size.
        most_bytes: bytes of keys and values after which it is due; an empty one takes a record, however large.
    """

    def __init__(self, most_records: int, longest_wait_seconds: float, most_bytes: int) -> None:
        self._most_records, self._longest_wait_seconds = most_records, longest_wait_seconds
        self._most_bytes = most_bytes
        self._batches: list[PartitionBatch] = []
        self._due_seconds = 0.0
        self._bytes = 0
        self._record_bytes = _FIRST_RECORD_BYTES
        self.records = 0

    @property
    def room(self) -> int:
        """Records that it may still take, if they are as large as those before."""
        fitting = int((self._most_bytes - self._bytes) / self._record_bytes)
        return max(0 if self.records else 1, min(self._most_records - self.records, fitting))

    def add(self, batches: Iterable[PartitionBatch], now_seconds: float) -> None:
        """Takes what a poll brought."""
        records, size = self.records, 0
        for batch in batches:
            if not self._batches:
                self._due_seconds = now_seconds + self._longest_wait_seconds
            self._batches.append(batch)
            self.records += len(batch.records)
            size += sum(len(record.key or b"") + len(record.value or b"") for record in batch.records)
        if self.records > records:
            self._bytes += size
            # A poll of small ones says little of the next: what larger ones have taught is forgotten by halves.
            self._record_bytes = max(1.0, size / (self.records - records), self._record_bytes / 2)

    def wait_seconds(self, now_seconds: float) -> float | None:
        """How long until it is due, 0 if it is; None while it is empty."""
        if not self._batches:
            return None
        return max(0.0, self._due_seconds - now_seconds) if self.room else 0.0

    def take(self, holds: Callable[[PartitionBatch], bool]) -> list[PartitionBatch]:
        """Empties it; returns one batch a partition, of those that still count."""
        batches, self._batches, self.records, self._bytes = self._batches, [], 0, 0
        merged: dict[int, list[PartitionBatch]] = {}
        for batch in filter(holds, batches):
            merged.setdefault(batch.partition, []).append(batch)
        return [parts[0] if len(parts) == 1 else _joined(parts) for parts in merged.values()]


def _joined(parts: list[PartitionBatch]) -> PartitionBatch:
    first, records = parts[0], tuple(record for part in parts for record in part.records)
    return PartitionBatch(first.partition, first.epoch, first.begin, parts[-1].end, records, first.reading)
