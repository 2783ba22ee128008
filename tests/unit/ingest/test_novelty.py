"""Laws of assigning stories, over what is remembered in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.errors import TransientError
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import NO_EPOCHS, Document, Epochs, Story, StoryClaim, StoryRecord
from tests.builders import HOUR_MS, NOW_MS, document

HORIZON_MS = 72 * HOUR_MS
HEADLINES = (
    "Chip maker Nvidia warns of weak demand and cuts its outlook",
    "UPDATE 1-Chip maker Nvidia warns of weak demand and cuts its outlook",
    "Chip maker Nvidia warns of weak demand and cuts its outlook - Example Times",
    "Oil falls as demand worries grow in Asia and inventories build",
    "OIL FALLS AS DEMAND WORRIES GROW IN ASIA AND INVENTORIES BUILD",
    "Central bank keeps rates unchanged, sees inflation easing next year",
)
TOLD_BY_STORY = ({0, 1, 2}, {3, 4}, {5})


def index(memory: MemoryStoryMemory | None = None) -> NoveltyIndex:
    """An index with the usual horizon."""
    return NoveltyIndex(memory or MemoryStoryMemory(), HORIZON_MS)


class RacingMemory(MemoryStoryMemory):
    """Lets another worker store its documents between our look and our claim, once."""

    def __init__(self, others: Sequence[Document]) -> None:
        super().__init__()
        self._others = list(others)

    def remember(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> list[StoryClaim | None]:
        """See StoryMemory."""
        others, self._others = self._others, []
        if others:
            index(self).assign(others)
        return super().remember(claims, epochs)


class DyingMemory(MemoryStoryMemory):
    """Before claims are taken back in epoch 1 their worker freezes, and of it it dies; meanwhile epoch 2 asks for others."""

    def __init__(self) -> None:
        super().__init__()
        self.others: list[Document] = []

    def forget(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> None:
        """See StoryMemory."""
        if self.others:
            index(self).assign(self.others, {0: 2})
        super().forget(claims, epochs)
        if self.others:
            raise TransientError("killed", reason="test")


class ReleasingMemory(MemoryStoryMemory):
    """Right after a look somebody releases a document, once."""

    def __init__(self) -> None:
        super().__init__()
        self.released: list[Document] = []

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        found = super().look_up(ids, bands)
        released, self.released = self.released, []
        index(self).release(released, {0: 1})
        return found


class ForgettingMemory(MemoryStoryMemory):
    """Its bands still name stories whose sketches have expired."""

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        claims, records = super().look_up(ids, bands)
        return claims, [record and replace(record, available_ms=0, sketch=b"\0\0\0\0") for record in records]


def test_a_reprint_joins_the_story_that_it_repeats() -> None:
    """Within a batch, and across batches."""
    novelty = index()
    first, second, other = novelty.assign([document("a", title=HEADLINES[0]), document("b", title=HEADLINES[1]),
                                           document("c", title=HEADLINES[3])])  # fmt: skip
    assert (first, second, other) == (Story("a", True), Story("a", False), Story("c", True))
    assert novelty.assign([document("d", title=HEADLINES[2])]) == [Story("a", False)]


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 5))
def test_the_same_record_gets_the_same_answer_whoever_asks(told: list[int], size: int) -> None:
    """After a crash, in other batches, by another worker: what was decided stands."""
    documents = [document(f"d{i}", title=HEADLINES[headline]) for i, headline in enumerate(told)]
    memory = MemoryStoryMemory()
    decided = index(memory).assign(documents)
    assert index(memory).assign(documents) == decided
    pieces = [documents[i : i + size] for i in range(0, len(documents), size)]
    assert [story for piece in reversed(pieces) for story in reversed(index(memory).assign(piece))] == decided[::-1]


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 12))
def test_where_a_batch_is_cut_changes_nothing(told: list[int], size: int) -> None:
    """Only the order in which documents are first seen decides."""
    documents = [document(f"d{i}", title=HEADLINES[headline]) for i, headline in enumerate(told)]
    novelty = index()
    pieces = [documents[i : i + size] for i in range(0, len(documents), size)]
    assert [story for piece in pieces for story in novelty.assign(piece)] == index().assign(documents)


@given(st.permutations(range(6)))
def test_every_story_has_exactly_one_first_document_in_any_order(order: list[int]) -> None:
    """No story is lost, and none is told first twice."""
    stories = index().assign([document(f"d{i}", title=HEADLINES[i]) for i in order])
    firsts = Counter(story.id for story in stories if story.first)
    assert set(firsts.values()) == {1}
    assert {story.id for story in stories} == set(firsts)
    clusters = {frozenset(i for i, story in zip(order, stories, strict=True) if story.id == name) for name in firsts}
    assert clusters == {frozenset(told) for told in TOLD_BY_STORY}


def test_an_id_that_was_read_before_from_another_offset_is_repeated() -> None:
    """A second copy in the topic counts for nothing; a redelivery of the first is what it was."""
    novelty = index()
    first, copy = document("a", origin="0:1"), document("a", origin="0:2")
    assert novelty.assign([first, copy]) == [Story("a", True), Story("a", False, True)]
    assert novelty.assign([copy, first]) == [Story("a", False, True), Story("a", True)]


def test_a_repeated_reprint_is_repeated_too() -> None:
    """It is neither first nor a reprint that counts."""
    novelty = index()
    novelty.assign([document("a", title=HEADLINES[0])])
    stories = novelty.assign([document("b", title=HEADLINES[1], origin=origin) for origin in ("0:1", "0:2")])
    assert stories == [Story("a", False), Story("a", False, True)]


def test_a_story_takes_in_reprints_for_its_horizon() -> None:
    """Counted from its first document; after that the same words are a new story."""
    novelty = index()
    novelty.assign([document("a", title=HEADLINES[0])])
    later = [document(f"l{h}", title=HEADLINES[0], published_ms=NOW_MS + h * HOUR_MS) for h in (48, 72, 73)]
    assert novelty.assign(later) == [Story("a", False), Story("a", False), Story("l73", True)]


def test_a_band_taken_by_another_worker_leads_to_a_new_decision() -> None:
    """Two workers see a story at the same moment: one of the two is first."""
    memory = RacingMemory([document("theirs", title=HEADLINES[0])])
    assert index(memory).assign([document("ours", title=HEADLINES[1])]) == [Story("theirs", False)]


def test_reprints_of_a_refused_story_are_decided_anew_with_it() -> None:
    """They go where it goes, not to a story that was never stored."""
    memory = RacingMemory([document("theirs", title=HEADLINES[0])])
    ours = [document("a", title=HEADLINES[1]), document("b", title=HEADLINES[2]), document("c", title=HEADLINES[3])]
    stories = index(memory).assign(ours)
    assert stories == [Story("theirs", False), Story("theirs", False), Story("c", True)]
    assert index(memory).assign(ours) == stories


def test_a_story_whose_sketch_has_expired_takes_in_nothing() -> None:
    """A band may outlive it by a moment."""
    memory = ForgettingMemory()
    novelty = index(memory)
    novelty.assign([document("a", title=HEADLINES[0])])
    assert novelty.assign([document("b", title=HEADLINES[0])]) == [Story("b", True)]


def test_nothing_is_assigned_to_nothing() -> None:
    """An empty batch asks for nothing."""
    assert index().assign([]) == []


def test_the_next_reprint_of_a_released_first_begins_the_story() -> None:
    """Released once or twice, the document leaves no trace."""
    novelty = index()
    failed, reprint = document("a", title=HEADLINES[0]), document("b", title=HEADLINES[1])
    novelty.assign([failed])
    novelty.release([failed])
    novelty.release([failed])
    assert novelty.assign([reprint]) == [Story("b", True)]
    assert novelty.assign([failed]) == [Story("b", False)]


def test_reprints_that_had_joined_a_released_story_are_settled_anew() -> None:
    """One of them begins the story, the others join it; reading them again gives the same."""
    novelty = index()
    told = [document(id, title=title) for id, title in zip("abcd", HEADLINES, strict=False)]
    stories = novelty.assign(told)
    novelty.release(told[:1])
    settled = novelty.settle(told[1:], stories[1:])
    assert settled == [Story("b", True), Story("b", False), Story("d", True)]
    assert novelty.assign(told[1:]) == settled == novelty.settle(told[1:], settled)


def test_settling_leaves_copies_and_stories_that_stand_as_they_are() -> None:
    """A repeated id counts for nothing, whatever became of its story."""
    novelty = index()
    told = [document("a", title=HEADLINES[0]), document("b", title=HEADLINES[1]), document("c", title=HEADLINES[3])]
    copy = document("b", title=HEADLINES[1], origin="1:99")
    stories = novelty.assign([*told, copy])
    assert novelty.settle([*told, copy], stories) == stories
    novelty.release(told[:1])
    assert novelty.settle([copy], stories[3:]) == [Story("a", False, True)]


def test_a_release_leaves_another_copys_claim_alone() -> None:
    """A copy of the same id that fails later, or a worker that wakes up late, takes nothing from the one that counts."""
    novelty = index()
    counted, copy = document("a", origin="0:1"), document("a", origin="0:2")
    stories = novelty.assign([counted, copy])
    novelty.release([copy])
    assert novelty.assign([counted, copy]) == stories


def test_a_replayed_letter_counts_once_however_often_it_is_replayed() -> None:
    """Its id is free after the release; the first replay claims it, the second repeats it."""
    novelty = index()
    letter, replay, again = (document("a", origin=origin) for origin in ("0:1", "0:8", "0:9"))
    novelty.assign([letter])
    novelty.release([letter])
    assert novelty.assign([replay, again]) == [Story("a", True), Story("a", False, True)]
    novelty.release([letter])  # by a worker that read the letter's record again
    assert novelty.assign([again, replay]) == [Story("a", False, True), Story("a", True)]


def test_a_copy_from_further_on_in_the_partition_claims_nothing_before_an_earlier_one() -> None:
    """It claimed between the failure of a third and the earlier one's step, and may fail in turn: whoever is first counts."""
    novelty = index()
    failed, counted, ahead = (document("a", origin=origin) for origin in ("0:1", "0:2", "0:10"))
    (_, repeat) = novelty.assign([failed, counted])
    novelty.release([failed])
    (claimed,) = novelty.assign([ahead])
    with pytest.raises(TransientError, match="not remembered"):
        novelty.confirm([counted], [repeat])
    (story,) = novelty.assign([counted])
    assert story == claimed == Story("a", True)
    with pytest.raises(TransientError, match="not remembered"):
        novelty.confirm([ahead], [claimed])
    assert novelty.assign([ahead]) == [Story("a", False, True)]
    novelty.confirm([counted], [story])


