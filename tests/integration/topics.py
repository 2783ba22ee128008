"""Writes and reads Kafka topics as a stranger would: through the library, not through the program's adapters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from tests.waiting import eventually


def create_topic(admin: KafkaAdminClient, topic: str, partitions: int) -> None:
    """Makes a topic and waits until clients see it."""
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True)


def produce(
    address: str, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]], partition: int | None = None
) -> None:
    """Sends (key, value) pairs in order; all are acknowledged afterwards."""
    producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5)
    sent = [producer.send(topic, key=key, value=value, partition=partition) for key, value in messages]
    for each in sent:
        each.get(timeout=30)
    producer.close()


def read_all(address: str, topic: str) -> list[Any]:
    """All records that a topic holds now, by partition and offset."""
    consumer = KafkaConsumer(
        bootstrap_servers=address, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        found: list[Any] = []
        tps = [TopicPartition(topic, number) for number in _partitions(consumer, topic)]
        consumer.assign(tps)
        consumer.seek_to_beginning()
        ends = consumer.end_offsets(tps)

        def reached() -> bool:
            for records in consumer.poll(timeout_ms=200).values():
                found.extend(records)
            return all(consumer.position(tp) >= end for tp, end in ends.items())

        eventually(reached, f"{topic} is read to its end")
        return sorted(found, key=lambda record: (record.partition, record.offset))
    finally:
        consumer.close()


def end_positions(address: str, topic: str) -> dict[int, int]:
    """The end of each partition."""
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=None)
    try:
        tps = [TopicPartition(topic, number) for number in _partitions(consumer, topic)]
        return {tp.partition: end for tp, end in consumer.end_offsets(tps).items()}
    finally:
        consumer.close()


def _partitions(consumer: KafkaConsumer, topic: str) -> Sequence[int]:
    return sorted(eventually(lambda: consumer.partitions_for_topic(topic), f"{topic} is there"))
