"""The kill test in short, on servers of its own, and what its verdict is worth: `make chaos` runs the long one."""

from __future__ import annotations

import random
import secrets
from collections import Counter
from pathlib import Path

import pytest

from monitor.adapters import redis_connection, redis_trends
from monitor.adapters.redis_keys import RedisKeys
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.messages import ApplyResult, Bucket, BucketCounts, Cell, PartitionUpdate, StoryClaim, StoryRecord
from monitor.settings import Settings
from tests.chaos.arenas import SingleArena
from tests.chaos.behind import read_kept
from tests.chaos.campaign import Campaign
from tests.chaos.events import Deck, Event, Recovery
from tests.chaos.fleet import FORGETFUL
from tests.chaos.generous_worker import GenerousTrends
from tests.chaos.recount import Verdict, judge, stored_counts
from tests.chaos.unfenced_worker import UnfencedScript
from tests.conftest import SettingsFactory

EVENTS = 7
FLAWS = ("lost", "double", "cells", "stories", "not_scored", "not_dead", "wrongly_dead")


def a_minute(settings: Settings) -> BucketCounts:
    """What partition 0 counts in one minute."""
    client = redis_connection.connect(settings.redis)
    try:
        trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        return next(part for part in trends.changed_since(0, -1) if part.bucket.seconds == 60)
    finally:
        client.close()


def write(settings: Settings, part: BucketCounts, times: int) -> None:
    """Adds counts so many times, as a batch of its own."""
    client = redis_connection.connect(settings.redis)
    try:
        trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        assignment = trends.assign(part.partition, 0)
        counts = {part.bucket: Counter({cell: times * amount for cell, amount in part.counts.items()})}
        begin = assignment.position
        update = PartitionUpdate(part.partition, assignment.epoch, begin, begin + 1, counts, (), (), 0)
        assert trends.apply(update).result is ApplyResult.APPLIED
    finally:
        client.close()


def add_copy(settings: Settings, amount: int) -> None:
    """Has one story told more often, or less."""
    (partition, start_ms), copies = min(read_kept(settings).copies.items())
    client = redis_connection.connect(settings.redis)
    try:
        client.hincrby(RedisKeys(settings.redis.key_prefix).copies(partition, start_ms), min(copies), amount)
    finally:
        client.close()


def test_nothing_is_lost_and_nothing_counted_twice_whatever_is_killed(tmp_path: Path) -> None:
    """Random events to workers, broker and Redis; counts equal an independent count, and a batch by hand is found out."""
    seed = secrets.randbelow(2**32)
    said: list[str] = [f"seed {seed}"]
    with SingleArena(tmp_path, said.append) as arena:
        outcome = Campaign(arena, seed, said.append).run(EVENTS)
        assert outcome.sound, "\n".join([*said, str(outcome.verdict), str(outcome.stuck), *outcome.surprises])
        assert len(outcome.events) == EVENTS
        assert outcome.verdict.documents > 0
        assert outcome.wanted.repeated > 0, "no document was there twice"
        assert outcome.wanted.scattered_documents > 0, "no document was there in two partitions"
        assert outcome.wanted.scattered_stories > 0, "no story was told in two partitions"
        add_copy(arena.settings, 1)
        told_once_more = judge(arena.settings, outcome.wanted)
        add_copy(arena.settings, -1)
        minute = a_minute(arena.settings)
        write(arena.settings, minute, 1)
        doubled = judge(arena.settings, outcome.wanted)
        write(arena.settings, minute, -2)
        gone = judge(arena.settings, outcome.wanted)
    assert (told_once_more.exact, told_once_more.cells, told_once_more.stories) == (False, 0, 1)
    assert (doubled.exact, doubled.lost) == (False, 0)
    assert doubled.double > 0
    assert (gone.exact, gone.double) == (False, 0)
    assert gone.lost == doubled.double


