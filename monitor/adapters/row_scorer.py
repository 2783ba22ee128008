"""Rows through a model: sorted by length, tokenised on a thread of its own, batched by token budget, each scored once.

Guarantees: one value per row, in order. Rows that are the same to the model are scored once a round, and are not scored at
all while the cache has them; what failed is never remembered. A batch that finds no memory halves the budget, and many
good ones double it again.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from monitor.adapters.token_rows import Engine, Logits, NoMemoryError, Started, TokenRow
from monitor.adapters.tokens_ahead import TokensAhead
from monitor.classify.batches import token_batches
from monitor.classify.observer import ClassifyObserver, Unobserved
from monitor.classify.score_cache import ScoreCache
from monitor.errors import TransientError

log = logging.getLogger(__name__)
T = TypeVar("T")
# A batch below this is so cheap that a lack of memory has another cause.
_LEAST_BUDGET = 32
# Good batches before a halved budget is doubled; twice as many after each that found no memory, for making room costs a
# GPU its graphs, and where the memory is gone for good that should be rare.
_FEWEST_GOOD, _MOST_GOOD = 64, 65_536
# Rows of a chunk, by the budget: a handful of batches of headlines, so that little waits for the first chunk.
_TOKENS_A_CHUNK_ROW = 8
_FEWEST_CHUNK_ROWS = 64


@dataclass(frozen=True, slots=True)
class Row:
    """A text, or the pair of a company's name and the text that it stands in."""

    text: str
    name: str | None = None


@dataclass(slots=True)
class _Round(Generic[T]):
    """One call of `score` on its way."""

    values: list[T | None]
    places: dict[TokenRow, list[int]] = field(default_factory=dict)  # of rows that are being scored
    running: deque[tuple[list[TokenRow], Started, int]] = field(default_factory=deque)  # with the budget of each
    hits: int = 0


