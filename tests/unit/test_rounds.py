"""Laws of gathering: nothing but whole, joined batches of what is held, within bounds of size and time."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import PartitionBatch
from monitor.rounds import Gathering, round_records_of
from monitor.settings import WorkerSettings
from tests.builders import batch

MANY = 2**30
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
    gathering, batches = Gathering(1000, 1.0, MANY), cut(parts)
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
    gathering = Gathering(1000, 1.0, MANY)
    before, after = batch([b"1", b"2"]), replace(batch([b"1"]), reading=1)
    gathering.add([before], 0.0)
    gathering.add([after], 0.1)
    assert gathering.take(lambda one: one.reading == 1) == [after]


def test_a_round_is_due_a_bounded_time_after_its_first_record() -> None:
    """Later ones don't put it off."""
    gathering = Gathering(1000, 0.25, MANY)
    gathering.add([batch([b"1"])], 10.0)
    assert gathering.wait_seconds(10.0) == 0.25
    gathering.add([batch([b"2"], begin=1)], 10.125)
    assert gathering.wait_seconds(10.25) == 0.0


def test_a_full_round_is_due_at_once() -> None:
    """There is no room for more."""
    gathering = Gathering(2, 60.0, MANY)
    gathering.add([batch([b"1"])], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (1, 60.0)
    gathering.add([batch([b"2"], begin=1)], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (0, 0.0)


def test_a_round_that_is_full_of_bytes_is_due_at_once() -> None:
    """However few records they are; keys count, too. The next one begins empty."""
    gathering = Gathering(1000, 60.0, 10_000)
    gathering.add([batch([b"x" * 5000])], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (0, 0.0), "another one and its key would not fit"
    gathering.take(lambda one: True)
    gathering.add([batch([b"x"] * 5, begin=1)], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (3, 60.0), "the large one is not forgotten yet"
    gathering.add([batch([b"x" * 3000] * 3, begin=6)], 0.0)
    assert (gathering.room, gathering.wait_seconds(0.0)) == (0, 0.0)


def test_a_record_larger_than_a_round_goes_alone() -> None:
    """There is always room for one in an empty round."""
    gathering = Gathering(1000, 60.0, 100)
    for number in range(3):
        assert gathering.room >= 1
        gathering.add([batch([b"x" * 1000], begin=number)], 0.0)
        assert (gathering.room, gathering.wait_seconds(0.0)) == (0, 0.0)
        assert [one.begin for one in gathering.take(lambda one: True)] == [number]
    assert gathering.room == 1, "more as large as the last one would not fit"


@given(st.integers(0, 40), st.integers(1, 60), st.integers(1, 400))
def test_rounds_of_records_that_are_alike_stay_within_both_bounds(
    value_bytes: int, most_records: int, most_bytes: int
) -> None:
    """What is asked for once their size is known fits and fills the round, or is a single record."""
    gathering, size = Gathering(most_records, 60.0, most_bytes), value_bytes + len(b"key")
    for begin in range(12):
        gathering.add([batch([b"x" * value_bytes], begin=begin)], 0.0)
        gathering.take(lambda one: True)
    gathering.add([batch([b"x" * value_bytes] * gathering.room, begin=12)], 0.0)
    assert gathering.records == max(1, min(most_records, most_bytes // size))
    assert gathering.room == 0


def test_a_rounds_records_suit_the_device_unless_they_are_given() -> None:
    """A GPU wants more."""
    assert [round_records_of(WorkerSettings(), on_gpu=on_gpu) for on_gpu in (False, True)] == [256, 4096]
    assert {round_records_of(WorkerSettings(max_round_records=9), on_gpu=on_gpu) for on_gpu in (False, True)} == {9}
