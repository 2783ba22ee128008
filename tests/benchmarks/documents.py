"""Documents to measure with: headlines as long as the sample feed's, with ids of their own, a fifth of them reprints."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

REPRINT_RATIO = 0.2
_ONSETS = (
    "b",
    "br",
    "c",
    "cl",
    "d",
    "f",
    "g",
    "gr",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
)
_VOWELS = ("a", "e", "i", "o", "u", "ea", "io")
_CODAS = ("", "l", "n", "r", "s", "x", "nd", "rt")
_KNOWN = ("Apple", "Microsoft", "Alphabet", "Amazon", "Tesla", "Boeing", "Intel", "Nvidia", "Goldman Sachs", "Pfizer")
_FORMS = ("Group", "Holdings", "Steel", "Bank", "Energy", "Foods", "Motors", "Pharma", "Mining", "Airlines")
_VERBS = ("cuts", "raises", "confirms", "misses", "beats", "delays", "reviews", "withdraws", "doubles", "trims")
_THINGS = ("full-year outlook", "dividend", "profit forecast", "output target", "bond sale", "share buyback",
           "plant expansion", "price guidance", "debt plan", "order backlog")  # fmt: skip
_REASONS = ("on weak demand", "after strong quarter", "amid rate worries", "as costs climb", "despite strike",
            "ahead of vote", "on currency swings", "after audit", "as rivals retreat", "amid supply snags")  # fmt: skip
_SOURCES = ("Quayside Times", "Harbour Wire", "Bourse Courier", "Meridian Post")
_REPRINT_FORMS = ("{}", "UPDATE 1-{}", "{} - Harbour Wire", "{}")


@dataclass(frozen=True, slots=True)
class Message:
    """A `news.raw` message; copies of a story share its key, so that each job meets them in the same order."""

    key: bytes
    value: bytes


def headline(draw: random.Random) -> str:
    """A headline of some 60 characters; two of them are hardly ever near-duplicates."""
    named = draw.choice(_KNOWN) if draw.random() < 0.3 else f"{_name(draw)} {draw.choice(_FORMS)}"
    return (
        f"{named} {draw.choice(_VERBS)} {_name(draw)} {draw.choice(_THINGS)} "
        f"by {draw.randrange(1, 400) / 10}% {draw.choice(_REASONS)}"
    )


def write_messages(count: int, name: str, end_ms: int, span_seconds: float = 3600.0, seed: int = 1) -> list[Message]:
    """Writes messages in the order in which they are published.

    Args:
        count: how many.
        name: put in front of each id.
        end_ms: when the last is published.
        span_seconds: how long before it the first is.
        seed: the same seed writes the same.
    """
    draw = random.Random(seed)
    told: list[tuple[str, str]] = []
    return [
        _message(draw, told, f"{name}-{number}", end_ms - round((count - 1 - number) / count * span_seconds * 1000))
        for number in range(count)
    ]


def at(message: Message, published_ms: int, suffix: str) -> Message:
    """The same message published at another time, under another id."""
    fields = json.loads(message.value)
    fields |= {"id": f"{fields['id']}{suffix}", "published": _iso(published_ms), "fetched": _iso(published_ms)}
    return Message(message.key, json.dumps(fields).encode())


def story_titles(seed: int) -> Iterator[str]:
    """Headlines without end, no reprints among them."""
    draw = random.Random(seed)
    while True:
        yield headline(draw)


def _message(draw: random.Random, told: list[tuple[str, str]], id_: str, published_ms: int) -> Message:
    if told and draw.random() < REPRINT_RATIO:
        story, title = draw.choice(told[-2000:])
        title = draw.choice(_REPRINT_FORMS).format(title)
    else:
        story, title = id_, headline(draw)
        told.append((story, title))
    source = draw.choice(_SOURCES)
    fields = {
        "id": id_,
        "kind": "comment" if draw.random() < 0.2 else "news",
        "source": source,
        "title": title,
        "text": f"{title}. {source} says that analysts had expected it." if draw.random() < 0.4 else "",
        "url": f"https://example.net/{source.replace(' ', '-').lower()}/{id_}",
        "language": "en",
        "published": _iso(published_ms),
        "fetched": _iso(published_ms),
    }
    return Message(story.encode(), json.dumps(fields).encode())


def _name(draw: random.Random) -> str:
    syllables = (draw.choice(_ONSETS) + draw.choice(_VOWELS) + draw.choice(_CODAS) for _ in range(draw.choice((2, 3))))
    return "".join(syllables).capitalize()


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
