"""The worker's job as a Quix Streams application: what our plumbing is measured against.

Guarantee: at least once. Documents are counted and published, then their offsets are committed, at each checkpoint; after a
crash in between, documents since the last checkpoint are counted twice. (`monitor worker` counts each once.)
Usage: python -m tests.benchmarks.quix_job DOCUMENTS CHUNK PUBLISH(0|1) COMMIT_SECONDS [--set SECTION.KEY=VALUE ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
from functools import partial
from typing import Any

from quixstreams import Application, message_context
from quixstreams.kafka import Producer
from quixstreams.sinks import BatchingSink, SinkBatch

from monitor.adapters import redis_connection
from monitor.adapters.kafka_sink import scored_message
from monitor.adapters.redis_keys import RedisKeys, field_of
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.ingest.novelty import NoveltyIndex
from monitor.messages import Document, RawRecord, ScoredDocument
from monitor.settings import Settings, load_settings
from monitor.trends.buckets import Contribution, contribution_of
from tests.benchmarks.null_worker import CONSTANT
from tests.benchmarks.quix_keys import applied_key, started_key


class TrendSink(BatchingSink):
    """Decides stories and counts documents in Redis at each checkpoint, a chunk at a time.

    Negative stories are not kept: the classifier of these measurements gives none.

    Args:
        settings: topics, keys, bucket lengths.
        chunk_documents: documents that share their round trips to Redis.
        producer: for `news.scored`; None publishes nothing.
    """

    def __init__(self, settings: Settings, chunk_documents: int, producer: Producer | None) -> None:
        super().__init__()
        self._settings = settings
        self._chunk_documents = chunk_documents
        self._producer = producer
        self._keys = RedisKeys(settings.redis.key_prefix)
        self._client = redis_connection.connect(settings.redis)
        horizon_seconds = int(settings.ingest.story_horizon_hours * 3600)
        memory = RedisStoryMemory(self._client, settings.redis.key_prefix, horizon_seconds)
        self._novelty = NoveltyIndex(memory, horizon_seconds * 1000)

    def write(self, batch: SinkBatch) -> None:
        """See BatchingSink."""
        for chunk in batch.iter_chunks(self._chunk_documents):
            documents: list[Document] = [item.value for item in chunk]
            stories = self._novelty.assign(documents)
            scored = [ScoredDocument(d, story, CONSTANT) for d, story in zip(documents, stories, strict=True)]
            self._publish(scored)
            self._count(batch.partition, len(documents), contribution_of(scored, self._settings.trends))
        if self._producer is not None:
            self._producer.flush()  # offsets are committed after this

    def _publish(self, scored: list[ScoredDocument]) -> None:
        if self._producer is None:
            return
        topic = self._settings.kafka.scored_topic
        for one in scored:
            value = json.dumps(scored_message(one), ensure_ascii=False, separators=(",", ":")).encode()
            self._producer.produce(topic, value=value, key=one.document.id.encode())

    def _count(self, partition: int, documents: int, contribution: Contribution) -> None:
        trends = self._settings.trends
        retention_seconds = {
            trends.fine_bucket_seconds: int(trends.fine_retention_hours * 3600),
            trends.coarse_bucket_seconds: int(trends.coarse_retention_days * 86_400),
        }
        pipe = self._client.pipeline(transaction=True)
        for bucket, counts in contribution.counts.items():
            key = self._keys.bucket(partition, bucket)
            for cell, amount in counts.items():
                pipe.hincrby(key, field_of(cell), amount)
            pipe.expire(key, retention_seconds[bucket.seconds])
        for published_ms, story_id in contribution.copies:
            key = self._keys.copies(partition, published_ms - published_ms % (trends.coarse_bucket_seconds * 1000))
            pipe.hincrby(key, story_id, 1)
            pipe.expire(key, retention_seconds[trends.fine_bucket_seconds])
        pipe.incrby(applied_key(self._settings), documents)
        pipe.execute()


def main() -> int:
    """Runs until as many documents were read, then commits and stops."""
    wanted, chunk, publish, commit_seconds, *flags = sys.argv[1:]
    settings = load_settings(flags=[flag for flag in flags if flag != "--set"], environment={})
    read_document = partial(decode, settings=settings.ingest, entities=load_entities(settings.ingest.entities_file))
    client = redis_connection.connect(settings.redis)
    seen = 0

    def to_document(value: bytes, key: bytes, timestamp_ms: int, headers: Any) -> Document:
        if not seen:
            client.set(started_key(settings), 1)
        context = message_context()
        return read_document(RawRecord(context.partition, context.offset, key, value, timestamp_ms))

    def count(topic: str, partition: int, offset: int) -> None:
        nonlocal seen
        seen += 1
        if seen == int(wanted):
            app.stop()

    scratch = tempfile.TemporaryDirectory(prefix="quix-", ignore_cleanup_errors=True)
    app = _application(
        settings, state_dir=scratch.name, commit_interval=float(commit_seconds), on_message_processed=count
    )
    topic = app.topic(settings.kafka.raw_topic, value_deserializer="bytes", key_deserializer="bytes")
    with scratch, app.get_producer() as producer:
        frame = app.dataframe(topic)
        frame = frame.apply(to_document, metadata=True)
        frame.sink(TrendSink(settings, int(chunk), producer if publish == "1" else None))
        app.run()
    return 0


def _application(settings: Settings, **options: Any) -> Application:
    return Application(
        broker_address=settings.kafka.bootstrap_servers,
        consumer_group=settings.kafka.group_id,
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        # One broker round trip brings as much as it may: what a catch-up wants.
        consumer_extra_config={
            "fetch.min.bytes": 1,
            "fetch.wait.max.ms": 100,
            "queued.min.messages": 100_000,
            "max.partition.fetch.bytes": 4 * 1024 * 1024,
        },
        producer_extra_config={"linger.ms": 5, "batch.size": 262_144, "acks": "all"},
        auto_create_topics=False,
        loglevel="WARNING",
        **options,
    )


if __name__ == "__main__":
    sys.exit(main())
