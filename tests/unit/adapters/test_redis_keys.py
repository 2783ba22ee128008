"""Laws of how counters and buckets are written in Redis."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.redis_keys import RedisKeys, bucket_name, bucket_of, cell_of, field_of
from monitor.messages import Bucket, Cell

WORDS = st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]))


@given(WORDS, WORDS, WORDS, WORDS)
def test_a_counter_is_read_as_it_was_written(dimension: str, key: str, kind: str, measure: str) -> None:
    """Whatever a topic is called: slashes, colons and spaces included."""
    cell = Cell(dimension, key, kind, measure)
    assert cell_of(field_of(cell)) == cell


@given(st.integers(1, 10**6), st.integers(-(10**13), 10**13))
def test_a_bucket_is_read_as_it_was_written(seconds: int, start_ms: int) -> None:
    """Also before 1970."""
    assert bucket_of(bucket_name(Bucket(seconds, start_ms))) == Bucket(seconds, start_ms)


def test_what_changes_in_one_step_shares_one_slot() -> None:
    """In a Redis Cluster, a key's slot is that of its part in braces."""
    keys = RedisKeys("p")
    step = [
        keys.state(3),
        keys.touched(3, 60),
        keys.bucket(3, Bucket(60, 0)),
        keys.evidence(3, 0, ("topic", "Energy / Oil")),
        keys.copies(3, 0),
    ]
    assert {key[key.index("{") : key.index("}") + 1] for key in step} == {"{3}"}
    novelty = [keys.document("a"), keys.story("a"), keys.band("0:ff"), keys.epochs()]
    assert {key[key.index("{") : key.index("}") + 1] for key in novelty} == {"{novelty}"}


def test_two_data_sets_under_two_prefixes_share_no_key() -> None:
    """So that a replay can't touch what is live."""
    assert RedisKeys("live").state(0) != RedisKeys("replay").state(0)
    assert RedisKeys("live").document("a") != RedisKeys("replay").document("a")
