"""The source on a real broker: batches join, positions are the store's, and nothing that is gone is silently passed over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kafka import KafkaAdminClient, TopicPartition

from monitor.adapters.kafka_source import KafkaSource
from monitor.adapters.memory_trends import MemoryTrends
from monitor.errors import ConfigError, TransientError
from monitor.messages import ApplyResult, Assignment, PartitionBatch, PartitionUpdate
from monitor.settings import KafkaSettings
from tests.conftest import SettingsFactory
from tests.integration.topics import create_topic, produce
from tests.waiting import eventually

POLL_SECONDS = 0.2


class Reader:
    """A source together with the store that gives it positions, and all that it read.

    Args:
        settings: broker, topic and group.
        trends: the store; several readers may share one.
    """

    def __init__(self, settings: KafkaSettings, trends: MemoryTrends) -> None:
        self.trends = trends
        self.settings = settings
        self.lags: dict[int, int | None] = {}
        self.lost = 0
        self.failing: set[int] = set()
        self.batches: list[PartitionBatch] = []
        self.source = KafkaSource(settings, self._take, self._skip, self._note_lost, self.lags.__setitem__)

    def poll(self) -> list[PartitionBatch]:
        """Polls once and applies what came, as the pipeline would; returns what was applied."""
        applied = []
        for batch in self.source.poll(POLL_SECONDS):
            update = PartitionUpdate(batch.partition, batch.epoch, batch.begin, batch.end, {})
            if self.trends.apply(update).result is ApplyResult.APPLIED:
                applied.append(batch)
            else:
                self.source.release(batch.partition)
        self.batches += applied
        self.source.commit({batch.partition: batch.end for batch in applied})
        return applied

    def values(self) -> list[bytes]:
        """All values that were applied, in order within a partition."""
        ordered = sorted(self.batches, key=lambda batch: (batch.partition, batch.begin))
        return [record.value or b"" for batch in ordered for record in batch.records]

    def _take(self, partition: int, earliest: int) -> Assignment:
        if partition in self.failing:
            raise TransientError("the store is gone", reason="redis_unreachable")
        return self.trends.assign(partition, earliest)

    def _note_lost(self, records: int) -> None:
        self.lost += records

    def _skip(self, assignment: Assignment, position: int) -> None:
        self.lost += position - assignment.position
        self.trends.skip_to(assignment.partition, assignment.epoch, position)


@pytest.fixture
def make_reader(make_settings: SettingsFactory, admin: KafkaAdminClient, name: str) -> Iterator[Callable[..., Reader]]:
    """Makes readers of one topic with two partitions and one group."""
    create_topic(admin, f"{name}.raw", 2)
    with ExitStack() as stack:

        def make(trends: MemoryTrends | None = None, max_poll_records: int = 256) -> Reader:
            settings = make_settings(kafka={"max_poll_records": max_poll_records}).kafka
            reader = Reader(settings, trends or MemoryTrends())
            stack.callback(reader.source.close)
            return reader

        yield make


def numbered(count: int, start: int = 0) -> list[tuple[bytes | None, bytes | None]]:
    """Messages that count up."""
    return [(None, f"{number:04d}".encode()) for number in range(start, start + count)]


def wanted(count: int) -> list[bytes]:
    """Values of as many numbered messages."""
    return [value or b"" for _, value in numbered(count)]


def read_until(reader: Reader, values: list[bytes], *others: Reader) -> None:
    """Polls until these values, and no other, have been applied."""

    def done() -> bool:
        for each in (reader, *others):
            each.poll()
        return len(reader.values()) >= len(values)

    eventually(done, f"{len(values)} records are read")
    assert reader.values() == values


def send(reader: Reader, count: int, start: int = 0, partition: int = 0) -> None:
    """Produces numbered messages to a partition of the reader's topic."""
    produce(reader.settings.bootstrap_servers, reader.settings.raw_topic, numbered(count, start), partition)


