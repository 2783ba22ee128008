"""Laws of the data path: its order, what a failure leaves behind, and that doing it again changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.memory_trends import MemoryTrends
from monitor.errors import TransientError
from monitor.ingest.decode import decode
from monitor.ingest.entities import EntityIndex
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import ALL, ApplyOutcome, Bucket, Cell, PartitionBatch, PartitionUpdate, RankedStory
from monitor.metrics import WorkerMetrics
from monitor.pipeline import Pipeline, Stages
from monitor.settings import IngestSettings, TrendSettings
from tests.builders import HOUR_MS, NOW_MS, batch, message
from tests.fakes import ManualClock, RecordingSink, RecordingSource, WordClassifier

COMPANIES = EntityIndex([("Apple", "AAPL"), ("Oracle", "ORCL")])


class NotingTrends(MemoryTrends):
    """Notes when it applies; fails the calls whose numbers it is given."""

    def __init__(self, events: list[str], failing: Sequence[int], memory: MemoryStoryMemory) -> None:
        super().__init__(memory=memory)
        self._events, self._failing, self._calls = events, set(failing), 0

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        self._calls += 1
        if self._calls in self._failing:
            raise TransientError("Redis is away", reason="redis")
        self._events.append(f"apply {update.partition}")
        return super().apply(update)


class Path:
    """A pipeline over fakes, and all that one can look into."""

    def __init__(
        self, failing: Sequence[int] = (), partitions: int = 2, memory: MemoryStoryMemory | None = None
    ) -> None:
        self.events: list[str] = []
        self.registry = CollectorRegistry()
        self.sink, self.source = RecordingSink(self.events), RecordingSource(self.events)
        memory = memory or MemoryStoryMemory()
        self.trends = NotingTrends(self.events, failing, memory)
        self.classifier = WordClassifier()
        for partition in range(partitions):
            self.trends.assign(partition, 0)
        stages = Stages(
            decode=partial(decode, settings=IngestSettings(), entities=COMPANIES),
            novelty=NoveltyIndex(memory, 72 * HOUR_MS),
            classifier=self.classifier,
            sink=self.sink,
            trends=self.trends,
            clock=ManualClock(),
        )
        self.pipeline = Pipeline(stages, TrendSettings(), WorkerMetrics(self.registry))

    def process(self, *batches: PartitionBatch) -> None:
        """Takes what one poll brought through."""
        self.pipeline.process(batches, self.source)

    def count(self, metric: str, **labels: str) -> float:
        """A counter's value."""
        return self.registry.get_sample_value(f"sentiment_{metric}_total", labels) or 0.0

    def contents(self) -> tuple[dict[tuple[int, Bucket], dict[Cell, int]], list[RankedStory], list[int]]:
        """Everything the trends hold."""
        states = self.trends.partitions()
        buckets = {
            (state.partition, part.bucket): {cell: amount for cell, amount in part.counts.items() if amount}
            for state in states
            for part in self.trends.changed_since(state.partition, -1)
        }
        stories = self.trends.stories(ALL, 0, NOW_MS + 1, 1000)
        return buckets, stories, [state.position for state in states]

    def documents(self) -> int:
        """How many documents all buckets of a minute count."""
        buckets, _, _ = self.contents()
        return sum(
            amount
            for (_, bucket), counts in buckets.items()
            for cell, amount in counts.items()
            if bucket.seconds == 60 and (cell.dimension, cell.measure) == ("all", "documents")
        )


def news(name: str, title: str = "Profit falls at {}", **changes: Any) -> dict[str, Any]:
    """A message about something of its own."""
    return message(id=name, title=title.format(f"plant {name}"), text=None, **changes)


def test_the_order_is_publish_flush_apply_commit() -> None:
    """What was counted has been published; what was committed has been counted."""
    path = Path()
    path.process(batch([news("1")]), batch([news("2"), b"no json"], partition=1))
    assert path.events == ["publish scored", "publish dead"] * 2 + ["flush", "apply 0", "apply 1", "commit"]
    assert path.source.committed == {0: 1, 1: 2}


