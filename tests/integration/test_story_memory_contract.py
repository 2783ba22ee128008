"""What every story memory holds to: one suite over the one in this process and the one in Redis."""

from __future__ import annotations

import pytest

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.messages import StoryClaim, StoryRecord
from monitor.ports import StoryMemory

HORIZON_SECONDS = 3600


@pytest.fixture(params=["memory", "redis"])
def memory(request: pytest.FixtureRequest, name: str) -> StoryMemory:
    """An empty memory of each kind."""
    if request.param == "memory":
        return MemoryStoryMemory()
    return RedisStoryMemory(request.getfixturevalue("redis_client"), name, HORIZON_SECONDS)


def first(document_id: str, bands: tuple[str, ...], seen: tuple[str, ...] = (), origin: str = "0:1") -> StoryClaim:
    """A claim of a document to be the first of a story; it saw its bands empty unless told what."""
    record = StoryRecord(document_id, 1_767_268_800_123, b"\x01\x00\xff" + document_id.encode())
    return StoryClaim(document_id, origin, document_id, record, bands, seen or ("",) * len(bands))


def standing(claim: StoryClaim) -> StoryClaim:
    """What is remembered of a claim."""
    return StoryClaim(claim.document_id, claim.origin, claim.story_id)


def test_nothing_is_known_at_first(memory: StoryMemory) -> None:
    """Neither documents nor bands; asking for nothing is allowed."""
    assert memory.look_up(["a", "b"], ["0:x"]) == ([None, None], [None])
    assert memory.look_up([], []) == ([], [])
    assert memory.remember([]) == []


def test_a_new_story_is_found_by_its_document_and_by_each_of_its_bands(memory: StoryMemory) -> None:
    """With the instant and the sketch that it was given, byte for byte, and with any character in its id."""
    claim = first("é {a}:1 “新”\x1f2", ("0:x", "1:y"), origin="3:77")
    assert memory.remember([claim]) == [standing(claim)]
    assert memory.look_up([claim.document_id, "b"], ["1:y", "0:x", "2:z"]) == (
        [standing(claim), None],
        [claim.record, claim.record, None],
    )


def test_a_reprint_is_remembered_without_bands(memory: StoryMemory) -> None:
    """It claims an earlier document's story and is no candidate for others."""
    original, reprint = first("a", ("0:x",)), StoryClaim("b", "0:2", "a")
    memory.remember([original])
    assert memory.remember([reprint]) == [reprint]
    assert memory.look_up(["b"], ["0:x"]) == ([reprint], [original.record])


def test_the_earliest_claim_for_a_document_stands(memory: StoryMemory) -> None:
    """A later one gets it as the answer, whatever it wanted, and takes no band."""
    claim = first("a", ("0:x",), origin="0:1")
    memory.remember([claim])
    assert memory.remember([StoryClaim("a", "1:9", "other")]) == [standing(claim)]
    assert memory.remember([first("a", ("9:z",), origin="1:9")]) == [standing(claim)]
    assert memory.look_up(["a"], ["9:z"]) == ([standing(claim)], [None])


def test_a_band_taken_since_the_look_refuses_the_whole_claim(memory: StoryMemory) -> None:
    """Nothing of it is stored, its free bands neither."""
    memory.remember([first("a", ("0:x",))])
    assert memory.remember([first("b", ("5:free", "0:x"))]) == [None]
    assert memory.look_up(["b"], ["5:free"]) == ([None], [None])


def test_a_newer_story_takes_a_band_over_once_it_has_seen_who_holds_it(memory: StoryMemory) -> None:
    """Two stories may share a band; the newest is found by it."""
    memory.remember([first("a", ("0:x", "1:y"))])
    newer = first("b", ("0:x",), seen=("a",))
    assert memory.remember([newer]) == [standing(newer)]
    assert [record.story_id if record else "" for record in memory.look_up([], ["0:x", "1:y"])[1]] == ["b", "a"]


def test_claims_of_one_call_are_decided_in_order(memory: StoryMemory) -> None:
    """Each sees what those before it stored; one that is refused leaves the others standing."""
    claims = [first("a", ("0:x",)), first("b", ("0:x",)), first("c", ("0:x",), seen=("a",)), first("d", ("1:y",))]
    assert memory.remember(claims) == [standing(claims[0]), None, standing(claims[2]), standing(claims[3])]
