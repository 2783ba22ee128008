"""Laws of replaying: what is sent again, what is not and why, and what a crash leaves behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka_dead_letters import StoredLetter
from monitor.errors import TransientError
from pipelines.dead_letters.replay import (
    BATCH_LETTERS,
    COPY,
    CUT,
    EMPTY,
    FATES,
    FOREIGN,
    KEYLESS,
    KNOWN,
    NO_SOURCE,
    REPLAYED,
    TOO_LARGE,
    ReplayOptions,
    replay,
)
from tests.unit.dead_letters.written import MemoryLedger, RecordingTarget, letter


def replayed(
    letters: Sequence[StoredLetter] | Iterator[StoredLetter],
    target: RecordingTarget,
    ledger: MemoryLedger,
    limit: int | None = None,
    again: bool = False,
    dry_run: bool = False,
) -> list[str]:
    """Replays; returns the fates that were told, in order."""
    told: list[str] = []
    options = ReplayOptions("news.raw", limit, again, dry_run)
    summary = replay(letters, target, ledger, options, lambda one, fate: told.append(fate))
    assert {fate: told.count(fate) for fate in told} == dict(summary.counts)
    assert set(told) <= set(FATES)
    return told


def test_letters_are_sent_again_in_order_and_only_once() -> None:
    """A second replay skips them all, unless it is told to replay them again."""
    target, ledger = RecordingTarget(), MemoryLedger()
    letters = [letter(i) for i in range(3)]
    assert replayed(letters, target, ledger) == [REPLAYED] * 3
    assert replayed(letters, target, ledger) == [KNOWN] * 3
    assert target.sent == letters
    assert replayed(letters, target, ledger, again=True) == [REPLAYED] * 3
    assert target.sent == letters * 2


@pytest.mark.parametrize(
    ("one", "fate"),
    [
        (letter(value_bytes="5000000"), CUT),
        (letter(value_bytes="many"), CUT),
        (letter(key=None, key_bytes="819200"), KEYLESS),
        (letter(key=None, key_bytes="many"), KEYLESS),
        (letter(value=None), EMPTY),
        (letter(value=b""), EMPTY),
        (letter(source_topic=None), NO_SOURCE),
        (letter(source_partition="-1"), NO_SOURCE),
        (letter(source_offset="last"), NO_SOURCE),
        (letter(source_topic="other.raw"), FOREIGN),
    ],
)
def test_what_cannot_be_replayed_is_named_and_neither_sent_nor_noted(one: StoredLetter, fate: str) -> None:
    """Not even when it is told to replay again."""
    target, ledger = RecordingTarget(), MemoryLedger()
    assert replayed([one], target, ledger) == replayed([one], target, ledger, again=True) == [fate]
    assert (target.sent, ledger.noted) == ([], set())


def test_a_letter_that_was_published_twice_is_one_letter() -> None:
    """Publishing is at least once; both tell the same source. One that died again is another."""
    target, ledger = RecordingTarget(), MemoryLedger()
    copies = [letter(0), letter(7, source_offset="100"), letter(8, source_offset="200", attempts="2")]
    assert replayed(copies, target, ledger) == [REPLAYED, COPY, REPLAYED]
    assert replayed(copies[1:2], target, ledger) == [KNOWN]
    assert [one.offset for one in target.sent] == [0, 8]


def test_a_letter_that_the_raw_topic_refuses_stops_no_other() -> None:
    """It is named, and can be tried again when the topic takes more."""
    target, ledger = RecordingTarget(too_large=["0:1"]), MemoryLedger()
    letters = [letter(i) for i in range(3)]
    assert replayed(letters, target, ledger) == [REPLAYED, TOO_LARGE, REPLAYED]
    assert replayed(letters, RecordingTarget(), ledger) == [KNOWN, REPLAYED, KNOWN]


def test_a_dry_run_decides_and_writes_nothing() -> None:
    """Neither records nor ledger."""
    target, ledger = RecordingTarget(), MemoryLedger()
    letters = [letter(0), letter(1, value=None), letter(2)]
    assert replayed(letters, target, ledger, dry_run=True) == [REPLAYED, EMPTY, REPLAYED]
    assert (target.sends, ledger.noted) == ([], set())
    assert replayed(letters, target, ledger) == [REPLAYED, EMPTY, REPLAYED]


@pytest.mark.parametrize("apart", [1, BATCH_LETTERS, 3 * BATCH_LETTERS])
def test_a_dry_run_tells_what_a_replay_would(apart: int) -> None:
    """Copies in other batches too; the ledger knows nothing of it afterwards."""
    letters = [letter(i) for i in range(apart)] + [letter(apart, source_offset="100"), letter(apart + 1)]
    ledger = MemoryLedger()
    supposed = replayed(letters, RecordingTarget(), ledger, dry_run=True)
    assert ledger.noted == set()
    assert supposed == replayed(letters, RecordingTarget(), ledger)
    assert supposed.count(REPLAYED) == apart + 1


@given(st.lists(st.booleans(), max_size=30), st.integers(1, 8))
def test_a_limit_counts_what_is_replayed_and_ends_with_it(whole: list[bool], limit: int) -> None:
    """Skipped letters count for nothing; what comes after the last one is left for the next time."""
    letters = [letter(i, value=b"{" if is_whole else None) for i, is_whole in enumerate(whole)]
    ledger, sent = MemoryLedger(), []
    for _ in range(len(letters) + 1):
        target = RecordingTarget()
        told = replayed(letters, target, ledger, limit=limit)
        assert told.count(REPLAYED) == len(target.sent) <= limit
        assert told.count(REPLAYED) < limit or told[-1] == REPLAYED
        sent += target.sent
    assert sent == [one for one in letters if one.value]


def test_letters_are_read_as_they_are_needed() -> None:
    """A batch is held at a time, whatever the topic holds."""
    most_read, target = [0], RecordingTarget()

    def many() -> Iterator[StoredLetter]:
        for i in range(5 * BATCH_LETTERS):
            most_read[0] = max(most_read[0], i - len(target.sent))
            yield letter(i)

    assert replayed(many(), target, MemoryLedger()) == [REPLAYED] * (5 * BATCH_LETTERS)
    assert most_read[0] <= BATCH_LETTERS
    assert set(target.sends) == {BATCH_LETTERS}


def test_large_letters_travel_in_small_batches() -> None:
    """A batch is bounded in bytes too."""
    target = RecordingTarget()
    replayed([letter(i, value=b"x" * 3_000_000) for i in range(6)], target, MemoryLedger())
    assert target.sends == [3, 3]


@given(st.integers(1, 3), st.booleans())
def test_a_failure_loses_no_letter_and_repeats_at_most_a_batch(number: int, in_ledger: bool) -> None:
    """Begun anew it sends all that was not noted; what was sent and not noted comes twice, and counts once."""
    failing = (number,)
    letters = [letter(i) for i in range(2 * BATCH_LETTERS + 1)]
    target = RecordingTarget(failing=() if in_ledger else failing)
    ledger = MemoryLedger(failing=failing if in_ledger else ())
    with suppress(TransientError):
        replayed(letters, target, ledger)
    replayed(letters, target, ledger)
    offsets = [one.offset for one in target.sent]
    assert set(offsets) == set(range(len(letters)))
    assert len(offsets) - len(letters) <= (BATCH_LETTERS if in_ledger else 0)