def test_a_copy_in_another_partition_keeps_its_claim_however_far_it_is() -> None:
    """It may be applied already."""
    novelty = index()
    counted, copy = document("a", origin="1:10"), document("a", origin="0:2")
    novelty.assign([counted])
    stories = novelty.assign([copy])
    assert stories == [Story("a", False, True)]
    novelty.confirm([copy], stories)


def test_a_worker_of_an_older_epoch_takes_no_claim_from_further_on() -> None:
    """The newer one has applied it, perhaps."""
    novelty = index()
    novelty.assign([document("a", origin="0:10")], {0: 2})
    assert novelty.assign([document("a", origin="0:2")], {0: 1}) == [Story("a", False, True)]


def test_a_copy_that_is_replaced_by_one_of_other_words_leaves_nothing_to_join() -> None:
    """Its bands still lead to the story that went with it; who comes by them begins one of its own."""
    novelty = index()
    novelty.assign([document("a", title=HEADLINES[0], origin="0:10")])
    earlier = document("a", title=HEADLINES[3], origin="0:2")
    assert novelty.assign([earlier]) == [Story("a", True)]
    novelty.release([earlier])
    assert novelty.assign([document("b", title=HEADLINES[0])]) == [Story("b", True)]


def test_a_worker_of_an_older_epoch_claims_nothing_for_good() -> None:
    """Frozen while another one gave its document up, it could not take the claim back, and no replay would count."""
    novelty = index()
    failed, reprint, replay = (
        document("a", title=HEADLINES[0], origin="0:2"),
        document("b", title=HEADLINES[1], origin="0:3"),
        document("a", title=HEADLINES[0], origin="0:10"),
    )
    novelty.assign([failed], {0: 2})
    novelty.release([failed], {0: 2})
    late = novelty.assign([failed, reprint], {0: 1})
    assert [story.repeated for story in late] == [False, False]
    novelty.release([failed], {0: 1})
    with pytest.raises(TransientError, match="not remembered"):
        novelty.confirm([reprint], late[1:])
    assert novelty.assign([replay], {0: 2}) == [Story("a", True)]


