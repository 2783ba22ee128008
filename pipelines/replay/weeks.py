"""Weekly tables of what the trends hold: which weeks were negative, for which topics.

Guarantees: pure from bucket counts to report; sums over partitions and kinds in any order give the same report; weeks
are ISO weeks of UTC, and shares are of scored stories (a story in a language that no model reads has no sentiment).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitor.errors import ConfigError
from monitor.messages import BucketCounts
from monitor.ports import Clock, TrendReader

_POLL_SECONDS = 0.5
_MEASURES = {
    "stories": "stories", "documents": "documents", "negative_stories": "negative",
    "neutral_stories": "neutral", "positive_stories": "positive",
}  # fmt: skip

_SHOWN_WEEKS = 10
_PLAIN: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD, "pad_edge": False}


@dataclass(frozen=True, slots=True)
class WeekCounts:
    """Counts of one week; negative, neutral and positive are scored stories."""

    stories: int = 0
    documents: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0

    def __add__(self, other: WeekCounts) -> WeekCounts:
        return WeekCounts(
            self.stories + other.stories,
            self.documents + other.documents,
            self.negative + other.negative,
            self.neutral + other.neutral,
            self.positive + other.positive,
        )

    @property
    def scored(self) -> int:
        """Stories that have a sentiment."""
        return self.negative + self.neutral + self.positive

    @property
    def negative_share(self) -> float | None:
        """Negative among scored stories; None where nothing was scored."""
        return self.negative / self.scored if self.scored else None


@dataclass(frozen=True, slots=True)
class WeekRow:
    """A line of a table: the week's Monday and its counts; `topic` is the most negative one in the overall table."""

    monday: date
    counts: WeekCounts
    topic: str = ""

    @property
    def name(self) -> str:
        """The ISO name, such as 2020-W12."""
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02d}"


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """All weeks in their order, and for each topic its top weeks by negative stories and by their share."""

    weeks: tuple[WeekRow, ...]
    by_negative: Mapping[str, tuple[WeekRow, ...]]
    by_share: Mapping[str, tuple[WeekRow, ...]]
    min_stories: int


def monday_of(instant_ms: int) -> date:
    """The Monday of the ISO week of UTC in which an instant falls."""
    day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant_ms)).date()
    return day - timedelta(days=day.weekday())


def weekly_counts(buckets: Iterable[BucketCounts], dimension: str) -> dict[tuple[str, date], WeekCounts]:
    """Adds the cells of a dimension up to (key, Monday), over buckets, partitions and kinds."""
    sums: dict[tuple[str, date], WeekCounts] = {}
    for part in buckets:
        monday = monday_of(part.bucket.start_ms)
        for cell, count in part.counts.items():
            if cell.dimension == dimension and cell.measure in _MEASURES:
                place = (cell.key, monday)
                sums[place] = sums.get(place, WeekCounts()) + WeekCounts(**{_MEASURES[cell.measure]: count})
    return sums


def weekly_report(buckets: Sequence[BucketCounts], top: int = 5, min_stories: int = 20) -> WeeklyReport:
    """Makes the tables.

    Args:
        buckets: of one length; with two, everything would count twice.
        top: weeks a topic in each ranking.
        min_stories: scored stories that a week needs to be ranked by share; a share of little says little.
    """
    topics: dict[str, list[WeekRow]] = {}
    worst: dict[date, tuple[int, str]] = {}
    for (topic, monday), week in sorted(weekly_counts(buckets, "topic").items()):
        topics.setdefault(topic, []).append(WeekRow(monday, week))
        if week.negative > worst.get(monday, (0, ""))[0]:
            worst[monday] = (week.negative, topic)
    overall = sorted(((monday, week) for (_, monday), week in weekly_counts(buckets, "all").items()), key=itemgetter(0))
    return WeeklyReport(
        weeks=tuple(WeekRow(monday, week, worst.get(monday, (0, ""))[1]) for monday, week in overall),
        by_negative={topic: top_by_negative(rows, top) for topic, rows in topics.items()},
        by_share={topic: top_by_share(rows, top, min_stories) for topic, rows in topics.items()},
        min_stories=min_stories,
    )


def top_by_negative(rows: Iterable[WeekRow], top: int) -> tuple[WeekRow, ...]:
    """The weeks with the most negative stories; of equals, the one with the larger share, then the earlier one."""
    ranked = sorted(
        (row for row in rows if row.counts.negative),
        key=lambda row: (-row.counts.negative, -(row.counts.negative_share or 0), row.monday),
    )
    return tuple(ranked[:top])


def top_by_share(rows: Iterable[WeekRow], top: int, min_stories: int) -> tuple[WeekRow, ...]:
    """The weeks with the largest share of negatives, among those with enough scored stories."""
    ranked = sorted(
        (row for row in rows if row.counts.negative and row.counts.scored >= min_stories),
        key=lambda row: (-(row.counts.negative_share or 0), -row.counts.negative, row.monday),
    )
    return tuple(ranked[:top])


