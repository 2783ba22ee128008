"""How a headline becomes a document, a story, a score, a count, and in the end an alert."""

from __future__ import annotations

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.memory_trends import MemoryTrends
from monitor.adapters.routed_classifier import RoutedClassifier
from monitor.classify.isolate import classify_isolating
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import RawRecord, Score
from monitor.overview import Overview
from monitor.settings import IngestSettings, Settings, TrendSettings
from monitor.spikes.timeline import TimelineBuilder
from monitor.trends.buckets import contribution_of
from monitor.trends.series import TrendSeries, load
from tests.builders import HOUR_MS, MINUTE_MS, NOW_MS, document, ordinary_news, parts_of, scored, stories_at, update_of
from tests.fakes import ManualClock, WordClassifier


def test_a_raw_message_becomes_a_document() -> None:
    """JSON out of Kafka is decoded, cleaned, and its companies are found."""
    value = b"""{"source": "Example Wire", "title": "Apple &amp; Microsoft  cut prices https://t.example/x",
                 "published": "2026-03-04T13:55:00+02:00"}"""
    record = RawRecord(partition=0, offset=17, key=None, value=value, timestamp_ms=NOW_MS)
    found = decode(record, IngestSettings(), load_entities(None))
    assert (found.title, found.entities, found.language) == ("Apple & Microsoft cut prices", ("AAPL", "MSFT"), "en")
    assert (found.published_ms, found.available_ms) == (NOW_MS - 5 * MINUTE_MS, NOW_MS)


def test_reprints_share_a_story() -> None:
    """What an agency wrote and three sites printed is one story with four documents."""
    novelty = NoveltyIndex(MemoryStoryMemory(), horizon_ms=72 * HOUR_MS)
    told = [
        document("agency", title="Chip maker Nvidia warns of weak demand and cuts its outlook"),
        document("site-1", title="UPDATE 1-Chip maker Nvidia warns of weak demand and cuts its outlook"),
        document("site-2", title="Chip maker Nvidia warns of weak demand and cuts its outlook - Example Times"),
        document("other", title="Oil falls as demand worries grow in Asia"),
    ]
    assert [story.id for story in novelty.assign(told)] == ["agency", "agency", "agency", "other"]


def test_a_score_says_how_sure_the_model_is() -> None:
    """Topic and calibrated probabilities; a text that the model fails on is an error of its own, never neutral."""
    results = classify_isolating(WordClassifier(), [document("a", title="Profit falls"), document("b", title="POISON")])
    first = results[0]
    assert isinstance(first, Score)
    assert (first.topic, first.sentiment, round(first.polarity, 2)) == ("Earnings", "negative", -0.85)
    assert not isinstance(results[1], Score)


def test_each_company_has_its_own_sentiment_and_each_language_its_own_model() -> None:
    """Where a model tells companies apart; a document in another language goes to that one's model, or to none."""
    value = '{"title": "Oracle rises, 苹果 falls", "published": "2026-03-04T11:55:00Z", "language": "en"}'.encode()
    found = decode(RawRecord(0, 17, None, value, NOW_MS), IngestSettings(), load_entities(None))
    assert found.mentions == (("AAPL", "苹果"), ("ORCL", "Oracle"))
    routed = RoutedClassifier({"en": WordClassifier()})
    (told,) = classify_isolating(routed, [found])
    assert isinstance(told, Score)
    assert {key: told.towards(("entity", key))[0] for key in found.entities} == {"AAPL": "negative", "ORCL": "positive"}
    assert routed.languages == {"en"}  # what is in Chinese is counted, not scored


def test_a_document_counts_where_its_publication_time_belongs() -> None:
    """In a minute and in an hour, for everything, its topic and each company in it."""
    late = scored("a", published_ms=NOW_MS - 2 * HOUR_MS, available_ms=NOW_MS, entities=("AAPL",))
    counts = contribution_of([late], TrendSettings()).counts
    assert {(bucket.seconds, NOW_MS - bucket.start_ms) for bucket in counts} == {(60, 2 * HOUR_MS), (3600, 2 * HOUR_MS)}
    for cells in counts.values():
        stories = {(cell.dimension, cell.key) for cell in cells if cell.measure == "negative_stories"}
        assert stories == {("all", "all"), ("topic", "Earnings"), ("entity", "AAPL")}


def test_windows_roll_with_the_clock() -> None:
    """The same counts, an hour later: nothing is recomputed, nothing has to be told that time has passed."""
    trends, clock = MemoryTrends(), ManualClock()
    epoch = trends.assign(0, 0).epoch
    trends.apply(update_of(stories_at([NOW_MS - 30 * MINUTE_MS, NOW_MS - 4 * HOUR_MS]), epoch=epoch))
    overview = Overview(trends, Settings(), clock)

    def negative_stories() -> dict[float, int]:
        view = next(view for view in overview.refresh().subjects if view.subject == ("topic", "Earnings"))
        return {window.hours: window.stories[0] for window in view.windows if window.kind == "news"}

    assert negative_stories() == {1.0: 1, 6.0: 2, 24.0: 2}
    clock.at_ms += HOUR_MS
    assert negative_stories() == {1.0: 0, 6.0: 2, 24.0: 2}


def test_a_spike_is_more_than_the_subjects_past_explains() -> None:
    """Four ordinary days, then two dozen negative stories in forty minutes."""
    news = ordinary_news(from_ms=NOW_MS - 96 * HOUR_MS, to_ms=NOW_MS)
    surge = stories_at(range(NOW_MS - 40 * MINUTE_MS, NOW_MS, 100_000))
    series = load(TrendSeries(), parts_of([*news, *surge]))
    settings = Settings()
    earnings, macro = TimelineBuilder(series, settings.spikes, settings.trends).build(
        [("topic", "Earnings"), ("topic", "Macro")], NOW_MS
    )
    assert macro.spikes() == []
    (spike,) = earnings.spikes()
    assert spike.end_ms is None
    assert spike.peak.observed > spike.peak.upper > spike.peak.expected
