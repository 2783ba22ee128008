"""Laws of the weekly tables."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from monitor.messages import Bucket, BucketCounts, Cell, PartitionState, RankedStory, Subject
from pipelines.replay.weeks import (
    WeekCounts,
    monday_of,
    read_report,
    report_json,
    save_report,
    show_report,
    wait_until_applied,
    weekly_report,
)
from tests.fakes import SteppedClock


def at(day: str) -> int:
    """The first millisecond of a UTC day."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def bucket(
    start_ms: int, topic: str, negative: int, positive: int = 0, *, partition: int = 0, seconds: int = 3600
) -> BucketCounts:
    """A bucket as a worker writes it: each count under the topic and under all."""
    counts: dict[Cell, int] = {}
    stories = negative + positive
    sentiments = {"negative_stories": negative, "positive_stories": positive}
    measures = {"documents": stories + 1, "stories": stories, **sentiments}
    for subject in (("topic", topic), ("all", "all")):
        for measure, count in {**measures, "polarity_sum": -5}.items():
            counts[Cell(*subject, "news", measure)] = count
    return BucketCounts(partition, Bucket(seconds, start_ms), counts)


class StoredTrends:
    """A reader over given buckets; its position moves one further at each look."""

    def __init__(self, buckets: list[BucketCounts]) -> None:
        self._buckets = buckets
        self.looks = 0

    def partitions(self) -> list[PartitionState]:
        """The partitions that the buckets are of."""
        self.looks += 1
        return [PartitionState(number, self.looks, 1, 0) for number in sorted({b.partition for b in self._buckets})]

    def changed_since(self, partition: int, position: int) -> list[BucketCounts]:
        """All buckets of a partition."""
        assert position == -1
        return [part for part in self._buckets if part.partition == partition]

    def stories(self, subject: Subject, from_ms: int, to_ms: int, limit: int) -> list[RankedStory]:
        """Not asked for."""
        raise NotImplementedError


BUCKETS = [
    bucket(at("2020-03-09"), "Markets", 8, 2),
    bucket(at("2020-03-15") + 23 * 3_600_000, "Markets", 12, 8, partition=1),
    bucket(at("2020-03-16"), "Markets", 15, 25),
    bucket(at("2020-03-16"), "Energy", 3, 0),
]


@given(st.datetimes(datetime(1970, 1, 5), datetime(2100, 1, 1)))
@settings(deadline=None)
def test_a_week_is_the_iso_week_of_utc(moment: datetime) -> None:
    """The Monday found has the ISO week of the day, across years."""
    monday = monday_of(int(moment.replace(tzinfo=UTC).timestamp()) * 1000)
    assert monday.isocalendar()[:2] == moment.date().isocalendar()[:2]
    assert monday.weekday() == 0


def test_sunday_night_belongs_to_the_week_before_monday() -> None:
    """The last hour of Sunday adds to the old week, the first of Monday to the new one; partitions add up."""
    report = weekly_report(BUCKETS)
    assert [(row.name, row.counts.negative, row.topic) for row in report.weeks] == [
        ("2020-W11", 20, "Markets"),
        ("2020-W12", 18, "Markets"),
    ]
    assert report.weeks[1].counts == WeekCounts(stories=43, documents=45, negative=18, positive=25)


@given(st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_buckets_changes_nothing(shuffler: random.Random) -> None:
    """Sums are over sets."""
    shuffled = list(BUCKETS)
    shuffler.shuffle(shuffled)
    assert weekly_report(shuffled) == weekly_report(BUCKETS)


def test_rankings_are_by_count_and_by_share_of_enough_stories() -> None:
    """Three of three stories are a share of 100 %, and too few to be ranked."""
    report = weekly_report(BUCKETS, top=1, min_stories=20)
    assert [row.monday for row in report.by_negative["Markets"]] == [date(2020, 3, 9)]
    assert [row.counts.negative_share for row in report.by_share["Markets"]] == [20 / 30]
    assert [row.counts.negative for row in report.by_negative["Energy"]] == [3]
    assert report.by_share["Energy"] == ()


def test_nothing_scored_has_no_share() -> None:
    """No data isn't neutral."""
    assert WeekCounts(documents=5).negative_share is None


def test_only_one_bucket_length_is_read() -> None:
    """Fine and coarse buckets hold the same stories, which count once."""
    fine = [bucket(part.bucket.start_ms, "Markets", 1, seconds=60) for part in BUCKETS]
    assert read_report(StoredTrends([*BUCKETS, *fine])) == weekly_report(BUCKETS)


def test_the_report_is_written_and_shown(tmp_path: Path) -> None:
    """JSON and tables say the same."""
    report = weekly_report(BUCKETS)
    save_report(report, tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    assert found == report_json(report)
    assert found["topics"]["Energy"]["by_negative"][0]["week"] == "2020-W12"
    assert found["weeks"][0]["negative_share"] == 0.6667
    printed = io.StringIO()
    show_report(report, Console(file=printed, width=160))
    assert "2020-W11" in printed.getvalue()
    assert "67%" in printed.getvalue()


def test_waiting_ends_when_every_partition_has_come_there() -> None:
    """True as soon as all positions are reached, False after the timeout."""

    def waited(positions: Mapping[int, int]) -> tuple[bool, float]:
        clock = SteppedClock()
        return wait_until_applied(StoredTrends(BUCKETS), positions, clock, 10), clock.seconds

    assert waited({0: 3, 1: 1}) == (True, 1.0)
    assert waited({7: 1}) == (False, 10.0)
    assert waited({}) == (True, 0.0)
