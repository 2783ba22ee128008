"""The options of `pipelines replay`: values, command-line arguments, and what a preset fills in.

Guarantees: a flag beats the preset, the preset beats the default; what can be wrong by itself is a ConfigError here,
before the file is opened.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.errors import ConfigError
from pipelines.replay.mapping import ROLES
from pipelines.replay.presets import PRESETS
from pipelines.replay.readers import FORMATS, FeedFile, Format
from pipelines.replay.times import DAY_TIMES, DayTime, bound_ms


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What to replay, and how.

    Attributes:
        columns: role (id, source, title, text, url, published) to the name of a column.
        source: of rows that name none; None takes the file's name.
        timezone: IANA name; holds for times without a zone, for days, and for `start` and `end`.
        start, end: bounds of the publication time; a day as `end` is included, an instant isn't.
        delay_seconds: from publication to when the program could have known the document.
        speed: times real time; None is as fast as it goes.
        limit: sends at most so many, the earliest.
        rejects: file for the rows that aren't sent; None leaves them to the summary.
        report: file for the weekly report as JSON, for the caller to write once the workers are through.
        dry_run: reads and tells, sends nothing.
    """

    file: Path
    format: Format | None = None
    header: bool = True
    delimiter: str | None = None
    encoding: str = "utf-8-sig"
    columns: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None
    kind: str | None = None
    language: str | None = None
    timezone: str = "UTC"
    time_formats: tuple[str, ...] = ()
    day_time: DayTime = "end"
    days_only: bool = False
    strip_source: bool = False
    delay_seconds: float = 0.0
    speed: float | None = None
    start: str | None = None
    end: str | None = None
    limit: int | None = None
    rejects: Path | None = None
    report: Path | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.speed is not None and not (math.isfinite(self.speed) and self.speed > 0):
            raise ConfigError(f"--speed {self.speed}: must be full or a number above 0")
        if not (math.isfinite(self.delay_seconds) and self.delay_seconds >= 0):
            raise ConfigError(f"--delay {self.delay_seconds}: must be 0 or more seconds")
        if self.limit is not None and self.limit < 0:
            raise ConfigError(f"--limit {self.limit}: must be 0 or more")
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigError(f"--delimiter {self.delimiter!r}: must be one character, or tab")
        for flag, path in (("--rejects", self.rejects), ("--report", self.report)):
            if path is not None and path.resolve() == self.file.resolve():
                raise ConfigError(f"{flag} {path}: would overwrite the feed")
        start, end = self.bounds_ms
        if start is not None and end is not None and start >= end:
            raise ConfigError(f"--from {self.start} --to {self.end}: nothing lies between")

    @property
    def feed(self) -> FeedFile:
        """The file and how it is written."""
        return FeedFile(self.file, self.format, self.header, self.delimiter, self.encoding)

    @property
    def zone(self) -> ZoneInfo:
        """The zone that `timezone` names."""
        try:
            return ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
            raise ConfigError(f"--timezone {self.timezone}: no such IANA time zone, such as America/New_York") from exc

    @property
    def bounds_ms(self) -> tuple[int | None, int | None]:
        """Publication times that are sent, [from, to); None where open."""
        zone = self.zone
        return bound_ms("--from", self.start, zone, 0), bound_ms("--to", self.end, zone, 1)


