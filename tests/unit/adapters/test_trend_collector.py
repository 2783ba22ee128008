"""Laws of the exporter's metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric

from monitor.adapters.memory_trends import MemoryTrends
from monitor.adapters.trend_collector import METRIC_NAMES, TrendCollector, window_label
from monitor.overview import Overview, Snapshot
from monitor.settings import Settings
from tests.builders import NOW_MS, news_with_a_surge, scored, trends_of
from tests.fakes import ManualClock

Samples = list[tuple[str, dict[str, str], float]]


def snapshot_of(trends: MemoryTrends) -> Snapshot:
    """A snapshot of some trends."""
    return Overview(trends, Settings(), ManualClock()).refresh()


def samples_of(snapshot: Snapshot | None, stories: int = 3) -> Samples:
    """What a scrape gives."""
    metrics: Iterable[Metric] = TrendCollector(lambda: snapshot, lambda: 2, stories).collect()
    return [(sample.name, sample.labels, sample.value) for metric in metrics for sample in metric.samples]


def named(samples: Samples, name: str, **labels: str) -> list[float]:
    """Values of one metric with these labels."""
    return [value for found, have, value in samples if found == name and labels.items() <= have.items()]


def test_metric_names_are_complete() -> None:
    """Every metric that is ever exported is listed, and every listed one is exported when there is a spike."""
    exported = {name for name, _, _ in samples_of(snapshot_of(trends_of(news_with_a_surge())))}
    assert exported == METRIC_NAMES


def test_names_and_labels_follow_the_conventions() -> None:
    """One prefix, and no sample twice."""
    samples = samples_of(snapshot_of(trends_of(news_with_a_surge())))
    keys = [(name, tuple(sorted(labels.items()))) for name, labels, _ in samples]
    assert len(keys) == len(set(keys))
    assert all(name.startswith("sentiment_") for name in METRIC_NAMES)
    assert not any(math.isnan(value) for _, _, value in samples)


def test_windows_are_numerators_and_denominators() -> None:
    """Mean polarity is the reader's to divide, over kinds as well."""
    snapshot = snapshot_of(trends_of(news_with_a_surge(reprints=3)))
    samples = samples_of(snapshot)
    labels = {"dimension": "topic", "key": "Earnings", "window": "1h"}
    stories = named(samples, "sentiment_window_stories", **labels)
    documents = named(samples, "sentiment_window_documents", **labels)
    assert len(stories) == len(documents) == 6
    assert sum(documents) == sum(stories) + 3
    assert -1 <= sum(named(samples, "sentiment_window_polarity_sum", **labels)) / sum(stories) <= 1


def test_a_spike_that_is_on_has_at_most_three_stories() -> None:
    """However many there are, so that the number of series is bounded; ranks say which is first."""
    samples = samples_of(snapshot_of(trends_of(news_with_a_surge())))
    told = [
        labels for name, labels, _ in samples if name == "sentiment_spike_story_info" and labels["key"] == "Earnings"
    ]
    assert [labels["rank"] for labels in told] == ["1", "2", "3"]
    assert told[0]["documents"] == "4"
    fewer = samples_of(snapshot_of(trends_of(news_with_a_surge())), stories=1)
    assert len(named(fewer, "sentiment_spike_story_info", key="Earnings")) == 1


def test_a_start_is_given_only_while_a_spike_is_on() -> None:
    """The subjects without one have none."""
    samples = samples_of(snapshot_of(trends_of(news_with_a_surge())))
    (start,) = named(samples, "sentiment_spike_start_timestamp_seconds", key="Earnings")
    assert 0 < NOW_MS / 1000 - start < 2400
    assert named(samples, "sentiment_spike_start_timestamp_seconds", key="Macro") == []
    assert named(samples, "sentiment_spike_active", key="Earnings") == [1]
    assert named(samples, "sentiment_spike_active", key="Macro") == [0]
    assert named(samples, "sentiment_spike_active", dimension="all") == [0]


def test_what_cannot_be_judged_yet_is_absent() -> None:
    """Not zero: a rule must not take too little history for calm."""
    samples = samples_of(snapshot_of(trends_of([scored("a")])))
    assert not [name for name, _, _ in samples if name.startswith("sentiment_spike_")]
    assert named(
        samples, "sentiment_window_stories", key="Earnings", sentiment="negative", kind="news", window="1h"
    ) == [1]


def test_before_the_first_snapshot_only_errors_are_counted() -> None:
    """The exporter may be up before Redis is."""
    assert samples_of(None) == [("sentiment_exporter_refresh_errors_total", {}, 2)]


def test_before_the_first_document_there_is_no_time_of_one() -> None:
    """An age counted from 1970 would raise an alert."""
    trends = MemoryTrends()
    trends.assign(0, 0)
    samples = samples_of(snapshot_of(trends))
    assert named(samples, "sentiment_last_published_timestamp_seconds") == []
    assert named(samples, "sentiment_partition_position", partition="0") == [0]


def test_the_text_format_escapes_what_a_title_may_hold() -> None:
    """Quotes, line ends and backslashes do not break a scrape."""
    registry = CollectorRegistry()
    hostile = [
        scored(one.document.id, one.score.sentiment, one.score.topic, one.story,
               published_ms=one.document.published_ms, title='Say "no" \\ \n done')
        for one in news_with_a_surge() if one.score
    ]  # fmt: skip
    snapshot = snapshot_of(trends_of(hostile))
    registry.register(TrendCollector(lambda: snapshot, lambda: 0, 3))
    text = generate_latest(registry).decode()
    assert r'title="Say \"no\" \\ \n done"' in text
    assert all(line.startswith(("#", "sentiment_")) for line in text.splitlines())


def test_windows_are_labelled_by_their_length() -> None:
    """Hours, and minutes below one."""
    assert [window_label(hours) for hours in (0.5, 1.0, 1.5, 24.0)] == ["30m", "1h", "1.5h", "24h"]
