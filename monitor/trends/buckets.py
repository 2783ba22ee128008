"""What a scored document adds to which time bucket.

Guarantees: a pure function of the scored record, so scored records give the same buckets in any order; sums are integers.
A company counts by the sentiment towards it, where the model told one. A document is too late for a resolution when it
became available after that resolution's retention.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from monitor.messages import (
    ALL,
    DOCUMENTS,
    POLARITY_SCALE,
    POLARITY_SUM,
    STORIES,
    UNSUPPORTED,
    Bucket,
    Cell,
    Evidence,
    Probabilities,
    ScoredDocument,
    Subject,
    documents_of,
    language_label,
    polarity_of,
    stories_of,
)
from monitor.settings import TrendSettings


@dataclass(frozen=True, slots=True)
class Contribution:
    """All that some scored documents add to the trends.

    Attributes:
        counts: by bucket and cell.
        evidence: negative stories, by subject.
        copies: (published_ms, story id) of documents that told a known story.
        late: number of documents too old, by resolution name `fine` or `coarse`.
    """

    counts: dict[Bucket, Counter[Cell]]
    evidence: list[tuple[Subject, Evidence]]
    copies: list[tuple[int, str]]
    late: Counter[str]


def contribution_of(documents: Iterable[ScoredDocument], settings: TrendSettings) -> Contribution:
    """Adds up what `documents` contribute."""
    total = Contribution({}, [], [], Counter())
    for scored in documents:
        document = scored.document
        if scored.story.repeated:
            continue
        cells = list(_cells(scored))
        for bucket in _buckets(scored, settings, total.late):
            counts = total.counts.setdefault(bucket, Counter())
            for cell, amount in cells:
                counts[cell] += amount
        evidence = list(_evidence(scored))
        if scored.story.first:
            total.evidence.extend(evidence)
        elif evidence:
            total.copies.append((document.published_ms, scored.story.id))
    return total


def subjects_of(scored: ScoredDocument) -> list[Subject]:
    """The subjects a document counts for: all, its topic, each of its companies; nothing but `all` if it has no score."""
    if scored.score is None:
        return [ALL]
    return [ALL, ("topic", scored.score.topic), *(("entity", entity) for entity in scored.document.entities)]


def bucket_at(instant_ms: int, seconds: int) -> Bucket:
    """The bucket of that length which holds the instant."""
    length_ms = seconds * 1000
    return Bucket(seconds, instant_ms - instant_ms % length_ms)


def _buckets(scored: ScoredDocument, settings: TrendSettings, late: Counter[str]) -> Iterator[Bucket]:
    document = scored.document
    age_seconds = (document.available_ms - document.published_ms) / 1000
    if age_seconds <= settings.fine_retention_hours * 3600:
        yield bucket_at(document.published_ms, settings.fine_bucket_seconds)
    else:
        late["fine"] += 1
    if age_seconds <= settings.coarse_retention_days * 86_400:
        yield bucket_at(document.published_ms, settings.coarse_bucket_seconds)
    else:
        late["coarse"] += 1


def _cells(scored: ScoredDocument) -> Iterator[tuple[Cell, int]]:
    """What it adds to a bucket, whichever that is."""
    kind = scored.document.kind
    for subject in subjects_of(scored):
        for measure, amount in _measures(scored, subject):
            yield _cell(*subject, kind, measure), amount
    if scored.score is None:
        yield _cell("language", language_label(scored.document.language), kind, UNSUPPORTED), 1


@lru_cache(maxsize=65_536)
def _cell(dimension: str, key: str, kind: str, measure: str) -> Cell:
    """Each one made once: making a frozen value takes longer than adding it up."""
    return Cell(dimension, key, kind, measure)


def _measures(scored: ScoredDocument, subject: Subject) -> Iterator[tuple[str, int]]:
    yield DOCUMENTS, 1
    if scored.score is None:
        return
    sentiment, probabilities = scored.score.towards(subject)
    yield documents_of(sentiment), 1
    if scored.story.first:
        yield STORIES, 1
        yield stories_of(sentiment), 1
        yield POLARITY_SUM, round(polarity_of(probabilities) * POLARITY_SCALE)


def _evidence(scored: ScoredDocument) -> Iterator[tuple[Subject, Evidence]]:
    """The document as a negative story about each subject towards which it is negative."""
    if scored.score is None:
        return
    for subject in subjects_of(scored):
        sentiment, probabilities = scored.score.towards(subject)
        if sentiment == "negative":
            yield subject, _story(scored, probabilities)


def _story(scored: ScoredDocument, probabilities: Probabilities) -> Evidence:
    document = scored.document
    return Evidence(
        story_id=scored.story.id,
        title=document.headline[:300],
        source=document.source,
        url=document.url,
        kind=document.kind,
        published_ms=document.published_ms,
        negative_probability=round(probabilities[0], 4),
    )
