"""What the kill test calls exact, and what it must not: copies that several workers read, in whichever order."""

from __future__ import annotations

import json
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.errors import ClassifierError
from monitor.ingest.decode import decode
from monitor.ingest.entities import EntityIndex
from monitor.ingest.novelty import NoveltyIndex
from monitor.ingest.sketch import sketch_of
from monitor.messages import Document, RawRecord, Score, ScoredDocument
from monitor.settings import IngestSettings, TrendSettings
from monitor.trends.buckets import bucket_at, contribution_of
from tests.builders import NOW_MS
from tests.chaos.behind import Kept, evidence_of
from tests.chaos.copies import Scatter, reprint_of
from tests.chaos.expected import PartitionCounts
from tests.chaos.marks import Marker, mark_of
from tests.chaos.recount import Found, Input, input_from, verdict_of
from tests.headlines import HOUR_MS, Counts, Headline, counts_of, headlines
from tests.keyword_classifier import KeywordClassifier

PARTITIONS = 3
# So few that some buckets are full.
SETTINGS = TrendSettings(evidence_per_bucket=3)
FIRST = Headline("a", "Earnings", "negative", NOW_MS - 60_000, tickers=("ACME",))


@dataclass
class Sent:
    """Records by partition, and every document among them by id."""

    records: list[list[bytes]]
    told: dict[str, Headline]

    @property
    def input(self) -> Input:
        """What must be counted."""
        return input_from(
            (
                (partition, offset, value)
                for partition, values in enumerate(self.records)
                for offset, value in enumerate(values)
            ),
            self.told,
        )


def sent(count: int, seed: int) -> Sent:
    """A feed with copies."""
    found = Sent([[] for _ in range(PARTITIONS)], {})
    scatter = Scatter(random.Random(seed), NOW_MS - 31 * HOUR_MS)
    for headline in map(scatter.marked, headlines(count, NOW_MS, seed, "h")):
        for document, (key, value) in [(headline, (headline.key, headline.message)), *scatter.after(headline)]:
            found.told[document.id] = document
            found.records[zlib.crc32(key) % PARTITIONS].append(value)
    return found


def placed(*copies: tuple[int, Headline]) -> Sent:
    """Headlines in partitions."""
    found = Sent([[] for _ in range(PARTITIONS)], {headline.id: headline for _, headline in copies})
    for partition, headline in copies:
        found.records[partition].append(headline.message)
    return found


def counted(sent: Sent, order: random.Random) -> Found:
    """What the program counts where partitions are read in some order, one record at a time."""
    novelty = NoveltyIndex(MemoryStoryMemory(), 1 << 40)
    found = Found()
    left = {partition: list(enumerate(values)) for partition, values in enumerate(sent.records) if values}
    evidence: dict[Any, list[tuple[bytes, float]]] = defaultdict(list)
    copies: dict[Any, Counter[str]] = defaultdict(Counter)
    while left:
        partition = order.choice(sorted(left))
        offset, value = left[partition].pop(0)
        left = {place: values for place, values in left.items() if values}
        document = decode(RawRecord(partition, offset, None, value, NOW_MS), IngestSettings(), EntityIndex([]))
        (story,) = novelty.assign([document])
        if story.repeated:
            continue
        try:
            score = _score(document)
        except ClassifierError:
            novelty.release([document])
            found.dead_ids.add(document.id)
            continue
        found.scored.add(document.id)
        total = contribution_of([ScoredDocument(document, story, score)], SETTINGS)
        for bucket, cells in total.counts.items():
            for cell, amount in cells.items():
                name = (cell.dimension, cell.key, str(cell.kind), cell.measure)
                found.counts[partition, (bucket.seconds, bucket.start_ms, *name)] += amount
        hour = (partition, bucket_at(document.published_ms, SETTINGS.coarse_bucket_seconds).start_ms)
        for subject, one in total.evidence:
            evidence[hour, subject].append((json.dumps(astuple(one)).encode(), one.negative_probability))
        for _, story_id in total.copies:
            copies[hour][story_id] += 1
    limit = SETTINGS.evidence_per_bucket
    kept = {place: sorted(members, key=lambda one: (one[1], one[0]))[-limit:] for place, members in evidence.items()}
    return replace(
        found, counts=PartitionCounts({k: v for k, v in found.counts.items() if v}), kept=Kept(kept, dict(copies))
    )


