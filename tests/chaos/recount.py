"""What must be counted, told by the records that are really in the raw topic and by who wrote them; and what is counted.

A document counts once, wherever its first copy lies; a story counts once, with the copy that is read first (`expected.py`,
and `behind.py` for the stories that are kept). Nothing of the code under test decodes, compares or adds up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from monitor.adapters import redis_connection
from monitor.adapters.redis_trends import RedisTrends
from monitor.adapters.system_clock import SystemClock
from monitor.settings import Settings, TrendSettings
from tests.chaos.behind import Kept, faults_of, read_kept
from tests.chaos.expected import Expected, PartitionCounts, Told
from tests.chaos.feed import BAD
from tests.headlines import Headline

_READ_SECONDS = 300.0
_EXAMPLES = 6
Place = tuple[int, int]


@dataclass(slots=True)
class Input:
    """What the raw topic holds.

    Attributes:
        records: how many.
        stories: documents that must be counted and be in the scored topic, with their partitions.
        unscorable: ids of documents that must be in the dead-letter topic.
        unreadable: partition and offset of records that must be there.
        repeated: how many records repeat a document id.
        absent: documents that a broker acknowledged and that are not there.
        counts: what must be counted.
    """

    records: int = 0
    stories: dict[str, dict[str, Told]] = field(default_factory=dict)
    unscorable: set[str] = field(default_factory=set)
    unreadable: set[Place] = field(default_factory=set)
    repeated: int = 0
    absent: int = 0
    counts: Expected = field(default_factory=Expected)

    @property
    def accepted(self) -> dict[str, Told]:
        """Documents that must be counted, by id."""
        return {id_: told for members in self.stories.values() for id_, told in members.items()}

    @property
    def scattered_documents(self) -> int:
        """How many documents lie in more than one partition."""
        return sum(len(told.places) > 1 for told in self.accepted.values())

    @property
    def scattered_stories(self) -> int:
        """How many stories are told by several documents, and in more than one partition."""
        return sum(
            len(members) > 1 and len(set().union(*(told.places for told in members.values()))) > 1
            for members in self.stories.values()
        )


@dataclass(slots=True)
class Found:
    """What the workers wrote.

    Attributes:
        counts: all that the trends count, by partition.
        kept: the stories that they keep behind subjects.
        scored: ids in the scored topic.
        dead_places: where dead letters were read that are to be expected as unreadable.
        dead_ids: the ids of all other dead letters.
    """

    counts: PartitionCounts = field(default_factory=Counter)
    kept: Kept = field(default_factory=Kept)
    scored: set[str] = field(default_factory=set)
    dead_places: set[Place] = field(default_factory=set)
    dead_ids: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is counted against what must be.

    Attributes:
        documents: how many must be counted.
        lost: documents that are missing in the minutes' counts; one with a mark is told by itself.
        double: documents that are there in excess, in the same way.
        cells: counters of any kind that differ: topics, companies, stories, polarity.
        stories: faults in the stories that are kept behind subjects, and in how often each was told again.
        examples: some of both, with what is stored and what is wanted; single documents first.
        not_scored: accepted documents that are not in the scored topic.
        not_dead: records that should be in the dead-letter topic and are not.
        wrongly_dead: records that are there and should not be.
    """

    documents: int
    lost: int
    double: int
    cells: int
    stories: int
    examples: tuple[str, ...]
    not_scored: int
    not_dead: int
    wrongly_dead: int

    @property
    def exact(self) -> bool:
        """Whether everything is as if nothing had happened."""
        in_redis = self.lost or self.double or self.cells or self.stories
        return not (in_redis or self.not_scored or self.not_dead or self.wrongly_dead)


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
    topic = read_topic(settings.kafka.bootstrap_servers, settings.kafka.raw_topic)
    return input_from(((record.partition, record.offset, record.value) for record in topic), told)


def input_from(records: Iterable[tuple[int, int, bytes]], told: Mapping[str, Headline]) -> Input:
    """What must be counted of records.

    Args:
        records: partition, offset and value of each.
        told: every document among them, by id.
    """
    found = Input()
    for partition, offset, value in records:
        found.records += 1
        if value in BAD:
            found.unreadable.add((partition, offset))
            continue
        headline = told[json.loads(value)["id"]]
        members = found.stories.get(headline.tells or headline.id, {})
        found.repeated += headline.id in members or headline.id in found.unscorable
        if headline.sentiment is not None and not headline.scorable:
            found.unscorable.add(headline.id)
            continue
        members.setdefault(headline.id, Told(headline)).places.add(partition)
        found.stories[headline.tells or headline.id] = members
    found.absent = len(told.keys() - found.accepted.keys() - found.unscorable)
    found.counts = Expected(found.stories)
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
    address = settings.kafka.bootstrap_servers
    scored = {json.loads(record.value)["id"] for record in read_topic(address, settings.kafka.scored_topic)}
    places, ids = _dead_letters(read_topic(address, settings.kafka.dead_topic), wanted.unreadable)
    found = Found(stored_counts(settings), read_kept(settings), scored, places, ids)
    return verdict_of(found, wanted, settings.trends)


def verdict_of(found: Found, wanted: Input, settings: TrendSettings) -> Verdict:
    """Compares what the workers wrote with what they should have."""
    differences = wanted.counts.differences(found.counts)
    excess = wanted.counts.documents_off(differences, settings.fine_bucket_seconds)
    examples = sorted(differences, key=lambda difference: not difference.document)
    faults = faults_of(found.kept, wanted.stories, settings)
    return Verdict(
        documents=len(wanted.accepted),
        lost=-sum(amount for amount in excess if amount < 0),
        double=sum(amount for amount in excess if amount > 0),
        cells=len(differences),
        stories=len(faults),
        examples=(*map(str, examples[:_EXAMPLES]), *faults[:_EXAMPLES]),
        not_scored=len(wanted.accepted.keys() - found.scored),
        not_dead=len(wanted.unreadable - found.dead_places) + len(wanted.unscorable - found.dead_ids),
        wrongly_dead=len(found.dead_ids - wanted.unscorable),
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


def share_of(values: Sequence[float], share: float) -> float | None:
    """The value that this share of all stays at or below; None where there is none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None
