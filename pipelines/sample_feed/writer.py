"""Writes stories from patterns, and sets their headlines in the style of a source."""

from __future__ import annotations

import re
from dataclasses import replace

from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.grammar import Filler, capitalised
from pipelines.sample_feed.phrasebook import Patterns, lines_of, read_lexicon, read_phrases, words_of
from pipelines.sample_feed.stories import Source, Story, Telling

SMALL_WORDS = frozenset(
    (
        "a",
        "an",
        "and",
        "as",
        "at",
        "but",
        "by",
        "for",
        "from",
        "in",
        "of",
        "off",
        "on",
        "or",
        "over",
        "per",
        "the",
        "to",
    )
)
"""Words that keep their small letter in a headline set in capitals and small letters."""

_WORD = re.compile(r"[\w'&$%.]+")
_FIRST_LETTER = re.compile(r"^[“\"'(]?[a-z]")
_TRIES = 14
_TOO_ALIKE = 0.55
# Chinese is told by its script, and Latin script counts as English where a document doesn't say its language.
_TOLD_WITHOUT_SAYING = ("en", "zh")
_NO_FOLLOW_UP = ("General News / Opinion", "Politics", "Stock Commentary", "Personnel Change")
_FOLLOW_UP_SHARE = 0.3
_ASIDE_SHARE = 0.4
_TAIL_SHARE = 0.35


class Writer:
    """Writes one story at a time and remembers what it wrote, so that a pattern does not come back in the same words.

    Args:
        draw: where choices come from.
        chatty: whether stories get a follow-up sentence and comments an aside now and then.
    """

    def __init__(self, draw: Draw, chatty: bool = True) -> None:
        self._draw = draw
        self._aside_share, self._follow_up_share = (_ASIDE_SHARE, _FOLLOW_UP_SHARE) if chatty else (0.0, 0.0)
        self._lexicon = read_lexicon()
        words = read_phrases("words")
        self._summaries = {
            (about, sentiment): lines_of(block)
            for about, blocks in words["summaries"].items()
            for sentiment, block in blocks.items()
        }
        self._asides = {sentiment: lines_of(block) for sentiment, block in words["asides"].items()}
        self._tails = {sentiment: words_of(block) for sentiment, block in words["tails"].items()}
        self._written: dict[str, list[frozenset[str]]] = {}

    def write(self, patterns: Patterns, kind: str, sentiment: str, pattern: str, language: str = "en") -> Story:
        """Fills a pattern, and again if that came out too much like an earlier filling of the same pattern."""
        earlier = self._written.setdefault(pattern, [])
        fillings = [self._story(patterns, kind, sentiment, pattern, language)]
        likeness = [_likeness(fillings[0], earlier)]
        while likeness[-1] > _TOO_ALIKE and len(fillings) < _TRIES:
            fillings.append(self._story(patterns, kind, sentiment, pattern, language))
            likeness.append(_likeness(fillings[-1], earlier))
        story = fillings[likeness.index(min(likeness))]
        earlier.append(_words(story))
        if language == "en" and kind == "comments" and self._draw.chance(_TAIL_SHARE):
            return replace(story, text=_joined(story.text, self._draw.pick(self._tails[sentiment])))
        return story

    def _story(self, patterns: Patterns, kind: str, sentiment: str, pattern: str, language: str) -> Story:
        filler = Filler(self._draw, self._lexicon, patterns.slots)
        first, _, second = (part.strip() for part in pattern.partition("||"))
        filled = filler.fill(first)
        ticker = filler.company.ticker if filler.company else ""
        if kind == "comments":
            if language == "en" and self._draw.chance(self._aside_share):
                filled = _joined(filled, filler.fill(self._draw.pick(self._asides[sentiment])))
            return Story("comment", "", filled, patterns.topic, sentiment, language, ticker)
        follows = language == "en" and patterns.topic not in _NO_FOLLOW_UP
        if not second and follows and self._draw.chance(self._follow_up_share):
            second = self._draw.pick(self._summaries["company" if ticker else "general", sentiment])
        summary = capitalised(filler.fill(second))
        return Story("news", capitalised(filled), summary, patterns.topic, sentiment, language, ticker)


def tell(draw: Draw, story: Story, source: Source, at_seconds: int, part: str) -> Telling:
    """Returns the document in which a source tells a story, headline in its style."""
    title = in_style(story.title, source.style, story.ticker)
    fetch_seconds = min(draw.integer(2, 19), max(2, -at_seconds))  # a feed's last documents are fetched as it ends
    names_language = draw.chance(0.5) or story.language not in _TOLD_WITHOUT_SAYING
    return Telling(story, source, title, at_seconds, part, fetch_seconds, names_language)


def in_style(title: str, style: str, ticker: str) -> str:
    """Sets a headline as a source does: "sentence", "title", "ticker" (cashtag in front) or "squawk" (capitals)."""
    if style == "title":
        return title_case(title)
    if style == "squawk":
        return title.upper()
    if style == "ticker" and ticker and title and f"${ticker}" not in title:
        return f"${ticker} - {title}"
    return title


def title_case(title: str) -> str:
    """Returns a headline with a capital on every word but the small ones."""
    words = title.split(" ")
    return " ".join(w if w in SMALL_WORDS and i else _FIRST_LETTER.sub(_upper, w, count=1) for i, w in enumerate(words))


def _upper(match: re.Match[str]) -> str:
    return match[0].upper()


def _joined(comment: str, tail: str) -> str:
    between = ". " if comment[-1] not in ".!?" and tail[0].isalnum() else " "
    return f"{comment}{between}{tail}"


def _words(story: Story) -> frozenset[str]:
    text = story.title or story.text
    return frozenset(_WORD.findall(text.lower()) if story.language != "zh" else text)


def _likeness(story: Story, earlier: list[frozenset[str]]) -> float:
    """The largest Jaccard similarity of this story's words with those of earlier ones."""
    words = _words(story)
    return max((len(words & other) / len(words | other) for other in earlier), default=0.0)
