"""The feed's values: a story as written, and a telling of it: one document of one source at one time.

Times are whole seconds before or after the end of the feed, so that nothing but `as_document` knows the calendar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

FEED_END = datetime(2026, 1, 16, 15, tzinfo=UTC)
FEED_SECONDS = 6 * 24 * 3600
HOUR = 3600
_HOSTS = ("example.com", "example.org", "example.net")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Source:
    """A fictional publisher or forum.

    Attributes:
        name: as readers know it.
        style: how it sets headlines: "sentence", "title", "ticker" or "squawk".
        weight: how often it prints, against the others.
    """

    name: str
    style: str
    weight: float


@dataclass(frozen=True, slots=True)
class Story:
    """What is told, before a source has set it in its style.

    Attributes:
        kind: "news" or "comment".
        title: headline in sentence case; empty for comments.
        text: summary of a news story (may be empty), or the comment.
        topic: intended label.
        sentiment: intended label.
        language: "en", "zh" or "de".
        ticker: of the company that it is about, or empty.
    """

    kind: str
    title: str
    text: str
    topic: str
    sentiment: str
    language: str = "en"
    ticker: str = ""


@dataclass(frozen=True, slots=True)
class Telling:
    """One document.

    Attributes:
        story: what is told.
        source: who tells it.
        title: the headline as this source sets it.
        at_seconds: when it was published, counted from the end of the feed; never above zero.
        part: "background", "reprint", "surge", "earnings_day" or "reprint_storm".
        fetch_seconds: how long after publication a scraper had it.
        names_language: whether the document says its language.
    """

    story: Story
    source: Source
    title: str
    at_seconds: int
    part: str
    fetch_seconds: int
    names_language: bool


def document_id(number: int) -> str:
    """Returns the id of the feed's document of that number, counted from 1."""
    return f"sample-{number:04d}"


def as_document(telling: Telling, number: int) -> dict[str, Any]:
    """Returns a telling as a `news.raw` document."""
    published = FEED_END + timedelta(seconds=telling.at_seconds)
    document: dict[str, Any] = {
        "id": document_id(number),
        "kind": telling.story.kind,
        "source": telling.source.name,
        "title": telling.title,
        "text": telling.story.text,
        "url": _url(telling.source.name, number),
    }
    if telling.names_language:
        document["language"] = telling.story.language
    document["published"] = _zulu(published)
    document["fetched"] = _zulu(published + timedelta(seconds=telling.fetch_seconds))
    return document


def _url(source: str, number: int) -> str:
    slug = _NOT_SLUG.sub("-", source.lower()).strip("-") or "zh"
    return f"https://{_HOSTS[len(slug) % len(_HOSTS)]}/{slug}/{number:04d}"


def _zulu(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
