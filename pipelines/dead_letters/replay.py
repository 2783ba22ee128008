"""Sends dead letters again, in order, a bounded number at a time.

Guarantees: a letter is noted in the ledger when it is durable in the raw topic, so that a crash in between sends a few
again and loses none; what is sent twice counts once, since the worker knows a document by its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.adapters.kafka_dead_letters import StoredLetter
from monitor.adapters.kafka_headers import KEY_BYTES

BATCH_LETTERS, BATCH_BYTES = 500, 8 * 1024 * 1024
REMEMBERED = 100_000  # of a dry run's letters, those that come last: copies lie close together
Source = tuple[str, int, int]

# What becomes of a letter that is asked for.
REPLAYED = "replayed"
KNOWN = "replayed before"
COPY = "the same record as one before it"
# These can't be replayed at all.
CUT = "its value was cut"
KEYLESS = "its key was left out"
EMPTY = "it has no bytes"
NO_SOURCE = "it does not say where it was read"
FOREIGN = "it was read from another topic"
TOO_LARGE = "the raw topic takes no record so large"
IMPOSSIBLE = (CUT, KEYLESS, EMPTY, NO_SOURCE, FOREIGN, TOO_LARGE)
FATES = (REPLAYED, KNOWN, COPY, *IMPOSSIBLE)


class Target(Protocol):
    """Where letters go."""

    def send(self, letters: Sequence[StoredLetter]) -> set[str]:
        """Writes them durably; returns the places of those that are too large for it."""


class Ledger(Protocol):
    """What was replayed, by where it had been read."""

    def known(self, sources: Collection[Source]) -> set[Source]:
        """Those that were replayed before."""

    def note(self, sources: Collection[Source]) -> None:
        """Remembers them."""


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How to replay.

    Attributes:
        raw_topic: letters that were read from another topic stay where they are.
        limit: most letters replayed; None for all.
        again: also those that were replayed before.
        dry_run: decides all but whether a letter is too large, and writes nothing.
    """

    raw_topic: str
    limit: int | None = None
    again: bool = False
    dry_run: bool = False


@dataclass(slots=True)
class ReplaySummary:
    """How many letters came to which fate."""

    counts: Counter[str] = field(default_factory=Counter)

    @property
    def replayed(self) -> int:
        """Letters that were sent again."""
        return self.counts[REPLAYED]

    @property
    def impossible(self) -> int:
        """Letters that can't be replayed."""
        return sum(self.counts[fate] for fate in IMPOSSIBLE)


def replay(
    letters: Iterable[StoredLetter],
    target: Target,
    ledger: Ledger,
    options: ReplayOptions,
    tell: Callable[[StoredLetter, str], None],
) -> ReplaySummary:
    """Replays letters in the order given.

    Args:
        letters: those that were asked for; read as they are needed, a batch is held at a time.
        target: the raw topic.
        ledger: what was replayed before.
        options: how.
        tell: called with each letter and its fate, one of `FATES`, once that is certain.

    Raises:
        TransientError: the target or the ledger failed; what was told is done, and begun anew the rest follows.
    """
    summary = ReplaySummary()
    if options.dry_run:
        ledger = _Supposed(ledger)
    for batch in _batches(letters):
        left = None if options.limit is None else options.limit - summary.replayed
        if left is not None and left <= 0:
            break
        for letter, fate in _replay_batch(batch, target, ledger, options, left):
            summary.counts[fate] += 1
            tell(letter, fate)
    return summary


class _Supposed:
    """A ledger that remembers what a dry run would have noted, up to a bound, and leaves the real one alone."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._noted: dict[Source, None] = {}

    def known(self, sources: Collection[Source]) -> set[Source]:
        return self._ledger.known(sources) | (self._noted.keys() & sources)

    def note(self, sources: Collection[Source]) -> None:
        self._noted |= dict.fromkeys(sources)
        while len(self._noted) > REMEMBERED:
            del self._noted[next(iter(self._noted))]


def _replay_batch(
    batch: Sequence[StoredLetter], target: Target, ledger: Ledger, options: ReplayOptions, left: int | None
) -> list[tuple[StoredLetter, str]]:
    fates = _decide(batch, ledger, options)
    chosen = [letter for letter, fate in zip(batch, fates, strict=True) if fate == REPLAYED][:left]
    if left is not None and len(chosen) == left:  # what comes after the last one was not looked at
        batch = batch[: batch.index(chosen[-1]) + 1]
    if chosen:
        refused = set() if options.dry_run else target.send(chosen)
        fates = [TOO_LARGE if one.place in refused else fate for one, fate in zip(batch, fates, strict=False)]
        ledger.note([one.source for one in chosen if one.source is not None and one.place not in refused])
    return list(zip(batch, fates, strict=False))


def _decide(batch: Sequence[StoredLetter], ledger: Ledger, options: ReplayOptions) -> list[str]:
    own = {letter.source for letter in batch if letter.source is not None and letter.source[0] == options.raw_topic}
    seen = set() if options.again else ledger.known(own)
    here: set[Source] = set()
    fates = []
    for letter in batch:
        fate = _impossible(letter, options.raw_topic)
        if fate is None and letter.source is not None:
            fate = KNOWN if letter.source in seen else COPY if letter.source in here else REPLAYED
            here.add(letter.source)
        fates.append(fate or NO_SOURCE)
    return fates


def _impossible(letter: StoredLetter, raw_topic: str) -> str | None:
    if letter.source is None:
        return NO_SOURCE
    if letter.source[0] != raw_topic:
        return FOREIGN
    if letter.whole_bytes is not None:
        return CUT
    if KEY_BYTES in letter.headers:
        return KEYLESS
    return None if letter.value else EMPTY


def _batches(letters: Iterable[StoredLetter]) -> Iterable[list[StoredLetter]]:
    batch: list[StoredLetter] = []
    size = 0
    for letter in letters:
        batch.append(letter)
        size += len(letter.value or b"")
        if len(batch) >= BATCH_LETTERS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