def _score(document: Document) -> Score | None:
    if document.language not in KeywordClassifier.languages:
        return None
    (score,) = KeywordClassifier().classify([_Input(document.title)])  # type: ignore[list-item]
    return score


@dataclass
class _Input:
    text: str


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_what_the_program_counts_is_exact_in_whichever_order_partitions_are_read(seed: int, order: int) -> None:
    """Else a sound run would fail, by chance."""
    feed = sent(150, seed)
    verdict = verdict_of(counted(feed, random.Random(order)), feed.input, SETTINGS)
    assert verdict.exact, verdict
    assert verdict.documents > 100


def test_a_feed_has_copies_in_several_partitions_and_buckets_that_are_full() -> None:
    """Else the law above would say little."""
    feed = sent(400, 1)
    wanted, kept = feed.input, counted(feed, random.Random(1)).kept
    assert wanted.scattered_documents > 5
    assert wanted.scattered_stories > 10
    assert wanted.counts.shared
    assert any(len(members) == SETTINGS.evidence_per_bucket for members in kept.evidence.values())


@given(st.integers(0, 2**32))
def test_a_reprint_of_another_paper_bears_the_marks_of_its_story(seed: int) -> None:
    """The very same sketch: nothing is left to how near is near enough."""
    for headline in headlines(20, NOW_MS, seed, "h"):
        reprint = reprint_of(headline, "again")
        assert reprint.title != headline.title
        assert sketch_of(reprint.title) == sketch_of(headline.title)


# What happens to what was counted of a story that lies in two partitions, one of its documents in both.
SCATTERED = placed((0, FIRST), (1, FIRST), (1, reprint_of(FIRST, "b")), (2, reprint_of(FIRST, "c")))
START_MS = FIRST.published_ms // HOUR_MS * HOUR_MS


def _more(found: Found, partition: int, measure: str, amount: int) -> None:
    for cell in {cell for _, cell in found.counts if cell[5] == measure}:
        found.counts[partition, cell] += amount


def _document_twice(found: Found) -> None:
    _more(found, 1, "documents", 1)


def _document_lost(found: Found) -> None:
    _more(found, 2, "documents", -1)


def _document_elsewhere(found: Found) -> None:
    _more(found, 2, "documents", -1)
    _more(found, 0, "documents", 1)


def _story_twice(found: Found) -> None:
    _more(found, 2, "stories", 1)


def _story_where_it_never_was(found: Found) -> None:
    for (partition, cell), amount in list(found.counts.items()):
        if cell[5] in ("stories", "negative_stories", "polarity_sum"):
            del found.counts[partition, cell]
            found.counts[7, cell] = amount


def _copy_lost(found: Found) -> None:
    found.kept.copies[2, START_MS]["a"] -= 1


def _copy_twice(found: Found) -> None:
    found.kept.copies[1, START_MS]["a"] += 1


def _copy_elsewhere(found: Found) -> None:
    _copy_lost(found)
    _copy_twice(found)


def _copies_of_nothing(found: Found) -> None:
    found.kept.copies[2, START_MS]["unheard-of"] = 1


def _copies_under_two_names(found: Found) -> None:
    found.kept.copies[2, START_MS] = Counter({"c": 1})


def _evidence_lost(found: Found) -> None:
    del found.kept.evidence[(0, START_MS), ("entity", "ACME")]


def _evidence_twice(found: Found) -> None:
    (member,) = found.kept.evidence[(0, START_MS), ("all", "all")]
    found.kept.evidence[(1, START_MS), ("all", "all")] = [member]


def _evidence_of_another_subject(found: Found) -> None:
    (member,) = found.kept.evidence[(0, START_MS), ("all", "all")]
    found.kept.evidence[(0, START_MS), ("entity", "BORG")] = [member]


def _evidence_of_another_hour(found: Found) -> None:
    members = found.kept.evidence.pop(((0, START_MS), ("all", "all")))
    found.kept.evidence[(0, START_MS - HOUR_MS), ("all", "all")] = members


