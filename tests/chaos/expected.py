"""What must be counted of documents whose copies may lie in several partitions, and where what is counted differs.

A document counts once, a story once, whichever copy is read first. Where all copies lie in one partition, its counters are
certain; where they don't, what all partitions count together is, and within which bounds each of them does. A document with a
mark (`marks.py`) has counters that no other has a part in: one that is lost can't hide one that is counted twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from tests.chaos.marks import is_mark, mark_of, own_name
from tests.headlines import Cell, Counts, Headline, counts_of, without_zeros

# By partition.
PartitionCounts = Counter[tuple[int, Cell]]
_DOCUMENTS = "documents"


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
        document: whose counter it is, if it is one document's own; else "".
    """

    partitions: tuple[int, ...]
    cell: Cell
    stored: int
    wanted: int
    excess: int
    document: str = ""

    def __str__(self) -> str:
        where = "+".join(map(str, self.partitions))
        whose = f" (document {self.document})" if self.document else ""
        return f"partition {where} {self.cell}{whose}: stored {self.stored}, wanted {self.wanted}"


class Expected:
    """What must be counted; made from stories.

    Attributes:
        fixed: by partition, what must be counted there.
        shared: what must be counted besides, in whichever partition was read first.
        marked: ids of documents, by their marks.
    """

    def __init__(self, stories: Stories = MappingProxyType({})) -> None:
        self.fixed: PartitionCounts = Counter()
        self.shared: Counts = Counter()
        self.marked: dict[str, str] = {}
        # By the marks of its documents; any of them may have begun it.
        self._story_of: dict[str, str] = {}
        # What of the shared a partition may count: at least (polarity may be negative) and at most.
        self._least: PartitionCounts = Counter()
        self._most: PartitionCounts = Counter()
        for story, members in stories.items():
            for told in members.values():
                self._add(told.places, _as_copy(told.headline))
                if mark := mark_of(told.headline):
                    self.marked[mark] = told.headline.id
                    self._story_of[mark] = story
            headline = next(iter(members.values())).headline
            self._add(set().union(*(told.places for told in members.values())), _as_first(headline, story))

    def differences(self, counted: PartitionCounts) -> list[Difference]:
        """Counters that differ, in order."""
        stored: PartitionCounts = Counter()
        for (partition, cell), amount in counted.items():
            stored[partition, self._whose(cell)] += amount
        partitions: dict[Cell, set[int]] = defaultdict(set)
        for counts in (stored, self.fixed, self._least, self._most):
            for partition, cell in counts:
                partitions[cell].add(partition)
        return [
            replace(found, document=self.marked.get(cell[3], ""))
            for cell in sorted(partitions)
            for found in self._compare(cell, partitions[cell], stored)
        ]

    def documents_off(self, differences: Sequence[Difference], seconds: int) -> list[int]:
        """By how much documents are counted too often, or (below 0) not often enough, without zeros.

        One with a mark by itself. What is left in a counter of all documents, of those without: each of these lies in one
        partition, which read them in order.

        Args:
            differences: what `differences` returned.
            seconds: length of the buckets to look at.
        """
        single: list[int] = []
        rest: Counter[tuple[Cell, int]] = Counter()
        for difference in differences:
            length, start, dimension, _, kind, measure = difference.cell
            if (length, measure) != (seconds, _DOCUMENTS):
                continue
            everything: Cell = (length, start, "all", "all", kind, measure)
            place = self._together(everything, difference.partitions[0])
            if dimension == "all":
                rest[everything, place] += difference.excess
            elif difference.document:
                single.append(difference.excess)
                rest[everything, place] -= difference.excess
        return [amount for amount in (*single, *rest.values()) if amount]

    def _whose(self, cell: Cell) -> Cell:
        """The counter; the story's own, if it is one of a story under the mark of a document that may have begun it."""
        length, start, dimension, key, kind, measure = cell
        if dimension == "entity" and key in self._story_of and not measure.endswith(_DOCUMENTS):
            return length, start, dimension, own_name(self._story_of[key]), kind, measure
        return cell

    def _together(self, cell: Cell, partition: int) -> int:
        """One number for all partitions among which it is not certain where this is counted; else the partition."""
        return -1 if self._most[partition, cell] else partition

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


def _as_first(headline: Headline, story: str) -> Counts:
    """What it adds besides if none did."""
    companies = tuple(own_name(story) if is_mark(ticker) else ticker for ticker in headline.tickers)
    headline = replace(headline, tickers=companies)
    counts = counts_of([replace(headline, tells="")])
    counts.subtract(_as_copy(headline))
    return without_zeros(counts)
