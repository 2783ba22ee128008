"""Measures, prints a table for each measurement, and writes all figures where it is told to."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from monitor.errors import MonitorError
from tests.benchmarks.arena import CLOCK, embedded_arena
from tests.benchmarks.growth import measure_growth
from tests.benchmarks.latency import measure_latency
from tests.benchmarks.machine import describe_machine
from tests.benchmarks.novelty import measure_novelty
from tests.benchmarks.overload import measure_overload
from tests.benchmarks.path import measure_path
from tests.benchmarks.plumbing import measure_plumbing
from tests.benchmarks.tables import show


@dataclass(frozen=True, slots=True)
class Options:
    """How long to measure.

    Attributes:
        seconds: `--seconds`; None for each measurement's own.
        named: whether the measurement was asked for by name, which gives it more time than a run of all.
    """

    seconds: float | None
    named: bool

    def steady_seconds(self, named: float, among_all: float) -> float:
        """Length of a steady part."""
        return self.seconds or (named if self.named else among_all)


def _path(console: Console, options: Options) -> dict[str, Any]:
    with embedded_arena(console) as arena:
        return measure_path(console, arena, seconds=options.steady_seconds(30.0, 20.0))


def _plumbing(console: Console, options: Options) -> dict[str, Any]:
    with embedded_arena(console) as arena:
        documents, repetitions = (60_000, 5) if options.named else (30_000, 3)
        return measure_plumbing(console, arena, documents, repetitions)


def _latency(console: Console, options: Options) -> dict[str, Any]:
    with embedded_arena(console) as arena:
        return measure_latency(console, arena, seconds=options.steady_seconds(30.0, 15.0))


def _novelty(console: Console, options: Options) -> dict[str, Any]:
    with embedded_arena(console) as arena:
        return measure_novelty(console, arena, in_redis=(100_000, 1_000_000) if options.named else (100_000,))


def _growth(console: Console, options: Options) -> dict[str, Any]:
    with embedded_arena(console) as arena:
        return measure_growth(console, arena)


def _overload(console: Console, options: Options) -> dict[str, Any]:
    with embedded_arena(console) as arena:
        return measure_overload(console, arena, seconds=options.steady_seconds(300.0, 60.0))


def _classify(console: Console, options: Options) -> dict[str, Any]:
    from tests.benchmarks.classify import measure_classify  # torch takes seconds to import

    return measure_classify(console, repetitions=5 if options.named else 3)


def _classify_gpu(console: Console, options: Options) -> dict[str, Any]:
    import torch

    from tests.benchmarks.classify_gpu import measure_classify_gpu

    return measure_classify_gpu(console, "cuda" if torch.cuda.is_available() else "cpu")


# In the order in which a run of all takes them: what it measures, and the function.
MEASUREMENTS: dict[str, tuple[str, Callable[[Console, Options], dict[str, Any]]]] = {
    "path": ("documents/s of the whole path by stage, produce to trend, resident memory", _path),
    "classify": ("our classify engine against transformers.pipeline with the same weights", _classify),
    "plumbing": ("Kafka to Redis without a model: the worker against a Quix Streams job", _plumbing),
    "latency": ("produce to visible in Redis at 100, 500, 1,000 documents/s and at half of capacity", _latency),
    "novelty": ("near-duplicate check with 100,000 and 1,000,000 stories remembered", _novelty),
    "growth": ("1, 2 and 4 workers on eight partitions; cost of a document by history kept", _growth),
    "overload": ("resident memory of a worker that gets ten times what it can take", _overload),
    "classify_gpu": ("the same engine on a GPU, with the shape of BERT-base; only by name", _classify_gpu),
}
_WIDTH = 150
_ONLY_BY_NAME = {"classify_gpu"}
# Key of the JSON file: measurement, and its figure.
_HEADLINES = {
    "classify_vs_pipeline": ("classify", "ratio"),
    "plumbing_vs_quix": ("plumbing", "ratio"),
    "latency_p99_ms_at_1000": ("latency", "p99_ms_at_1000"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, measures, prints; returns the exit status, 1 if a measurement failed."""
    args = _parser().parse_args(arguments)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH)  # into a file, tables are as wide as they need
    machine = describe_machine()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), highlight=False)
    options = Options(args.seconds, named=bool(args.names))
    results: dict[str, Any] = {"machine": machine}
    failed: list[str] = []
    for name in args.names or [name for name in MEASUREMENTS if name not in _ONLY_BY_NAME]:
        begin = CLOCK.monotonic_seconds()
        console.rule(f"{name}: {MEASUREMENTS[name][0]}", align="left")
        try:
            results[name] = MEASUREMENTS[name][1](console, options)
        except MonitorError as exc:
            failed.append(name)
            console.print(f"{name} failed: {exc}", style="bold red", markup=False)
            continue
        results[name]["took_seconds"] = round(CLOCK.monotonic_seconds() - begin)
        show(console, name, results[name])
        if args.json:  # after each, so that a later failure costs none of it
            args.json.write_text(json.dumps(_with_headlines(results), indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


def _with_headlines(results: dict[str, Any]) -> dict[str, Any]:
    found = {key: results[name].get(figure) for key, (name, figure) in _HEADLINES.items() if name in results}
    return {**found, **results}


def _known(name: str) -> str:
    if name not in MEASUREMENTS:
        raise argparse.ArgumentTypeError(f"no measurement {name!r}; there are {', '.join(MEASUREMENTS)}")
    return name


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<13} {what}" for name, (what, _) in MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        epilog=f"measurements (all but classify_gpu if none is named; one that is named takes longer):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", type=_known, help="measure these alone; see below")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="length of each steady part of path, latency and overload"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
