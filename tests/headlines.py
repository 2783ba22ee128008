"""Headlines for tests, and what must be counted of them: told by whoever wrote them, not by the code under test."""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tests.keyword_classifier import PROBABILITIES, UNSCORABLE

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
TOPICS = ("Earnings", "Energy / Oil", "M&A / Investments")
TICKERS = ("ACME", "BORG", "CYBR")
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjkmnpqtvwz")
_CHINESE = str.maketrans("bcdfghjkmnpqtvwz", "山水火木金土日月星云风雨雪石田米")
_VERBS = {"negative": "falls", "neutral": "stays", "positive": "rises"}
# A bucket's length in seconds and its start, then dimension, key, kind and measure.
Cell = tuple[int, int, str, str, str, str]
Counts = Counter[Cell]

# Raw messages that can't be read, by the reason that their dead letters must give.
UNREADABLE: dict[str, bytes] = {
    "empty_message": b"",
    "oversized": json.dumps({"title": "x" * 300_000, "published": "2026-01-02T03:04:05Z"}).encode(),
    "not_utf8": b'{"title": "\xff\xfe"}',
    "not_json": b'{"title": "cut off',
    "not_an_object": b'["a", "list"]',
    "bad_field": b'{"title": 5, "published": "2026-01-02T03:04:05Z"}',
    "no_text": b'{"title": " ... ", "published": "2026-01-02T03:04:05Z"}',
    "bad_time": b'{"title": "No time", "published": "yesterday"}',
    "no_zone": b'{"title": "No zone", "published": "2026-01-02T03:04:05"}',
}


@dataclass(frozen=True, slots=True)
class Headline:
    """A document and what must be counted of it.

    Attributes:
        sentiment: None for one in a language that no model reads.
        tells: id of the headline that it reprints; "" if it is the first.
        scorable: whether the classifier can score it; if not, it is dead-lettered.
    """

    id: str
    topic: str
    sentiment: str | None
    published_ms: int
    kind: str = "news"
    tickers: tuple[str, ...] = ()
    tells: str = ""
    scorable: bool = True

    @property
    def title(self) -> str:
        """Number and words tell the stories apart, so that no two are near-duplicates; a reprint has its original's."""
        digest = hashlib.sha256((self.tells or self.id).encode()).hexdigest().translate(_LETTERS)
        number = zlib.crc32(digest.encode())
        if self.sentiment is None:
            return f"公司第 {number} 号工厂利润下降{digest[:24].translate(_CHINESE)}"
        words = " ".join(digest[start : start + 5] for start in range(0, 40, 5))
        rest = "" if self.scorable else f" {UNSCORABLE}"
        return f"{self.topic}: profit {_VERBS[self.sentiment]} at plant {number} {words}{rest}"

    @property
    def key(self) -> bytes:
        """Copies of a story share its partition, so that it is certain which is read first."""
        return (self.tells or self.id).encode()

    @property
    def message(self) -> bytes:
        """The `news.raw` message."""
        published = datetime.fromtimestamp(self.published_ms / 1000, UTC).isoformat()
        fields = {
            "id": self.id,
            "kind": self.kind,
            "source": "Test Wire",
            "title": self.title,
            "url": f"https://news.example/{self.id}",
            "published": published,
            "fetched": published,
            "entities": list(self.tickers),
        }
        return json.dumps(fields).encode()


def headlines(count: int, end_ms: int, seed: int, name: str) -> list[Headline]:
    """Writes headlines of the 30 hours before an instant, in the order in which they are sent.

    One in ten reprints an earlier one, one in twenty is in Chinese, one in fifty can't be scored.

    Args:
        count: how many.
        end_ms: none is published after it.
        seed: the same seed writes the same.
        name: put in front of each id.
    """
    draw = random.Random(seed)
    written: list[Headline] = []
    for number in range(count):
        earlier = draw.choice(written) if written and draw.random() < 0.1 else None
        if earlier and earlier.scorable:
            written.append(replace(earlier, id=f"{name}-{number}", tells=earlier.tells or earlier.id))
            continue
        written.append(
            Headline(
                id=f"{name}-{number}",
                topic=draw.choice(TOPICS),
                sentiment=None if draw.random() < 0.05 else draw.choice(tuple(_VERBS)),
                published_ms=end_ms - draw.randrange(30 * HOUR_MS),
                kind=draw.choice(("news", "news", "comment")),
                tickers=tuple(sorted(draw.sample(TICKERS, draw.randrange(3)))),
                scorable=draw.random() >= 0.02,
            )
        )
    return written


def counts_of(told: Iterable[Headline]) -> Counts:
    """What must be in the trends: by minute and by hour, for all, topic and companies."""
    counts: Counts = Counter()
    for headline in told:
        if headline.sentiment is not None and not headline.scorable:
            continue
        subjects = [("all", "all")]
        measures = {"documents": 1}
        if headline.sentiment is not None:
            subjects += [("topic", headline.topic), *(("entity", ticker) for ticker in headline.tickers)]
            measures[f"{headline.sentiment}_documents"] = 1
            if not headline.tells:
                negative, _, positive = PROBABILITIES[headline.sentiment]
                measures |= {"stories": 1, f"{headline.sentiment}_stories": 1}
                measures["polarity_sum"] = round((positive - negative) * 10_000)
        cells = [
            (*subject, headline.kind, measure, amount) for subject in subjects for measure, amount in measures.items()
        ]
        if headline.sentiment is None:
            cells.append(("language", "zh", headline.kind, "unsupported_documents", 1))
        for seconds in (60, 3600):
            start_ms = headline.published_ms // (seconds * 1000) * seconds * 1000
            for dimension, key, kind, measure, amount in cells:
                counts[seconds, start_ms, dimension, key, kind, measure] += amount
    return without_zeros(counts)


def without_zeros(counts: Counts) -> Counts:
    """Drops cells that add up to nothing: whether one is stored says nothing."""
    return Counter({cell: amount for cell, amount in counts.items() if amount})