def _evidence_with_another_weight(found: Found) -> None:
    ((member, _),) = found.kept.evidence[(0, START_MS), ("all", "all")]
    found.kept.evidence[(0, START_MS), ("all", "all")] = [(member, 0.5)]


def _evidence_in_other_words(found: Found) -> None:
    ((member, weight),) = found.kept.evidence[(0, START_MS), ("all", "all")]
    found.kept.evidence[(0, START_MS), ("all", "all")] = [(member.replace(b"profit", b"losses"), weight)]


@pytest.mark.parametrize(
    ("harm", "figures"),
    [
        (_document_twice, {"double": 1}),
        (_document_lost, {"lost": 1}),
        (_document_elsewhere, {"double": 1, "lost": 1}),
        (_story_twice, {"cells": 6}),
        (_story_where_it_never_was, {}),
        (_copy_lost, {"stories": 1}),
        (_copy_twice, {"stories": 1}),
        (_copy_elsewhere, {"stories": 2}),
        (_copies_of_nothing, {"stories": 1}),
        (_copies_under_two_names, {"stories": 1}),
        (_evidence_lost, {"stories": 1}),
        (_evidence_twice, {"stories": 2}),
        (_evidence_of_another_subject, {"stories": 1}),
        (_evidence_of_another_hour, {"stories": 2}),
        (_evidence_with_another_weight, {"stories": 2}),
        (_evidence_in_other_words, {"stories": 2}),
    ],
)
def test_what_is_not_as_it_must_be_is_found(harm: Callable[[Found], None], figures: dict[str, int]) -> None:
    """Each by itself, in a story whose copies two workers read."""
    # Partition 0 first, then 1: "a" began the story in 0, and counts for nothing in 1.
    found = counted(SCATTERED, _InOrder())
    assert verdict_of(found, SCATTERED.input, SETTINGS).exact
    harm(found)
    verdict = verdict_of(found, SCATTERED.input, SETTINGS)
    assert not verdict.exact
    assert {name: getattr(verdict, name) for name in figures} == figures, verdict
    assert verdict.examples


def _apart(*told: Headline, marked: bool) -> list[Headline]:
    marker = Marker(NOW_MS - 31 * HOUR_MS)
    return [marker.mark(headline) if marked else headline for headline in told]


def _swap(found: Found, there: int, more: Counts, here: int, less: Counts) -> None:
    """Adds to one partition and takes from another."""
    found.counts.update({(there, cell): amount for cell, amount in more.items()})
    found.counts.subtract({(here, cell): amount for cell, amount in less.items()})


# Without a mark: what marks are for.
MARKED = pytest.mark.parametrize("marked", [True, False])


@MARKED
@pytest.mark.parametrize("sentiment", ["positive", None])
def test_a_document_that_is_lost_does_not_hide_one_of_its_minute_that_is_counted_twice(
    sentiment: str | None, marked: bool
) -> None:
    """Both lie in both partitions, so that either may count either, and all counters that they share add up."""
    told = replace(FIRST, sentiment=sentiment)
    twice, lost = _apart(told, replace(told, id="b"), marked=marked)
    feed = placed(*((partition, headline) for headline in (twice, lost) for partition in (0, 1)))
    found = counted(feed, _InOrder())
    assert verdict_of(found, feed.input, SETTINGS).exact
    _swap(found, 1, counts_of([twice]), 0, counts_of([lost]))
    verdict = verdict_of(found, feed.input, SETTINGS)
    assert (verdict.lost, verdict.double, verdict.exact) == ((1, 1, False) if marked else (0, 0, True))
    if marked and sentiment:
        assert {f"document {id_}" in "".join(verdict.examples) for id_ in "ab"} == {True}