def test_every_record_is_published_scored_or_dead() -> None:
    """None is lost on the way, and none is both."""
    path = Path()
    path.process(batch([news("1"), b"no json", news("POISON", "POISON {}"), news("4", "降息{}"), news("5")]))
    assert [scored.document.id for scored in path.sink.scored] == ["1", "4", "5"]
    assert [(letter.record.offset, letter.reason) for letter in path.sink.dead] == [
        (1, "not_json"),
        (2, "model_failed"),
    ]
    assert (path.count("dead_letters", reason="not_json"), path.documents()) == (1, 3)


@pytest.mark.parametrize("apart", [False, True], ids=["in one poll", "in the next poll"])
def test_reprints_of_a_dead_lettered_first_are_a_story(apart: bool) -> None:
    """One of them begins it, also for the readers of what is published, and a replay of the letter joins it."""
    path = Path(partitions=1)
    failed, told = message(id="1", title="Profit falls at plant 1", text="POISON"), [news("1"), news("1"), news("1")]
    reprints = [one | {"id": id} for one, id in zip(told, "234", strict=True)]
    if apart:
        path.process(batch([failed]))
        path.process(batch(reprints, begin=1))
    else:
        path.process(batch([failed, *reprints]))
    path.process(batch([message(id="1", title="Profit falls at plant 1", text=None)], begin=4))
    stories = [(one.document.id, one.story.id, one.story.first) for one in path.sink.scored]
    assert stories == [("2", "2", True), ("3", "2", False), ("4", "2", False), ("1", "2", False)]
    assert path.documents() == 4
    assert [(story.evidence.story_id, story.documents) for story in path.contents()[1]] == [("2", 4)]


def test_a_replayed_letter_counts_once() -> None:
    """However often it is replayed, and whether or not its first reading was done again after a failure."""
    path = Path(failing=(1,), partitions=1)
    failed, mended = message(id="1", text="POISON"), message(id="1")
    with pytest.raises(TransientError):
        path.process(batch([failed]))
    path.process(batch([failed]))
    path.process(batch([mended, mended], begin=1))
    path.process(batch([mended], begin=3))
    assert (path.documents(), path.count("repeated_documents")) == (1, 2)
    assert [story.evidence.story_id for story in path.contents()[1]] == []
    assert [(one.document.id, one.story.first) for one in path.sink.scored] == [("1", True)]


def test_dead_letters_carry_the_record_unchanged() -> None:
    """So that they can be sent again as they were."""
    path = Path()
    wrong = batch([b"\xff\x00", None, news("POISON", "POISON {}")], begin=0)
    path.process(wrong)
    assert [letter.record for letter in path.sink.dead] == list(wrong.records)
    assert all(letter.detail for letter in path.sink.dead)


def test_a_language_that_no_model_reads_is_never_scored() -> None:
    """It is counted as such, and the model does not see it."""
    path = Path()
    path.process(batch([news("1", "央行宣布降息 {}")]))
    assert path.classifier.read == []
    assert path.sink.scored[0].score is None
    assert path.count("unsupported_language_documents", language="zh") == 1
    assert path.documents() == 1


def test_each_company_counts_by_the_sentiment_towards_it() -> None:
    """Where a document names several: topic and overall count by the document's, a negative story is evidence where it is."""
    path = Path()
    path.process(batch([news("1", "Oracle rises, Apple falls at {}"), news("2", "Oracle rises at {}")]))
    buckets, _, _ = path.contents()
    told = {
        (cell.key, cell.measure): amount
        for (_, bucket), counts in buckets.items()
        for cell, amount in counts.items()
        if bucket.seconds == 60 and cell.measure.endswith("e_stories")
    }
    assert told == {
        ("all", "negative_stories"): 1,
        ("Earnings", "negative_stories"): 1,
        ("AAPL", "negative_stories"): 1,
        ("all", "positive_stories"): 1,
        ("Earnings", "positive_stories"): 1,
        ("ORCL", "positive_stories"): 2,
    }
    behind = {key: path.trends.stories(("entity", key), 0, NOW_MS + 1, 9) for key in ("AAPL", "ORCL")}
    assert {key: len(stories) for key, stories in behind.items()} == {"AAPL": 1, "ORCL": 0}


