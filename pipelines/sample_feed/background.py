"""The ordinary days: every topic's planned share of news and comments, and the reprints among them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.phrasebook import SENTIMENTS, Patterns, lines_of, read_patterns, read_phrases, words_of
from pipelines.sample_feed.reprints import reprint_title
from pipelines.sample_feed.schedule import Schedule
from pipelines.sample_feed.stories import HOUR, Source, Telling
from pipelines.sample_feed.writer import Writer, tell

_ENGLISH_FILES = (
    "analyst_update",
    "central_banks",
    "company_news",
    "currencies",
    "debt",
    "dividend",
    "earnings",
    "energy_oil",
    "financials",
    "general_news",
    "gold_metals",
    "ipo",
    "legal",
    "macro",
    "markets",
    "mergers",
    "personnel",
    "politics",
    "stock_commentary",
    "stock_movement",
)
_CHINESE_FILES = ("chinese", "chinese_stocks")
_GERMAN_FILES = ("german",)
_REPRINT_SHARE = 0.04


@cache
def sources_of(group: str) -> tuple[list[Source], list[float]]:
    """Returns the sources of a group in sources.toml, and how often each prints."""
    rows = [words_of(line) for line in lines_of(read_phrases("sources")[group])]
    sources = [Source(name, style, float(weight)) for name, style, weight in rows]
    return sources, [source.weight for source in sources]


def patterns_by_topic(*names: str) -> dict[str, Patterns]:
    """Reads files that hold the patterns of many topics each, as those in other languages than English do."""
    patterns = {}
    for name in names:
        content = read_phrases(name)
        slots = {slot: words_of(block) for slot, block in content["slots"].items()}
        for topic, kinds in content["topics"].items():
            lines = {
                (kind, sentiment): lines_of(kinds.get(kind, {}).get(sentiment, ""))
                for kind in ("news", "comments")
                for sentiment in SENTIMENTS
            }
            patterns[topic] = Patterns(topic, lines, slots)
    return patterns


def background(seed: int, schedule: Schedule) -> list[Telling]:
    """Writes the ordinary days by plan.toml.

    Args:
        seed: the job's seed.
        schedule: gives out the times, and learns of every negative document.
    """
    tellings = _write(seed, schedule, _parts())
    tellings += _reprints(Draw(seed, "reprints"), schedule, tellings)
    # Last, so that they take no time that a document of another language was given before there were German ones.
    return tellings + _write(seed, schedule, _german_parts())


@dataclass(frozen=True, slots=True)
class _Part:
    """One topic's documents of one kind and language: how many of each sentiment, by which sources."""

    patterns: Patterns
    kind: str
    counts: list[int]
    outlets: str
    language: str

    @property
    def name(self) -> str:
        return f"{self.language}/{self.patterns.topic}/{self.kind}"


def _parts() -> list[_Part]:
    plan = read_phrases("plan")
    english = {patterns.topic: patterns for patterns in map(read_patterns, _ENGLISH_FILES)}
    chinese = patterns_by_topic(*_CHINESE_FILES)
    return [
        *_planned(plan["news"], english, "news", "english", "en"),
        *_planned(plan["comments"], english, "comments", "forums", "en"),
        *_planned(plan["chinese"]["news"], chinese, "news", "chinese", "zh"),
        *_planned(plan["chinese"]["comments"], chinese, "comments", "chinese_forums", "zh"),
    ]


def _german_parts() -> list[_Part]:
    plan = read_phrases("plan")["german"]
    german = patterns_by_topic(*_GERMAN_FILES)
    return [
        *_planned(plan["news"], german, "news", "german", "de"),
        *_planned(plan["comments"], german, "comments", "german_forums", "de"),
    ]


def _planned(
    planned: dict[str, list[int]], patterns: dict[str, Patterns], kind: str, outlets: str, language: str
) -> list[_Part]:
    return [_Part(patterns[topic], kind, counts, outlets, language) for topic, counts in planned.items()]


def _write(seed: int, schedule: Schedule, parts: list[_Part]) -> list[Telling]:
    return [telling for part in parts for telling in _write_part(Draw(seed, part.name), schedule, part)]


def _write_part(draw: Draw, schedule: Schedule, part: _Part) -> list[Telling]:
    """Writes one part; a pattern comes back only after all others of its sentiment."""
    writer = Writer(draw)
    topic = part.patterns.topic
    sources, weights = sources_of(part.outlets)
    tellings = []
    for sentiment, count in zip(SENTIMENTS, part.counts, strict=True):
        times = sorted(schedule.time_for(topic, sentiment) for _ in range(count))
        dealt = draw.deck(part.patterns.lines[part.kind, sentiment], count)
        for at_seconds, pattern in zip(times, dealt, strict=True):
            story = writer.write(part.patterns, part.kind, sentiment, pattern, part.language)
            tellings.append(tell(draw, story, draw.weighted(sources, weights), at_seconds, "background"))
    return tellings


def _reprints(draw: Draw, schedule: Schedule, tellings: list[Telling]) -> list[Telling]:
    """Has other sources carry some of the English news again, minutes to hours later."""
    originals = [t for t in tellings if t.story.kind == "news" and t.story.language == "en"]
    sources, _ = sources_of("english")
    reprints: list[Telling] = []
    for original in draw.shuffled(originals):
        if len(reprints) >= len(tellings) * _REPRINT_SHARE:
            break
        at_seconds = original.at_seconds + draw.integer(180, draw.pick([HOUR // 2, 2 * HOUR, 9 * HOUR]))
        if at_seconds >= -1:
            continue
        if original.story.sentiment == "negative":
            if not schedule.admits(original.story.topic, at_seconds):
                continue
            schedule.take(original.story.topic, at_seconds)
        source = draw.pick([source for source in sources if source != original.source])
        title = reprint_title(draw, original.story, source, draw.integer(1, 2))
        reprints.append(replace(tell(draw, original.story, source, at_seconds, "reprint"), title=title))
    return reprints
