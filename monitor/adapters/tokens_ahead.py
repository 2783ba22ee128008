"""Rows tokenised before they are asked for: a GPU would wait for the tokens of a round's first batch, and it is fast.

What was foreseen and is never asked for, a round that was dropped, is forgotten with the rounds of its time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from monitor.adapters.token_rows import TokenRow

R = TypeVar("R", bound=Hashable)
# More than are on their way to the model: of those that a worker has ahead (monitor/prefetch.py), one is in it.
_ROUNDS = 4


class TokensAhead(Generic[R]):
    """The rows of a few rounds.

    Args:
        thread: where they are tokenised, one round after the other.
        encode: tokenises rows, at least one, in order; None for one that is not to be scored.
    """

    def __init__(self, thread: Executor, encode: Callable[[Sequence[R]], list[TokenRow | None]]) -> None:
        self._thread, self._encode = thread, encode
        self._places: dict[R, tuple[Future[list[TokenRow | None]], int]] = {}
        self._rounds: deque[tuple[Future[list[TokenRow | None]], Sequence[R]]] = deque()

    def foresee(self, rows: Sequence[R]) -> None:
        """Begins to tokenise a round's rows. Not to be called from the thread itself."""
        if not rows:
            return
        different = list(dict.fromkeys(rows))
        encoded = self._thread.submit(self._encode, different)
        self._rounds.append((encoded, different))
        self._places.update((row, (encoded, place)) for place, row in enumerate(different))
        if len(self._rounds) > _ROUNDS:
            old, forgotten = self._rounds.popleft()
            for row in forgotten:
                if (known := self._places.get(row)) is not None and known[0] is old:
                    self._places.pop(row, None)

    def knows_any(self, rows: Sequence[R]) -> bool:
        """Whether any of them was foreseen."""
        return bool(self._places) and any(row in self._places for row in rows)

    def encoded(self, rows: Sequence[R]) -> list[TokenRow | None]:
        """What `encode` returns for them, each tokenised now if it was not foreseen. Not to be called from the thread."""
        known = [self._places.get(row) for row in rows]
        missing = [row for row, place in zip(rows, known, strict=True) if place is None]
        now = iter(self._encode(missing) if missing else ())
        return [next(now) if place is None else place[0].result()[place[1]] for place in known]
