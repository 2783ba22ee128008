"""Runs the commands of `pipelines dead-letters` and says what they did."""

from __future__ import annotations

import argparse
import heapq
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from rich.console import Console

from monitor.adapters import redis_connection
from monitor.adapters.kafka_dead_letters import DeadLetterTopic, StoredLetter
from monitor.adapters.kafka_replay import RawReplay
from monitor.adapters.redis_replayed import RedisReplayed
from monitor.adapters.system_clock import SystemClock
from monitor.errors import ConfigError
from monitor.ports import Clock
from monitor.settings import Settings
from pipelines.dead_letters import SHOWN
from pipelines.dead_letters.filters import LetterFilter, filter_from, place_in
from pipelines.dead_letters.replay import IMPOSSIBLE, REPLAYED, ReplayOptions, ReplaySummary, replay
from pipelines.dead_letters.showing import as_json, safe, source_of, table_of, whole


def run(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    """Runs what `args.action` says; returns the exit code: 1 if letters were asked for that can't be replayed.

    Raises:
        ConfigError: a flag is wrong, there is no such letter, or a server can't be reached.
        TransientError: Kafka or Redis failed on the way.
    """
    actions: dict[str, Callable[[argparse.Namespace, Settings, Console], int]] = {
        "list": _list,
        "show": _show,
        "replay": _replay,
    }
    try:
        code = actions[args.action](args, settings, console)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has seen enough (`| head`); what Python still holds must not fail again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _list(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    limit, wanted = _positive(args.limit), filter_from(args)
    with DeadLetterTopic(settings.kafka, SystemClock()) as topic:
        matching = _matching(topic, wanted)
        if args.json:
            for number, letter in enumerate(matching, start=1):
                print(as_json(letter))
                if number == limit:
                    break
            return 0
        _print_newest(matching, limit or SHOWN, console)
    return 0


def _print_newest(letters: Iterator[StoredLetter], limit: int, console: Console) -> None:
    """Keeps the newest alone while it counts them all, so that a large topic needs no more memory than a small one."""
    newest: list[tuple[tuple[int, int, int], StoredLetter]] = []
    reasons: Counter[str] = Counter()
    for letter in letters:
        reasons[letter.reason or "?"] += 1
        entry = ((letter.timestamp_ms, letter.partition, letter.offset), letter)
        if len(newest) < limit:
            heapq.heappush(newest, entry)
        else:
            heapq.heappushpop(newest, entry)
    if not newest:
        _say(console, "no dead letter matches")
        return
    console.print(table_of(letter for _, letter in sorted(newest, key=lambda entry: entry[0])))
    by_reason = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    _say(console, f"{len(newest):,} of {reasons.total():,} letters: {by_reason}")


def _show(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    partition, offset = place_in("letter", args.letter)
    with DeadLetterTopic(settings.kafka, SystemClock()) as topic:
        letter = topic.letter(partition, offset)
    print(as_json(letter) if args.json else whole(letter))
    return 0


def _replay(args: argparse.Namespace, settings: Settings, console: Console) -> int:
    options = ReplayOptions(settings.kafka.raw_topic, _positive(args.limit), args.again, args.dry_run)
    wanted, clock = filter_from(args), SystemClock()
    ledger = _ledger(settings, clock)
    if args.again and not args.json:
        _say(
            console,
            f"--again: documents that were counted more than {settings.ingest.story_horizon_hours:g} hours ago "
            "(ingest.story_horizon_hours) count again",
        )
    tell = _tell_json if args.json else partial(_tell, console, args.dry_run)
    with DeadLetterTopic(settings.kafka, clock) as topic, RawReplay(settings.kafka, clock) as target:
        summary = replay(_matching(topic, wanted), target, ledger, options, tell)
    if args.json:
        print(json.dumps({"dry_run": args.dry_run, "letters": dict(summary.counts)}))
    else:
        _say_summary(summary, args.dry_run, console)
    return 1 if summary.impossible else 0


def _ledger(settings: Settings, clock: Clock) -> RedisReplayed:
    client = redis_connection.connect(settings.redis)
    redis_connection.wait_until_reachable(client, settings.redis, clock)
    return RedisReplayed(client, settings.redis.key_prefix)


def _matching(topic: DeadLetterTopic, wanted: LetterFilter) -> Iterator[StoredLetter]:
    """Letters that match; named ones are fetched by their place, the topic isn't read for them."""
    found = (
        (topic.letter(partition, offset) for partition, offset in sorted(wanted.places))
        if wanted.places
        else topic.letters(wanted.since_ms)
    )
    return filter(wanted.matches, found)


def _tell(console: Console, dry_run: bool, letter: StoredLetter, fate: str) -> None:
    """A line a letter, but for those that need none: after the first replay of a large topic they would be most."""
    what = f"{letter.place} ({letter.reason or '?'}, attempt {letter.attempts}, from {source_of(letter)})"
    if fate == REPLAYED:
        _say(console, f"{'would replay' if dry_run else 'replayed'} {what}")
    elif fate in IMPOSSIBLE:
        _say(console, f"can't replay {what}: {fate}")


def _tell_json(letter: StoredLetter, fate: str) -> None:
    print(json.dumps({"letter": letter.place, "reason": letter.reason, "from": source_of(letter), "fate": fate}))


def _say_summary(summary: ReplaySummary, dry_run: bool, console: Console) -> None:
    skipped = {fate: count for fate, count in summary.counts.items() if fate != REPLAYED}
    reasons = "".join(f"; {count:,} skipped: {fate}" for fate, count in skipped.items())
    verb = "would be replayed; nothing was written" if dry_run else "replayed"
    _say(console, f"{summary.replayed:,} {'letter' if summary.replayed == 1 else 'letters'} {verb}{reasons}")


def _say(console: Console, line: str) -> None:
    console.print(safe(line), markup=False, highlight=False, soft_wrap=True)


def _positive(value: int | None) -> int | None:
    if value is not None and value < 1:
        raise ConfigError(f"--limit {value}: at least 1")
    return value