def read_report(reader: TrendReader, bucket_seconds: int = 3600, top: int = 5, min_stories: int = 20) -> WeeklyReport:
    """Reads the buckets of that length which the trends still hold, and reports on them."""
    buckets = [
        part
        for state in reader.partitions()
        for part in reader.changed_since(state.partition, -1)
        if part.bucket.seconds == bucket_seconds
    ]
    return weekly_report(buckets, top, min_stories)


def wait_until_applied(
    reader: TrendReader,
    positions: Mapping[int, int],
    clock: Clock,
    timeout_seconds: float,
    note: Callable[[int], None] = lambda applied: None,
) -> bool:
    """Waits until the workers have come to `positions` (partition to end offset); False if they stand still so long.

    Args:
        reader: where the trends are.
        positions: what to wait for.
        clock: the time.
        timeout_seconds: how long without any progress.
        note: called with the records applied so far; what it raises ends the waiting.
    """
    until, before = clock.monotonic_seconds() + timeout_seconds, 0
    while True:
        reached = {state.partition: state.position for state in reader.partitions()}
        applied = sum(min(reached.get(partition, 0), end) for partition, end in positions.items())
        note(applied)
        if applied == sum(positions.values()):
            return True
        if applied > before:
            until, before = clock.monotonic_seconds() + timeout_seconds, applied
        if clock.monotonic_seconds() >= until:
            return False
        clock.wait_seconds(_POLL_SECONDS)


def report_json(report: WeeklyReport) -> dict[str, Any]:
    """The report as JSON values."""
    topics = {
        topic: {
            "by_negative": [_row_json(row) for row in report.by_negative[topic]],
            "by_share": [_row_json(row) for row in report.by_share[topic]],
        }
        for topic in report.by_negative
    }
    weeks = [{**_row_json(row), "most_negative_topic": row.topic or None} for row in report.weeks]
    return {"min_stories": report.min_stories, "weeks": weeks, "topics": topics}


def weekly_frame(report: WeeklyReport) -> pd.DataFrame:
    """One row a week: week, monday, stories, documents, counts by sentiment, negative_share (NaN: no data), topic."""
    return pd.DataFrame([{**_row_json(row), "most_negative_topic": row.topic} for row in report.weeks])


def save_report(report: WeeklyReport, path: Path) -> None:
    """Writes the report: the weeks as a table if the file ends in .csv, otherwise everything as JSON.

    Raises:
        ConfigError: the file can't be written.
    """
    try:
        if path.suffix == ".csv":
            weekly_frame(report).to_csv(path, index=False)
            return
        path.write_text(json.dumps(report_json(report), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"--report {path}: {exc.strerror or exc}") from exc


def show_report(report: WeeklyReport, console: Console) -> None:
    """Prints the weeks that stand out: over all topics, then for each topic; every week is in the JSON."""
    rankings = (
        ("by negative stories", top_by_negative(report.weeks, _SHOWN_WEEKS)),
        (
            f"by share of negatives (at least {report.min_stories} scored stories)",
            top_by_share(report.weeks, _SHOWN_WEEKS, report.min_stories),
        ),
    )
    console.print(f"{len(report.weeks)} ISO weeks (UTC) with documents")
    for title, rows in rankings:
        console.print(_table(f"Weeks that stand out, {title}", rows))
    table = Table(title="Most negative weeks of each topic, and their negative stories", **_PLAIN)
    for heading in ("topic", "first", "second", "third"):
        table.add_column(heading, no_wrap=True)
    for topic, rows in report.by_negative.items():
        table.add_row(Text(topic), *(_brief(row) for row in rows[:3]))
    console.print(table)


def _row_json(row: WeekRow) -> dict[str, Any]:
    counts, share = row.counts, row.counts.negative_share
    return {
        "week": row.name,
        "monday": row.monday.isoformat(),
        "stories": counts.stories,
        "documents": counts.documents,
        "negative": counts.negative,
        "neutral": counts.neutral,
        "positive": counts.positive,
        "negative_share": None if share is None else round(share, 4),
    }


def _table(title: str, rows: Iterable[WeekRow]) -> Table:
    table = Table(title=title, **_PLAIN)
    table.add_column("week", no_wrap=True)
    for name in ("stories", "neg", "neu", "pos", "neg share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("most negative topic", no_wrap=True)
    for row in rows:
        counts, share = row.counts, row.counts.negative_share
        numbers = (counts.stories, counts.negative, counts.neutral, counts.positive)
        percent = "-" if share is None else f"{share:.0%}"
        table.add_row(row.name, *(f"{n:,}" for n in numbers), percent, Text(row.topic))
    return table


def _brief(row: WeekRow) -> str:
    return f"{row.name} {row.counts.negative:,}"
