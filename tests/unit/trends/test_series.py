"""Laws of the series that an exporter keeps."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import ALL, DOCUMENTS, STORIES, Bucket, BucketCounts, Cell, Kind
from monitor.trends.series import TrendSeries, load

MEASURES = (STORIES, DOCUMENTS, "polarity_sum")
CELLS = [Cell("topic", key, kind, measure) for key in ("Earnings", "Macro") for kind in Kind for measure in MEASURES]
amounts = st.dictionaries(st.sampled_from(CELLS), st.integers(-5, 5), max_size=4)
parts = st.builds(
    BucketCounts,
    partition=st.integers(0, 2),
    bucket=st.builds(
        Bucket, seconds=st.sampled_from([60, 3600]), start_ms=st.integers(0, 4).map(lambda i: i * 3_600_000)
    ),
    counts=amounts,
)
PARTS = st.lists(parts, max_size=15)


def contents(series: TrendSeries) -> dict[tuple[str, str, int], list[int]]:
    """All numbers of a series over the time that the tests use."""
    return {
        (key, measure, seconds): series.steps(("topic", key), measure, seconds, 0, 4 * 3600 // seconds + 1).tolist()
        for key in ("Earnings", "Macro")
        for measure in MEASURES
        for seconds in (60, 3600)
    }


@given(PARTS)
def test_a_series_is_the_sum_of_the_newest_version_of_every_bucket(given_parts: list[BucketCounts]) -> None:
    """However often a bucket was replaced before."""
    newest = {(part.partition, part.bucket): part for part in given_parts}
    summed: Counter[tuple[str, str, int, int]] = Counter()
    for part in newest.values():
        for cell, amount in part.counts.items():
            index = part.bucket.start_ms // (part.bucket.seconds * 1000)
            summed[cell.key, cell.measure, part.bucket.seconds, index] += amount
    for (key, measure, seconds), values in contents(load(TrendSeries(), given_parts)).items():
        assert values == [summed[key, measure, seconds, index] for index in range(len(values))]


@given(PARTS)
def test_replacing_again_changes_nothing(given_parts: list[BucketCounts]) -> None:
    """A retried reading is harmless."""
    newest = list({(part.partition, part.bucket): part for part in given_parts}.values())
    assert contents(load(TrendSeries(), newest + newest)) == contents(load(TrendSeries(), newest))


@given(PARTS, st.randoms())
def test_the_order_of_buckets_changes_nothing(given_parts: list[BucketCounts], chance: random.Random) -> None:
    """Partitions are read one after the other, in any order."""
    newest = list({(part.partition, part.bucket): part for part in given_parts}.values())
    shuffled = list(newest)
    chance.shuffle(shuffled)
    assert contents(load(TrendSeries(), shuffled)) == contents(load(TrendSeries(), newest))


@given(PARTS, st.integers(0, 2))
def test_forgetting_a_partition_leaves_the_others(given_parts: list[BucketCounts], partition: int) -> None:
    """As if it had never been read."""
    series = load(TrendSeries(), given_parts)
    series.forget(partition)
    others = [part for part in given_parts if part.partition != partition]
    assert contents(series) == contents(load(TrendSeries(), others))


@given(PARTS, st.integers(0, 5), st.sampled_from([60, 3600]))
def test_pruning_drops_old_buckets_of_one_length_only(given_parts: list[BucketCounts], hour: int, seconds: int) -> None:
    """What ended before the instant is gone, the rest is whole."""
    series = load(TrendSeries(), given_parts)
    series.prune(seconds, hour * 3_600_000)
    kept = [p for p in given_parts if p.bucket.seconds != seconds or p.bucket.start_ms >= hour * 3_600_000]
    assert contents(series) == contents(load(TrendSeries(), kept))


@given(PARTS)
def test_a_series_that_forgot_everything_knows_no_subject(given_parts: list[BucketCounts]) -> None:
    """No memory is kept for what is gone."""
    series = load(TrendSeries(), given_parts)
    for partition in range(3):
        series.forget(partition)
    assert series.subjects("topic") == []
    assert series.first_index(("topic", "Earnings"), STORIES, 60) is None


def part(start_ms: int, stories: int, partition: int = 0, subject: tuple[str, str] = ALL) -> BucketCounts:
    """A minute with so many stories."""
    return BucketCounts(partition, Bucket(60, start_ms), {Cell(*subject, Kind.NEWS, STORIES): stories})


def test_a_pruned_bucket_that_changes_again_comes_back_whole() -> None:
    """Late documents may still arrive in it."""
    series = load(TrendSeries(), [part(0, 3)])
    series.prune(60, 60_000)
    series.replace(part(0, 4))
    assert series.total(ALL, STORIES, 60, 0, 1) == 4


def test_kinds_are_added_up_unless_one_is_named() -> None:
    """News and comments can be told apart."""
    counts = {Cell(*ALL, Kind.NEWS, STORIES): 2, Cell(*ALL, Kind.COMMENT, STORIES): 5}
    series = load(TrendSeries(), [BucketCounts(0, Bucket(60, 0), counts)])
    assert series.total(ALL, STORIES, 60, 0, 1) == 7
    assert series.total(ALL, STORIES, 60, 0, 1, Kind.COMMENT) == 5


def test_changes_name_the_oldest_bucket_once() -> None:
    """What was fitted to newer data only need not be fitted again."""
    series = load(TrendSeries(), [part(600_000, 1), part(120_000, 1), part(300_000, 1)])
    assert series.take_changes() == {ALL: 120_000}
    assert series.take_changes() == {}


def test_the_busiest_keys_are_those_with_the_highest_totals() -> None:
    """Over partitions and time; ties by name, and the answer in the order of names."""
    stories = {"AAPL": 3, "MSFT": 5, "TSLA": 3, "XOM": 1}
    series = load(
        TrendSeries(), [part(i * 60_000, n, 0, ("entity", key)) for i, (key, n) in enumerate(stories.items())]
    )
    series.replace(part(0, 2, 1, ("entity", "TSLA")))
    assert series.busiest("entity", STORIES, 60, 2) == ["MSFT", "TSLA"]
    assert series.busiest("entity", STORIES, 60, 3) == ["AAPL", "MSFT", "TSLA"]
    assert series.subjects("entity") == ["AAPL", "MSFT", "TSLA", "XOM"]


def test_the_oldest_bucket_with_any_is_known() -> None:
    """History begins there."""
    series = load(TrendSeries(), [part(600_000, 1), part(300_000, 2, 1)])
    assert series.first_index(ALL, STORIES, 60) == 5
    assert series.first_index(ALL, STORIES, 3600) is None
