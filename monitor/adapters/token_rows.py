"""What a model reads of a text, and how engines that run a model are asked: rows of token ids in, logits out."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

# By task: (rows, classes) float32.
Logits = Mapping[str, np.ndarray]


class NoMemoryError(Exception):
    """The device has no room for a batch of this size; a smaller one may do."""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """Two that are equal are the same to a model: it reads nothing else.

    Attributes:
        ids: token ids, 4 bytes each (uint32 of this machine).
        types: segment of each token, a byte each; empty where all are 0.
    """

    ids: bytes
    types: bytes = b""

    @property
    def length(self) -> int:
        """Its tokens."""
        return len(self.ids) // 4


def token_row(ids: Sequence[int], types: Sequence[int] = ()) -> TokenRow:
    """Packs a tokenizer's lists."""
    return TokenRow(array("I", ids).tobytes(), bytes(types) if any(types) else b"")


@dataclass(frozen=True, slots=True)
class Started:
    """A batch that a model works on.

    Attributes:
        padded_tokens: what it was padded to, all rows together.
        take: waits for it and returns its logits; called once; raises what Engine.start raises.
    """

    padded_tokens: int
    take: Callable[[], Logits]


class Engine(Protocol):
    """Runs a model; a row's logits are the same in whatever batch it stands, to the engine's tolerance.

    One thread asks it. At most two batches are started and not taken, and they are taken in their order.
    """

    def padded_length(self, length: int) -> int:
        """What a row of that many tokens costs."""

    def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
        """Puts a batch to work.

        Args:
            rows: at least one.
            budget: tokens of the largest batch that there will be, so that sizes can be rounded to few.

        Raises:
            NoMemoryError: there is no room for it.
            ClassifierError: the model failed.
        """

    def make_room(self) -> None:
        """Gives back memory that is kept for later, after a NoMemoryError."""


def fill(rows: Sequence[TokenRow], ids: np.ndarray, types: np.ndarray, *, left: bool = False) -> np.ndarray:
    """Writes rows into the first rows of two arrays and returns where they stand, (rows, tokens) bool.

    Args:
        rows: at most as many as the arrays have, none longer than they are wide.
        ids: (rows, tokens), filled with the padding piece's id.
        types: (rows, tokens), filled with 0.
        left: whether the padding goes before the text instead of behind it.
    """
    lengths = np.array([row.length for row in rows])[:, None]
    places, width = np.arange(ids.shape[1]), ids.shape[1]
    real: np.ndarray = places >= width - lengths if left else places < lengths
    ids[: len(rows)][real] = np.frombuffer(b"".join(row.ids for row in rows), np.uint32)
    if any(row.types for row in rows):
        types[: len(rows)][real] = np.frombuffer(b"".join(row.types or bytes(row.length) for row in rows), np.uint8)
    return real
