"""What must be counted, told by the records that are really in the raw topic and by who wrote them; and what is counted.

A document counts once, wherever its first copy lies; a story counts once, with the copy that is read first. Nothing of
the code under test decodes, compares or adds up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from monitor.adapters import redis_connection
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.settings import Settings
from tests.chaos.feed import BAD
from tests.headlines import Counts, Headline, counts_of

_READ_SECONDS = 300.0
# The partition, then a cell as in tests/headlines.py.
PartitionCounts = Counter[tuple[int, tuple[int, int, str, str, str, str]]]
Place = tuple[int, int]


@dataclass(slots=True)
class Input:
    """What the raw topic holds.

    Attributes:
        records: how many.
        counts: what must be counted of them, by partition.
        accepted: ids of documents that must be in the scored topic.
        unscorable: ids of documents that must be in the dead-letter topic.
        unreadable: partition and offset of records that must be there.
        repeated: how many records repeat a document id.
        absent: documents that a broker acknowledged and that are not there.
    """

    records: int = 0
    counts: PartitionCounts = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    unscorable: set[str] = field(default_factory=set)
    unreadable: set[Place] = field(default_factory=set)
    repeated: int = 0
    absent: int = 0

    @property
    def documents(self) -> int:
        """How many documents must be counted."""
        return len(self.accepted)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is counted against what must be.

    Attributes:
        documents: how many must be counted.
        lost: documents that are missing in the minutes' counts.
        double: documents that are there in excess.
        cells: counters of any kind that differ: topics, companies, stories, polarity.
        examples: some of these, with what is stored and what is wanted.
        not_scored: accepted documents that are not in the scored topic.
        not_dead: records that should be in the dead-letter topic and are not.
        wrongly_dead: records that are there and should not be.
    """

    documents: int
    lost: int
    double: int
    cells: int
    examples: tuple[str, ...]
    not_scored: int
    not_dead: int
    wrongly_dead: int

    @property
    def exact(self) -> bool:
        """Whether everything is as if nothing had happened."""
        return not (self.lost or self.double or self.cells or self.not_scored or self.not_dead or self.wrongly_dead)


def read_topic(address: str, topic: str) -> Iterator[Any]:
    """Every record that a topic holds now, in order within a partition."""
    clock = SystemClock()
    consumer = KafkaConsumer(
        bootstrap_servers=address.split(","), group_id=None, enable_auto_commit=False, max_poll_records=5_000
    )
    try:
        parts = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        assert parts, f"there is no topic {topic}"
        consumer.assign(parts)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(parts)
        deadline = clock.monotonic_seconds() + _READ_SECONDS
        while any(consumer.position(part) < end for part, end in ends.items()):
            assert clock.monotonic_seconds() < deadline, f"{topic} can't be read to its end"
            for records in consumer.poll(timeout_ms=500).values():
                yield from records
    finally:
        consumer.close()


def input_of(settings: Settings, told: Mapping[str, Headline]) -> Input:
    """Reads the raw topic back.

    Args:
        settings: where it is.
        told: every document that a broker has acknowledged, by id.
    """
    found = Input()
    order: dict[int, list[Headline]] = {}
    stories: set[str] = set()
    for record in read_topic(settings.kafka.bootstrap_servers, settings.kafka.raw_topic):
        found.records += 1
        if record.value in BAD:
            found.unreadable.add((record.partition, record.offset))
            continue
        headline = told[json.loads(record.value)["id"]]
        if headline.id in found.accepted or headline.id in found.unscorable:
            found.repeated += 1
            continue
        if headline.sentiment is not None and not headline.scorable:
            found.unscorable.add(headline.id)
            continue
        found.accepted.add(headline.id)
        story = headline.tells or headline.id
        # All copies of a story lie in one partition, in the order in which they are read: whichever came first told it.
        order.setdefault(record.partition, []).append(replace(headline, tells=story if story in stories else ""))
        stories.add(story)
    found.absent = len(told.keys() - found.accepted - found.unscorable)
    for partition, headlines in order.items():
        _add(found.counts, partition, counts_of(headlines))
    return found


def stored_counts(settings: Settings) -> PartitionCounts:
    """All that the trends count now, as an exporter reads it."""
    stored: PartitionCounts = Counter()
    client = redis_connection.connect(settings.redis)
    try:
        trends = RedisTrends(client, settings.redis.key_prefix, settings.trends)
        for state in trends.partitions():
            for part in trends.changed_since(state.partition, -1):
                for cell, amount in part.counts.items():
                    place = (part.bucket.seconds, part.bucket.start_ms)
                    name = (cell.dimension, cell.key, str(cell.kind), cell.measure)
                    stored[state.partition, (*place, *name)] += amount
    finally:
        client.close()
    return Counter({cell: amount for cell, amount in stored.items() if amount})


def judge(settings: Settings, wanted: Input) -> Verdict:
    """Compares Redis and both topics that the workers wrote with what the raw topic demands."""
    stored = stored_counts(settings)
    cells = sorted(cell for cell in stored.keys() | wanted.counts.keys() if stored[cell] != wanted.counts[cell])
    fine = settings.trends.fine_bucket_seconds
    excess = [
        stored[cell] - wanted.counts[cell]
        for cell in cells
        if cell[1][0] == fine and (cell[1][2], cell[1][5]) == ("all", "documents")
    ]
    address = settings.kafka.bootstrap_servers
    scored = {json.loads(record.value)["id"] for record in read_topic(address, settings.kafka.scored_topic)}
    places, ids = _dead_letters(read_topic(address, settings.kafka.dead_topic), wanted.unreadable)
    return Verdict(
        documents=wanted.documents,
        lost=-sum(amount for amount in excess if amount < 0),
        double=sum(amount for amount in excess if amount > 0),
        cells=len(cells),
        examples=tuple(f"{cell}: stored {stored[cell]}, wanted {wanted.counts[cell]}" for cell in cells[:10]),
        not_scored=len(wanted.accepted - scored),
        not_dead=len(wanted.unreadable - places) + len(wanted.unscorable - ids),
        wrongly_dead=len(ids - wanted.unscorable),
    )


def _dead_letters(records: Iterator[Any], unreadable: set[Place]) -> tuple[set[Place], set[str]]:
    """Places of dead letters that are to be expected as unreadable, and the ids of all others."""
    places: set[Place] = set()
    ids: set[str] = set()
    for record in records:
        headers = dict(record.headers)
        place = (int(headers["source-partition"]), int(headers["source-offset"]))
        if place in unreadable:
            places.add(place)
        else:
            ids.add(json.loads(record.value)["id"])
    return places, ids


def _add(counts: PartitionCounts, partition: int, told: Counts) -> None:
    counts.update({(partition, cell): amount for cell, amount in told.items()})


def share_of(values: Sequence[float], share: float) -> float | None:
    """The value that this share of all stays at or below; None where there is none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None
