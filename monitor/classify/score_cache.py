"""Remembers what a model said of what it read, so that a reprint costs no pass. Pure; one thread at a time.

Guarantees: bounded, the least recently used goes first; a value is what was put under exactly that key.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ScoreCache(Generic[K, V]):
    """A least-recently-used cache of one model's answers: another model, or another version of it, has its own.

    Args:
        entries: how many it keeps; 0 keeps none.
    """

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._values: dict[K, V] = {}

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        """What was put under the key, now the most recently used; None if it isn't there."""
        value = self._values.pop(key, None)
        if value is not None:
            self._values[key] = value  # a dict keeps the order of insertion: the first key is the one used longest ago
        return value

    def put(self, key: K, value: V) -> None:
        """Keeps a value, and drops the one used longest ago where there are too many."""
        if not self._entries:
            return
        self._values.pop(key, None)
        self._values[key] = value
        if len(self._values) > self._entries:
            del self._values[next(iter(self._values))]
