"""The shipped English model in int8, as `auto` runs it on a CPU, against itself in full precision."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from monitor.adapters.torch_classifier import TorchClassifier, default_model_folder
from monitor.demo.feed import SAMPLE, load_feed, sample_path
from monitor.messages import ModelInput, Score
from monitor.settings import ClassifierSettings
from pipelines.datasets.load import load_examples

DATA_VARIABLE = "SHARED_DATA_DIR"


@pytest.fixture(scope="module")
def models() -> dict[str, TorchClassifier]:
    """By backend."""
    return {
        backend: TorchClassifier(
            ClassifierSettings.model_validate({"device": "cpu", "backend": backend, "threads": 1}),
            default_model_folder(),
        )
        for backend in ("onnx", "onnx_int8")
    }


def scores(models: dict[str, TorchClassifier], texts: list[str]) -> tuple[list[Score], list[Score]]:
    """In full precision, and in int8."""
    asked = [ModelInput(text, "en") for text in texts]
    return models["onnx"].classify(asked), models["onnx_int8"].classify(asked)


def test_int8_changes_few_probabilities_by_little(models: dict[str, TorchClassifier]) -> None:
    """On headlines of the sample feed; where a label changes, both were nearly as probable."""
    messages = (json.loads(item.line) for item in load_feed(sample_path(SAMPLE)).items)
    texts = list(dict.fromkeys(one["title"] for one in messages if one.get("title")))[:200]
    full, short = scores(models, texts)
    moved = np.abs(np.array([one.probabilities for one in full]) - np.array([one.probabilities for one in short]))
    assert moved.mean() < 0.01
    assert moved.max() < 0.2
    same = [a.sentiment == b.sentiment and a.topic == b.topic for a, b in zip(full, short, strict=True)]
    assert np.mean(same) > 0.95


def test_int8_scores_do_not_depend_on_order_or_company(models: dict[str, TorchClassifier]) -> None:
    """Each alone, and all in one round backwards: within the engine's tolerance."""
    texts = ["Oil falls", "Profit at the brewer rises more than analysts had thought it would", "Bank cuts its outlook"]
    model = TorchClassifier(ClassifierSettings(device="cpu", cache_entries=0), default_model_folder())
    alone = [model.classify([ModelInput(text, "en")])[0] for text in texts]
    together = model.classify([ModelInput(text, "en") for text in texts[::-1]])[::-1]
    for one, other in zip(alone, together, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.02)


@pytest.mark.shared_data
@pytest.mark.skipif(DATA_VARIABLE not in os.environ, reason=f"{DATA_VARIABLE} doesn't name the folder of real data")
@pytest.mark.parametrize(
    ("file", "kind"), [("tfn_sentiment", "sentiment_csv"), ("tfn_topic", "topic_csv")], ids=["sentiment", "topic"]
)
def test_int8_costs_at_most_half_a_point_of_accuracy(models: dict[str, TorchClassifier], file: str, kind: str) -> None:
    """On the texts that were held out of training, each head."""
    examples = load_examples(Path(os.environ[DATA_VARIABLE]) / file / "validation.csv", kind)
    full, short = scores(models, [example.text for example in examples])
    right = [
        np.mean([label in (score.sentiment, score.topic) for label, score in zip(labels, told, strict=True)])
        for labels in [[example.sentiment or example.topic for example in examples]]
        for told in (full, short)
    ]
    assert right[0] - right[1] <= 0.005
