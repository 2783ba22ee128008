"""Three days of a small market with one surge of bad news at their end: what exporter and console are shown to know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.messages import ScoredDocument, Story
from monitor.ports import TrendStore
from tests.builders import DAY_MS, MINUTE_MS, ordinary_news, reprint, scored, stories_at, update_of

SURGE_TOPIC = "Energy / Oil"
TOPICS = ("Earnings", "Macro", SURGE_TOPIC)
NASTY_TITLE = "<script>document.title='owned'</script> & <b>“quotes”</b> 公司"
SURGE_MINUTES = 20
_NASTY_COPIES = 3
_BATCH = 97


def market(now_ms: int) -> list[ScoredDocument]:
    """Ordinary days, a surge about a company in the last minutes, its most told story under a nasty title, and German."""
    past = ordinary_news(from_ms=now_ms - 3 * DAY_MS, to_ms=now_ms - 60 * MINUTE_MS, topics=TOPICS)
    times = range(now_ms - SURGE_MINUTES * MINUTE_MS, now_ms - MINUTE_MS, MINUTE_MS // 2)
    surge = stories_at(times, topic=SURGE_TOPIC, name="surge", entities=("ACME",), title="Terminal burns")
    nasty_ms = now_ms - 10 * MINUTE_MS
    nasty = scored(
        "nasty", "negative", SURGE_TOPIC, published_ms=nasty_ms, title=NASTY_TITLE, url="https://news.example/1"
    )
    copies = [
        reprint(f"copy-{number}", "nasty", "negative", SURGE_TOPIC, published_ms=nasty_ms + (number + 1) * MINUTE_MS)
        for number in range(_NASTY_COPIES)
    ]
    comments = stories_at(times[:5], "positive", "Macro", "comment", kind="comment")
    german = [
        scored(
            f"de-{number}",
            None,
            story=Story(f"de-{number}", True),
            language="de",
            published_ms=now_ms - number * MINUTE_MS,
        )
        for number in range(7)
    ]
    return [*past, *surge, nasty, *copies, *comments, *german]


def fill(store: TrendStore, documents: Sequence[ScoredDocument], partitions: int = 2) -> None:
    """Applies documents as workers would: spread over partitions, in batches."""
    for partition in range(partitions):
        epoch = store.assign(partition, 0).epoch
        share = documents[partition::partitions]
        for begin in range(0, len(share), _BATCH):
            part = share[begin : begin + _BATCH]
            store.apply(update_of(part, partition=partition, begin=begin, end=begin + len(part), epoch=epoch))


@dataclass(frozen=True, slots=True)
class Tally:
    """An independent count of a rolling window: stories and documents by sentiment, polarity over stories."""

    stories: Counter[str]
    documents: Counter[str]
    polarity_sum: float


def tally(
    documents: Sequence[ScoredDocument], now_ms: int, hours: float, wanted: Callable[[ScoredDocument], bool]
) -> Tally:
    """Counts by going through all documents: those published in the `hours` that end with the present minute."""
    minute = now_ms // MINUTE_MS
    stories: Counter[str] = Counter()
    told: Counter[str] = Counter()
    polarity = 0.0
    for one in documents:
        age = minute - one.document.published_ms // MINUTE_MS
        if one.score is None or not 0 <= age < hours * 60 or not wanted(one):
            continue
        told[one.score.sentiment] += 1
        if one.story.first:
            stories[one.score.sentiment] += 1
            polarity += one.score.polarity
    return Tally(stories, told, polarity)


def about(dimension: str, key: str, kind: str | None = None) -> Callable[[ScoredDocument], bool]:
    """Whether a document counts for a subject, and is of a kind if one is named."""

    def wanted(one: ScoredDocument) -> bool:
        if kind is not None and one.document.kind != kind:
            return False
        if dimension == "entity":
            return key in one.document.entities
        return dimension == "all" or (one.score is not None and one.score.topic == key)

    return wanted
