"""Laws of what a scored document adds to which bucket."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import POLARITY_SCALE, SENTIMENTS, Bucket, Cell, Kind, ScoredDocument, Story
from monitor.settings import TrendSettings
from monitor.trends.buckets import Contribution, bucket_at, contribution_of, subjects_of
from tests.builders import DAY_MS, HOUR_MS, NOW_MS, reprint, score, scored

SETTINGS = TrendSettings(fine_retention_hours=50, coarse_retention_days=35)


@st.composite
def scored_documents(draw: st.DrawFn) -> ScoredDocument:
    """Any scored document: late or not, first or not, of any language and kind."""
    name = draw(st.sampled_from("abcdefgh"))
    age = draw(st.sampled_from([0, 1, HOUR_MS, 49 * HOUR_MS, 51 * HOUR_MS, 34 * DAY_MS, 36 * DAY_MS]))
    sentiment = draw(st.sampled_from(["negative", "neutral", "positive", None]))
    published_ms = NOW_MS - draw(st.integers(0, 3 * HOUR_MS))
    one = scored(
        name,
        sentiment,
        draw(st.sampled_from(["Earnings", "Macro"])),
        Story(draw(st.sampled_from("abc")), draw(st.booleans()), draw(st.integers(0, 4)) == 0),
        kind=draw(st.sampled_from(list(Kind))),
        entities=tuple(sorted(draw(st.sets(st.sampled_from(["AAPL", "MSFT"]))))),
        language="en" if sentiment else draw(st.sampled_from(["zh", "fr"])),
        published_ms=published_ms,
        available_ms=published_ms + age,
    )
    asked = one.document.entities if one.score and draw(st.booleans()) else ()
    own = tuple((key, score(draw(st.sampled_from(SENTIMENTS))).probabilities) for key in asked)
    return replace(one, score=one.score and replace(one.score, by_entity=own))


DOCUMENTS = st.lists(scored_documents(), max_size=15)


def as_sums(added: Contribution) -> tuple[object, ...]:
    """A contribution without the order of its parts."""
    return (
        {bucket: Counter(counts) for bucket, counts in added.counts.items()},
        Counter(added.evidence),
        Counter(added.copies),
        added.late,
    )


@given(DOCUMENTS, st.randoms())
def test_order_changes_nothing(documents: list[ScoredDocument], chance: random.Random) -> None:
    """Counts are sums of integers."""
    shuffled = list(documents)
    chance.shuffle(shuffled)
    assert as_sums(contribution_of(shuffled, SETTINGS)) == as_sums(contribution_of(documents, SETTINGS))


@given(DOCUMENTS, st.integers(0, 15))
def test_adding_up_parts_gives_the_whole(documents: list[ScoredDocument], cut: int) -> None:
    """Where a batch ends changes nothing."""
    whole, parts = contribution_of(documents, SETTINGS), [documents[:cut], documents[cut:]]
    summed: dict[Bucket, Counter[Cell]] = {}
    for part in parts:
        for bucket, counts in contribution_of(part, SETTINGS).counts.items():
            summed.setdefault(bucket, Counter()).update(counts)
    assert summed == whole.counts


@given(DOCUMENTS)
def test_sums_are_those_of_an_independent_count(documents: list[ScoredDocument]) -> None:
    """Per resolution and subject: documents, stories, sentiments, polarity; a company's by what is said of it."""
    added = contribution_of(documents, SETTINGS)
    for seconds, limit_ms in ((60, 50 * HOUR_MS), (3600, 35 * DAY_MS)):
        counted: Counter[tuple[str, str, str, str]] = Counter()
        for one in documents:
            about, told = one.document, one.score
            if one.story.repeated or about.available_ms - about.published_ms > limit_ms:
                continue
            subjects = {("all", "all")}
            if told is None:
                counted["language", about.language, about.kind, "unsupported_documents"] += 1
            else:
                subjects |= {("topic", told.topic)} | {("entity", name) for name in about.entities}
            for dimension, key in subjects:
                counted[dimension, key, about.kind, "documents"] += 1
                if told is None:
                    continue
                own = [each for name, each in told.by_entity if (dimension, key) == ("entity", name)]
                negative, neutral, positive = own[0] if own else told.probabilities
                sentiment = "negative" if negative > 0.5 else "neutral" if neutral > 0.5 else "positive"
                counted[dimension, key, about.kind, f"{sentiment}_documents"] += 1
                if one.story.first:
                    counted[dimension, key, about.kind, "stories"] += 1
                    counted[dimension, key, about.kind, f"{sentiment}_stories"] += 1
                    polarity = (positive - negative) * POLARITY_SCALE
                    counted[dimension, key, about.kind, "polarity_sum"] += round(polarity)
        summed: Counter[tuple[str, str, str, str]] = Counter()
        for bucket, cells in added.counts.items():
            if bucket.seconds == seconds:
                for cell, amount in cells.items():
                    summed[cell.dimension, cell.key, cell.kind, cell.measure] += amount
        assert summed == counted