def test_a_claimed_language_is_a_bounded_label() -> None:
    """What a source claims is not out of a set."""
    path = Path()
    path.process(batch([news("1", language="tlh")]))
    assert path.count("documents", kind="news", language="other") == 1


def test_an_id_read_before_is_neither_scored_nor_published_again() -> None:
    """A second copy in the topic counts for nothing."""
    path = Path()
    path.process(batch([news("1"), news("1"), news("2")]))
    assert [scored.document.id for scored in path.sink.scored] == ["1", "2"]
    assert len(path.classifier.read) == 2
    assert (path.documents(), path.count("repeated_documents")) == (2, 1)


def test_reprints_are_counted_as_documents_not_as_stories() -> None:
    """Across partitions of one poll too."""
    path = Path()
    path.process(batch([news("1")]), batch([news("2", "Profit falls at plant 1")], partition=1))
    assert (path.documents(), path.count("reprints")) == (2, 1)
    assert [story.documents for story in path.contents()[1]] == [2]


def test_when_publishing_fails_nothing_is_applied() -> None:
    """The batch comes again, and is then counted once."""
    path = Path()
    path.sink.failing_flushes = 1
    for_retry = batch([news("1"), news("2")])
    with pytest.raises(TransientError):
        path.process(for_retry)
    assert not [event for event in path.events if event.startswith(("apply", "commit"))]
    assert (path.documents(), path.count("documents", kind="news", language="en")) == (0, 0)
    path.process(for_retry)
    assert (path.documents(), path.count("documents", kind="news", language="en")) == (2, 2)


def test_when_applying_fails_half_way_the_first_half_is_refused_the_second_time() -> None:
    """One partition was applied: it is not counted twice, the other one is counted."""
    path = Path(failing=[2])
    batches = batch([news("1")]), batch([news("2")], partition=1)
    with pytest.raises(TransientError):
        path.process(*batches)
    assert path.documents() == 1
    assert path.events[-4:] == ["flush", "apply 0", "doubt 1", "commit"]
    assert path.source.committed == {0: 1}  # the source reads on behind it
    path.process(*batches)
    assert path.documents() == 2
    assert path.count("refused_updates", result="already_applied") == 1
    assert path.count("documents", kind="news", language="en") == 2
    assert path.events[-4:] == ["apply 0", "rewind 0 to 1", "apply 1", "commit"]
    assert path.source.committed == {0: 1, 1: 1}


def test_a_batch_that_begins_past_the_stored_position_leads_back_to_it() -> None:
    """After the store lost its newest writes, nothing is skipped."""
    path = Path()
    path.process(batch([news("1")], begin=5))
    assert path.events[-2:] == ["rewind 0 to 0", "commit"]
    assert (path.documents(), path.source.committed, path.count("refused_updates", result="gap")) == (0, {}, 1)
    assert path.count("documents", kind="news", language="en") == 0


def test_a_worker_whose_hold_is_stale_lets_go() -> None:
    """Another one has the partition; what this one read is the other one's to count."""
    path = Path()
    path.trends.assign(0, 0)
    path.process(batch([news("1"), b"no json"]))
    assert path.events[-2:] == ["release 0", "commit"]
    assert (path.documents(), path.source.committed) == (0, {})
    assert path.count("dead_letters", reason="not_json") == 0


def test_an_empty_batch_moves_the_position_on() -> None:
    """Offsets may have holes at the end of what was read."""
    path = Path()
    path.process(PartitionBatch(0, 1, 0, 7, ()))
    assert path.contents()[2] == [7, 0]


