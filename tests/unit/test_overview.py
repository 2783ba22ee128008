"""Laws of the reading side: what a snapshot shows is a function of the trends and the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from monitor.adapters.memory_trends import MemoryTrends
from monitor.errors import TransientError
from monitor.messages import ALL, BucketCounts, PartitionState, RankedStory, ScoredDocument, Subject
from monitor.overview import Overview, Snapshot
from monitor.settings import Settings
from tests.builders import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOW_MS,
    news_with_a_surge,
    ordinary_news,
    scored,
    stories_at,
    trends_of,
    update_of,
)
from tests.fakes import ManualClock

EARNINGS = ("topic", "Earnings")


class SwitchedReader:
    """Reads from trends that a test can exchange, and can fail."""

    def __init__(self, trends: MemoryTrends) -> None:
        self.trends = trends
        self.failing = False
        self.failing_in_the_middle = False
        self.read: list[tuple[int, int]] = []

    def partitions(self) -> list[PartitionState]:
        """See TrendReader."""
        if self.failing:
            raise TransientError("away", reason="redis")
        return self.trends.partitions()

    def changed_since(self, partition: int, position: int) -> list[BucketCounts]:
        """See TrendReader; notes what was asked."""
        if self.failing_in_the_middle:
            raise TransientError("away", reason="redis")
        self.read.append((partition, position))
        return self.trends.changed_since(partition, position)

    def stories(self, subject: Subject, from_ms: int, to_ms: int, limit: int) -> list[RankedStory]:
        """See TrendReader."""
        return self.trends.stories(subject, from_ms, to_ms, limit)


def overview_of(trends: MemoryTrends, clock: ManualClock | None = None) -> Overview:
    """An overview with default settings."""
    return Overview(trends, Settings(), clock or ManualClock())


def shown(snapshot: Snapshot) -> dict[Subject, tuple[object, ...]]:
    """All numbers of a snapshot, comparable."""
    return {
        view.subject: (view.windows, view.turn, view.timeline.observed.tolist(), repr(view.timeline.score.tolist()))
        for view in snapshot.subjects
    }


def counted(documents: Iterable[ScoredDocument], subject: Subject, from_ms: int) -> Counter[tuple[str, str, bool]]:
    """Documents of a subject published after an instant, by kind, sentiment and whether they count as a story."""
    found: Counter[tuple[str, str, bool]] = Counter()
    for one in documents:
        if one.score is None or one.document.published_ms < from_ms:
            continue
        topics = {ALL, ("topic", one.score.topic), *(("entity", name) for name in one.document.entities)}
        if subject in topics:
            found[one.document.kind, one.score.sentiment, one.story.first] += 1
    return found


@pytest.mark.parametrize("partitions", [1, 3])
def test_windows_equal_an_independent_count(partitions: int) -> None:
    """Per window, kind and sentiment, over all partitions; a window ends with the minute that is under way."""
    edges = stories_at([NOW_MS, NOW_MS + MINUTE_MS - HOUR_MS, NOW_MS + MINUTE_MS - HOUR_MS - 1], name="edge")
    documents = [*news_with_a_surge(), *edges]
    snapshot = overview_of(trends_of(documents, partitions=partitions)).refresh()
    assert {view.subject for view in snapshot.subjects} == {ALL, EARNINGS, ("topic", "Macro"), ("entity", "AAPL")}
    for view in snapshot.subjects:
        for window in view.windows:
            told = counted(documents, view.subject, NOW_MS + MINUTE_MS - round(window.hours * HOUR_MS))
            for i, sentiment in enumerate(("negative", "neutral", "positive")):
                firsts = told[window.kind, sentiment, True]
                assert (window.stories[i], window.documents[i]) == (
                    firsts,
                    firsts + told[window.kind, sentiment, False],
                )


def test_polarity_is_summed_over_stories() -> None:
    """Reprints shift no mood."""
    documents = news_with_a_surge(reprints=50)
    snapshot = overview_of(trends_of(documents)).refresh()
    view = next(view for view in snapshot.subjects if view.subject == EARNINGS)
    hour = next(window for window in view.windows if window.hours == 1 and window.kind == "news")
    told = counted(documents, EARNINGS, NOW_MS + MINUTE_MS - HOUR_MS)
    assert hour.polarity_sum == pytest.approx(0.85 * (told["news", "positive", True] - told["news", "negative", True]))


def test_a_turn_compares_the_last_hours_with_the_days_before() -> None:
    """Mean polarity of each; None, not 0, where there is no story."""
    good = [scored(f"g{i}", "positive", published_ms=NOW_MS - (30 + i) * HOUR_MS) for i in range(4)]
    bad = [scored(f"b{i}", "negative", published_ms=NOW_MS - i * HOUR_MS) for i in range(3)]
    turns = {view.subject: view.turn for view in overview_of(trends_of([*good, *bad])).refresh().subjects}
    assert (turns[EARNINGS].now, turns[EARNINGS].before) == pytest.approx((-0.85, 0.85))
    assert turns[EARNINGS].change == pytest.approx(-1.7)
    recent = {view.subject: view.turn for view in overview_of(trends_of(bad)).refresh().subjects}
    assert (recent[EARNINGS].before, recent[EARNINGS].change) == (None, None)


def test_a_spike_comes_with_the_stories_behind_it_most_told_first() -> None:
    """Those of the spike and of the window before it."""
    snapshot = overview_of(trends_of(news_with_a_surge(reprints=3))).refresh()
    spikes = {(view.spike.dimension, view.spike.key): view for view in snapshot.spikes}
    assert set(spikes) == {EARNINGS, ("entity", "AAPL")}
    stories = spikes[EARNINGS].stories
    assert (stories[0].evidence.story_id, stories[0].documents) == ("surge-0", 4)
    assert [story.documents for story in stories] == sorted((story.documents for story in stories), reverse=True)
    assert len(stories) == 10


def test_what_is_not_judged_never_alerts() -> None:
    """All subjects together are shown with their expectation; only the dimensions of the settings have spikes."""
    documents = news_with_a_surge()
    snapshot = overview_of(trends_of(documents)).refresh()
    everything = next(view.timeline for view in snapshot.subjects if view.subject == ALL)
    assert everything.score[-1] >= 4
    assert not everything.active.any()
    judged = Settings.model_validate({"spikes": {"dimensions": ["all"]}})
    spikes = Overview(trends_of(documents), judged, ManualClock()).refresh().spikes
    assert [(view.spike.dimension, view.spike.key) for view in spikes] == [ALL]


def test_languages_that_no_model_reads_are_counted_by_window() -> None:
    """And they are in no subject but `all`, without a sentiment."""
    snapshot = overview_of(trends_of(news_with_a_surge())).refresh()
    assert snapshot.unsupported == {1.0: {"zh": 1}, 6.0: {"zh": 3}, 24.0: {"zh": 3}}


def test_reading_only_what_changed_shows_what_reading_all_shows() -> None:
    """Refresh by refresh, with time moving on."""
    clock, trends = ManualClock(NOW_MS - 30 * HOUR_MS), MemoryTrends()
    epoch = trends.assign(0, 0).epoch
    overview, reader = None, SwitchedReader(trends)
    documents = sorted(news_with_a_surge(), key=lambda one: one.document.published_ms)
    for i, cut_ms in enumerate(range(NOW_MS - 30 * HOUR_MS, NOW_MS + HOUR_MS, 6 * HOUR_MS)):
        clock.at_ms = min(cut_ms, NOW_MS)
        now = [one for one in documents if one.document.published_ms <= clock.at_ms]
        documents = documents[len(now) :]
        trends.apply(update_of(now, epoch=epoch, begin=i, end=i + 1))
        overview = overview or Overview(reader, Settings(), clock)
        assert shown(overview.refresh()) == shown(overview_of(trends, clock).refresh())
    assert [position for _, position in reader.read] == [-1, 1, 2, 3, 4, 5]


def test_a_position_that_went_back_is_read_anew() -> None:
    """After Redis lost its newest writes, what was read of them is no longer shown."""
    documents = news_with_a_surge()
    reader = SwitchedReader(trends_of(documents))
    overview = Overview(reader, Settings(), ManualClock())
    overview.refresh()
    reader.trends = trends_of(documents[: len(documents) // 2])
    assert shown(overview.refresh()) == shown(overview_of(reader.trends).refresh())


def test_a_position_that_went_back_is_read_anew_even_if_the_first_reading_fails() -> None:
    """And has caught up with what was read before by the time that the second one works."""
    documents = news_with_a_surge()
    reader = SwitchedReader(trends_of(documents[:-5]))
    overview = Overview(reader, Settings(), ManualClock())
    overview.refresh()
    reader.trends, reader.failing_in_the_middle = trends_of(documents[: len(documents) // 2]), True
    with pytest.raises(TransientError):
        overview.refresh()
    reader.trends, reader.failing_in_the_middle = trends_of(documents), False
    assert shown(overview.refresh()) == shown(overview_of(reader.trends).refresh())


def test_a_partition_that_is_gone_is_no_longer_shown() -> None:
    """After Redis lost everything there is nothing, not what was."""
    reader = SwitchedReader(trends_of(news_with_a_surge(), partitions=2))
    overview = Overview(reader, Settings(), ManualClock())
    overview.refresh()
    reader.trends = MemoryTrends()
    snapshot = overview.refresh()
    assert [view.subject for view in snapshot.subjects] == [ALL]
    assert snapshot.subjects[0].timeline.observed.sum() == 0
    assert (snapshot.partitions, snapshot.spikes, snapshot.last_published_ms) == ((), (), 0)


def test_a_failed_refresh_changes_nothing() -> None:
    """The next one shows what it would have shown."""
    reader = SwitchedReader(trends_of(news_with_a_surge()))
    overview = Overview(reader, Settings(), ManualClock())
    before = overview.refresh()
    reader.failing = True
    with pytest.raises(TransientError):
        overview.refresh()
    reader.failing = False
    assert shown(overview.refresh()) == shown(before)


def test_old_buckets_leave_memory() -> None:
    """A subject of which nothing is retained is no longer listed."""
    clock = ManualClock()
    overview = overview_of(trends_of([scored("a", published_ms=NOW_MS)]), clock)
    assert EARNINGS in {view.subject for view in overview.refresh().subjects}
    clock.at_ms += 36 * DAY_MS
    assert {view.subject for view in overview.refresh().subjects} == {ALL}


def test_history_and_progress_are_told() -> None:
    """How far back, how far on."""
    documents = ordinary_news(from_ms=NOW_MS - 10 * HOUR_MS, to_ms=NOW_MS)
    snapshot = overview_of(trends_of(documents)).refresh()
    assert 9 < snapshot.history_hours <= 11
    assert snapshot.last_published_ms == max(one.document.published_ms for one in documents)
    assert [state.position for state in snapshot.partitions] == [len(documents)]
    assert overview_of(MemoryTrends()).refresh().history_hours == 0


def test_the_whole_timeline_is_the_one_of_the_snapshot_filled_in() -> None:
    """Same steps, expectation everywhere it can be."""
    overview = overview_of(trends_of(news_with_a_surge(hours=90)))
    quick = next(view.timeline for view in overview.refresh().subjects if view.subject == EARNINGS)
    whole = overview.whole_timeline(EARNINGS)
    np.testing.assert_array_equal(quick.active, whole.active)
    assert np.isnan(quick.score).any()
    assert not np.isnan(whole.score).any()
