"""How a file of old headlines is put through the pipeline as if it were live."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from monitor.errors import ConfigError
from pipelines.replay import ReplaySummary, add_arguments, options_from, replay
from tests.fakes import SteppedClock


class Topic:
    """Stands for the raw topic."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []

    def send(self, key: str, value: bytes, timestamp_ms: int | None = None) -> None:
        """Keeps the message."""
        self.messages.append(json.loads(value))

    def flush(self) -> None:
        """Everything has arrived."""


def pipelines_replay(topic: Topic, clock: SteppedClock, *arguments: str) -> ReplaySummary:
    """What the command `pipelines replay` does with those arguments."""
    parser = ArgumentParser()
    add_arguments(parser)
    return replay(options_from(parser.parse_args(arguments)), topic, clock, Console(file=StringIO()))


def test_a_preset_reads_a_known_layout(tmp_path: Path) -> None:
    """Times in the site's own words and zone become UTC, oldest first; empty rows are counted, not sent."""
    path = tmp_path / "headlines.csv"
    path.write_text(
        "Headlines,Time,Description\n"
        'Chip maker warns of weak demand," 7:51  PM ET Fri, 17 July 2020",Shares fall after hours.\n'
        ",,\n"
        'Oil steadies," 9:05  AM ET Mon, 13 Jan 2020",\n'
    )
    topic = Topic()
    summary = pipelines_replay(topic, SteppedClock(), str(path), "--preset", "cnbc")
    assert [(sent["published"], sent["title"]) for sent in topic.messages] == [
        ("2020-01-13T14:05:00Z", "Oil steadies"),
        ("2020-07-17T23:51:00Z", "Chip maker warns of weak demand"),
    ]
    assert summary.rejected == {"empty_row": 1}


def test_any_layout_is_read_by_naming_its_columns(tmp_path: Path) -> None:
    """A headerless file names them by number; a wrong name is answered with those there are."""
    path = tmp_path / "forum.csv"
    path.write_text("17.07.2020 19:51;sell everything;alice\n")
    layout = ("--no-header", "--delimiter", ";", "--time-format", "%d.%m.%Y %H:%M", "--timezone", "Europe/Berlin")
    topic = Topic()
    columns = ("--published", "1", "--text", "2", "--source-column", "3", "--kind", "comment")
    pipelines_replay(topic, SteppedClock(), str(path), *layout, *columns)
    sent = topic.messages[0]
    assert (sent["published"], sent["text"], sent["source"], sent["kind"]) == (
        "2020-07-17T17:51:00Z", "sell everything", "alice", "comment",
    )  # fmt: skip
    with pytest.raises(ConfigError, match="columns: 1, 2, 3"):
        pipelines_replay(topic, SteppedClock(), str(path), *layout, "--published", "1", "--text", "4")


def test_days_without_a_time_are_known_only_when_the_day_is_over(tmp_path: Path) -> None:
    """So that a backtest on such a file never looks ahead; --day-time spread makes natural load instead."""
    path = tmp_path / "days.csv"
    path.write_text("2020-07-17,Shares fall\n2020-07-17,Shares rise\n")
    columns = ("--no-header", "--published", "1", "--title", "2")
    topic = Topic()
    pipelines_replay(topic, SteppedClock(), str(path), *columns)
    assert {sent["fetched"] for sent in topic.messages} == {"2020-07-17T23:59:59Z"}
    topic = Topic()
    pipelines_replay(topic, SteppedClock(), str(path), *columns, "--day-time", "spread")
    assert len({sent["fetched"] for sent in topic.messages}) == 2


def test_history_can_pass_in_fast_motion(tmp_path: Path) -> None:
    """At --speed 3600 an hour of history takes a second."""
    path = tmp_path / "archive.jsonl"
    rows = [{"title": f"Story {hour}", "published": f"2020-07-17T{hour:02d}:00:00Z"} for hour in range(24)]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    clock = SteppedClock()
    pipelines_replay(Topic(), clock, str(path), "--speed", "3600")
    assert clock.seconds == pytest.approx(23)
