"""The measurements of `make bench`, each once and tiny: whether they still run, not what they find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from monitor.embedded.kafka import EmbeddedKafka
from monitor.embedded.processes import Watchdog
from monitor.embedded.valkey import EmbeddedValkey
from tests.benchmarks.arena import Arena
from tests.benchmarks.growth import measure_growth
from tests.benchmarks.latency import measure_latency
from tests.benchmarks.novelty import measure_novelty
from tests.benchmarks.overload import measure_overload
from tests.benchmarks.plumbing import measure_plumbing
from tests.benchmarks.tables import show


@pytest.fixture
def arena(kafka: EmbeddedKafka, valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[Arena]:
    """The session's servers as an arena."""
    watchdog = Watchdog(tmp_path)
    yield Arena(kafka.address, valkey.url, tmp_path, watchdog)
    watchdog.close()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A console that writes into a file."""
    with (tmp_path / "console.txt").open("w") as file:
        yield Console(file=file)


def test_both_plumbing_jobs_count_the_same(arena: Arena, console: Console) -> None:
    """The measurement fails where they don't."""
    figures = measure_plumbing(console, arena, documents=300, repetitions=1, aside=False)
    show(console, "plumbing", figures)
    assert figures["ratio"] > 0


def test_latency_is_told_for_each_rate(arena: Arena, console: Console) -> None:
    """Of every document that was sent."""
    figures = measure_latency(console, arena, rates=(100.0,), seconds=1.0, real=False)
    show(console, "latency", figures)
    assert [row["documents"] for row in figures["rows"]] == [100]


def test_novelty_is_told_for_each_memory(arena: Arena, console: Console) -> None:
    """A fifth of the documents are reprints, which both find."""
    figures = measure_novelty(console, arena, in_memory=(1000,), in_redis=(1000,), batches=4)
    show(console, "novelty", figures)
    assert [row["reprints_ratio"] for row in figures["rows"]] == [pytest.approx(0.2, abs=0.03)] * 2


def test_growth_is_told_for_workers_and_for_history(arena: Arena, console: Console) -> None:
    """Two workers share the partitions; one begins with a past in Redis."""
    figures = measure_growth(console, arena, documents=400, workers=(2,), history_documents=(2000,))
    show(console, "growth", figures)
    assert figures["history"][0]["redis_keys"] > 100


def test_overload_leaves_the_rest_in_kafka(arena: Arena, console: Console) -> None:
    """More is sent than the worker can take."""
    figures = measure_overload(console, arena, seconds=2.0)
    show(console, "overload", figures)
    assert figures["lag_records"] > 0
