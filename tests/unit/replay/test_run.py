"""Laws of a whole replay: nothing lost, and the counts add up."""

from __future__ import annotations

import io
import json
import os
from argparse import ArgumentParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from monitor.errors import ConfigError
from pipelines.replay import ReplaySummary, add_arguments, options_for, options_from, replay
from pipelines.replay.mapping import Rules
from pipelines.replay.readers import FeedFile
from pipelines.replay.run import read_feed

DATA_VARIABLE = "SHARED_DATA_DIR"


class StillClock:
    """A clock that stands."""

    def now_ms(self) -> int:
        """Always the same."""
        return 0

    def monotonic_seconds(self) -> float:
        """Always the same."""
        return 0.0

    def wait_seconds(self, seconds: float) -> None:
        """Not called at full speed."""
        raise AssertionError("a replay at full speed waits for nothing")


class Recorder:
    """A destination that keeps what it gets."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, str]] = []

    def send(self, key: str, value: bytes, timestamp_ms: int | None = None) -> None:
        """Keeps the message; its key is its id."""
        self.bodies.append(json.loads(value))
        assert self.bodies[-1]["id"] == key

    def flush(self) -> None:
        """Nothing is pending."""


def run(path: Path, preset: str | None = None, **given_options: object) -> tuple[ReplaySummary, Recorder, str]:
    """Replays a file; returns the summary, what was sent and what was printed."""
    recorder, printed = Recorder(), io.StringIO()
    options = options_for(path, preset, **given_options)
    summary = replay(options, recorder, StillClock(), Console(file=printed, width=160))
    return summary, recorder, printed.getvalue()


def feed(tmp_path: Path) -> Path:
    """Four good rows, newest first, one of them twice, and two that can't be sent."""
    path = tmp_path / "feed.csv"
    path.write_text(
        "title,published\nNew,2020-03-03\n[red]Old,2020-01-01\n,2020-02-02\nOld,2020-01-01\nSoon,later\nNew,2020-03-03\n"
    )
    return path


LINES = st.lists(
    st.sampled_from(["A,2020-01-01", ",2020-01-01", "B,", "C,soon", ",", "D", '"E"x,1', "F,2020-01-02,3", ""])
)


@given(LINES)
@settings(deadline=None)
def test_accepted_and_rejected_are_all_rows(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Every row that isn't blank is either a message or a reject with its number."""
    path = tmp_path_factory.mktemp("feed") / "feed.csv"
    path.write_text("\n".join(["title,published", *lines]) + "\n")
    reading = read_feed(FeedFile(path), Rules({"title": "title", "published": "published"}, "Wire"))
    rows = [line for line in lines if line]
    good = [line for line in rows if line == "A,2020-01-01"]
    assert reading.rows == len(rows)
    assert len(reading.messages) == len(good)
    assert [rows[reject.number - 1] in good for reject in reading.rejects] == [False] * (len(rows) - len(good))


def test_a_file_newest_first_is_sent_oldest_first(tmp_path: Path) -> None:
    """Order is that of the times; equal times keep the file's order."""
    _, recorder, _ = run(feed(tmp_path))
    assert [sent["title"] for sent in recorder.bodies] == ["[red]Old", "Old", "New", "New"]


def test_the_summary_counts_rejects_by_reason_and_shows_examples(tmp_path: Path) -> None:
    """Reasons, row numbers and what stood there are printed; a repeated row is sent and counted."""
    summary, recorder, printed = run(feed(tmp_path))
    assert (summary.rows, summary.accepted, summary.rejected_rows, summary.sent) == (6, 4, 2, 4)
    assert summary.rejected == {"no_headline": 1, "bad_time": 1}
    assert summary.repeated == 1
    assert recorder.bodies[2]["id"] == recorder.bodies[3]["id"]
    assert [(reject.number, reject.line) for reject in summary.examples] == [(3, 4), (5, 6)]
    assert "no_headline" in printed
    assert "'later'" in printed
    assert "2 of 6 rows can't be sent" in printed


def test_rejects_are_written_whole(tmp_path: Path) -> None:
    """The file has a line for each reject, with row number, reason and the row; it's empty where there are none."""
    rejects = tmp_path / "rejects.jsonl"
    run(feed(tmp_path), rejects=rejects)
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(line["number"], line["reason"]) for line in lines] == [(3, "no_headline"), (5, "bad_time")]
    assert lines[1]["row"] == {"title": "Soon", "published": "later"}
    good = tmp_path / "good.csv"
    good.write_text("title,published\nA,2020-01-01\n")
    run(good, rejects=rejects)
    assert rejects.read_text() == ""