def test_what_was_counted_is_measured() -> None:
    """Clamped clocks, lateness, and how long a record took to its count."""
    path = Path()
    late = news("2", published="2026-02-20T00:00:00Z")
    path.process(batch([news("1", published="2026-03-05T12:00:00Z"), late]))
    assert path.count("clamped_documents") == 1
    assert path.count("late_documents", resolution="fine") == 1
    assert path.registry.get_sample_value("sentiment_produce_to_trend_seconds_count") == 2
    for stage in ("decode", "novelty", "classify", "publish", "apply"):
        assert path.count("stage_documents", stage=stage) == 2


def test_a_stage_that_fails_is_timed_too() -> None:
    """How long it took to fail counts among its seconds, not its records among those that passed."""
    path = Path(failing=[1])
    with pytest.raises(TransientError):
        path.process(batch([news("1")]))
    assert path.registry.get_sample_value("sentiment_stage_seconds_count", {"stage": "apply"}) == 1
    assert path.count("stage_documents", stage="apply") == 0


titles = st.sampled_from(
    [
        "Profit falls at plant 1",
        "UPDATE 1-Profit falls at plant 1",
        "Oil rises on supply",
        "Oracle rises while Apple falls",
        "Nothing new",
        "降息",
        "POISON 5",
    ]
)
# One id, one content, as far as it can be scored: of a mended copy that is read while the first is still in work, it
# depends on the cut whether it begins a story or joins what came after it (never whether it counts).
messages = st.builds(
    lambda name, title, minute: message(
        id=f"{'poison-' * ('POISON' in title)}{name}",
        title=title,
        text=None,
        published=f"2026-03-04T11:{minute:02d}:00Z",
    ),
    st.sampled_from("abcdefgh"),
    titles,
    st.integers(0, 59),
)
polls = st.lists(
    st.tuples(st.lists(messages | st.just(b"no json"), max_size=4), st.lists(messages, max_size=4)), max_size=4
)


def run(polled: Sequence[Sequence[Sequence[Any]]], path: Path) -> Path:
    """Takes polls of two partitions through; after a failure, the same batches come again."""
    begins = [0, 0]
    for values in polled:
        batches = [batch(part, partition=i, begin=begins[i]) for i, part in enumerate(values) if part]
        while True:
            try:
                path.process(*batches)
                break
            except TransientError:
                continue
        for part in batches:
            begins[part.partition] = part.end
    return path


@settings(max_examples=25)
@given(polls, st.sets(st.integers(1, 8), max_size=3), st.integers(0, 2))
def test_failures_change_nothing_in_the_end(
    polled: Sequence[Sequence[Sequence[Any]]], failing: set[int], failing_flushes: int
) -> None:
    """Nothing lost, nothing counted twice: wherever it failed, the same buckets and evidence, byte for byte."""
    broken = Path(failing=sorted(failing))
    broken.sink.failing_flushes = failing_flushes
    assert run(polled, broken).contents() == run(polled, Path()).contents()


@settings(max_examples=25)
@given(polls)
def test_replaying_the_same_documents_gives_the_same_buckets(polled: Sequence[Sequence[Sequence[Any]]]) -> None:
    """In the same order, cut into polls of one record or in one go."""
    whole = run(polled, Path())
    single = [
        [[value], []] if partition == 0 else [[], [value]]
        for values in polled
        for partition, part in enumerate(values)
        for value in part
    ]
    assert run(single, Path()).contents() == whole.contents()


@settings(max_examples=25)
@given(polls)
def test_scored_and_dead_records_are_keyed_so_that_twice_is_once(polled: Sequence[Sequence[Sequence[Any]]]) -> None:
    """After a failed flush, publishing again adds no new document and no new dead letter."""
    twice, once = Path(), run(polled, Path())
    twice.sink.failing_flushes = 1
    run(polled, twice)
    assert {(one.document.id, one.story, one.score) for one in twice.sink.scored} == {
        (one.document.id, one.story, one.score) for one in once.sink.scored
    }
    where = [
        Counter((letter.record.partition, letter.record.offset) for letter in path.sink.dead) for path in (twice, once)
    ]
    assert set(where[0]) == set(where[1])