@MARKED
def test_a_story_that_no_document_begins_does_not_hide_one_that_is_begun_twice(marked: bool) -> None:
    """Every document counts once, and all that the stories have in common adds up."""
    first = replace(FIRST, sentiment="positive")
    other = replace(first, id="c")
    one, again, two, last = _apart(first, reprint_of(first, "b"), other, reprint_of(other, "d"), marked=marked)
    feed = placed((0, one), (1, again), (0, two), (1, last))
    found = counted(feed, _InOrder())
    assert verdict_of(found, feed.input, SETTINGS).exact
    _swap(found, 1, _begun_by(again), 0, _begun_by(two))
    verdict = verdict_of(found, feed.input, SETTINGS)
    assert (verdict.lost, verdict.double, verdict.cells > 0) == (0, 0, marked)


def _begun_by(headline: Headline) -> Counts:
    counts = counts_of([replace(headline, tells="")])
    counts.subtract(counts_of([replace(headline, tells="another")]))
    return counts


@pytest.mark.parametrize(("there", "figures"), [(0, (1, 1)), (1, (1, 1)), (2, (1, 1))])
def test_a_document_with_a_mark_does_not_hide_one_without(there: int, figures: tuple[int, int]) -> None:
    """Wherever that one is counted once more; each is told once."""
    (lost,) = _apart(FIRST, marked=True)
    feed = placed((0, lost), (1, lost), (there, replace(FIRST, id="b")))
    found = counted(feed, _InOrder())
    assert verdict_of(found, feed.input, SETTINGS).exact
    _swap(found, there, counts_of([replace(FIRST, id="b")]), 0, counts_of([lost]))
    verdict = verdict_of(found, feed.input, SETTINGS)
    assert (verdict.lost, verdict.double) == figures


@pytest.mark.parametrize("times", [2, 3])
def test_a_document_with_a_mark_that_counts_again_is_told_once_each_time(times: int) -> None:
    """Not once more for the counters that it shares."""
    (twice,) = _apart(FIRST, marked=True)
    feed = placed((0, twice), (1, twice), (1, replace(FIRST, id="b")))
    found = counted(feed, _InOrder())
    for _ in range(times - 1):
        _swap(found, 1, counts_of([twice]), 0, Counts())
    verdict = verdict_of(found, feed.input, SETTINGS)
    assert (verdict.lost, verdict.double) == (0, times - 1)


@given(st.integers(0, 2**32))
def test_every_document_with_copies_in_several_partitions_has_counters_of_its_own(seed: int) -> None:
    """And every one of a story that has; no two have the same."""
    wanted = sent(150, seed).input
    accepted = [told.headline for told in wanted.accepted.values()]
    for members in wanted.stories.values():
        places = set().union(*(told.places for told in members.values()))
        for told in members.values():
            own = mark_of(told.headline) or told.headline.published_ms < NOW_MS - 31 * HOUR_MS
            assert own or len(places) == 1
    marks = [mark for headline in accepted if (mark := mark_of(headline))]
    moments = [one.published_ms for one in accepted if one.published_ms < NOW_MS - 31 * HOUR_MS]
    assert len(set(marks)) == len(marks) == len(wanted.counts.marked) < len(accepted) / 2
    assert len(set(moments)) == len(moments)


class _InOrder(random.Random):
    def choice(self, seq: Any) -> Any:
        """The first."""
        return seq[0]


def test_a_bucket_that_keeps_more_than_it_may_is_found() -> None:
    """It is bounded: what is kept stays in Redis for days."""
    feed = placed(*((0, replace(FIRST, id=name)) for name in "abcd"))
    found = counted(feed, _InOrder())
    assert verdict_of(found, feed.input, SETTINGS).exact
    narrower = SETTINGS.model_copy(update={"evidence_per_bucket": 2})
    assert verdict_of(found, feed.input, narrower).stories > 0


def test_a_story_may_be_missing_from_a_full_bucket_only_if_all_in_it_go_before() -> None:
    """Else a bucket that lost one could not be told from one that had no room."""
    feed = placed(*((0, replace(FIRST, id=name)) for name in "abcd"))
    found = counted(feed, _InOrder())
    place = ((0, START_MS), ("all", "all"))
    (least, weight), *rest = found.kept.evidence[place]
    assert json.loads(least)[0] == "b"
    found.kept.evidence[place] = [(json.dumps(astuple(evidence_of(replace(FIRST, id="a")))).encode(), weight), *rest]
    assert verdict_of(found, feed.input, SETTINGS).stories == 1