class RowScorer(Generic[T]):
    """Scores rows by one model.

    Args:
        engine: runs the model.
        encode: tokenises rows, in order; None for one that is not to be scored. Called on another thread.
        decide: what the logits of a batch mean, a value a row; raises ClassifierError where they mean nothing.
        max_batch_tokens: budget of a batch, while there is memory for it.
        cache_entries: how many values are remembered.
    """

    def __init__(
        self,
        engine: Engine,
        encode: Callable[[Sequence[Row]], list[TokenRow | None]],
        decide: Callable[[Logits], list[T]],
        max_batch_tokens: int,
        cache_entries: int,
    ) -> None:
        self._engine = engine
        self._encode = encode
        self._decide = decide
        self.max_batch_tokens = self._configured_tokens = max_batch_tokens
        self._good, self._good_wanted = 0, _FEWEST_GOOD // 2
        self._cache: ScoreCache[TokenRow, T] = ScoreCache(cache_entries)
        self._threads = ThreadPoolExecutor(1, "tokenise")
        # Its thread begins here: one that begins later has its core from the thread that scores, which may be pinned to one.
        self._threads.submit(int).result()
        self._ahead: TokensAhead[Row] = TokensAhead(self._threads, encode)
        self.observer: ClassifyObserver = Unobserved()

    def foresee(self, rows: Sequence[Row]) -> None:
        """Tokenises rows that `score` will be asked for, while it works on others; from any thread, one at a time."""
        self._ahead.foresee(rows)

    def score(self, rows: Sequence[Row]) -> list[T | None]:
        """Returns a value for each row, None for those that `encode` has none for.

        Raises:
            ClassifierError: the model failed, or its numbers mean nothing; what succeeded before is in the cache.
            TransientError: there is no memory for a single row: no row is to blame.
        """
        now: _Round[T] = _Round([None] * len(rows))
        left: list[TokenRow] = []
        for last, chunk, encoded in self._tokenised(rows):
            left += self._new(now, chunk, encoded)
            left = self._run(now, left, hold_back=not last)
        while now.running:
            self._run(now, self._take(now), hold_back=False)
        self.observer.looked_up(now.hits, len(now.places))
        return now.values

    def _tokenised(self, rows: Sequence[Row]) -> Iterator[tuple[bool, list[int], list[TokenRow | None]]]:
        """Chunks of rows from the shortest to the longest; each is tokenised while the model works on the one before."""
        # Characters are as good as tokens here, and known before a chunk is tokenised.
        order = sorted(range(len(rows)), key=lambda i: (len(rows[i].text) + len(rows[i].name or ""), i))
        size = max(_FEWEST_CHUNK_ROWS, self.max_batch_tokens // _TOKENS_A_CHUNK_ROW)
        chunks = [order[i : i + size] for i in range(0, len(order), size)]
        if self._ahead.knows_any(rows):  # mostly all of them: there is little to hand over
            for number, chunk in enumerate(chunks, 1):
                yield number == len(chunks), chunk, self._ahead.encoded([rows[i] for i in chunk])
            return
        if len(chunks) == 1:  # nothing to do beside it: handing it over would only cost
            yield True, chunks[0], self._encode([rows[i] for i in chunks[0]])
            return
        ahead = (self._threads.submit(self._encode, [rows[i] for i in chunk]) for chunk in chunks)
        following = next(ahead, None)
        for chunk in chunks:
            current, following = following, next(ahead, None)
            if current is not None:
                yield following is None, chunk, current.result()

    def _new(self, now: _Round[T], chunk: Sequence[int], encoded: Sequence[TokenRow | None]) -> list[TokenRow]:
        """Those of a chunk that nobody knows yet."""
        new = []
        for place, row in zip(chunk, encoded, strict=True):
            if row is None:
                continue
            if row in now.places:  # before the cache, which may have dropped it since it was put there in this round
                now.hits += 1
                now.values[place] = now.values[now.places[row][0]]  # None while it is being scored
                now.places[row].append(place)
            elif (known := self._cache.get(row)) is not None:
                now.hits += 1
                now.values[place] = known
            else:
                now.places[row] = [place]
                new.append(row)
        return new

    def _run(self, now: _Round[T], rows: list[TokenRow], *, hold_back: bool) -> list[TokenRow]:
        """Starts batches, one ahead of the one that is waited for; returns what a further chunk may fill up."""
        waiting = deque(self._batches(rows))
        while len(waiting) > hold_back:
            again = self._start(now, waiting.popleft())
            if len(now.running) > 1:
                again += self._take(now)
            if again:
                waiting = deque(self._batches([*again, *(row for batch in waiting for row in batch)]))
        return waiting.pop() if waiting else []

    def _start(self, now: _Round[T], batch: list[TokenRow]) -> list[TokenRow]:
        """Returns the rows of a batch that found no room, to be put into smaller ones."""
        try:
            started = self._engine.start(batch, self.max_batch_tokens)
        except NoMemoryError as exc:
            self._halve(exc, len(batch), self.max_batch_tokens)
            return batch
        now.running.append((batch, started, self.max_batch_tokens))
        return []

    def _batches(self, rows: Sequence[TokenRow]) -> list[list[TokenRow]]:
        lengths = [self._engine.padded_length(row.length) for row in rows]
        return [[rows[i] for i in batch] for batch in token_batches(lengths, self.max_batch_tokens)]

    def _halve(self, exc: NoMemoryError, rows: int, budget: int) -> None:
        self._engine.make_room()
        if self.max_batch_tokens < budget:  # the batch before it had no room either
            return
        if rows == 1 or self.max_batch_tokens <= _LEAST_BUDGET:
            raise TransientError(
                f"the model has no memory for {rows} texts: {exc}", reason="model_unavailable"
            ) from exc
        self.max_batch_tokens //= 2
        self._good, self._good_wanted = 0, min(2 * self._good_wanted, _MOST_GOOD)
        log.warning(
            "no memory for a batch: batches have at most %d tokens until %d went well; "
            "a classifier.max_batch_tokens of that avoids it: %s",
            self.max_batch_tokens,
            self._good_wanted,
            exc,
        )

    def _went_well(self) -> None:
        self._good += 1
        if self._good < self._good_wanted:
            return
        self._good = 0
        if self.max_batch_tokens == self._configured_tokens:
            self._good_wanted = _FEWEST_GOOD // 2  # the shortage is over
            return
        self.max_batch_tokens = min(2 * self.max_batch_tokens, self._configured_tokens)
        log.info("batches have up to %d tokens again", self.max_batch_tokens)

    def _take(self, now: _Round[T]) -> list[TokenRow]:
        """Waits for the batch that was started first; returns its rows if there was no room after all."""
        batch, started, budget = now.running.popleft()
        try:
            logits = started.take()
        except NoMemoryError as exc:
            self._halve(exc, len(batch), budget)
            return batch
        self._went_well()
        padding = started.padded_tokens - (real := sum(row.length for row in batch))
        self.observer.batch_scored(real, padding)
        for row, value in zip(batch, self._decide(logits), strict=True):
            self._cache.put(row, value)
            for place in now.places[row]:
                now.values[place] = value
        return []
