"""The measurements of the classify engine, each once and tiny: whether they still run, not what they find."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.benchmarks.classify import BACKENDS, measure_classify
from tests.benchmarks.classify_gpu import flops_of, measure_classify_gpu


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    """A console that writes into a file."""
    with (tmp_path / "console.txt").open("w") as file:
        yield Console(file=file)


def test_the_engine_is_compared_with_the_pipeline(console: Console) -> None:
    """Every backend and both pipelines, on the same texts."""
    figures = measure_classify(console, count=16, repetitions=1, accuracy=False)
    assert set(figures["runs"]) == {*BACKENDS, "pipeline sentiment", "pipeline topic"}
    assert figures["n"] == 16
    assert figures["ratio"] > 0
    assert figures["same_sentiment_as_pipeline"] >= 0.8


def test_the_measurement_of_a_gpu_runs_without_one(console: Console) -> None:
    """On a small shape: each length by each way."""
    figures = measure_classify_gpu(console, "cpu", lengths=(16, 32), count=8, repetitions=1)
    assert [row["tokens"] for row in figures["rows"]] == [16, 16, 16, 32, 32, 32]
    assert all(row["texts_per_second"] > 0 for row in figures["rows"])


def test_the_operations_of_bert_base_are_twice_its_weights_a_token() -> None:
    """85 million of them in the layers, and the attention besides; one token of twelve layers' last saves most of that one."""
    shape = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
    whole, done = (flops_of(32, shape, whole=whole) for whole in (True, False))
    assert whole == pytest.approx(32 * 2 * 85e6, rel=0.02)
    assert 0.92 < done / whole < 0.96
