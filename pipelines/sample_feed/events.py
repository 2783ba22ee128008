"""The three planned happenings: one true surge of bad news, and two that must not look like one."""

from __future__ import annotations

from dataclasses import replace

from pipelines.sample_feed.background import sources_of
from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.phrasebook import read_patterns, read_phrases
from pipelines.sample_feed.reprints import reprint_title
from pipelines.sample_feed.stories import HOUR, Story, Telling
from pipelines.sample_feed.writer import Writer, tell

SURGE_TOPIC = "Energy / Oil"
SURGE_SECONDS = 230
"""The surge begins so long before the end of the feed, and its last story is the feed's last document."""

EARNINGS_TOPIC = "Earnings"
EARNINGS_STORIES = 85
EARNINGS_END = -21 * HOUR
EARNINGS_START = EARNINGS_END - 50 * 60

STORM_TOPIC = "Legal / Regulation"
STORM_COPIES = 70
STORM_END = -6 * HOUR
STORM_START = STORM_END - 40 * 60

# No negative background story of the event's own topic falls in or near it.
BLOCKED = {
    SURGE_TOPIC: (-2 * HOUR, 0),
    EARNINGS_TOPIC: (EARNINGS_START - HOUR, EARNINGS_END + HOUR),
    STORM_TOPIC: (STORM_START - HOUR, STORM_END + HOUR),
}
_OUTLETS = {"news": "english", "comment": "forums"}
_ACCELERATION = 0.6
_FIRST_COMMENT = 5


def surge(seed: int) -> list[Telling]:
    """Tells of an explosion at an oil terminal in distinct stories that come ever faster."""
    draw = Draw(seed, "surge")
    patterns = read_patterns("surge")
    writer = Writer(draw, chatty=False)
    stories = [writer.write(patterns, "news", "negative", line) for line in patterns.lines["news", "negative"]]
    for line in draw.shuffled(patterns.lines["comments", "negative"]):
        comment = writer.write(patterns, "comments", "negative", line)
        stories.insert(draw.integer(_FIRST_COMMENT, len(stories) - 1), comment)
    outlets = {kind: draw.deck(sources_of(group)[0], len(stories)) for kind, group in _OUTLETS.items()}
    last = len(stories) - 1
    times = [-round(SURGE_SECONDS * (1 - (i / last) ** _ACCELERATION)) for i in range(len(stories))]
    return [tell(draw, s, outlets[s.kind].pop(), at, "surge") for s, at in zip(stories, times, strict=True)]


def earnings_day(seed: int) -> list[Telling]:
    """Tells the results of many companies within the hour, none of them bad."""
    draw = Draw(seed, "earnings day")
    patterns = read_patterns("earnings_day")
    writer = Writer(draw, chatty=False)
    moods = [(s, line) for s in ("neutral", "positive") for line in patterns.lines["news", s]]
    sources, weights = sources_of("english")
    times = sorted(draw.integer(EARNINGS_START, EARNINGS_END - 1) for _ in range(EARNINGS_STORIES - 2))
    times = [EARNINGS_START, *times, EARNINGS_END]
    tellings = []
    for at_seconds, (sentiment, line) in zip(times, draw.deck(moods, len(times)), strict=True):
        story = writer.write(patterns, "news", sentiment, line)
        tellings.append(tell(draw, story, draw.weighted(sources, weights), at_seconds, "earnings_day"))
    return tellings


def reprint_storm(seed: int) -> list[Telling]:
    """Has nearly every source print one bad story again, with up to three editor's changes."""
    draw = Draw(seed, "reprint storm")
    content = read_phrases("storm")
    story = Story("news", content["title"].strip(), content["text"].strip(), content["topic"], "negative")
    sources = draw.deck(sources_of("english")[0], STORM_COPIES)
    later = sorted(draw.integer(STORM_START + 20, STORM_END - 1) for _ in range(STORM_COPIES - 2))
    tellings: list[Telling] = []
    for at_seconds, source in zip([STORM_START, *later, STORM_END], sources, strict=True):
        copy = replace(story, text=story.text if draw.chance(0.5) else "")
        title = reprint_title(draw, story, source, draw.integer(1, 3)) if tellings else story.title
        tellings.append(replace(tell(draw, copy, source, at_seconds, "reprint_storm"), title=title))
    return tellings