def test_workers_that_each_remember_for_themselves_count_copies_twice(tmp_path: Path) -> None:
    """The feed has copies of documents and stories that another worker reads, or this would not be found."""
    with SingleArena(tmp_path, lambda line: None) as arena:
        campaign = Campaign(arena, 1, lambda line: None, program=FORGETFUL)
        verdict = campaign.run(3, ["worker_added"]).verdict
    assert verdict.double > 0
    assert verdict.stories > 0


@pytest.mark.parametrize("flaw", FLAWS)
def test_one_flaw_of_any_kind_is_no_exact_run(flaw: str) -> None:
    """Each figure of the verdict counts."""
    figures = dict.fromkeys(FLAWS, 0)
    assert Verdict(documents=9, examples=(), **figures).exact
    assert not Verdict(documents=9, examples=(), **figures | {flaw: 1}).exact


def test_a_worker_without_fences_counts_a_batch_twice(
    make_settings: SettingsFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script of `--sabotage` differs from the shipped one in exactly that."""
    settings = make_settings()
    update = PartitionUpdate(
        0, 1, 0, 1, {Bucket(60, 0): Counter({Cell("all", "all", "news", "documents"): 1})}, (), (), 0
    )
    cell = (0, (60, 0, "all", "all", "news", "documents"))
    client = redis_connection.connect(settings.redis)
    try:
        shipped = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        shipped.assign(0, 0)
        assert [shipped.apply(update).result for _ in range(2)] == [ApplyResult.APPLIED, ApplyResult.ALREADY_APPLIED]
        assert stored_counts(settings) == {cell: 1}
        monkeypatch.setattr(redis_trends, "Script", UnfencedScript)
        saboteur = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        assert saboteur.apply(update).result is ApplyResult.APPLIED
        assert stored_counts(settings) == {cell: 2}
    finally:
        client.close()


def test_a_worker_that_gives_claims_back_takes_those_that_others_count_on(make_settings: SettingsFactory) -> None:
    """The workers of `--sabotage claims` do what the shipped memory refuses: neither epoch nor origin holds them back."""
    settings = make_settings()
    client = redis_connection.connect(settings.redis)
    prefix = settings.redis.key_prefix
    made = [StoryClaim("a", "0:0", "a", StoryRecord("a", 0, b"\0\0\0\0"), ("band",)), StoryClaim("b", "1:5", "a")]
    try:
        memory = RedisStoryMemory(client, prefix, 60)
        frozen = GenerousTrends(client, prefix, settings.trends)
        old, new = frozen.assign(0, 0).epoch, RedisTrends(client, prefix, settings.trends).assign(0, 0).epoch
        claims = [claim for one in made for claim in memory.remember([one], {0: new, 1: 1}) if claim is not None]
        memory.forget(claims, {0: old})
        assert memory.look_up(["a", "b"], []) == (claims, [])
        update = PartitionUpdate(0, old, 0, 1, {}, (), (), 0, tuple(claims))
        assert frozen.apply(update).result is ApplyResult.STALE_EPOCH
        assert memory.look_up(["a", "b"], []) == ([None, None], [])
    finally:
        client.close()


def test_every_kind_of_event_comes_before_one_comes_again() -> None:
    """So that a short run has most of them; the same seed draws the same."""
    weights = {"a": 1, "b": 5, "c": 3}
    decks = [Deck(weights, random.Random(7)) for _ in range(2)]
    drawn = [[deck.next() for _ in range(20)] for deck in decks]
    assert set(drawn[0][:3]) == set(weights)
    assert drawn[0] == drawn[1]


def test_an_event_is_over_when_every_partition_has_moved_on() -> None:
    """Not when some have, nor by what was applied before it was first looked; one with nothing to read has moved on."""
    recovery = Recovery(2, idle=lambda partition, at: at >= 100)
    event = Event(1, 0.0, "worker_killed")
    recovery.mark(event, 0.0)
    for positions in ({0: 10}, {0: 10, 1: 10}, {0: 11, 1: 10}, {0: 12, 1: 9}):
        recovery.see(positions)
        assert event.recovery_seconds is None
    recovery.see({0: 12, 1: 100})
    assert event.recovery_seconds is not None
    assert recovery.give_up() == []
