"""Clusters of near-duplicates: what the live novelty index would call one story, by the same sketches, whatever came between.

Guarantees: of all texts that share a band, any two that tell one story are in one cluster, in any order and any crowd.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from monitor.ingest.sketch import Sketch, same_story

_ANY = -1  # stands for "no mark", which are 32-bit numbers
_Key = tuple[str, int]


class Groups:
    """Which of some things belong together (disjoint sets; Tarjan, 1975, with paths halved)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, i: int) -> int:
        """The one that stands for the group of `i`."""
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Makes one group of two; the root of j's stands for both."""
        self._parent[self.root(i)] = self.root(j)


def clusters_of_sketches(sketches: Sequence[Sketch]) -> list[int]:
    """Returns a cluster number per sketch: the index of the cluster's first; near-duplicates (transitively) share one."""
    groups = Groups(len(sketches))
    index = _Index(sketches, groups)
    equal: dict[Sketch, int] = {}
    for i, sketch in enumerate(sketches):
        first = equal.setdefault(sketch, i)
        if first != i:
            groups.join(i, first)
            continue
        index.join_near(i)
        index.add(i)
    firsts: dict[int, int] = {}
    return [firsts.setdefault(groups.root(i), i) for i in range(len(sketches))]


class _Index:
    """Finds what may tell the same story: shares a band, and its marks hold all of the other's, or the other way round.

    In the boilerplate of every day thousands share a band, and a number tells each from the rest. So a sketch is looked for
    by its rarest mark: whoever holds all its marks holds that one, and whoever's marks it holds has their rarest among its
    own. Members of one cluster lie together, since one match settles all of them.
    """

    def __init__(self, sketches: Sequence[Sketch], groups: Groups) -> None:
        self._sketches, self._groups = sketches, groups
        self._bands = Counter(band for sketch in sketches for band in sketch.bands)
        self._marks = Counter(mark for sketch in sketches for mark in sketch.marks)
        self._by_rarest: dict[_Key, dict[int, list[int]]] = defaultdict(dict)
        self._by_any: dict[_Key, dict[int, list[int]]] = defaultdict(dict)

    def join_near(self, i: int) -> None:
        """Joins `i` with all that were added and tell its story."""
        sketch, root, own = self._sketches[i], self._groups.root, i
        compared: set[int] = set()
        for found in self._near(sketch):
            for other, members in found.items():
                if root(other) == own:
                    continue
                for j in reversed(members):
                    if j not in compared:
                        compared.add(j)
                        if same_story(sketch, self._sketches[j]):
                            self._groups.join(i, j)
                            own = root(i)
                            break

    def add(self, i: int) -> None:
        """Lets others be joined with `i`."""
        sketch, root = self._sketches[i], self._groups.root(i)
        for band in self._shared(sketch):
            self._by_rarest[band, self._rarest(sketch)].setdefault(root, []).append(i)
            for mark in (_ANY, *sketch.marks):
                self._by_any[band, mark].setdefault(root, []).append(i)

    def _near(self, sketch: Sketch) -> Iterator[dict[int, list[int]]]:
        for band in self._shared(sketch):
            if sketch.marks:  # else all of them are among those of any mark
                for mark in (_ANY, *sketch.marks):
                    yield self._by_rarest.get((band, mark), {})
            yield self._by_any.get((band, self._rarest(sketch)), {})

    def _shared(self, sketch: Sketch) -> Iterator[str]:
        return (band for band in sketch.bands if self._bands[band] > 1)

    def _rarest(self, sketch: Sketch) -> int:
        return min(sketch.marks, key=lambda mark: (self._marks[mark], mark), default=_ANY)
