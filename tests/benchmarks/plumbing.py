"""Kafka → decode → near-duplicates → null classifier → `news.scored` and Redis: ours against a Quix Streams job.

Both read the same topic, call the same pure functions and end with the same counts, which is checked. Ours counts each
document once, whatever dies; theirs (quix_job.py) at least once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import redis
from rich.console import Console

from monitor.adapters.redis_keys import RedisKeys, cell_of
from monitor.embedded.processes import ManagedProcess
from monitor.errors import TransientError
from monitor.messages import DOCUMENTS, Kind
from monitor.settings import Settings
from tests.benchmarks.arena import CLOCK, Arena, Progress, cpu_seconds, redis_bytes, wait_until
from tests.benchmarks.documents import write_messages
from tests.benchmarks.profile import stage_shares
from tests.benchmarks.quix_keys import applied_key, started_key

_STOP_SECONDS = 60.0
_STORIES_TOLERANCE = 0.005
_PART = 4  # other forms of the job get a quarter of the documents
_RESOLUTIONS = ("fine", "coarse")  # each document is counted in a bucket of each


@dataclass(frozen=True, slots=True)
class _Job:
    """A way to do the job.

    Attributes:
        chunk: for Quix Streams, documents that share their round trips to Redis; 0 for ours.
        publish: whether it writes `news.scored`.
        commit_seconds: for Quix Streams, time between checkpoints: only then do documents reach Redis. 5 is its default.
    """

    name: str
    chunk: int = 0
    publish: bool = True
    commit_seconds: float = 5.0


OURS = _Job("monitor worker")
THEIRS = _Job("Quix Streams", chunk=500)
# With checkpoints as close as these, a document is seen in Redis about as soon as with ours.
PROMPT = _Job("Quix Streams, checkpoints every 0.1 s", chunk=500, commit_seconds=0.1)
# Run once, to be seen beside the others.
ASIDE = (
    _Job("Quix Streams without news.scored", chunk=500, publish=False),
    _Job("Quix Streams, document by document", chunk=1),
)


def measure_plumbing(
    console: Console, arena: Arena, documents: int = 60_000, repetitions: int = 3, *, aside: bool = True
) -> dict[str, Any]:
    """Runs both jobs in turn over the same topic, each as one process.

    Args:
        console: told what goes on.
        arena: the servers.
        documents: how many are in the topic before a job starts.
        repetitions: runs of each job; the median counts.
        aside: whether to run other forms of the Quix Streams job as well, some on a part of the documents, and ours once
            more under py-spy.

    Raises:
        TransientError: the jobs end with different counts.
    """
    messages = write_messages(documents, "doc", CLOCK.now_ms())
    source = arena.settings("plumbing")
    arena.fill(source, messages)
    in_turn = [OURS, THEIRS, PROMPT] if aside else [OURS, THEIRS]
    jobs = _measured(console, arena, in_turn * repetitions, source, documents)
    ours, theirs = jobs[OURS.name], jobs[THEIRS.name]
    stages = None
    if aside:
        part = arena.settings("aside")
        arena.fill(part, messages[: documents // _PART])
        jobs |= _measured(console, arena, ASIDE, part, documents // _PART)
        stages = _profiled(arena, source, ours["seconds"])
    return {
        "documents": documents,
        "message_bytes": round(sum(len(message.value) for message in messages) / documents),
        "repetitions": repetitions,
        "jobs": jobs,
        "ratio": _ratio(ours, theirs, "documents_per_second"),
        "ratio_per_cpu_second": _ratio(ours, theirs, "documents_per_cpu_second"),
        "ratio_at_the_same_delay": _ratio(ours, jobs.get(PROMPT.name), "documents_per_second"),
        "stages": stages,
    }


def _measured(
    console: Console, arena: Arena, turns: Sequence[_Job], source: Settings, documents: int
) -> dict[str, dict[str, float]]:
    runs: dict[str, list[dict[str, float]]] = {}
    counts: dict[str, Counter[str]] = {}
    for job in turns:
        figures, counts[job.name] = _run(arena, job, source, documents)
        runs.setdefault(job.name, []).append(figures)
        console.print(f"{job.name}: {figures['documents_per_second']:,.0f} documents/s", style="dim")
    _compare(counts, documents)
    return {name: _summary(each) for name, each in runs.items()}


def _ratio(ours: dict[str, float], theirs: dict[str, float] | None, figure: str) -> float | None:
    return round(ours[figure] / theirs[figure], 2) if theirs else None


def _own(arena: Arena, source: Settings) -> Settings:
    """Group, keys and output topics of its own; the same input."""
    return arena.settings("job", kafka={"raw_topic": source.kafka.raw_topic})


def _run(arena: Arena, job: _Job, source: Settings, documents: int) -> tuple[dict[str, float], Counter[str]]:
    settings = _own(arena, source)
    arena.create_topics(settings)
    with arena.client() as client:
        started, applied = _quix_progress(client, settings) if job.chunk else _our_progress(client, settings)
        process = _start(arena, job, settings, documents)
        try:
            begin = wait_until(started, f"{job.name} begins", [process], limit_seconds=60)
            cpu, (received, sent) = cpu_seconds(process), redis_bytes(client)
            end = wait_until(lambda: applied() >= documents, f"{job.name} is done", [process])
            seconds, used = end - begin, cpu_seconds(process) - cpu
            received, sent = (now - then for now, then in zip(redis_bytes(client), (received, sent), strict=True))
        finally:
            process.terminate(_STOP_SECONDS)
        counts = _stored(client, settings)
    return {
        "seconds": seconds,
        "documents_per_second": documents / seconds,
        "cpu_seconds": used,
        "documents_per_cpu_second": documents / used,
        "redis_received_bytes": received / documents,
        "redis_sent_bytes": sent / documents,
    }, counts


def _start(arena: Arena, job: _Job, settings: Settings, documents: int) -> ManagedProcess:
    if not job.chunk:
        return arena.null_worker(settings)
    return arena.quix_job(settings, documents, job.chunk, int(job.publish), job.commit_seconds)


def _our_progress(client: redis.Redis, settings: Settings) -> tuple[Callable[[], bool], Callable[[], int]]:
    progress = Progress(client, settings)
    return progress.started, progress.applied


def _quix_progress(client: redis.Redis, settings: Settings) -> tuple[Callable[[], bool], Callable[[], int]]:
    started, applied = started_key(settings), applied_key(settings)
    return lambda: bool(client.exists(started)), lambda: int(client.get(applied) or 0)


def _stored(client: redis.Redis, settings: Settings) -> Counter[str]:
    """All that the buckets count, added up over buckets and partitions."""
    keys = RedisKeys(settings.redis.key_prefix)
    total: Counter[str] = Counter()
    for partition in range(settings.kafka.partitions):
        for key in client.scan_iter(f"{keys.bucket_prefix(partition)}*", count=10_000):
            stored: Any = client.hgetall(key)
            for field, amount in stored.items():
                cell = cell_of(field.decode())
                total[f"{cell.dimension}/{cell.key}/{cell.kind}/{cell.measure}"] += int(amount)
    return total


def _compare(counts: dict[str, Counter[str]], documents: int) -> None:
    """Documents must be the same to the last; stories nearly so.

    Partitions are read in another order each time, and which of two similar headlines comes first may decide whether a third
    joins one of them.
    """
    first = next(iter(counts.values()))
    for name, found in counts.items():
        whole = sum(found[f"all/all/{kind}/{DOCUMENTS}"] for kind in Kind)
        if whole != len(_RESOLUTIONS) * documents:
            raise TransientError(
                f"{name} counts {whole / len(_RESOLUTIONS):g} of {documents} documents", reason="bench"
            )
        for cell in {**first, **found}:
            tolerance = 0.0 if cell.endswith(DOCUMENTS) else _STORIES_TOLERANCE * first[cell]
            if abs(found[cell] - first[cell]) > tolerance:
                raise TransientError(f"{name} counts {cell}: {found[cell]}, another job {first[cell]}", reason="bench")


def _summary(runs: list[dict[str, float]]) -> dict[str, float]:
    middle = {name: round(median(run[name] for run in runs), 2) for name in runs[0]}
    rates = [run["documents_per_second"] for run in runs]
    return middle | {"slowest_per_second": round(min(rates), 1), "fastest_per_second": round(max(rates), 1)}


def _profiled(arena: Arena, source: Settings, seconds: float) -> dict[str, Any]:
    settings = _own(arena, source)
    arena.create_topics(settings)
    with arena.client() as client:
        progress = Progress(client, settings)
        process = arena.null_worker(settings)
        try:
            wait_until(progress.started, "the worker begins", [process], limit_seconds=60)
            return stage_shares(process.pid, arena.run_dir / "py-spy.txt", max(1.0, 0.8 * seconds))
        finally:
            process.terminate(_STOP_SECONDS)
