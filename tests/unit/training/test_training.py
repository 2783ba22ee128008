"""Laws of a training run from recipe to served model, on an encoder of two layers and forty rows."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from monitor.adapters.torch_classifier import TorchClassifier
from monitor.adapters.two_head_model import load_model
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import SENTIMENTS, ModelInput, Score
from monitor.settings import ClassifierSettings
from pipelines.datasets.examples import Example
from pipelines.training import texts
from pipelines.training.judge import Judge
from pipelines.training.run import RunOptions, run_recipe

SMALL = """
name = "small"
version = "1"
encoder = "nobody/tiny"
tasks = ["sentiment"]
max_tokens = 16
train_tokens = 16
leaks = "drop"
[loop]
epochs = 1
batch_size = 1
learning_rate = 5e-3
head_learning_rate = 2e-2
[[train]]
file = "train.csv"
kind = "sentiment_csv"
[[held_out]]
file = "test.csv"
kind = "sentiment_csv"
"""
TEXTS = ["profit falls at plant 7", "oil", "rate cut at bank 3 falls", "unknown words entirely", "", "profit " * 40]


def classifier(folder: Path, max_batch_tokens: int = 4096) -> TorchClassifier:
    """The live classifier on a model folder."""
    return TorchClassifier(ClassifierSettings(device="cpu", max_batch_tokens=max_batch_tokens), folder)


def asked(*texts: str) -> list[ModelInput]:
    """What the classifier is asked about English texts without companies."""
    return [ModelInput(text, "en") for text in texts]


def assert_close(one: list[Score], other: list[Score], tolerance: float = 1e-5) -> None:
    """Same labels, probabilities within the tolerance."""
    for a, b in zip(one, other, strict=True):
        assert (a.topic, a.sentiment) == (b.topic, b.sentiment)
        assert (*a.probabilities, a.topic_probability) == pytest.approx(
            (*b.probabilities, b.topic_probability), abs=tolerance
        )


def edited(folder: Path, to: Path, edit: Callable[[dict[str, Any], dict[str, torch.Tensor]], None]) -> Path:
    """A copy of a model folder with heads.json and weights changed."""
    shutil.copytree(folder, to)
    heads, weights = json.loads((to / "heads.json").read_text()), load_file(to / "model.safetensors")
    edit(heads, weights)
    (to / "heads.json").write_text(json.dumps(heads))
    save_file(weights, to / "model.safetensors")
    return to


def uncalibrated(folder: Path, scratch: Path) -> list[Score]:
    """The scores of a folder's model with every temperature at 1."""

    def cool(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        for head in heads["heads"].values():
            head["temperature"] = 1.0

    return classifier(edited(folder, scratch / f"cool-{folder.name}", cool)).classify(asked(*TEXTS))


def test_a_trained_model_is_served_as_it_was_saved(trained: Path) -> None:
    """Labels, version and language are the folder's; probabilities sum to 1."""
    model = classifier(trained)
    assert (model.version, model.topics) == ("tiny@1", ("Energy", "Fed"))
    assert model.languages == {"en"}
    for score in model.classify(asked(*TEXTS)):
        assert sum(score.probabilities) == pytest.approx(1, abs=1e-6)
        assert score.sentiment == SENTIMENTS[score.probabilities.index(max(score.probabilities))]
        assert 0.5 <= score.topic_probability <= 1


def test_what_was_saved_is_what_was_held_out(trained: Path, data_folder: Path) -> None:
    """The figures, the temperature and where the data came from stand beside the weights, and in the card."""
    heads = json.loads((trained / "heads.json").read_text())
    assert heads["held_out"]["held_out.csv as sentiment_csv"]["sentiment"]["n"] == 16
    assert heads["rows"]["read"] == 40
    assert heads["rows"]["fitted"] + heads["rows"]["kept"] == 39  # one was held out as well
    assert all(0.25 <= head["temperature"] <= 8 for head in heads["heads"].values())
    card = (trained / "README.md").read_text()
    assert heads["trained_on"][0]["sha256"] in card


def test_held_out_figures_are_of_the_weights_that_are_read_again(
    trained: Path, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is calibrated and judged is rounded already to what is saved, also where a bias per class was added."""
    judged: list[dict[str, torch.Tensor]] = []

    class Noting(Judge):
        def figures(self, rows: Sequence[Example], temperatures: dict[str, float]) -> dict[str, Any]:
            judged.append({name: value.clone() for name, value in self._model.state_dict().items()})
            return super().figures(rows, temperatures)

    monkeypatch.setattr(texts, "Judge", Noting)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(f"class_bias = true\n{(data_folder / 'recipe.toml').read_text()}")
    run_recipe(recipe, RunOptions(data_folder, tmp_path / "out", str(trained)))
    saved = load_model(tmp_path / "out")[0].state_dict()
    assert judged
    assert all(torch.equal(value, saved[name]) for name, value in judged[0].items())


@pytest.mark.parametrize("budget", [128, 4096])
def test_batched_equals_one_by_one_whatever_the_order(trained: Path, budget: int) -> None:
    """Padding and neighbours change no score."""
    model = classifier(trained, budget)
    alone = [model.classify(asked(text))[0] for text in TEXTS]
    assert_close(model.classify(asked(*TEXTS)), alone)
    assert_close(model.classify(asked(*TEXTS)[::-1]), alone[::-1])
    assert model.classify([]) == []


def test_labels_come_from_id2label_whatever_their_order(trained: Path, tmp_path: Path) -> None:
    """A checkpoint that has its classes in another order, or capitalised, gives the same sentiments."""
    order = [2, 0, 1]

    def permute(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        heads["heads"]["sentiment"]["id2label"] = {str(i): SENTIMENTS[j].title() for i, j in enumerate(order)}
        for part in ("weight", "bias"):
            weights[f"heads.sentiment.{part}"] = weights[f"heads.sentiment.{part}"][order].contiguous()

    permuted = edited(trained, tmp_path / "permuted", permute)
    assert_close(classifier(permuted).classify(asked(*TEXTS)), classifier(trained).classify(asked(*TEXTS)))


def test_a_higher_temperature_gives_less_certain_scores_of_the_same_label(trained: Path, tmp_path: Path) -> None:
    """Calibration moves confidence, not decisions."""

    def heat(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        heads["heads"]["sentiment"]["temperature"] *= 3

    hot = classifier(edited(trained, tmp_path / "hot", heat)).classify(asked(*TEXTS))
    for mild, heated in zip(classifier(trained).classify(asked(*TEXTS)), hot, strict=True):
        assert heated.sentiment == mild.sentiment
        assert max(heated.probabilities) < max(mild.probabilities)


def test_the_same_recipe_gives_the_same_weights(
    trained: Path, encoder_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    """Seeds are set; weights are stored as half floats."""
    run_recipe(data_folder / "recipe.toml", RunOptions(data_folder, tmp_path, str(encoder_folder)))
    again, first = load_file(tmp_path / "model.safetensors"), load_file(trained / "model.safetensors")
    assert again.keys() == first.keys()
    for name, weight in first.items():
        assert weight.dtype == torch.float16
        assert torch.allclose(again[name].float(), weight.float(), atol=1e-3), name


def test_a_model_that_gives_no_numbers_is_an_error_not_a_score(trained: Path, tmp_path: Path) -> None:
    """NaN is never neutral."""

    def spoil(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
        weights["heads.sentiment.bias"][:] = float("nan")

    with pytest.raises(ClassifierError) as caught:
        classifier(edited(trained, tmp_path / "spoilt", spoil)).classify(asked("oil"))
    assert caught.value.reason == "not_finite"


def _without_label(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    del heads["heads"]["topic"]["id2label"]["0"]


def _other_labels(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    heads["heads"]["sentiment"]["id2label"] = {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}


def _without_version(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    del heads["version"]


def _without_a_weight(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    del weights["bert.pooler.dense.weight"]


def _with_another_shape(heads: dict[str, Any], weights: dict[str, torch.Tensor]) -> None:
    weights["heads.topic.weight"] = torch.zeros(7, 16)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_without_label, "topic"),
        (_other_labels, "LABEL_0, LABEL_1, LABEL_2; expected negative, neutral, positive"),
        (_without_version, "no version"),
        (_without_a_weight, "pooler"),
        (_with_another_shape, "heads.topic.weight"),
    ],
)
def test_a_model_that_does_not_fit_stops_at_start_up(trained: Path, tmp_path: Path, edit: Any, said: str) -> None:
    """With what does not fit; never guessed, never scored with random weights."""
    with pytest.raises(ConfigError, match=said):
        classifier(edited(trained, tmp_path / "wrong", edit))


@pytest.mark.parametrize("name", ["heads.json", "model.safetensors", "tokenizer.json", "config.json"])
@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_a_folder_without_a_whole_model_is_named(
    trained: Path, tmp_path: Path, name: str, content: bytes | None
) -> None:
    """A file that is missing, empty or something else."""
    folder = shutil.copytree(trained, tmp_path / "model")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match=str(folder)):
        classifier(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Without asking any hub for it."""
    with pytest.raises(ConfigError, match="nowhere"):
        load_model(tmp_path / "nowhere")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_device_that_is_not_there_stops_at_start_up(trained: Path) -> None:
    """Rather than running on another one unnoticed."""
    with pytest.raises(ConfigError, match=r"classifier\.device"):
        TorchClassifier(ClassifierSettings(device="cuda"), trained)


def test_three_hundred_rows_are_learnt_in_one_epoch(encoder_folder: Path, tmp_path: Path) -> None:
    """From files to a model that tells the words apart."""
    words = {"negative": "falls", "neutral": "stays", "positive": "rises"}
    labelled = [(f"{word} {a} {b}", label) for a in range(12) for b in range(10) for label, word in words.items()]
    for name, rows in (("train", labelled[:300]), ("test", labelled[300:])):
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([("text", "label"), *rows])
    (tmp_path / "r.toml").write_text(SMALL)
    heads = run_recipe(tmp_path / "r.toml", RunOptions(tmp_path, tmp_path / "out", str(encoder_folder)))
    assert heads["rows"]["read"] == 300
    assert heads["held_out"]["test.csv as sentiment_csv"]["sentiment"]["accuracy"] > 0.9


def test_a_leak_is_an_error_that_names_the_pair(encoder_folder: Path, tmp_path: Path) -> None:
    """Unless the recipe says that such rows are to be dropped."""
    rows = "text,label\nprofit rises at plant 7,positive\nprofit falls at bank 9,negative\n"
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text(rows)
    (tmp_path / "r.toml").write_text(SMALL.replace('"drop"', '"error"'))
    with pytest.raises(ConfigError, match=r"(?s)train\.csv.*test\.csv"):
        run_recipe(tmp_path / "r.toml", RunOptions(tmp_path, tmp_path / "never", str(encoder_folder)))


def test_a_class_that_training_lacks_names_the_row(encoder_folder: Path, data_folder: Path, tmp_path: Path) -> None:
    """A held-out topic that no head has is no figure of 0, it is a mistake in the files."""
    shutil.copytree(data_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "held_out.csv").write_text("text,label\nbanks at 3,Gold\n")
    recipe = (tmp_path / "recipe.toml").read_text().rpartition('kind = "sentiment_csv"')
    (tmp_path / "recipe.toml").write_text(recipe[0] + 'kind = "topic_csv"\n')
    with pytest.raises(ConfigError, match=r"held_out\.csv, row 2: no training row has the topic 'Gold'"):
        run_recipe(tmp_path / "recipe.toml", RunOptions(tmp_path, tmp_path / "out", str(encoder_folder)))


def test_a_run_that_goes_on_keeps_what_was_kept_and_the_heads(
    trained: Path, encoder_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    """Rows that the first run fitted never calibrate the second; heads with the same classes are not begun anew."""
    recipe = (data_folder / "recipe.toml").read_text().replace("epochs = 1", "epochs = 1\nwarmup_ratio = 0.9")
    slow = recipe.replace("learning_rate = 1e-3", "learning_rate = 1e-9").replace("1e-2", "1e-9")
    (tmp_path / "more.toml").write_text("entity_swap = true\n" + slow)
    heads = run_recipe(tmp_path / "more.toml", RunOptions(data_folder, tmp_path / "out", str(trained)))
    assert (tmp_path / "out" / "kept.json").read_text() == (trained / "kept.json").read_text()
    assert heads["went_on_from"] == "tiny@1"
    probabilities = [
        score.probabilities for folder in (tmp_path / "out", trained) for score in uncalibrated(folder, tmp_path)
    ]
    assert np.allclose(probabilities[: len(TEXTS)], probabilities[len(TEXTS) :], atol=2e-3)
    assert heads["entity_swap"]["names"] >= 50
    assert "company names put into" in (tmp_path / "out" / "README.md").read_text()


def test_the_mean_of_models_is_calibrated_on_what_all_of_them_kept(
    trained: Path, data_folder: Path, tmp_path: Path
) -> None:
    """Without an epoch; of a model with itself it is that model."""
    recipe = (data_folder / "recipe.toml").read_text().replace("epochs = 1", "epochs = 0")
    (tmp_path / "mean.toml").write_text(recipe)
    options = RunOptions(data_folder, tmp_path / "out", str(trained), mean_with=(trained, trained))
    heads = run_recipe(tmp_path / "mean.toml", options)
    assert heads["mean_of"] == "3 × tiny@1"
    assert (tmp_path / "out" / "kept.json").read_text() == (trained / "kept.json").read_text()
    before, after = load_file(trained / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert all(np.allclose(before[name].numpy(), after[name].numpy(), atol=1e-3) for name in before)


def test_models_of_other_classes_have_no_mean(trained: Path, data_folder: Path, tmp_path: Path) -> None:
    """It is an error that names both."""
    other = tmp_path / "other"
    shutil.copytree(trained, other)
    heads = json.loads((other / "heads.json").read_text())
    names = heads["heads"]["topic"]["id2label"]
    names["0"], names["1"] = names["1"], names["0"]
    (other / "heads.json").write_text(json.dumps(heads))
    recipe = (data_folder / "recipe.toml").read_text().replace("epochs = 1", "epochs = 0")
    (tmp_path / "mean.toml").write_text(recipe)
    options = RunOptions(data_folder, tmp_path / "out", str(trained), mean_with=(other,))
    with pytest.raises(ConfigError, match="other classes"):
        run_recipe(tmp_path / "mean.toml", options)


def test_a_run_keeps_what_another_model_kept(
    trained: Path, encoder_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    """So that the two may be averaged, or one may teach the other."""
    recipe = (data_folder / "recipe.toml").read_text()
    (tmp_path / "other.toml").write_text(recipe.replace("[loop]", "[loop]\nseed = 99"))
    options = RunOptions(data_folder, tmp_path / "out", str(encoder_folder), keep_as=trained)
    run_recipe(tmp_path / "other.toml", options)
    assert (tmp_path / "out" / "kept.json").read_text() == (trained / "kept.json").read_text()


def test_taught_files_want_a_teacher_and_name_it(
    trained: Path, encoder_folder: Path, data_folder: Path, tmp_path: Path
) -> None:
    """The card of the taught model has the teacher's training files too."""
    recipe = (
        (data_folder / "recipe.toml").read_text().replace('kind = "topic_csv"', 'kind = "topic_csv"\ntaught = true')
    )
    (tmp_path / "taught.toml").write_text(recipe)
    plain = RunOptions(data_folder, tmp_path / "out", str(encoder_folder))
    with pytest.raises(ConfigError, match="--teacher"):
        run_recipe(tmp_path / "taught.toml", plain)
    heads = run_recipe(tmp_path / "taught.toml", replace(plain, teacher=trained))
    assert heads["taught_by"] == "tiny@1"
