"""Rolling series out of buckets: what an exporter keeps in memory of the trends, added up over partitions.

Guarantees: equal to the sum of the newest version of every bucket, whatever the order and repetition of `replace`. A
bucket that isn't there counts 0; whether anything was seen at all is `first_hour`'s to say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from monitor.messages import BucketCounts, Cell, Kind, Subject

Steps = np.ndarray  # (steps,) int64, one number per bucket


class TrendSeries:
    """Counters by cell, bucket length and bucket index (start divided by length)."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int, int], Mapping[Cell, int]] = {}
        self._totals: dict[int, dict[Cell, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
        self._oldest_change: dict[Subject, int] = {}

    def replace(self, part: BucketCounts) -> None:
        """Takes a bucket of one partition in its newest version."""
        seconds = part.bucket.seconds
        index = part.bucket.start_ms // (seconds * 1000)
        key = (part.partition, seconds, index)
        self._add(seconds, index, self._parts.pop(key, {}), -1)
        self._add(seconds, index, part.counts, 1)
        if part.counts:
            self._parts[key] = part.counts

    def forget(self, partition: int) -> None:
        """Drops all of a partition's buckets, before it is read anew."""
        for key in [key for key in self._parts if key[0] == partition]:
            self._add(key[1], key[2], self._parts.pop(key), -1)

    def prune(self, seconds: int, before_ms: int) -> None:
        """Drops buckets of that length that start before an instant."""
        limit = before_ms // (seconds * 1000)
        for key in [key for key in self._parts if key[1] == seconds and key[2] < limit]:
            self._add(seconds, key[2], self._parts.pop(key), -1)

    def subjects(self, dimension: str) -> list[str]:
        """Keys seen in a dimension, ascending."""
        return sorted({cell.key for cells in self._totals.values() for cell in cells if cell.dimension == dimension})

    def busiest(self, dimension: str, measure: str, seconds: int, limit: int) -> list[str]:
        """The keys of a dimension with the highest totals, at most `limit`, ascending by name."""
        totals: Counter[str] = Counter()
        for cell, counter in self._totals.get(seconds, {}).items():
            if cell.dimension == dimension and cell.measure == measure:
                totals[cell.key] += counter.total()
        ranked = sorted(totals, key=lambda key: (-totals[key], key))
        return sorted(ranked[:limit])

    def steps(
        self, subject: Subject, measure: str, seconds: int, first: int, stop: int, kind: str | None = None
    ) -> Steps:
        """Returns (stop - first,) int64: the measure per bucket with index in [first, stop), over kinds unless one is named."""
        values = np.zeros(max(0, stop - first), dtype=np.int64)
        cells = self._totals.get(seconds, {})
        for one in (kind,) if kind else tuple(Kind):
            counter = cells.get(Cell(*subject, one, measure))
            if counter:
                indices = np.fromiter(counter.keys(), dtype=np.int64, count=len(counter))
                amounts = np.fromiter(counter.values(), dtype=np.int64, count=len(counter))
                inside = (indices >= first) & (indices < stop)
                values[indices[inside] - first] += amounts[inside]
        return values

    def total(
        self, subject: Subject, measure: str, seconds: int, first: int, stop: int, kind: str | None = None
    ) -> int:
        """The measure added up over buckets with index in [first, stop)."""
        return int(self.steps(subject, measure, seconds, first, stop, kind).sum())

    def first_index(self, subject: Subject, measure: str, seconds: int) -> int | None:
        """Index of the oldest bucket in which the measure is above 0."""
        cells = self._totals.get(seconds, {})
        found = [min(c) for kind in Kind if (c := cells.get(Cell(*subject, kind, measure)))]
        return min(found, default=None)

    def take_changes(self) -> dict[Subject, int]:
        """Subjects changed since the last call, with the start (ms) of the oldest bucket that changed."""
        changes, self._oldest_change = self._oldest_change, {}
        return changes

    def _add(self, seconds: int, index: int, counts: Mapping[Cell, int], sign: int) -> None:
        cells = self._totals[seconds]
        start_ms = index * seconds * 1000
        for cell, amount in counts.items():
            counter = cells[cell]
            counter[index] += sign * amount
            if counter[index] == 0:
                del counter[index]
                if not counter:
                    del cells[cell]
            subject = (cell.dimension, cell.key)
            self._oldest_change[subject] = min(start_ms, self._oldest_change.get(subject, start_ms))


def load(series: TrendSeries, parts: Iterable[BucketCounts]) -> TrendSeries:
    """Replaces all of `parts` and returns the series."""
    for part in parts:
        series.replace(part)
    return series
