"""The tables of all measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

Figures = dict[str, Any]


def show(console: Console, name: str, figures: Figures) -> None:
    """Prints a measurement's tables; the classifier's print their own."""
    for table in _TABLES[name](figures) if name in _TABLES else ():
        console.print(table)


def _path(figures: Figures) -> list[Table]:
    full = figures["full_speed"]
    stages = _table(
        f"Whole path, one worker: {full['documents']} documents in {full['seconds']} s, "
        f"{full['documents_per_second']} a second",
        ("stage", "documents", "seconds", "documents/s"),
        [
            (stage, f"{row['documents']:,.0f}", f"{row['seconds']:.2f}", f"{row['documents_per_second']:,.0f}")
            for stage, row in full["stages"].items()
        ],
    )
    delays = _table(
        "Produce to trend, seconds",
        ("documents/s", "documents", "p50", "p95", "p99"),
        [
            (
                f"{row['documents_per_second']:g}",
                row["documents"],
                *(f"{q:.3f}" if (q := row[f"p{n}_seconds"]) else "–" for n in (50, 95, 99)),
            )
            for row in figures["steady"]
        ],
    )
    memory = _table("Resident memory", ("process", "MiB"), list(figures["resident_mib"].items()))
    return [stages, delays, memory]


def _plumbing(figures: Figures) -> list[Table]:
    rows = [
        (
            name,
            f"{job['documents_per_second']:,.0f}",
            f"{job['slowest_per_second']:,.0f}–{job['fastest_per_second']:,.0f}",
            f"{job['documents_per_cpu_second']:,.0f}",
            f"{job['redis_received_bytes']:,.0f}",
            f"{job['redis_sent_bytes']:,.0f}",
        )
        for name, job in figures["jobs"].items()
    ]
    title = (
        f"Plumbing, null classifier, one process: {figures['documents']:,} documents of {figures['message_bytes']} bytes; "
        f"ours to Quix Streams {figures['ratio']}, by CPU second {figures['ratio_per_cpu_second']}, "
        f"at the same delay {figures['ratio_at_the_same_delay'] or '–'}"
    )
    headings = ("job", "documents/s", "of all runs", "documents/CPU s", "bytes to Redis", "from Redis")
    tables = [_table(title, headings, rows)]
    stages = figures["stages"] or {}
    if "shares" in stages:
        shares = [(stage, f"{share:.1%}") for stage, share in stages["shares"].items()]
        tables.append(_table("Worker's time in Python by stage (py-spy)", ("stage", "share"), shares))
    elif stages:
        tables.append(_table("Worker's time in Python by stage", ("", ""), [("not measured", stages["error"])]))
    return tables


def _latency(figures: Figures) -> list[Table]:
    names = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "producer_late_ms")
    rows = [
        (
            row["classifier"],
            f"{row['documents_per_second']:g}",
            f"{row['documents']:,}",
            *(f"{row[name]:.0f}" for name in names),
        )
        for row in figures["rows"]
    ]
    headings = ("classifier", "documents/s", "documents", "p50", "p95", "p99", "most", "producer late")
    return [_table("From due to be sent until seen in Redis, ms", headings, rows)]


def _novelty(figures: Figures) -> list[Table]:
    rows = [
        (
            row["memory"],
            f"{row['stories']:,}",
            row["us_per_document"],
            row["us_per_document_p95"],
            row["cpu_us_per_document"],
            f"{row['bytes_per_story']:,}",
        )
        for row in figures["rows"]
    ]
    title = (
        f"Near-duplicate check in batches of {figures['batch']}; "
        f"the sketch alone {figures['us_per_document_sketch_alone']} µs a document"
    )
    return [_table(title, ("memory", "stories", "µs/document", "p95 of batches", "own CPU µs", "bytes/story"), rows)]


def _growth(figures: Figures) -> list[Table]:
    costs = ("documents_per_second", "us_per_document", "worker_cpu_us_per_document", "redis_cpu_us_per_document")
    headings = ("documents/s", "µs/document", "worker CPU µs", "Redis CPU µs")
    workers = [(row["workers"], *(f"{row[name]:,.0f}" for name in costs)) for row in figures["workers"]]
    past = [
        (
            f"{row['history_documents']:,} in {row['history_days']} days",
            f"{row['redis_keys']:,}",
            f"{row['redis_mib']:.0f}",
            *(f"{row[name]:,.0f}" for name in costs),
        )
        for row in figures["history"]
    ]
    title = f"Workers on {figures['partitions']} partitions, null classifier, {figures['documents']:,} documents"
    return [
        _table(title, ("workers", *headings), workers),
        _table("One worker, by what Redis holds before", ("history", "keys", "MiB", *headings), past),
    ]


def _overload(figures: Figures) -> list[Table]:
    title = f"{figures['factor']} times what a worker can take, for {figures['seconds']:.0f} s"
    names = ("sent", "applied", "lag_records", "start_mib", "half_time_mib", "end_mib", "max_mib")
    rows = [
        *((name.replace("_", " "), f"{figures[name]:,}") for name in names),
        ("slope of the second half, MiB a minute", figures["slope_mib_per_minute"]),
    ]
    return [_table(title, ("", ""), rows)]


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(str, row))
    return table


_TABLES: dict[str, Callable[[Figures], list[Table]]] = {
    "path": _path,
    "plumbing": _plumbing,
    "latency": _latency,
    "novelty": _novelty,
    "growth": _growth,
    "overload": _overload,
}
