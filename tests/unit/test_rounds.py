"""Laws of gathering: nothing but whole, joined batches of what is held, within bounds of size and time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import PartitionBatch
from monitor.rounds import Gathering
from tests.builders import batch

cuts = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=12)


def cut(parts: list[tuple[int, int]]) -> list[PartitionBatch]:
    """Batches of so many records each, joining within their partitions."""
    ends: dict[int, int] = {}
    made = []
    for partition, count in parts:
        begin = ends.get(partition, 0)
        made.append(batch([b"{}"] * count, partition=partition, begin=begin))
        ends[partition] = begin + count
    return made


@given(cuts)
def test_a_round_has_one_batch_a_partition_with_all_of_its_records(parts: list[tuple[int, int]]) -> None:
    """In order, from where the first began to where the last ended."""
    gathering, batches = Gathering(1000, 1.0), cut(parts)
    gathering.add(batches, 0.0)
    taken = {one.partition: one for one in gathering.take(lambda one: True)}
    for partition in {one.partition for one in batches}:
        mine = [one for one in batches if one.partition == partition]
        merged = taken.pop(partition)
        assert merged.records == tuple(record for one in mine for record in one.records)
        assert (merged.begin, merged.end) == (mine[0].begin, mine[-1].end)
    assert taken == {}
    assert (gathering.records, gathering.wait_seconds(0.0)) == (0, None)


def test_what_is_held_no_longer_is_left_out() -> None:
    """What was read before a rewind is not joined with what was read after it."""
    gathering = Gathering(1000, 1.0)
    before, after = batch([b"1", b"2"]), replace(batch([b"1"]), reading=1)
    gathering.add([before], 0.0)
    gathering.add([after], 0.1)
    assert gathering.take(lambda one: one.reading == 1) == [after]


def test_a_round_is_due_a_bounded_time_after_its_first_record() -> None:
    """Later ones don't put it off."""
    gathering = Gathering(1000, 0.25)
    gathering.add([batch([b"1"])], 10.0)
    assert gathering.wait_seconds(10.0) == 0.25
    gathering.add([batch([b"2"], begin=1)], 10.125)
    assert gathering.wait_seconds(10.25) == 0.0


def test_a_full_round_is_due_at_once() -> None:
    """There is no room for more."""
    gathering = Gathering(2, 60.0)
    gathering.add([batch([b"1"])], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (1, 60.0)
    gathering.add([batch([b"2"], begin=1)], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (0, 0.0)
