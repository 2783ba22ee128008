"""What every story memory holds to: one suite over the one in this process, in Redis and in a Redis Cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
import redis

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.redis_keys import RedisKeys
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.messages import StoryClaim, StoryRecord
from monitor.ports import StoryMemory

HORIZON_SECONDS = 3600


@pytest.fixture(params=["memory", "redis", "cluster"])
def memory(request: pytest.FixtureRequest, name: str) -> StoryMemory:
    """An empty memory of each kind."""
    if request.param == "memory":
        return MemoryStoryMemory()
    client = request.getfixturevalue("redis_client" if request.param == "redis" else "cluster_client")
    return RedisStoryMemory(client, name, HORIZON_SECONDS)


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


def test_a_reprint_of_a_story_that_nobody_tells_is_refused(memory: StoryMemory) -> None:
    """It is decided again: its story was forgotten since the look."""
    assert memory.remember([StoryClaim("b", "0:2", "a")]) == [None]
    assert memory.look_up(["b"], []) == ([None], [])


def test_a_claim_that_was_only_found_is_not_stored_once_more(memory: StoryMemory) -> None:
    """It stands while it is there; forgotten since the look it is decided again, though its story is still told."""
    original, reprint = first("a", ("0:x",)), StoryClaim("b", "0:10", "a")
    memory.remember([original, reprint])
    found = [replace(claim, known=True) for claim in memory.look_up(["a", "b"], [])[0] if claim is not None]
    assert memory.remember(found) == [standing(original), reprint]
    memory.forget([reprint])
    assert memory.remember(found) == [standing(original), None]
    assert memory.look_up(["b"], []) == ([None], [])


def test_a_forgotten_first_takes_its_story_and_its_bands_along(memory: StoryMemory) -> None:
    """As if it had never come, whatever its id; the next to tell it begins the story."""
    claim = first("é {a}:1 “新”\x1f2", ("0:x", "1:y"))
    memory.remember([claim])
    assert memory.known_stories([claim.story_id, "b"]) == {claim.story_id}
    for _ in range(2):
        memory.forget([claim])
        assert memory.look_up([claim.document_id], ["0:x", "1:y"]) == ([None], [None, None])
        assert memory.known_stories([claim.story_id, "b"]) == set()
    again = first("b", ("0:x", "1:y"))
    assert memory.remember([again]) == [standing(again)]


def test_a_forgotten_reprint_leaves_its_story(memory: StoryMemory) -> None:
    """Only its own claim goes."""
    original, reprint = first("a", ("0:x",)), StoryClaim("b", "0:2", "a")
    memory.remember([original])
    memory.remember([reprint])
    memory.forget([StoryClaim("b", "0:2", "b", bands=("0:x",))])
    assert memory.look_up(["a", "b"], ["0:x"]) == ([standing(original), None], [original.record])
    assert memory.known_stories(["a"]) == {"a"}


def test_a_claim_from_another_origin_is_not_forgotten(memory: StoryMemory) -> None:
    """A second copy, or one whose offset merely ends alike, takes nothing of the first's."""
    claim = first("a", ("0:x",), origin="0:17")
    memory.remember([claim])
    memory.forget([first("a", ("0:x",), origin=origin) for origin in ("0:18", "0:7", "1:17", "7", "0:171")])
    assert memory.look_up(["a"], ["0:x"]) == ([standing(claim)], [claim.record])


def test_a_band_that_a_newer_story_took_over_stays_its_own(memory: StoryMemory) -> None:
    """The older story goes without it."""
    older, newer = first("a", ("0:x", "1:y")), first("b", ("0:x",), seen=("a",), origin="0:2")
    memory.remember([older])
    memory.remember([newer])
    memory.forget([older])
    assert memory.look_up(["b"], ["0:x", "1:y"]) == ([standing(newer)], [newer.record, None])