def options_for(file: Path, preset: str | None = None, **given: Any) -> ReplayOptions:
    """Options for `file`: what is given (None is not given) over the preset over the defaults.

    Raises:
        ConfigError: no such preset, or a value that can't be.
    """
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"--preset {preset}: no such preset; presets: {', '.join(PRESETS)}")
    defaults = dict(PRESETS[preset]) if preset is not None else {}
    stated = {name: value for name, value in given.items() if value is not None}
    columns = {**defaults.pop("columns", {}), **stated.pop("columns", {})}
    return ReplayOptions(file=file, columns=columns, **{**defaults, **stated})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `pipelines replay`; `options_from` reads them."""
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV or JSON lines, also gzipped")
    _add_file_arguments(parser.add_argument_group("the file"))
    _add_column_arguments(parser.add_argument_group("its columns (names; numbers from 1 with --no-header)"))
    _add_time_arguments(parser.add_argument_group("times"))
    _add_sending_arguments(parser.add_argument_group("sending"))


def options_from(args: argparse.Namespace) -> ReplayOptions:
    """Reads what `add_arguments` added.

    Raises:
        ConfigError: says which flag is wrong, and what is allowed.
    """
    given = {name: value for name, value in vars(args).items() if name in _FLAGS}
    columns = {role: value for role in ROLES if (value := getattr(args, f"column_{role}")) is not None}
    return options_for(args.file, args.preset, columns=columns, **given)


_FLAGS = frozenset(ReplayOptions.__dataclass_fields__) - {"file", "columns"}


def _speed(text: str) -> float | None:
    """The type of --speed; not given and full are the same."""
    return None if text == "full" else float(text)


def _delimiter(text: str) -> str:
    return "\t" if text in ("tab", "\\t") else text


def _add_file_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--preset", metavar="NAME", help=f"options for a known layout: {', '.join(PRESETS)}")
    group.add_argument("--format", choices=FORMATS, help="default: by the file's name")
    group.add_argument("--no-header", dest="header", action="store_false", default=None, help="the CSV has no header")
    group.add_argument("--delimiter", type=_delimiter, help="between cells: a character, or tab (default: comma)")
    group.add_argument("--encoding", help="of the text, such as gb18030 (default: UTF-8)")


def _add_column_arguments(group: argparse._ArgumentGroup) -> None:
    for role in ROLES:
        flag = "--source-column" if role == "source" else f"--{role}"
        group.add_argument(flag, dest=f"column_{role}", metavar="COLUMN", help=f"default: the column {role}, if any")
    group.add_argument("--source", metavar="NAME", help="source of rows that name none (default: the file's name)")
    group.add_argument(
        "--strip-source", action="store_true", default=None, help='take " - SOURCE" off the end of titles'
    )
    group.add_argument("--kind", choices=("news", "comment"), help="kind of source (default: news)")
    group.add_argument("--language", metavar="CODE", help="language of all rows (default: recognised by the worker)")


def _add_time_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timezone", metavar="ZONE", help="IANA zone of times without one, of days, --from, --to (default: UTC)"
    )
    group.add_argument(
        "--time-format", dest="time_formats", action="append", metavar="FORMAT",
        help="strptime format, tried before the forms that are recognised; may be given several times",
    )  # fmt: skip
    group.add_argument(
        "--day-time", choices=DAY_TIMES,
        help="where rows go that have a day but no time: its end, so that nothing is known early (default), its noon, "
        "or spread over it by a hash of the text (invented times: for load, not for research)",
    )  # fmt: skip
    group.add_argument(
        "--days", dest="days_only", action="store_true", default=None, help="read only the day of each time"
    )
    group.add_argument(
        "--delay", dest="delay_seconds", type=float, metavar="SECONDS",
        help="from publication to when a live scraper would have seen it (default: 0)",
    )  # fmt: skip


def _add_sending_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--speed", type=_speed, metavar="full|N", help="N times real time (default: full)")
    group.add_argument("--from", dest="start", metavar="DATE", help="published at or after; a day or a time")
    group.add_argument("--to", dest="end", metavar="DATE", help="published before; a day is included")
    group.add_argument("--limit", type=int, metavar="N", help="send the N earliest")
    group.add_argument("--rejects", type=Path, metavar="FILE", help="write rows that can't be read here (JSON lines)")
    group.add_argument("--report", type=Path, metavar="FILE", help="write the weekly report here (JSON)")
    group.add_argument("--dry-run", action="store_true", default=None, help="read and tell, send nothing")
