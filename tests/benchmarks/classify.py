"""The classify engine against `transformers.pipeline`, the same weights and texts in the same run, one after the other.

Ours gives both heads in one pass; the strict ratio is against one pipeline, that of sentiment. Texts are real headlines and
tweets of SHARED_DATA_DIR, none twice, and the cache of scores is off; without that folder they are the sample feed's.
"""

from __future__ import annotations

import csv
import json
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from rich.console import Console
from rich.table import Table

from monitor.adapters.system_clock import SystemClock
from monitor.adapters.torch_classifier import TorchClassifier, default_model_folder
from monitor.classify.labels import SENTIMENT, TOPIC
from monitor.demo.feed import SAMPLE, load_feed, sample_path
from monitor.messages import ModelInput
from monitor.settings import ClassifierSettings
from pipelines.datasets.load import load_examples
from pipelines.training.export import export_head

DATA_VARIABLE = "SHARED_DATA_DIR"
BACKENDS = ("onnx_int8", "onnx", "torch")
_VALIDATION = {SENTIMENT: "tfn_sentiment/validation.csv", TOPIC: "tfn_topic/validation.csv"}
# What the worker hands over in a round when there is enough to do.
_ROUND = 256
_PIPELINE_BATCH = 32
_CLOCK = SystemClock()


def measure_classify(
    console: Console, count: int = 1024, repetitions: int = 5, *, accuracy: bool = True
) -> dict[str, Any]:
    """Texts a second of each backend and of the pipelines, and how often each is right.

    Args:
        console: told what goes on, and the table.
        count: texts.
        repetitions: of everything, interleaved; the medians are compared.
        accuracy: whether the labelled sets are scored as well, where they are; some minutes.
    """
    texts = headlines(count)
    ours = {backend: _classifier(backend) for backend in BACKENDS}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        peers = {task: _pipeline(task, Path(scratch)) for task in (SENTIMENT, TOPIC)}
        runs: dict[str, Callable[[Sequence[str]], Any]] = {
            **{backend: _rounds_of(model) for backend, model in ours.items()},
            **{f"pipeline {task}": peer for task, peer in peers.items()},
        }
        seconds = _interleaved(runs, texts, repetitions, console)
        right = _accuracy(ours, peers, console) if accuracy and _data() else {}
        agreement = _agreement(ours["onnx_int8"], peers[SENTIMENT], texts)
    figures = _figures(seconds, len(texts), right) | {
        "same_sentiment_as_pipeline": agreement,
        "mean_characters": round(statistics.mean(map(len, texts)), 1),
        "texts_from": "SHARED_DATA_DIR" if _data() else "the sample feed",
        "torch_threads": torch.get_num_threads(),
    }
    console.print(_table(figures))
    return figures


