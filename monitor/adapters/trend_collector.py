"""The exporter's metrics: a Snapshot as Prometheus gauges, made anew at each scrape.

Guarantees: labels are bounded: topics, the busiest companies, and at most three stories per spike that is on. What can't
be judged yet is absent, not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monitor.messages import SENTIMENTS
from monitor.overview import Snapshot, SpikeView, SubjectView

_SUBJECT = ("dimension", "key")
_TITLE_CHARACTERS = 160

_GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "sentiment_window_stories": (
        "Stories published in a rolling window.", (*_SUBJECT, "kind", "sentiment", "window")),
    "sentiment_window_documents": (
        "Documents, reprints included, published in a rolling window.", (*_SUBJECT, "kind", "sentiment", "window")),
    "sentiment_window_polarity_sum": (
        "P(positive) - P(negative) added up over the stories of a rolling window.", (*_SUBJECT, "kind", "window")),
    "sentiment_spike_observed_stories": ("Negative stories in the judged window.", _SUBJECT),
    "sentiment_spike_window_stories": ("Scored stories in the judged window.", _SUBJECT),
    "sentiment_spike_expected_stories": ("Negative stories that the subject's past leads one to expect.", _SUBJECT),
    "sentiment_spike_upper_stories": ("Negative stories from which the count alone is a spike.", _SUBJECT),
    "sentiment_spike_score": ("Surprise of the count of negative stories, in standard deviations.", _SUBJECT),
    "sentiment_spike_share_score": ("Surprise of the share of negative stories, in standard deviations.", _SUBJECT),
    "sentiment_spike_active": ("1 while a spike is on: count, share, volume and hysteresis are in it.", _SUBJECT),
    "sentiment_spike_start_timestamp_seconds": ("When the spike that is on began.", _SUBJECT),
    "sentiment_spike_story_info": (
        "1 for each of the top stories behind a spike that is on.",
        (*_SUBJECT, "rank", "title", "source", "url", "documents")),
    "sentiment_unsupported_language_window_documents": (
        "Documents in a rolling window in a language that no model reads.", ("language", "window")),
    "sentiment_last_published_timestamp_seconds": ("When the newest applied document was published.", ()),
    "sentiment_partition_position": ("Position up to which a partition is applied.", ("partition",)),
    "sentiment_exporter_last_refresh_timestamp_seconds": ("When Redis was last read.", ()),
    "sentiment_exporter_refresh_seconds": ("How long the last reading took.", ()),
}  # fmt: skip
_ERRORS = "sentiment_exporter_refresh_errors"

METRIC_NAMES: frozenset[str] = frozenset({*_GAUGES, f"{_ERRORS}_total"})


class TrendCollector(Collector):
    """Collects from the newest snapshot.

    Args:
        newest: returns it, or None before the first.
        errors: returns how many refreshes failed.
        evidence_stories: stories published per spike that is on.
    """

    def __init__(self, newest: Callable[[], Snapshot | None], errors: Callable[[], int], evidence_stories: int) -> None:
        self._newest = newest
        self._errors = errors
        self._evidence_stories = evidence_stories

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client's Collector."""
        failed = CounterMetricFamily(_ERRORS, "Readings of Redis that failed.")
        failed.add_metric((), self._errors())
        yield failed
        snapshot = self._newest()
        if snapshot is None:
            return
        families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in _GAUGES.items()}
        for name, labels, value in _samples(snapshot, self._evidence_stories):
            families[name].add_metric(labels, value)
        yield from families.values()


_Sample = tuple[str, tuple[str, ...], float]


def _samples(snapshot: Snapshot, evidence_stories: int) -> Iterator[_Sample]:
    yield "sentiment_exporter_last_refresh_timestamp_seconds", (), snapshot.at_ms / 1000
    yield "sentiment_exporter_refresh_seconds", (), snapshot.took_seconds
    if snapshot.last_published_ms:
        yield "sentiment_last_published_timestamp_seconds", (), snapshot.last_published_ms / 1000
    for state in snapshot.partitions:
        yield "sentiment_partition_position", (str(state.partition),), state.position
    for hours, counts in snapshot.unsupported.items():
        for language, count in counts.items():
            yield "sentiment_unsupported_language_window_documents", (language, window_label(hours)), count
    for view in snapshot.subjects:
        yield from _window_samples(view)
        yield from _spike_samples(view)
    for spike in snapshot.spikes:
        if spike.spike.end_ms is None:
            yield from _evidence_samples(spike, evidence_stories)


def _window_samples(view: SubjectView) -> Iterator[_Sample]:
    for window in view.windows:
        label = window_label(window.hours)
        for name, stories, documents in zip(SENTIMENTS, window.stories, window.documents, strict=True):
            labels = (*view.subject, window.kind, name, label)
            yield "sentiment_window_stories", labels, stories
            yield "sentiment_window_documents", labels, documents
        yield "sentiment_window_polarity_sum", (*view.subject, window.kind, label), window.polarity_sum


def _spike_samples(view: SubjectView) -> Iterator[_Sample]:
    if not view.timeline.judged:
        return
    level = view.timeline.level(-1)
    values = {
        "sentiment_spike_observed_stories": level.observed,
        "sentiment_spike_window_stories": level.stories,
        "sentiment_spike_expected_stories": level.expected,
        "sentiment_spike_upper_stories": level.upper,
        "sentiment_spike_score": level.score,
        "sentiment_spike_share_score": level.share_score,
        "sentiment_spike_active": int(level.active),
    }
    for name, value in values.items():
        yield name, view.subject, value


def _evidence_samples(view: SpikeView, limit: int) -> Iterator[_Sample]:
    subject = (view.spike.dimension, view.spike.key)
    yield "sentiment_spike_start_timestamp_seconds", subject, view.spike.start_ms / 1000
    for rank, story in enumerate(view.stories[:limit], start=1):
        evidence = story.evidence
        labels = (
            *subject,
            str(rank),
            evidence.title[:_TITLE_CHARACTERS],
            evidence.source,
            evidence.url,
            str(story.documents),
        )
        yield "sentiment_spike_story_info", labels, 1


def window_label(hours: float) -> str:
    """A window's length as a label: 1h, 24h, 30m."""
    return f"{hours:g}h" if hours >= 1 else f"{hours * 60:g}m"
