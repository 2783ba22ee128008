"""`pipelines replay`: reads a feed, orders it, sends it and tells what it did.

Guarantees: nothing is sent before the whole file has been read, ordered and its rejects written; the messages are held
in memory meanwhile.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from monitor.errors import ConfigError, InvalidMessageError
from monitor.ports import Clock
from pipelines.replay.mapping import Message, Rules, message_of, resolve_columns
from pipelines.replay.options import ReplayOptions
from pipelines.replay.player import Destination, in_order, play
from pipelines.replay.readers import FeedFile, Reject, Row, columns_of, rows_of
from pipelines.replay.summary import EXAMPLES, ReplaySummary, show_summary
from pipelines.replay.times import day_of, day_start_ms, iso

# Messages between two updates of the bar at full speed.
_SHOWN_EVERY = 200


@dataclass(slots=True)
class Reading:
    """What was read from a feed: every row is in `messages` or in `rejects`."""

    messages: list[Message] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of the file."""
        return len(self.messages) + len(self.rejects)


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be sent, in its order, and how many rows the options leave out."""

    messages: list[Message]
    outside: int
    over_limit: int


@dataclass(slots=True)
class Sent:
    """How many messages were sent, and the last of them."""

    count: int = 0
    last: Message | None = None


def replay(options: ReplayOptions, destination: Destination | None, clock: Clock, console: Console) -> ReplaySummary:
    """Replays a feed and prints a summary.

    Args:
        options: the file, how it is read, and what of it is sent.
        destination: where messages go; may be None for a dry run.
        clock: paces the replay where `options.speed` is set.
        console: for progress and summary.

    Raises:
        ConfigError: the file or its columns aren't as the options say.
        TransientError: the destination failed.
    """
    if destination is None and not options.dry_run:
        raise ConfigError("a replay that is no dry run needs a destination")
    started = clock.monotonic_seconds()
    reading = read_feed(options.feed, rules_of(options))
    selection = select(reading.messages, options.bounds_ms, options.limit)
    if options.rejects is not None:
        write_rejects(options.rejects, reading.rejects)
    sent = Sent()
    interrupted = False
    if destination is not None and not options.dry_run:
        with _progress(console, len(selection.messages), sent, paced=options.speed is not None) as note:
            try:
                play(selection.messages, destination, clock, options.speed, note)
            except KeyboardInterrupt:
                interrupted = True
    summary = _summary(
        options, reading, selection, sent, seconds=clock.monotonic_seconds() - started, interrupted=interrupted
    )
    show_summary(summary, console)
    return summary


def rules_of(options: ReplayOptions) -> Rules:
    """The rules by which the rows are read; looks at the file's columns."""
    feed = options.feed
    return Rules(
        columns=resolve_columns(options.columns, columns_of(feed)),
        source=options.source or feed.path.name.split(".")[0],
        kind=options.kind,
        language=options.language,
        zone=options.zone,
        time_formats=options.time_formats,
        day_time=options.day_time,
        days_only=options.days_only,
        strip_source=options.strip_source,
        delay_seconds=options.delay_seconds,
        carries_fields=feed.is_jsonl,
    )


def read_feed(feed: FeedFile, rules: Rules) -> Reading:
    """Reads every row into a message or a reject."""
    reading = Reading()
    for item in rows_of(feed):
        if isinstance(item, Reject):
            reading.rejects.append(item)
            continue
        try:
            reading.messages.append(message_of(item, rules))
        except InvalidMessageError as exc:
            reading.rejects.append(_reject(item, exc))
    return reading


def select(messages: list[Message], bounds_ms: tuple[int | None, int | None], limit: int | None) -> Selection:
    """Orders the messages and keeps those published in [from, to), at most `limit`, the earliest."""
    start, end = bounds_ms
    inside = [
        message
        for message in in_order(messages)
        if (start is None or start <= message.published_ms) and (end is None or message.published_ms < end)
    ]
    kept = inside if limit is None else inside[:limit]
    return Selection(kept, len(messages) - len(inside), len(inside) - len(kept))


def write_rejects(path: Path, rejects: list[Reject]) -> None:
    """Writes the fields of each reject as a line of JSON; an empty file where there are none."""
    try:
        with path.open("w", encoding="ascii") as stream:
            stream.writelines(json.dumps(asdict(reject), ensure_ascii=True) + "\n" for reject in rejects)
    except OSError as exc:
        raise ConfigError(f"--rejects {path}: {exc.strerror or exc}") from exc


def _reject(row: Row, error: InvalidMessageError) -> Reject:
    return Reject(row.number, row.line, row.last_line, error.reason, str(error), dict(row.values))


@contextmanager
def _progress(console: Console, total: int, sent: Sent, paced: bool) -> Iterator[Callable[[Message], None]]:
    """Counts what is sent, and shows how far it is and the publication time that it has reached."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[reached]}"),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    every = 1 if paced else _SHOWN_EVERY
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("sending", total=total, reached="")

        def note(message: Message) -> None:
            sent.count += 1
            sent.last = message
            if sent.count % every == 0 or sent.count == total:
                progress.update(task, completed=sent.count, reached=iso(message.published_ms))

        yield note


def _summary(
    options: ReplayOptions,
    reading: Reading,
    selection: Selection,
    sent: Sent,
    *,
    seconds: float,
    interrupted: bool,
) -> ReplaySummary:
    chosen = selection.messages
    published = [message.published_ms for message in chosen]
    timed = [message.published_ms for message in chosen if not message.day_only]
    return ReplaySummary(
        file=options.file,
        rows=reading.rows,
        accepted=len(reading.messages),
        rejected=dict(Counter(reject.reason for reject in reading.rejects)),
        examples=_examples(reading.rejects),
        outside=selection.outside,
        over_limit=selection.over_limit,
        selected=len(chosen),
        sent=sent.count,
        repeated=len(chosen) - len({message.id for message in chosen}),
        day_only=sum(message.day_only for message in chosen),
        day_time=options.day_time,
        midnights=len(timed) > 1 and all(_is_midnight(instant, options) for instant in timed),
        first_ms=min(published, default=None),
        last_ms=max(published, default=None),
        reached_ms=sent.last.available_ms if sent.last else None,
        seconds=seconds,
        interrupted=interrupted,
        dry_run=options.dry_run,
        rejects_file=options.rejects,
    )


def _is_midnight(instant: int, options: ReplayOptions) -> bool:
    return day_start_ms(day_of(instant, options.zone), options.zone) == instant


def _examples(rejects: list[Reject]) -> tuple[Reject, ...]:
    shown: Counter[str] = Counter()
    examples = []
    for reject in rejects:
        shown[reject.reason] += 1
        if shown[reject.reason] <= EXAMPLES:
            examples.append(reject)
    return tuple(examples)