def test_bounds_include_their_days_and_limit_takes_the_earliest(tmp_path: Path) -> None:
    """What --from, --to and --limit leave out is counted."""
    summary, recorder, _ = run(feed(tmp_path), start="2020-01-01", end="2020-01-01", limit=1)
    assert [sent["title"] for sent in recorder.bodies] == ["[red]Old"]
    assert (summary.accepted, summary.outside, summary.over_limit, summary.sent) == (4, 2, 1, 1)


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    """It reads and tells; without one, a destination is needed."""
    summary, recorder, _ = run(feed(tmp_path), dry_run=True)
    assert (summary.selected, summary.sent, recorder.bodies) == (4, 0, [])
    with pytest.raises(ConfigError, match="destination"):
        replay(options_for(feed(tmp_path)), None, StillClock(), Console(file=io.StringIO()))


def test_two_replays_send_the_same_bytes(tmp_path: Path) -> None:
    """A replay is a function of its file and options."""
    assert run(feed(tmp_path), day_time="spread")[1].bodies == run(feed(tmp_path), day_time="spread")[1].bodies


def test_chosen_times_are_said_to_be_chosen(tmp_path: Path) -> None:
    """Whoever reads the figures learns that times of day were not read; midnights are suspected to be days."""
    assert "4 of 4 rows have a day and no time: placed at the end" in run(feed(tmp_path))[2]
    path = tmp_path / "midnights.csv"
    path.write_text("title,published\nA,2020-01-01 00:00:00\nB,2020-01-02 00:00:00\n")
    assert "--days" in run(path)[2]
    assert run(path, days_only=True)[0].day_only == 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--timezone", "Mars/Base"], "--timezone Mars/Base: no such IANA time zone"),
        (["--speed", "0"], "--speed 0.0"),
        (["--speed", "nan"], "--speed nan"),
        (["--delay", "-1"], "--delay -1.0"),
        (["--limit", "-1"], "--limit -1"),
        (["--preset", "ft"], "presets: cnbc, reuters, google-news, zh-headlines"),
        (["--from", "2020-02-01", "--to", "2020-01-01"], "nothing lies between"),
        (["--from", "soon"], "--from soon"),
        (["--delimiter", "ab"], "--delimiter 'ab'"),
        (["--rejects", "feed.csv"], "would overwrite the feed"),
    ],
)
def test_a_wrong_option_says_which(flags: list[str], message: str) -> None:
    """Options that can't be are refused before the file is opened."""
    parser = ArgumentParser()
    add_arguments(parser)
    with pytest.raises(ConfigError) as caught:
        options_from(parser.parse_args(["feed.csv", *flags]))
    assert message in str(caught.value)


def test_a_flag_beats_the_preset() -> None:
    """A preset fills in only what isn't given."""
    parser = ArgumentParser()
    add_arguments(parser)
    options = options_from(parser.parse_args(["x.csv", "--preset", "cnbc", "--title", "Head", "--source", "Mine"]))
    assert options.columns == {"title": "Head", "text": "Description", "published": "Time"}
    assert (options.source, options.timezone, options.speed) == ("Mine", "America/New_York", None)


@pytest.mark.shared_data
@pytest.mark.skipif(DATA_VARIABLE not in os.environ, reason=f"{DATA_VARIABLE} doesn't name the folder of real feeds")
@pytest.mark.parametrize(
    ("name", "preset", "rows", "rejected"),
    [
        ("cnbc_2017_2020.csv", "cnbc", 3080, {"empty_row": 280}),
        ("reuters_2018_2020.csv", "reuters", 32_770, {}),
        ("google_news_AAPL_2022_2023.csv", "google-news", 3224, {}),
        ("google_news_META_2022_2023.csv", "google-news", 4200, {}),
        ("google_news_NVDA_2022_2023.csv", "google-news", 2849, {}),
        ("zh_headlines_2015_2020.csv", "zh-headlines", 20_582, {}),
    ],
)
def test_presets_read_the_real_feeds_whole(name: str, preset: str, rows: int, rejected: dict[str, int]) -> None:
    """Only the rows that are empty in the file are rejected."""
    summary, _, _ = run(Path(os.environ[DATA_VARIABLE]) / "feeds" / name, preset)
    assert (summary.rows, summary.rejected, summary.sent) == (rows, rejected, rows - sum(rejected.values()))
