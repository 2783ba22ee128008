"""What must be counted of documents whose copies may lie in several partitions, and where what is counted differs.

A document counts once, a story once, whichever copy is read first. Where all copies lie in one partition, its counters are
certain; where they don't, what all partitions count together is, and within which bounds each of them does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tests.headlines import Cell, Counts, Headline, counts_of, without_zeros

# By partition.
PartitionCounts = Counter[tuple[int, Cell]]


@dataclass(slots=True)
class Told:
    """A document and the partitions that it lies in."""

    headline: Headline
    places: set[int] = field(default_factory=set)


# By the id of the headline that the others reprint; then every document that tells the story, by id.
Stories = Mapping[str, Mapping[str, Told]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter that is not what it must be.

    Attributes:
        partitions: those that count it, together.
        excess: how much too much is stored; 0 where it is only in the wrong one of them.
    """

    partitions: tuple[int, ...]
    cell: Cell
    stored: int
    wanted: int
    excess: int

    def __str__(self) -> str:
        where = "+".join(map(str, self.partitions))
        return f"partition {where} {self.cell}: stored {self.stored}, wanted {self.wanted}"


class Expected:
    """What must be counted; made from stories.

    Attributes:
        fixed: by partition, what must be counted there.
        shared: what must be counted besides, in whichever partition was read first.
    """

    def __init__(self, stories: Stories = MappingProxyType({})) -> None:
        self.fixed: PartitionCounts = Counter()
        self.shared: Counts = Counter()
        # What of the shared a partition may count: at least (polarity may be negative) and at most.
        self._least: PartitionCounts = Counter()
        self._most: PartitionCounts = Counter()
        for members in stories.values():
            for told in members.values():
                self._add(told.places, _as_copy(told.headline))
            headline = next(iter(members.values())).headline
            self._add(set().union(*(told.places for told in members.values())), _as_first(headline))

    def differences(self, stored: PartitionCounts) -> list[Difference]:
        """Counters that differ, in order."""
        partitions: dict[Cell, set[int]] = defaultdict(set)
        for counts in (stored, self.fixed, self._least, self._most):
            for partition, cell in counts:
                partitions[cell].add(partition)
        return [found for cell in sorted(partitions) for found in self._compare(cell, partitions[cell], stored)]

    def _add(self, places: Collection[int], counts: Counts) -> None:
        if len(places) == 1:
            (place,) = places
            self.fixed.update({(place, cell): amount for cell, amount in counts.items()})
            return
        self.shared.update(counts)
        for place in places:
            for cell, amount in counts.items():
                (self._most if amount > 0 else self._least)[place, cell] += amount

    def _compare(self, cell: Cell, partitions: Collection[int], stored: PartitionCounts) -> Iterator[Difference]:
        loose = [place for place in sorted(partitions) if self._most[place, cell] or self._least[place, cell]]
        for place in sorted(set(partitions) - set(loose)):
            here, wanted = stored[place, cell], self.fixed[place, cell]
            if here != wanted:
                yield Difference((place,), cell, here, wanted, here - wanted)
        rest = {place: stored[place, cell] - self.fixed[place, cell] for place in loose}
        if sum(rest.values()) != self.shared[cell]:
            total = sum(stored[place, cell] for place in loose)
            excess = sum(rest.values()) - self.shared[cell]
            yield Difference(tuple(loose), cell, total, total - excess, excess)
            return
        for place, amount in rest.items():
            nearest = min(max(amount, self._least[place, cell]), self._most[place, cell])
            if amount != nearest:
                yield Difference((place,), cell, stored[place, cell], self.fixed[place, cell] + nearest, 0)


def _as_copy(headline: Headline) -> Counts:
    """What it adds if another document told its story before."""
    return counts_of([replace(headline, tells=headline.tells or "another")])


def _as_first(headline: Headline) -> Counts:
    """What it adds besides if none did."""
    counts = counts_of([replace(headline, tells="")])
    counts.subtract(_as_copy(headline))
    return without_zeros(counts)