@pytest.mark.parametrize("failed", [0, 1], ids=["a story's first", "a reprint"])
@pytest.mark.parametrize("offset", ["0:50", "1:50"])
def test_a_claim_that_is_released_while_a_copy_asks_for_it_is_the_copys(failed: int, offset: str) -> None:
    """The document counts with it; a claim that came back to life from the look would belong to nobody."""
    memory = ReleasingMemory()
    novelty = index(memory)
    told = [document("a", title=HEADLINES[0], origin="0:9"), document("b", title=HEADLINES[1], origin="0:10")]
    novelty.assign(told, {0: 1})
    copy = replace(told[failed], origin=offset)
    memory.released = [told[failed]]
    (story,) = novelty.assign([copy], {0: 1, 1: 1})
    assert (story.first, story.repeated) == (failed == 0, False)
    novelty.confirm([copy], [story])


@pytest.mark.parametrize("reprinted", [False, True], ids=["of what failed", "of a reprint of what failed"])
def test_a_worker_that_froze_takes_no_claim_back_that_another_has_asked_for(reprinted: bool) -> None:
    """Whether a copy from another offset counts is then the other one's to say."""
    memory, epochs = DyingMemory(), {0: 1}
    frozen, failed, reprint = index(memory), document("a", title=HEADLINES[0]), document("b", title=HEADLINES[1])
    stories = frozen.assign([failed, reprint], epochs)
    if reprinted:
        frozen.release([failed], epochs)
    counted = reprint if reprinted else failed
    memory.others = [counted]
    give_back = partial(frozen.settle, [reprint], stories[1:]) if reprinted else partial(frozen.release, [failed])
    with pytest.raises(TransientError):
        give_back(epochs)
    copy = replace(counted, origin="1:7")
    assert index(memory).assign([copy], {1: 1}) == [Story("a", False, True)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=12), st.lists(st.integers(0, 40), max_size=4))
def test_a_crash_anywhere_loses_no_story_and_counts_none_twice(
    told: list[tuple[int, bool]], crashes: list[int]
) -> None:
    """Assigning, releasing and settling are begun again from the start after each; every story has one first in the end."""
    novelty, steps = index(), 0
    documents = [document(f"d{i}", title=HEADLINES[headline]) for i, (headline, _) in enumerate(told)]
    good = [one for one, (_, scorable) in zip(documents, told, strict=True) if scorable]
    failed = [one for one in documents if one not in good]
    pending = list(crashes)
    while True:
        stories = dict(zip([one.id for one in documents], novelty.assign(documents), strict=True))
        for one in failed:
            if pending and steps == pending[0]:
                break
            novelty.release([one])
            steps += 1
        else:
            settled = novelty.settle(good, [stories[one.id] for one in good])
            if not pending:
                break
        del pending[0]
    wanted = {frozenset(c) for c in TOLD_BY_STORY if any(h in c for h, scorable in told if scorable)}
    assert len([story for story in settled if story.first]) == len(wanted)
    assert novelty.assign(good) == settled
