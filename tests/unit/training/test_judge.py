"""Laws of the judge: which rows a model is calibrated on."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.adapters.two_head_model import load_model
from pipelines.datasets.examples import Example
from pipelines.training.judge import Judge, calibrating
from pipelines.training.recipe import load_recipe
from tests.unit.training.conftest import tiny_tokenizer

TEXTS = [Example(f"profit {'falls' if n % 3 else 'rises'} {n}", ("negative", "positive")[n % 2]) for n in range(30)]
PAIRS = [Example(f"oil rises {n}", "negative", entity="bank") for n in range(30)]


@pytest.fixture
def judge(trained: Path, data_folder: Path) -> Judge:
    """Of the model of two layers."""
    model, heads = load_model(trained)
    names = {"sentiment": list(heads["heads"]["sentiment"]["id2label"].values())}
    return Judge(model, tiny_tokenizer(), 0, names, load_recipe(data_folder / "recipe.toml"))


def test_pairs_of_a_text_and_a_company_leave_the_temperature_alone(judge: Judge) -> None:
    """What is served most, whole texts, is what the temperature is for."""
    assert judge.calibrate([*TEXTS, *PAIRS]) == judge.calibrate(TEXTS) != judge.calibrate(PAIRS)


def test_pairs_alone_are_calibrated_on(judge: Judge) -> None:
    """A recipe of pairs alone has a temperature too."""
    assert judge.calibrate(PAIRS)["sentiment"].temperature > 0


def test_which_rows_calibrate_is_decided_for_each_task(judge: Judge) -> None:
    """Pairs give the sentiment's temperature where whole texts have a topic alone."""
    topics = [Example(f"rate cut at bank {n}", topic="Fed") for n in range(10)]
    assert calibrating([*topics, *PAIRS], "sentiment") == list(range(10, 40))
    assert calibrating([*topics, *PAIRS], "topic") == list(range(10))
    found = judge.calibrate([*topics, *PAIRS])["sentiment"]
    assert found.rows == 30
    assert found.temperature == pytest.approx(judge.calibrate(PAIRS)["sentiment"].temperature)


def test_a_head_tells_which_classes_were_not_corrected(trained: Path, data_folder: Path) -> None:
    """Neutral has no row here."""
    model, heads = load_model(trained)
    names = {"sentiment": list(heads["heads"]["sentiment"]["id2label"].values())}
    recipe = load_recipe(data_folder / "recipe.toml").model_copy(update={"class_bias": True})
    found = Judge(model, tiny_tokenizer(), 0, names, recipe).calibrate(TEXTS)["sentiment"]
    assert found.without_bias == ("neutral",)
