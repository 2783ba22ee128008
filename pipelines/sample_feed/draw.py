"""Seeded choices that come out the same on every Python version.

Only `Random.random()` is promised to keep its sequence between versions, so everything here is made from it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of seeded choices.

    Args:
        seed: the job's seed.
        name: names an independent stream, so that more choices in one part do not move another part's.
    """

    def __init__(self, seed: int, name: str) -> None:
        self._random = random.Random(f"{seed}/{name}")

    def uniform(self, low: float, high: float) -> float:
        """Returns a number in [low, high)."""
        return low + (high - low) * self._random.random()

    def integer(self, low: int, high: int) -> int:
        """Returns a whole number in [low, high], both included."""
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Returns True with this probability."""
        return self._random.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Returns one of the items, each as likely as the next."""
        return items[int(self._random.random() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Returns one of the items, as likely as its share of the weights."""
        left = self._random.random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0:
                return item
        return items[-1]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Returns the items in a drawn order."""
        keyed = [(self._random.random(), index) for index in range(len(items))]
        return [items[index] for _, index in sorted(keyed)]

    def deck(self, items: Sequence[T], count: int) -> list[T]:
        """Returns `count` items, dealt from shuffled decks: none comes a third time before all came twice."""
        dealt: list[T] = []
        while len(dealt) < count:
            dealt.extend(self.shuffled(items))
        return dealt[:count]