def test_batches_of_a_partition_join_without_holes(make_reader: Callable[..., Reader]) -> None:
    """Each begins where the one before ended, within the bound on records, and together they are the topic."""
    reader = make_reader(max_poll_records=16)
    send(reader, 100, partition=0)
    send(reader, 50, start=100, partition=1)
    read_until(reader, wanted(150))
    ends: dict[int, int] = defaultdict(int)
    for batch in reader.batches:
        assert batch.begin == ends[batch.partition]
        assert [record.offset for record in batch.records] == list(range(batch.begin, batch.end))
        assert len(batch.records) <= 16
        ends[batch.partition] = batch.end
    assert ends == {0: 100, 1: 50}


def test_rewinding_reads_again_from_there(make_reader: Callable[..., Reader]) -> None:
    """A batch that was not applied comes a second time, whole."""
    reader = make_reader()
    send(reader, 10)
    first = eventually(lambda: reader.source.poll(POLL_SECONDS), "a batch")[0]
    reader.source.rewind(0, first.begin)
    again = eventually(lambda: reader.source.poll(POLL_SECONDS), "the batch again")[0]
    assert (again.begin, again.records[0]) == (first.begin, first.records[0])
    reader.source.rewind(0, 4)
    assert eventually(lambda: reader.source.poll(POLL_SECONDS), "a part of it")[0].begin == 4


def test_two_members_split_the_partitions_and_read_on_from_the_stored_position(
    make_reader: Callable[..., Reader],
) -> None:
    """When the second comes and when the first goes, nothing is read twice and nothing left out."""
    shared = MemoryTrends()
    first = make_reader(shared)
    for partition in (0, 1):
        send(first, 20, start=20 * partition, partition=partition)
    read_until(first, wanted(40))
    second = make_reader(shared)
    eventually(
        lambda: [len(each.source.partitions) for each in (first, second) if each.poll() is not None] == [1, 1],
        "each member has one partition",
    )
    for partition in (0, 1):
        send(first, 20, start=40 + 20 * partition, partition=partition)
    eventually(
        lambda: first.poll() is not None and second.poll() is not None and _count(first, second) == 80, "80 records"
    )
    assert {batch.partition for batch in second.batches} == set(second.source.partitions)
    first.source.close()
    eventually(lambda: second.poll() is not None and len(second.source.partitions) == 2, "the second takes over")
    for partition in (0, 1):
        send(second, 20, start=80 + 20 * partition, partition=partition)
    eventually(lambda: second.poll() is not None and _count(first, second) == 120, "120 records")
    assert sorted(first.values() + second.values()) == wanted(120)
    assert max(state.epoch for state in shared.partitions()) > 1


def _count(*readers: Reader) -> int:
    return sum(len(reader.values()) for reader in readers)


def test_position_of_the_group_is_not_asked(make_reader: Callable[..., Reader], admin: KafkaAdminClient) -> None:
    """A store that is ahead of what Kafka has committed, or behind it, decides."""
    shared = MemoryTrends()
    reader = make_reader(shared)
    send(reader, 30)
    read_until(reader, wanted(30))
    tp = TopicPartition(reader.settings.raw_topic, 0)
    eventually(
        lambda: (
            reader.poll() is not None
            and admin.list_group_offsets([reader.settings.group_id])[reader.settings.group_id].get(tp)
        ),
        "a commit",
    )
    reader.source.close()
    forgetful = make_reader(MemoryTrends())
    read_until(forgetful, wanted(30))


def test_a_source_that_is_closed_has_committed(make_reader: Callable[..., Reader], admin: KafkaAdminClient) -> None:
    """Positions go to the broker once in a while, and what is left of them at the end: lag falls to nothing."""
    reader = make_reader()
    send(reader, 10)
    read_until(reader, wanted(10))
    reader.source.close()
    group, tp = reader.settings.group_id, TopicPartition(reader.settings.raw_topic, 0)
    assert admin.list_group_offsets([group])[group][tp].offset == 10


