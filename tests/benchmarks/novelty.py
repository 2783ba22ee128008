"""The near-duplicate check with many stories remembered, in this process and in Redis: µs per document, bytes per story."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from statistics import median
from typing import Any

import psutil
import redis
from rich.console import Console

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.ingest.decode import decode
from monitor.ingest.entities import load_entities
from monitor.ingest.novelty import NoveltyIndex
from monitor.ingest.sketch import Sketch, pack, sketch_of
from monitor.messages import Document, RawRecord, StoryClaim, StoryRecord
from monitor.ports import StoryMemory
from monitor.settings import Settings
from tests.benchmarks.arena import CLOCK, Arena
from tests.benchmarks.documents import story_titles, write_messages

_BATCH, _WARM_UP_BATCHES, _FILL_CHUNK = 256, 4, 1000
# Sketches are made of real headlines up to here; beyond, the same ones moved by a constant: as alike among themselves.
_WRITTEN = 100_000
_HORIZON_SECONDS = 72 * 3600


def measure_novelty(
    console: Console,
    arena: Arena,
    in_memory: Sequence[int] = (100_000, 1_000_000),
    in_redis: Sequence[int] = (100_000,),
    batches: int = 40,
) -> dict[str, Any]:
    """Fills each memory in bulk, then decides documents in batches of 256, a fifth of them reprints.

    Args:
        console: told what goes on.
        arena: the servers.
        in_memory: stories remembered in this process.
        in_redis: stories remembered in Redis.
        batches: how many are measured, besides a few to warm up.
    """
    settings = Settings()
    now_ms = CLOCK.now_ms()
    read = partial(decode, settings=settings.ingest, entities=load_entities(None))
    messages = write_messages((batches + _WARM_UP_BATCHES) * _BATCH, "new", now_ms, seed=99)
    documents = [read(RawRecord(0, n, m.key, m.value, now_ms)) for n, m in enumerate(messages)]
    written = _written_sketches(min(_WRITTEN, max([*in_memory, *in_redis], default=0)))
    rows = []
    for stories in in_memory:
        gc.collect()
        before = psutil.Process().memory_info().rss
        memory = MemoryStoryMemory()
        _fill(memory, written, stories, now_ms)
        bytes_per_story = (psutil.Process().memory_info().rss - before) / stories
        rows.append({"memory": "process", "stories": stories, "bytes_per_story": round(bytes_per_story),
                     **_decide(memory, documents)})  # fmt: skip
        del memory
        console.print(f"{stories:,} stories in the process: {rows[-1]['us_per_document']} µs", style="dim")
    for stories in in_redis:
        with arena.client() as client:
            rows.append(_in_redis(client, arena, written, stories, documents, now_ms))
        console.print(f"{stories:,} stories in Redis: {rows[-1]['us_per_document']} µs", style="dim")
    return {"batch": _BATCH, "us_per_document_sketch_alone": _sketch_alone(documents), "rows": rows}


def _in_redis(
    client: redis.Redis,
    arena: Arena,
    written: Sequence[Sketch],
    stories: int,
    documents: Sequence[Document],
    now_ms: int,
) -> dict[str, Any]:
    prefix = arena.settings("novelty").redis.key_prefix
    memory = RedisStoryMemory(client, prefix, _HORIZON_SECONDS)
    before: Any = client.info("memory")
    _fill(memory, written, stories, now_ms)
    after: Any = client.info("memory")
    figures = _decide(memory, documents)
    return {"memory": "Redis", "stories": stories,
            "bytes_per_story": round((after["used_memory"] - before["used_memory"]) / stories), **figures}  # fmt: skip


def _decide(memory: StoryMemory, documents: Sequence[Document]) -> dict[str, Any]:
    index = NoveltyIndex(memory, _HORIZON_SECONDS * 1000)
    times, first, cpu = [], 0, time.process_time()
    for start in range(0, len(documents), _BATCH):
        batch = documents[start : start + _BATCH]
        begin = CLOCK.monotonic_seconds()
        stories = index.assign(batch)
        times.append((CLOCK.monotonic_seconds() - begin) / len(batch) * 1e6)
        first += sum(story.first for story in stories)
    cpu = (time.process_time() - cpu) / len(documents) * 1e6
    times = sorted(times[_WARM_UP_BATCHES:])
    return {"us_per_document": round(median(times), 1), "us_per_document_p95": round(times[len(times) * 95 // 100], 1),
            "cpu_us_per_document": round(cpu, 1), "reprints_ratio": round(1 - first / len(documents), 3)}  # fmt: skip


def _sketch_alone(documents: Sequence[Document]) -> float:
    begin = CLOCK.monotonic_seconds()
    for document in documents:
        sketch_of(document.headline, document.headline_entities)
    return round((CLOCK.monotonic_seconds() - begin) / len(documents) * 1e6, 1)


def _written_sketches(count: int) -> list[Sketch]:
    return [sketch_of(title) for title in islice(story_titles(seed=5), count)]


def _fill(memory: StoryMemory, written: Sequence[Sketch], stories: int, now_ms: int) -> None:
    sketches = islice(_sketches(written), stories)
    for start in range(0, stories, _FILL_CHUNK):
        chunk = list(islice(sketches, _FILL_CHUNK))
        bands = sorted({band for sketch in chunk for band in sketch.bands})
        held = {band: record.story_id if record else "" for band, record in _held(memory, bands)}
        claims = []
        for number, sketch in enumerate(chunk, start):
            id_ = f"story-{number}"
            record = StoryRecord(id_, now_ms - 1000, pack(sketch))
            seen = tuple(held[band] for band in sketch.bands)
            held.update(dict.fromkeys(sketch.bands, id_))
            claims.append(StoryClaim(id_, f"0:{number}", id_, record, sketch.bands, seen))
        memory.remember(claims)


def _held(memory: StoryMemory, bands: Sequence[str]) -> Iterator[tuple[str, StoryRecord | None]]:
    yield from zip(bands, memory.look_up([], bands)[1], strict=True)


def _sketches(written: Sequence[Sketch]) -> Iterator[Sketch]:
    yield from written
    round_ = 0
    while True:
        round_ += 1
        for sketch in written:
            yield replace(sketch, shingles=tuple(sorted(shingle ^ round_ for shingle in sketch.shingles)),
                          bands=tuple(f"{band}{round_:x}" for band in sketch.bands))  # fmt: skip
