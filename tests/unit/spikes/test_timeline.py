"""Laws of a subject's timeline, over news with and without a surge."""

from __future__ import annotations

import random
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.messages import ScoredDocument
from monitor.settings import SpikeSettings, TrendSettings
from monitor.spikes.timeline import Timeline, TimelineBuilder
from monitor.trends.series import TrendSeries, load
from tests.builders import HOUR_MS, MINUTE_MS, NOW_MS, ordinary_news, parts_of, reprint, stories_at

EARNINGS = ("topic", "Earnings")


@cache
def calm() -> tuple[ScoredDocument, ...]:
    """Four ordinary days up to now."""
    return tuple(ordinary_news(from_ms=NOW_MS - 96 * HOUR_MS, to_ms=NOW_MS, per_hour=6))


def minutes_ago(first: float, last: float, count: int) -> list[int]:
    """That many instants, evenly spread."""
    return [NOW_MS - round(ago * MINUTE_MS) for ago in np.linspace(first, last, count)]


def surge(hours_ago: float, count: int = 30, name: str = "surge") -> list[ScoredDocument]:
    """So many negative stories within forty minutes."""
    return stories_at(minutes_ago(hours_ago * 60 + 40, hours_ago * 60, count), name=name)


def timeline_of(
    documents: list[ScoredDocument], *, whole: bool = True, spikes: SpikeSettings | None = None
) -> Timeline:
    """The timeline of Earnings at NOW_MS."""
    builder = TimelineBuilder(load(TrendSeries(), parts_of(documents)), spikes or SpikeSettings(), TrendSettings())
    return builder.build_whole(EARNINGS, NOW_MS) if whole else builder.build([EARNINGS], NOW_MS)[0]


def test_ordinary_days_raise_nothing() -> None:
    """Four days of two topics, some hours busier than others."""
    assert not timeline_of(list(calm())).active.any()


def test_a_surge_of_negative_stories_is_a_spike() -> None:
    """It is on now, has no end yet, and its peak stands above the band."""
    timeline = timeline_of([*calm(), *surge(0)])
    spike = timeline.spikes()[-1]
    assert (spike.dimension, spike.key, spike.end_ms) == ("topic", "Earnings", None)
    assert 0 <= NOW_MS - spike.start_ms <= 40 * MINUTE_MS
    assert spike.peak.observed >= spike.peak.upper > spike.peak.expected
    assert spike.peak.score >= 4


def test_a_reprint_storm_is_no_spike() -> None:
    """Eighty documents that tell one story are one story."""
    storm = [reprint(f"copy-{i}", of="surge-0", published_ms=at) for i, at in enumerate(minutes_ago(40, 0, 80))]
    assert not timeline_of([*calm(), *surge(0, count=1), *storm]).active.any()


def test_a_volume_surge_of_the_usual_mood_is_no_spike() -> None:
    """Ten times the stories, a quarter of them negative as ever."""
    at = minutes_ago(55, 0, 80)
    rest = stories_at([t for i, t in enumerate(at) if i % 4], "neutral", name="busy")
    assert not timeline_of([*calm(), *rest, *stories_at(at[::4], name="sad")]).active.any()


def test_a_surge_elsewhere_is_not_this_subjects_spike() -> None:
    """Subjects are judged each by its own past."""
    elsewhere = stories_at(minutes_ago(40, 0, 30), topic="Macro")
    assert not timeline_of([*calm(), *elsewhere]).active.any()


def test_one_surge_does_not_hide_the_next() -> None:
    """The second of two equal surges a day apart is found like the first."""
    spikes = timeline_of([*calm(), *surge(26, name="first"), *surge(0, name="second")]).spikes()
    assert len(spikes) == 2
    assert spikes[0].end_ms is not None
    assert spikes[1].peak.score > 0.8 * spikes[0].peak.score


def test_too_little_history_is_not_judged() -> None:
    """NaN, not 0: nothing is known, so nothing is said; what was seen is still counted."""
    recent = [one for one in calm() if one.document.published_ms >= NOW_MS - 20 * HOUR_MS]
    timeline = timeline_of([*recent, *surge(0)])
    assert not timeline.judged
    for values in (timeline.expected, timeline.upper, timeline.score, timeline.share_score):
        assert np.isnan(values).all()
    assert timeline.observed[-1] >= 30
    assert not timeline.active.any()


def test_history_counts_from_the_first_story_of_any_subject() -> None:
    """A subject that was silent for days is quiet, not unknown: its first surge is a spike."""
    others = [one for one in calm() if one.score and one.score.topic == "Macro"]
    timeline = timeline_of([*others, *surge(0)])
    assert timeline.judged
    assert timeline.active[-1]


