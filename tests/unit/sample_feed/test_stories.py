"""Laws of what is a story of its own in the sample, judged by the sketches that the live path compares."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from monitor.ingest.sketch import Sketch, same_story
from pipelines.sample_feed import events
from pipelines.sample_feed.schedule import NEGATIVES_PER_HOUR

if TYPE_CHECKING:
    from tests.unit.sample_feed.conftest import Sample

HORIZON = timedelta(hours=72)
HOUR = timedelta(hours=1)
PLANNED = ("reprint", "reprint_storm")


def stories_of(sketches: list[Sketch], times: list[datetime]) -> list[int]:
    """Gives each document the position of the story it tells: its own, or an earlier one within 72 hours.

    Documents come in the order of time. Candidates share a band, as in the live path; all of them are compared.
    """
    holders: dict[str, list[int]] = {}
    stories: list[int] = []
    for position, (sketch, time) in enumerate(zip(sketches, times, strict=True)):
        candidates = sorted({i for band in sketch.bands for i in holders.get(band, []) if time - times[i] <= HORIZON})
        match = next((i for i in candidates if same_story(sketch, sketches[i])), position)
        stories.append(position if match == position else stories[match])
        for band in sketch.bands:
            holders.setdefault(band, []).append(position)
    return stories


def stories_among(sample: Sample, numbers: list[int]) -> list[int]:
    """The stories of these documents when nothing else is in the feed."""
    return stories_of([sample.sketches[i] for i in numbers], [sample.times[i] for i in numbers])


def test_hardly_any_document_repeats_another_unplanned(sample: Sample) -> None:
    """Without the planned reprints, under 2% of the documents share a story."""
    numbers = [i for i, telling in enumerate(sample.tellings) if telling.part not in PLANNED]
    stories = stories_among(sample, numbers)
    sharing = [story for story in stories if stories.count(story) > 1]
    assert len(sharing) < 0.02 * len(numbers)


def test_a_planned_reprint_joins_an_earlier_story(sample: Sample) -> None:
    """An editor's changes do not make it another story."""
    stories = stories_of(sample.sketches, sample.times)
    reprints = sample.numbers_of("reprint")
    joined = [i for i in reprints if stories[i] != i]
    assert 0.03 * len(stories) < len(reprints) < 0.05 * len(stories)
    assert len(joined) >= 0.97 * len(reprints)


def test_the_surge_is_distinct_stories_of_many_sources_that_come_ever_faster(sample: Sample) -> None:
    """38 negative oil stories in the last 230 seconds, the last of them the feed's last document."""
    numbers = sample.numbers_of("surge")
    times = [sample.times[i] for i in numbers]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert len(numbers) == 38
    assert len(set(stories_among(sample, numbers))) == len(numbers)
    assert numbers[-1] == len(sample.tellings) - 1
    assert (times[-1] - times[0]).total_seconds() == events.SURGE_SECONDS
    assert sum(gaps[-10:]) < sum(gaps[:10]) / 2
    assert len({sample.tellings[i].source for i in numbers}) >= 30
    assert {(t.story.topic, t.story.sentiment) for t in (sample.tellings[i] for i in numbers)} == {
        (events.SURGE_TOPIC, "negative")
    }


def test_the_earnings_day_is_distinct_stories_without_bad_news(sample: Sample) -> None:
    """85 within 50 minutes, neutral or positive."""
    numbers = sample.numbers_of("earnings_day")
    assert len(set(stories_among(sample, numbers))) == len(numbers) == 85
    assert sample.times[numbers[-1]] - sample.times[numbers[0]] == timedelta(minutes=50)
    assert all(sample.tellings[i].story.sentiment != "negative" for i in numbers)


def test_the_reprint_storm_is_one_story(sample: Sample) -> None:
    """70 copies of about 40 sources within 40 minutes, and the sketches see through the editors' changes."""
    numbers = sample.numbers_of("reprint_storm")
    assert len(numbers) == 70
    assert sample.times[numbers[-1]] - sample.times[numbers[0]] == timedelta(minutes=40)
    assert len({sample.tellings[i].source for i in numbers}) >= 35
    assert len({sample.tellings[i].title for i in numbers}) >= 50
    assert len(set(stories_among(sample, numbers))) <= 3


def test_no_other_hour_holds_a_surge(sample: Sample) -> None:
    """In the background, a topic has few negative documents within any 60 minutes, reprints counted."""
    by_topic: dict[str, list[datetime]] = {}
    for i in sample.numbers_of("background", "reprint"):
        story = sample.tellings[i].story
        if story.sentiment == "negative":
            by_topic.setdefault(story.topic, []).append(sample.times[i])
    for times in by_topic.values():
        assert max(sum(start <= time <= start + HOUR for time in times) for start in times) <= NEGATIVES_PER_HOUR


def test_no_bad_background_news_falls_into_an_events_own_topic_and_time(sample: Sample) -> None:
    """What alerts, or does not, is the event alone."""
    for i in sample.numbers_of("background", "reprint"):
        telling = sample.tellings[i]
        first, last = events.BLOCKED.get(telling.story.topic, (1, 1))
        assert telling.story.sentiment != "negative" or not first <= telling.at_seconds <= last