@given(DOCUMENTS)
def test_repeated_documents_count_for_nothing(documents: list[ScoredDocument]) -> None:
    """A second copy of an id leaves no trace, whatever it says."""
    copies = [replace(one, story=replace(one.story, repeated=True)) for one in documents]
    assert as_sums(contribution_of(copies, SETTINGS)) == ({}, Counter(), Counter(), Counter())


@given(DOCUMENTS)
def test_a_document_that_no_model_reads_gets_no_sentiment(documents: list[ScoredDocument]) -> None:
    """It is counted as such, under its language; never as neutral, never as a story."""
    unread = [replace(one, score=None) for one in documents]
    cells = [cell for counts in contribution_of(unread, SETTINGS).counts.values() for cell in counts]
    assert {cell.measure for cell in cells} <= {"documents", "unsupported_documents"}
    assert {cell.dimension for cell in cells} <= {"all", "language"}


@given(st.integers(-(10**13), 10**13), st.sampled_from([10, 60, 3600, 86_400]))
def test_buckets_cover_time_without_gap_or_overlap(instant_ms: int, seconds: int) -> None:
    """An instant is in the bucket that starts at or before it, aligned, and in no other."""
    bucket = bucket_at(instant_ms, seconds)
    assert bucket.start_ms <= instant_ms < bucket.start_ms + seconds * 1000
    assert bucket.start_ms % (seconds * 1000) == 0
    assert bucket_at(bucket.start_ms, seconds) == bucket


@pytest.mark.parametrize(
    ("age_ms", "resolutions", "late"),
    [
        (50 * HOUR_MS, {60, 3600}, {}),
        (50 * HOUR_MS + 1, {3600}, {"fine": 1}),
        (35 * DAY_MS, {3600}, {"fine": 1}),
        (35 * DAY_MS + 1, set(), {"fine": 1, "coarse": 1}),
    ],
)
def test_late_is_late_for_a_resolution(age_ms: int, resolutions: set[int], late: dict[str, int]) -> None:
    """Too old for the minutes may still belong into the hours; what is too old is counted, by resolution."""
    added = contribution_of([scored(published_ms=NOW_MS - age_ms, available_ms=NOW_MS)], SETTINGS)
    assert {bucket.seconds for bucket in added.counts} == resolutions
    assert added.late == late


def test_a_late_document_lands_where_it_belongs() -> None:
    """By event time, not by when it came."""
    added = contribution_of([scored(published_ms=NOW_MS - 5 * HOUR_MS, available_ms=NOW_MS)], SETTINGS)
    assert set(added.counts) == {Bucket(60, NOW_MS - 5 * HOUR_MS), Bucket(3600, NOW_MS - 5 * HOUR_MS)}


def test_a_story_is_evidence_for_those_towards_whom_it_is_negative() -> None:
    """With that probability; its reprint is counted once if it is negative towards anyone."""
    mixed = scored("a", "positive", entities=("AAPL", "ORCL"))
    own = (("AAPL", score("negative", probability=0.7).probabilities), ("ORCL", score("positive").probabilities))
    mixed = replace(mixed, score=mixed.score and replace(mixed.score, by_entity=own))
    again = replace(mixed, document=replace(mixed.document, id="b"), story=Story("a", False))
    added = contribution_of([mixed, again], SETTINGS)
    assert [(subject, one.negative_probability) for subject, one in added.evidence] == [(("entity", "AAPL"), 0.7)]
    assert added.copies == [(NOW_MS, "a")]


def test_evidence_is_kept_for_each_subject_of_a_negative_story_once() -> None:
    """Reprints of it are counted, positive stories are not evidence."""
    first = scored("a", entities=("AAPL",))
    added = contribution_of(
        [first, reprint("b", of="a"), scored("c", "positive"), reprint("d", "c", "positive")], SETTINGS
    )
    assert [subject for subject, _ in added.evidence] == [("all", "all"), ("topic", "Earnings"), ("entity", "AAPL")]
    assert {evidence.story_id for _, evidence in added.evidence} == {"a"}
    assert added.copies == [(NOW_MS, "a")]
    assert subjects_of(first) == [subject for subject, _ in added.evidence]