def test_a_partition_is_read_on_where_it_was_held_back(make_reader: Callable[..., Reader]) -> None:
    """Nothing comes meanwhile, whatever is fetched already; nothing is left out."""
    reader = make_reader(max_poll_records=10)
    send(reader, 30)
    first = eventually(reader.poll, "a first batch")
    reader.source.hold_back(True)
    assert [reader.poll() for _ in range(5)] == [[]] * 5
    assert set(reader.source.partitions) == {0, 1}
    reader.source.hold_back(False)
    read_until(reader, wanted(30))
    assert first[0].end == reader.batches[1].begin


def test_a_batch_that_was_read_before_a_rewind_counts_no_longer(make_reader: Callable[..., Reader]) -> None:
    """Nor one of a partition that was released; what is read afterwards does."""
    reader = make_reader(max_poll_records=5)
    send(reader, 20)
    (first,) = eventually(lambda: reader.source.poll(POLL_SECONDS), "a batch")
    (second,) = eventually(lambda: reader.source.poll(POLL_SECONDS), "another one")
    assert (second.begin, reader.source.holds(first), reader.source.holds(second)) == (5, True, True)
    reader.source.commit({0: first.end})
    reader.source.start_over()
    assert not reader.source.holds(second)
    (again,) = eventually(lambda: reader.source.poll(POLL_SECONDS), "the batch again")
    assert (again.begin, reader.source.holds(again)) == (first.end, True)
    reader.source.release(0)
    assert not reader.source.holds(again)


def test_a_partition_in_doubt_is_taken_anew_before_it_is_read_on(make_reader: Callable[..., Reader]) -> None:
    """Where the store says, in a new epoch; while the store is away it brings nothing, and is this worker's all the same."""
    reader = make_reader(max_poll_records=5)
    send(reader, 20)
    (first,) = eventually(lambda: reader.source.poll(POLL_SECONDS), "a batch")
    reader.trends.apply(PartitionUpdate(0, first.epoch, first.begin, first.end, {}))  # and the answer gets lost
    reader.batches.append(first)
    reader.source.doubt(0)
    reader.source.start_over()
    reader.failing.add(0)
    reader.source.hold_back(True)
    assert reader.source.poll(POLL_SECONDS) == []
    reader.source.hold_back(False)
    for _ in range(3):
        with pytest.raises(TransientError):
            reader.source.poll(POLL_SECONDS)
        assert 0 in reader.source.partitions
    reader.source.check()
    assert reader.lags[0] == 20
    reader.failing.clear()
    read_until(reader, wanted(20))
    assert [batch.epoch - first.epoch for batch in reader.batches] == [0, 1, 1, 1]


def test_a_stale_holder_that_lets_go_takes_the_partition_anew(make_reader: Callable[..., Reader]) -> None:
    """After `release` the next poll asks for a new epoch and reads on from the stored position."""
    reader = make_reader()
    send(reader, 5)
    read_until(reader, wanted(5))
    reader.trends.assign(0, 0)  # as another worker would
    send(reader, 5, start=5)
    read_until(reader, wanted(10))
    assert next(state for state in reader.trends.partitions() if state.partition == 0).epoch == 3


def test_records_polled_when_the_store_fails_come_again(make_reader: Callable[..., Reader]) -> None:
    """A partition that can't be opened for now must not cost another one its records."""
    reader = make_reader()
    eventually(lambda: reader.poll() is not None and len(reader.source.partitions) == 2, "both partitions are held")
    reader.failing.add(1)
    reader.source.release(1)
    for start in range(0, 30, 10):
        send(reader, 10, start=start, partition=0)
        with pytest.raises(TransientError):
            eventually(reader.poll, "the store's failure")
    reader.failing.clear()
    read_until(reader, wanted(30))


def test_a_partition_that_was_revoked_since_the_poll_is_let_go(make_reader: Callable[..., Reader]) -> None:
    """Whatever is asked of it then: the client has its own errors for each."""
    reader = make_reader()
    send(reader, 5)
    (batch,) = eventually(lambda: reader.source.poll(POLL_SECONDS), "a batch")
    reader.source._consumer.unsubscribe()
    reader.source.commit({0: batch.end})
    reader.source.start_over()
    assert reader.source.partitions == frozenset()
    assert not reader.source.holds(batch)