def test_nothing_is_forgotten_of_what_is_not_known(memory: StoryMemory) -> None:
    """Nor of nothing; nothing is known of nothing."""
    memory.forget([first("a", ("0:x",))])
    memory.forget([])
    assert memory.known_stories([]) == set()


def test_no_claim_is_taken_back_in_an_older_epoch_than_its_partition_was_asked_for_in(memory: StoryMemory) -> None:
    """Neither a story and its bands nor a reprint, also where the one that asked found them there; in its own they are."""
    original, reprint = first("a", ("0:x", "1:y"), origin="3:7"), StoryClaim("b", "3:8", "a")
    stands = ([standing(original), reprint], [original.record, original.record])
    memory.remember([original, reprint], {3: 9})
    assert memory.remember([standing(original), reprint], {3: 10}) == stands[0]
    memory.forget([reprint, original], {3: 9})
    memory.forget([reprint, original])  # by somebody who holds no partition
    assert memory.look_up(["a", "b"], ["0:x", "1:y"]) == stands
    assert memory.known_stories(["a"]) == {"a"}
    memory.forget([reprint, original], {3: 10})
    assert memory.look_up(["a", "b"], ["0:x", "1:y"]) == ([None, None], [None, None])


def test_the_newest_epoch_of_each_partition_counts(memory: StoryMemory) -> None:
    """A worker that asks late in an older one doesn't bring it back; of others it says nothing, nor does who claims none."""
    claim, elsewhere = first("a", ("0:x",), origin="3:7"), first("b", ("1:y",), origin="4:7")
    memory.remember([claim, elsewhere], {3: 10, 4: 1})
    memory.remember([standing(claim)], {3: 9})
    memory.remember([], {4: 2})
    memory.forget([claim, elsewhere], {3: 9, 4: 1})
    assert memory.look_up(["a", "b"], []) == ([standing(claim), None], [])


def test_a_claim_made_in_an_older_epoch_than_its_partition_was_asked_for_in_is_answered_and_not_kept(
    memory: StoryMemory,
) -> None:
    """Neither a story's, with its bands, nor a reprint's; what stands for the document is answered all the same."""
    original, reprint, other = first("a", ("0:x",), origin="3:7"), StoryClaim("b", "3:8", "a"), first("c", ("1:y",))
    memory.remember([original], {3: 10, 0: 1})
    late, copy = first("d", ("2:z",), origin="3:9"), first("a", ("4:w",), origin="3:9")
    assert memory.remember([late, reprint, copy, other], {3: 9, 0: 1}) == [
        standing(late),
        reprint,
        standing(original),
        standing(other),
    ]
    assert memory.look_up(["b", "c", "d"], ["1:y", "2:z"]) == ([None, standing(other), None], [other.record, None])
    assert memory.known_stories(["a", "c", "d"]) == {"a", "c"}


def test_a_band_that_leads_to_a_story_that_is_gone_matches_nothing(memory: StoryMemory) -> None:
    """It was forgotten by the bands of another copy, whose words differ; a newer story takes the band over."""
    memory.remember([first("a", ("0:x",), origin="0:9")])
    memory.forget([StoryClaim("a", "0:9", "a", bands=("1:y",))])
    (record,) = memory.look_up([], ["0:x"])[1]
    assert record == StoryRecord("a", 0, b"\0\0\0\0")
    newer = first("b", ("0:x",), seen=("a",))
    assert memory.remember([newer]) == [standing(newer)]


def test_epochs_are_kept_as_long_as_the_claims_that_they_guard(redis_client: redis.Redis, name: str) -> None:
    """And are one field a partition."""
    memory, key = RedisStoryMemory(redis_client, name, HORIZON_SECONDS), RedisKeys(name).epochs()
    memory.remember([first("a", ("0:x",), origin="3:7")], {3: 9, 4: 1})
    redis_client.expire(key, 10)
    memory.remember([StoryClaim("b", "3:8", "a")], {3: 9})
    assert redis_client.hgetall(key) == {b"3": b"9", b"4": b"1"}
    assert redis_client.ttl(key) > 10
