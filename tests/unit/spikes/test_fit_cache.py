"""A builder that remembers fits gives what one without a memory gives, as data come in, late or not, and go."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from monitor.messages import ALL, BucketCounts, ScoredDocument
from monitor.settings import SpikeSettings, TrendSettings
from monitor.spikes.timeline import Timeline, TimelineBuilder
from monitor.trends.series import TrendSeries, load
from tests.builders import HOUR_MS, MINUTE_MS, NOW_MS, ordinary_news, parts_of, stories_at

SUBJECTS = [ALL, ("topic", "Earnings"), ("topic", "Macro"), ("topic", "Rare")]
TRENDS = TrendSettings(fine_retention_hours=50, coarse_retention_days=35)


def moments() -> Iterator[tuple[int, list[ScoredDocument]]]:
    """The time, and all that is known then: ordinary news, then a surge, then documents that come very late."""
    rare = stories_at([NOW_MS - 5 * HOUR_MS], topic="Rare", name="rare")
    known = ordinary_news(from_ms=NOW_MS - 80 * HOUR_MS, to_ms=NOW_MS + 4 * HOUR_MS)
    surge = stories_at([NOW_MS + 30 * MINUTE_MS + i * MINUTE_MS for i in range(25)], name="surge")
    late = stories_at([NOW_MS - 30 * HOUR_MS + i * MINUTE_MS for i in range(40)], topic="Macro", name="late")
    # Twice at one time: what came late must count even where no old bucket was dropped in between.
    for minutes, late_is_known in ((0, False), (1, False), (59, False), (61, False), (61, True), (240, True)):
        now_ms = NOW_MS + minutes * MINUTE_MS
        so_far = [one for one in (*known, *rare, *surge) if one.document.published_ms <= now_ms]
        yield now_ms, [*so_far, *late] if late_is_known else so_far


def prune(series: TrendSeries, now_ms: int) -> None:
    """Drops what an exporter drops."""
    series.prune(TRENDS.fine_bucket_seconds, now_ms - 50 * HOUR_MS)
    series.prune(TRENDS.coarse_bucket_seconds, now_ms - 35 * 24 * HOUR_MS)


def assert_same(one: Timeline, other: Timeline) -> None:
    """Equal to the last bit, NaN at the same steps."""
    for name in ("at_ms", "observed", "stories", "expected", "upper", "score", "share_score", "active"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("guard_hours", [0.0, 1.5, 2.0])
def test_a_warm_cache_gives_what_a_cold_one_gives(guard_hours: float) -> None:
    """At every refresh, for the quick and for the whole build."""
    spikes = SpikeSettings(guard_hours=guard_hours)
    series = TrendSeries()
    warm = TimelineBuilder(series, spikes, TRENDS)
    held: dict[object, BucketCounts] = {}
    spiked = False
    for now_ms, documents in moments():
        parts = parts_of(documents)
        for part in parts:
            if held.get(part.bucket) != part:  # an exporter reads only what changed
                held[part.bucket] = part
                series.replace(part)
        prune(series, now_ms)
        fresh = load(TrendSeries(), parts)
        prune(fresh, now_ms)
        cold = TimelineBuilder(fresh, spikes, TRENDS)
        for quick, expected in zip(warm.build(SUBJECTS, now_ms), cold.build(SUBJECTS, now_ms), strict=True):
            assert_same(quick, expected)
            spiked |= bool(quick.active.any())
        for subject in SUBJECTS:
            assert_same(warm.build_whole(subject, now_ms), cold.build_whole(subject, now_ms))
    assert spiked