def test_nothing_at_all_is_not_judged() -> None:
    """An empty series gives steps of nothing."""
    timeline = timeline_of([])
    assert not timeline.judged
    assert timeline.spikes() == []
    assert timeline.observed.sum() == 0


@pytest.mark.parametrize("whole", [True, False])
@given(ago_minutes=st.integers(1, 40 * 60), seed=st.integers(0, 1000))
@example(ago_minutes=30, seed=1)
@settings(max_examples=8)
def test_a_changed_future_changes_no_past_step(whole: bool, ago_minutes: int, seed: int) -> None:
    """No lookahead: whatever is published after a step, the step stays what it was, to the last bit."""
    cut_ms = NOW_MS - ago_minutes * MINUTE_MS
    past = [one for one in [*calm(), *surge(5)] if one.document.published_ms < cut_ms]
    future = ordinary_news(from_ms=cut_ms, to_ms=NOW_MS, per_hour=40, negative_share=0.7, seed=seed + 100)
    before, after = timeline_of(past, whole=whole), timeline_of([*past, *future], whole=whole)
    known = before.at_ms <= cut_ms
    names = ("observed", "stories", "active")
    for name in (*names, "expected", "upper", "score", "share_score") if whole else names:
        np.testing.assert_array_equal(getattr(before, name)[known], getattr(after, name)[known], err_msg=name)


@pytest.mark.parametrize("later_ms", [MINUTE_MS, 59 * MINUTE_MS, 7 * HOUR_MS])
def test_what_was_said_of_a_minute_stays_said(later_ms: int) -> None:
    """Live equals replay: looked at later, with more news, a past step is what it was when it was the newest."""
    documents = [*calm(), *surge(0)]
    more = ordinary_news(from_ms=NOW_MS + MINUTE_MS, to_ms=NOW_MS + later_ms, seed=9)
    settings, trends = SpikeSettings(), TrendSettings()
    then = TimelineBuilder(load(TrendSeries(), parts_of(documents)), settings, trends).build_whole(EARNINGS, NOW_MS)
    series = load(TrendSeries(), parts_of([*documents, *more]))
    now = TimelineBuilder(series, settings, trends).build_whole(EARNINGS, NOW_MS + later_ms)
    steps = later_ms // MINUTE_MS
    for name in ("at_ms", "observed", "expected", "upper", "score", "share_score", "active"):
        np.testing.assert_array_equal(getattr(now, name)[:-steps], getattr(then, name)[steps:], err_msg=name)


def test_the_order_in_which_documents_came_changes_nothing() -> None:
    """A timeline is a function of the counts."""
    documents = [*calm(), *surge(3)]
    shuffled = random.Random(4).sample(documents, len(documents))
    one, other = timeline_of(documents), timeline_of(shuffled)
    np.testing.assert_array_equal(one.score, other.score)


@pytest.mark.parametrize("hours_ago", [0, 3, 26])
def test_leaving_out_what_cannot_matter_changes_no_spike(hours_ago: float) -> None:
    """The quick build fits less, and finds the same."""
    documents = [*calm(), *surge(hours_ago)]
    quick, whole = timeline_of(documents, whole=False), timeline_of(documents)
    np.testing.assert_array_equal(quick.active, whole.active)
    assert quick.active.any()
    assert [spike.start_ms for spike in quick.spikes()] == [spike.start_ms for spike in whole.spikes()]
    fitted = ~np.isnan(quick.score)
    assert fitted[-1]
    np.testing.assert_array_equal(quick.score[fitted], whole.score[fitted])


def test_windows_cover_their_hour_and_nothing_else() -> None:
    """A step counts the stories of the sixty minutes that end with its own bucket."""
    timeline = timeline_of(stories_at([NOW_MS - 59 * MINUTE_MS, NOW_MS - 60 * MINUTE_MS, NOW_MS + MINUTE_MS]))
    assert timeline.at_ms[-1] == NOW_MS + MINUTE_MS
    assert timeline.observed[-1] == 1
    assert timeline.observed[-2] == 2
    assert timeline.observed[-1 - 60] == 1
    assert np.all(np.diff(timeline.at_ms) == MINUTE_MS)


def test_expectation_moves_smoothly_from_hour_to_hour() -> None:
    """A window over two hours expects of each what it covers: no jump at the full hour beyond a new fit's."""
    steps = np.abs(np.diff(timeline_of(list(calm())).expected))
    assert np.nanmax(steps) < 0.35
