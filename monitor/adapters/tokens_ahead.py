"""Rows tokenised before they are asked for: a GPU would wait for the tokens of a round's first batch, and it is fast.

What was foreseen and is never asked for, a round that was dropped, is forgotten with the rounds of its time. A row that
stands in several of them is tokenised with the first: an earlier round never waits for a later one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from monitor.adapters.token_rows import TokenRow

R = TypeVar("R", bound=Hashable)
# More than are on their way to the model: of those that a worker has ahead (monitor/prefetch.py), one is in it.
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a row's tokens are, and the last round that it stands in."""

    encoded: Future[list[TokenRow | None]]
    number: int
    last_round: int

    @property
    def failed(self) -> bool:
        return self.encoded.done() and self.encoded.exception() is not None


class TokensAhead(Generic[R]):
    """The rows of a few rounds.

    Args:
        thread: where they are tokenised, one round after the other.
        encode: tokenises rows, at least one, in order; None for one that is not to be scored.
    """

    def __init__(self, thread: Executor, encode: Callable[[Sequence[R]], list[TokenRow | None]]) -> None:
        self._thread, self._encode = thread, encode
        self._places: dict[R, _Place] = {}
        self._rounds: deque[Sequence[R]] = deque()
        self._round = 0  # the number of the last one

    def foresee(self, rows: Sequence[R]) -> None:
        """Begins to tokenise a round's rows, all of them in one call. Not to be called from the thread itself."""
        if not rows:
            return
        self._round += 1
        different = dict.fromkeys(rows)
        known = {row: place for row in different if (place := self._places.get(row)) is not None and not place.failed}
        self._places.update((row, replace(place, last_round=self._round)) for row, place in known.items())
        if new := [row for row in different if row not in known]:
            encoded = self._thread.submit(self._encode, new)
            self._places.update((row, _Place(encoded, number, self._round)) for number, row in enumerate(new))
        self._rounds.append(tuple(different))
        if len(self._rounds) > _ROUNDS:
            self._forget(self._rounds.popleft(), self._round - _ROUNDS)

    def knows_any(self, rows: Sequence[R]) -> bool:
        """Whether any of them was foreseen."""
        return bool(self._places) and any(row in self._places for row in rows)

    def encoded(self, rows: Sequence[R]) -> list[TokenRow | None]:
        """What `encode` returns for them, each tokenised now if it was not foreseen. Not to be called from the thread."""
        known = [self._places.get(row) for row in rows]
        missing = [row for row, place in zip(rows, known, strict=True) if place is None]
        now = iter(self._encode(missing) if missing else ())
        return [next(now) if place is None else place.encoded.result()[place.number] for place in known]

    def _forget(self, rows: Sequence[R], number: int) -> None:
        for row in rows:
            if (place := self._places.get(row)) is not None and place.last_round == number:
                self._places.pop(row)