def headlines(count: int) -> list[str]:
    """Different texts of real lengths in random order: half news headlines, half tweets where the shared data is."""
    folder = _data()
    if folder is None:
        lines = (json.loads(item.line) for item in load_feed(sample_path(SAMPLE)).items)
        found = [str(message["title"]) for message in lines if message.get("title")]
    else:
        with (folder / "feeds/reuters_2018_2020.csv").open(encoding="utf-8", newline="") as file:
            news = _some([row[1] for row in csv.reader(file) if len(row) > 1], count // 2)
        found = news + _some([row.text for row in load_examples(folder / _VALIDATION[TOPIC], "topic_csv")], count)
    return _some(found, count)


def _some(texts: Sequence[str], count: int) -> list[str]:
    different = list(dict.fromkeys(texts))
    random.Random(7).shuffle(different)
    return different[:count]


def _data() -> Path | None:
    named = os.environ.get(DATA_VARIABLE)
    return Path(named) if named and (Path(named) / _VALIDATION[TOPIC]).is_file() else None


def _classifier(backend: str) -> TorchClassifier:
    settings = ClassifierSettings.model_validate({"device": "cpu", "backend": backend, "cache_entries": 0})
    return TorchClassifier(settings, default_model_folder())


def _rounds_of(model: TorchClassifier) -> Callable[[Sequence[str]], Any]:
    def run(texts: Sequence[str]) -> None:
        for begin in range(0, len(texts), _ROUND):
            model.classify([ModelInput(text, "en") for text in texts[begin : begin + _ROUND]])

    return run


def _pipeline(task: str, scratch: Path) -> Callable[[Sequence[str]], list[str]]:
    """As its users write it: float32 on the CPU, batches of 32, torch's own number of threads."""
    export_head(default_model_folder(), task, scratch / task)
    whole = transformers.pipeline(
        "text-classification", model=str(scratch / task), device=-1, dtype=torch.float32, batch_size=_PIPELINE_BATCH
    )
    return lambda texts: [str(told["label"]) for told in whole(list(texts), truncation=True)]


def _interleaved(
    runs: dict[str, Callable[[Sequence[str]], Any]], texts: Sequence[str], repetitions: int, console: Console
) -> dict[str, list[float]]:
    """Seconds of each repetition, so that what else the machine does falls on all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(texts[:64])
    for number in range(repetitions):
        console.print(f"repetition {number + 1} of {repetitions}", style="dim")
        for name, run in runs.items():
            begin = _CLOCK.monotonic_seconds()
            run(texts)
            seconds[name].append(_CLOCK.monotonic_seconds() - begin)
    return seconds


def _accuracy(
    ours: dict[str, TorchClassifier], peers: dict[str, Callable[[Sequence[str]], list[str]]], console: Console
) -> dict[str, dict[str, float]]:
    """Share of the labelled texts that each is right about, by task; the texts held out of training."""
    folder = _data()
    right: dict[str, dict[str, float]] = {}
    for task, file in _VALIDATION.items() if folder else ():
        examples = load_examples(Path(folder or "") / file, f"{task}_csv")
        console.print(f"accuracy of the {task} head on {len(examples)} texts", style="dim")
        wanted = [example.sentiment if task == SENTIMENT else example.topic for example in examples]
        texts = [example.text for example in examples]
        scores = ours["onnx_int8"].classify([ModelInput(text, "en") for text in texts])
        told = {
            "ours": [score.sentiment if task == SENTIMENT else score.topic for score in scores],
            "pipeline": peers[task](texts),
        }
        right[task] = {name: _share(labels, wanted) for name, labels in told.items()} | {"n": len(texts)}
    return right


def _agreement(model: TorchClassifier, peer: Callable[[Sequence[str]], list[str]], texts: Sequence[str]) -> float:
    scores = model.classify([ModelInput(text, "en") for text in texts])
    return _share([score.sentiment for score in scores], peer(texts))


def _share(labels: Sequence[str], wanted: Sequence[str | None]) -> float:
    return round(sum(a == b for a, b in zip(labels, wanted, strict=True)) / len(wanted), 4)


def _figures(seconds: dict[str, list[float]], count: int, right: dict[str, dict[str, float]]) -> dict[str, Any]:
    speeds = {name: sorted(count / one for one in found) for name, found in seconds.items()}
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    both = 1 / (1 / medians[f"pipeline {SENTIMENT}"] + 1 / medians[f"pipeline {TOPIC}"])
    lost = [100 * (one["pipeline"] - one["ours"]) for one in right.values()]
    return {
        "n": count,
        "ours_texts_per_second": round(medians["onnx_int8"], 1),
        "pipeline_texts_per_second": round(medians[f"pipeline {SENTIMENT}"], 1),
        "both_pipelines_texts_per_second": round(both, 1),
        "ratio": round(medians["onnx_int8"] / medians[f"pipeline {SENTIMENT}"], 2),
        "ratio_both_heads": round(medians["onnx_int8"] / both, 2),
        "accuracy": right,
        "accuracy_points_lost": round(max(lost), 2) if lost else None,
        "runs": {
            name: {"median": round(medians[name], 1), "least": round(found[0], 1), "most": round(found[-1], 1)}
            for name, found in speeds.items()
        },
    }


def _table(figures: dict[str, Any]) -> Table:
    table = Table(
        title=f"classify, {figures['n']} texts of {figures['mean_characters']} characters: {figures['ratio']} times one "
        f"pipeline, {figures['ratio_both_heads']} times the two that give both heads"
    )
    for heading in ("", "heads", "texts/s", "least", "most", "to the pipeline"):
        table.add_column(heading, justify="left" if not heading else "right")
    for name, run in figures["runs"].items():
        ratio = run["median"] / figures["pipeline_texts_per_second"]
        heads = "1" if name.startswith("pipeline") else "2"
        table.add_row(name, heads, *(f"{run[key]:,.0f}" for key in ("median", "least", "most")), f"{ratio:.2f}")
    for task, share in figures["accuracy"].items():
        table.caption = f"{table.caption or ''}{task}: {share['ours']:.4f} right, pipeline {share['pipeline']:.4f}. "
    return table
