"""Laws of batches that come again, of rounds prepared ahead and of workers that wake up late: none is applied past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.errors import TransientError
from monitor.messages import NO_EPOCHS, Epochs, StoryClaim, StoryRecord
from tests.builders import batch
from tests.unit.test_pipeline import Path, news


class OvertakenMemory(MemoryStoryMemory):
    """Lets others go on between a worker's decision to take claims back and its doing so, once."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def forget(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> None:
        """See StoryMemory."""
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        super().forget(claims, epochs)


class ForgetfulMemory(MemoryStoryMemory):
    """Forgets all right after claims were looked at once more, once."""

    forgets = True

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        found = super().look_up(ids, bands)
        if ids and not bands and self.forgets:
            self.forgets = False
            for known in (self._claims, self._bands, self._stories, self._epochs):
                known.clear()
        return found


@pytest.mark.parametrize("again", ["a reprint", "the same document"])
def test_a_claim_that_is_lost_after_the_last_look_at_it_is_made_again_before_its_document_counts(again: str) -> None:
    """Else what comes later would find no trace of it, and count as a story, or a document, of its own."""
    path = Path(partitions=1, memory=ForgetfulMemory())
    later = news("a") | ({"id": "b"} if again == "a reprint" else {})
    with pytest.raises(TransientError) as caught:
        path.process(batch([news("a")]))
    assert (caught.value.reason, path.documents(), path.trends.partitions()[0].position) == ("redis_lost_writes", 0, 0)
    path.process(batch([news("a")]))
    path.process(batch([later], begin=1))
    documents = 2 if again == "a reprint" else 1
    assert (path.documents(), path.count("reprints"), path.count("repeated_documents")) == (
        documents,
        documents - 1,
        2 - documents,
    )


def test_a_worker_whose_epoch_is_over_takes_its_partition_anew_instead_of_trying_for_ever() -> None:
    """Its claims are not kept, and the step that would refuse it is never come to."""
    memory = MemoryStoryMemory()
    path = Path(partitions=1, memory=memory)
    memory.remember([StoryClaim("other", "0:9", "other", StoryRecord("other", 1, b""))], {0: 2})  # by another worker
    with pytest.raises(TransientError):
        path.process(batch([news("a")]))
    assert path.events[-1] == "doubt 0"
    for _ in range(2):
        path.trends.assign(0, 0)
    path.process(batch([news("a")], epoch=3))
    assert path.documents() == 1


@pytest.mark.parametrize("fails_first", [False, True], ids=["scored, then dead", "dead, then scored"])
def test_a_record_is_published_as_what_it_is_applied_as(fails_first: bool) -> None:
    """Also where the model changes its mind between attempts: none is applied past, counted nowhere and told nowhere."""
    path = Path(failing=[1], partitions=1)
    records = batch([news("a"), news("b"), news("c")])
    path.classifier.failing_words = {"plant b"} if fails_first else set()
    with pytest.raises(TransientError):
        path.process(records)
    path.sink.scored.clear()
    path.sink.dead.clear()
    path.classifier.failing_words = set() if fails_first else {"plant b"}
    path.process(records)
    assert [one.document.id for one in path.sink.scored] == (["b"] if fails_first else [])
    assert [letter.record.offset for letter in path.sink.dead] == ([] if fails_first else [1])
    assert (path.documents(), path.count("dead_letters", reason="model_failed")) == ((3, 0) if fails_first else (2, 1))


def test_a_batch_that_comes_again_is_published_once() -> None:
    """As long as it is told the same, and up to where it is applied."""
    path = Path(failing=[1, 2], partitions=1)
    records = batch([news("a"), b"no json"])
    for _ in range(2):
        with pytest.raises(TransientError):
            path.process(records)
    path.process(records)
    assert ([one.document.id for one in path.sink.scored], len(path.sink.dead)) == (["a"], 1)


@pytest.mark.parametrize(("takings", "times"), [(1, 1), (2, 2)], ids=["by this worker", "by another in between"])
def test_a_batch_of_a_partition_that_was_taken_anew_is_published_once(takings: int, times: int) -> None:
    """Unless another worker had the partition in between, and may have published something else."""
    path = Path(failing=[1], partitions=1)
    with pytest.raises(TransientError):
        path.process(batch([news("a"), b"no json"]))
    for _ in range(takings):
        path.trends.assign(0, 0)
    path.process(batch([news("a"), b"no json"], epoch=1 + takings))
    assert (len(path.sink.scored), len(path.sink.dead), path.documents()) == (times, times, 1)


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=10),
    st.integers(1, 4),
    st.integers(1, 3),
)
@example([("a", True), ("a", False)], 1, 2)
@settings(max_examples=50)
def test_a_mended_copy_counts_however_far_ahead_rounds_are_prepared(
    told: list[tuple[str, bool]], size: int, ahead: int
) -> None:
    """Each id counts once if any of its copies can be scored; a round that was decided too early is decided anew."""
    path, position = Path(partitions=1), 0
    values = [
        news(name, "POISON {}" if poison else f"Profit falls at {{}} {at}") for at, (name, poison) in enumerate(told)
    ]
    failures = 0
    while position < len(values):
        begins = range(position, min(len(values), position + size * ahead), size)
        rounds = [path.pipeline.prepare([batch(values[at : at + size], begin=at)]) for at in begins]
        try:
            for work in rounds:
                path.pipeline.finish(path.pipeline.score(work), path.source)
                position = path.source.committed[0]
        except TransientError:
            failures += 1
            assert failures <= len(values), "it makes no progress"
    assert path.documents() == len({name for name, poison in told if not poison})
    dead = int(path.count("dead_letters", reason="model_failed"))
    assert path.documents() + path.count("repeated_documents") + dead == len(values)


@pytest.mark.parametrize("copied", [False, True], ids=["at its end", "while it is scored"])
def test_a_worker_that_wakes_up_late_takes_no_claim_back(copied: bool) -> None:
    """Another one has read the record it failed on, and counted it: the next copy of it counts for nothing."""
    path = Path(partitions=1)
    values = [news("a"), news("a")] if copied else [news("a")]
    path.classifier.failing_words = {"plant a"}
    frozen = path.pipeline.prepare([batch([*values, news("b")])])
    if not copied:
        path.pipeline.score(frozen)
    epoch = path.trends.assign(0, 0).epoch
    path.classifier.failing_words = set()
    path.process(batch([*values, news("b")], epoch=epoch))
    path.classifier.failing_words = {"plant a"}
    if copied:
        path.pipeline.score(frozen)
    with suppress(TransientError):
        path.pipeline.finish(frozen, path.source)
    path.classifier.failing_words = set()
    path.process(batch([news("a")], begin=len(values) + 1, epoch=epoch))
    assert (path.documents(), path.count("repeated_documents")) == (2, len(values))


def test_a_worker_that_freezes_while_it_takes_a_claim_back_takes_none_back() -> None:
    """However late that arrives: once another one has read the record, the next copy of it counts for nothing."""
    memory = OvertakenMemory()
    path, values = Path(partitions=1, memory=memory), [news("a"), news("b")]

    def overtake() -> None:
        path.classifier.failing_words = set()
        path.process(batch(values, epoch=path.trends.assign(0, 0).epoch))

    path.classifier.failing_words = {"plant a"}
    memory.meanwhile = overtake
    with suppress(TransientError):
        path.process(batch(values))
    path.process(batch([news("a")], begin=2, epoch=2))
    assert (path.documents(), path.count("repeated_documents")) == (2, 1)
