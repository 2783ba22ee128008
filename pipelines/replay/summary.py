"""What a replay did, as a value and as a table.

Guarantees: rows = accepted + rejected; accepted = outside + over_limit + selected, and sent = selected unless it was
interrupted or a dry run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.replay.readers import Reject
from pipelines.replay.times import DayTime, iso

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """Counts of a replay.

    Attributes:
        rejected: reason to number of rows.
        examples: the first rejects of each reason.
        outside: rows that --from and --to leave out; over_limit: those that --limit does.
        repeated: selected rows whose id an earlier one has; they are sent, and the worker knows them again.
        day_only: selected rows whose time of day was chosen by `day_time`.
        midnights: every selected time is a local midnight, so they are probably days.
        first_ms, last_ms: publication times of what was selected; None where there is nothing.
        reached_ms: available time of the last message sent.
    """

    file: Path
    rows: int
    accepted: int
    rejected: Mapping[str, int]
    examples: tuple[Reject, ...]
    outside: int
    over_limit: int
    selected: int
    sent: int
    repeated: int
    day_only: int
    day_time: DayTime
    midnights: bool
    first_ms: int | None
    last_ms: int | None
    reached_ms: int | None
    seconds: float
    interrupted: bool = False
    dry_run: bool = False
    rejects_file: Path | None = None

    @property
    def rejected_rows(self) -> int:
        """Rows that aren't sent because they can't be read."""
        return sum(self.rejected.values())


def show_summary(summary: ReplaySummary, console: Console) -> None:
    """Prints the counts, the rejects with examples, and what a reader of the figures must know."""
    table = Table(title=Text(f"Replay of {summary.file.name}"), show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    for name, value in _lines(summary):
        table.add_row(name, value)
    console.print(table)
    if summary.rejected:
        console.print(_rejects_table(summary.examples, summary.rejected))
        kept = f"all of them are in {summary.rejects_file}" if summary.rejects_file else "--rejects FILE keeps them all"
        unsent = f"{summary.rejected_rows:,} of {summary.rows:,} rows can't be sent"
        console.print(Text(f"{unsent}; {kept}.", style="yellow"))
    for note in notes(summary):
        console.print(Text(note, style="yellow"))


def notes(summary: ReplaySummary) -> list[str]:
    """What must be known about the times, and where to go on."""
    found = []
    if summary.day_only:
        placed = {
            "end": "at the end of their day, so that nothing is known early",
            "noon": "at noon; don't measure lead times on that",
            "spread": "at invented times of their day; don't measure lead times on that",
        }[summary.day_time]
        found.append(f"{summary.day_only:,} of {summary.selected:,} rows have a day and no time: placed {placed}.")
    if summary.midnights:
        found.append("Every time is a midnight: these may be days, which --days places by --day-time.")
    if summary.interrupted and summary.reached_ms is not None:
        found.append(f"Interrupted after what was available at {iso(summary.reached_ms)}.")
    return found


def _lines(summary: ReplaySummary) -> list[tuple[str, str]]:
    lines = [
        ("rows", f"{summary.rows:,}"),
        ("accepted", f"{summary.accepted:,}"),
        ("rejected", f"{summary.rejected_rows:,}"),
    ]
    optional = (
        ("outside --from/--to", summary.outside),
        ("over --limit", summary.over_limit),
        ("repeated in the file", summary.repeated),
    )
    lines += [(name, f"{value:,}") for name, value in optional if value]
    lines.append(("sent (dry run)" if summary.dry_run else "sent", f"{summary.sent:,}"))
    if summary.first_ms is not None and summary.last_ms is not None:
        lines += [("first published", iso(summary.first_ms)), ("last published", iso(summary.last_ms))]
    lines.append(("seconds", f"{summary.seconds:.1f}"))
    return lines


def _rejects_table(examples: tuple[Reject, ...], rejected: Mapping[str, int]) -> Table:
    table = Table(title="Rejected rows, with examples", title_justify="left")
    for name in ("reason", "rows", "row", "line", "detail", "what stood there"):
        table.add_column(name, justify="right" if name in ("rows", "row", "line") else "left")
    shown: set[str] = set()
    for example in sorted(examples, key=lambda reject: (-rejected[reject.reason], reject.reason, reject.number)):
        first = example.reason not in shown
        shown.add(example.reason)
        counts = (example.reason, f"{rejected[example.reason]:,}") if first else ("", "")
        stood = str(example.row).strip().encode("utf-8", "backslashreplace").decode("utf-8")
        cells = (*counts, str(example.number), str(example.line), example.detail, stood[:80])
        table.add_row(*(Text(cell) for cell in cells))
    return table