def test_a_poll_that_fails_lets_go_of_every_partition(make_reader: Callable[..., Reader]) -> None:
    """Who has them meanwhile is not known: they are opened anew, and nobody is told a lag that is none."""
    reader = make_reader()
    send(reader, 5)
    read_until(reader, wanted(5))
    reader.source._consumer.close()
    with pytest.raises(TransientError):
        reader.poll()
    assert reader.source.partitions == frozenset()
    assert set(reader.lags.values()) == {None}


def test_a_topic_made_anew_is_a_setting_to_mend(make_reader: Callable[..., Reader]) -> None:
    """A stored position past the end can't be this topic's: ConfigError that says what to do."""
    trends = MemoryTrends()
    trends.assign(1, 7)
    reader = make_reader(trends)
    with pytest.raises(ConfigError, match=r"position 7 .* partition 1, which ends at 0.*redis\.key_prefix") as caught:
        eventually(reader.poll, "the position is compared")
    assert caught.value.reason == "topic_recreated"


def test_a_topic_made_anew_under_a_running_reader_is_noticed(
    make_reader: Callable[..., Reader], admin: KafkaAdminClient
) -> None:
    """Its new records are not taken for old ones that were applied already."""
    reader = make_reader()
    send(reader, 10)
    read_until(reader, wanted(10))
    topic = reader.settings.raw_topic
    admin.delete_topics([topic])
    eventually(lambda: topic not in admin.list_topics(), "the topic is gone")
    create_topic(admin, topic, 2)

    def goes_on() -> bool:
        send(reader, 1, start=100)
        reader.poll()
        return False

    with pytest.raises(ConfigError) as caught:
        eventually(goes_on, "the reader stops")
    assert caught.value.reason == "topic_recreated"
    assert reader.values() == wanted(10)


def test_offsets_that_retention_took_before_the_start_are_counted(
    make_reader: Callable[..., Reader], admin: KafkaAdminClient
) -> None:
    """The worker was away for too long: what is gone is skipped, and said to be lost."""
    trends = MemoryTrends()
    trends.assign(0, 2)
    reader = make_reader(trends)
    send(reader, 10)
    admin.delete_records({TopicPartition(reader.settings.raw_topic, 0): 6})
    read_until(reader, wanted(10)[6:])
    assert reader.lost == 4
    assert (reader.batches[0].begin, reader.batches[-1].end) == (6, 10)


def test_offsets_that_retention_takes_while_reading_are_counted(
    make_reader: Callable[..., Reader], admin: KafkaAdminClient
) -> None:
    """A worker that is too slow loses them in mid-work; the next batch takes the position over the hole, in its turn."""
    reader = make_reader()
    send(reader, 5)
    read_until(reader, wanted(5))
    send(reader, 5, start=5)
    admin.delete_records({TopicPartition(reader.settings.raw_topic, 0): 8})
    read_until(reader, wanted(5) + wanted(10)[8:])
    assert reader.lost == 3
    assert (reader.batches[-1].begin, reader.batches[-1].records[0].offset) == (5, 8)


def test_lag_is_what_was_not_yet_applied(make_reader: Callable[..., Reader]) -> None:
    """Told with each commit, down to nothing."""
    reader = make_reader(max_poll_records=10)
    send(reader, 30)
    eventually(reader.poll, "a first batch")
    assert reader.lags[0] == 30 - reader.batches[-1].end
    read_until(reader, wanted(30))
    assert reader.lags[0] == 0


def test_lag_is_told_while_nothing_can_be_applied(make_reader: Callable[..., Reader]) -> None:
    """With each poll, by what was applied; a partition that is given up has none any more."""
    reader = make_reader(max_poll_records=10)
    send(reader, 30)
    eventually(reader.poll, "a first batch")
    (first,) = reader.batches
    eventually(lambda: reader.source.poll(POLL_SECONDS), "a second batch, which nobody applies")
    assert reader.lags[0] == 30 - first.end
    reader.source.release(0)
    assert reader.lags[0] is None
