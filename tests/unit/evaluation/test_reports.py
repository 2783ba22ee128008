"""Laws of the figures beside the head's own: folds, baseline, leaks; and of how reports are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tokenizers import Tokenizer, models

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.datasets.load import sha256_of
from pipelines.datasets.reading import csv_rows
from pipelines.datasets.splits import split_by_cluster
from pipelines.evaluation.baseline import baseline_text, features_of, fit_predict
from pipelines.evaluation.figures import confusion_counts, expected_calibration_error, reliability, softmax
from pipelines.evaluation.folds import fold_summary
from pipelines.evaluation.head_report import HeadRows, baseline_report, folds_report, head_report
from pipelines.evaluation.leaks import find_leaks
from pipelines.evaluation.plots import plot_heads
from pipelines.evaluation.rendering import markdown_report, show_report
from pipelines.evaluation.scoring import Checkpoint
from pipelines.labels.answers import Answer
from pipelines.labels.label_set import Manifest, Source, add_version
from pipelines.training.recipe import DataFile
from tests.unit.evaluation.conftest import SENTIMENTS, texts, write_rows

LABELS = np.arange(30) % 3


def rows_of(predicted: np.ndarray, names: list[str] = SENTIMENTS) -> HeadRows:
    """Thirty rows whose logits are sure of these classes."""
    examples = [
        Example(text, sentiment=names[LABELS[i]], place=f"f.csv, row {i + 2}") for i, text in enumerate(texts())
    ]
    return HeadRows("sentiment", examples, names, LABELS, np.eye(3)[predicted] * 60.0, 1.0)


def report_of(head: dict[str, Any]) -> dict[str, Any]:
    """As `evaluate` puts it together."""
    data = {"file": "f.csv", "kind": "sentiment_csv", "rows": 31, "empty_texts": 1, "empty_places": ["f.csv, row 9"]}
    return {"model": {"name": "m@1", "folder": "m", "language": "en"}, "data": data, **head}


def test_a_perfect_predictor_has_one_everywhere_and_no_mistakes() -> None:
    """Accuracy and F1 of 1, calibration errors of 0."""
    report = head_report(rows_of(LABELS), 10)
    assert (report["accuracy"], report["macro_f1"], report["ece"], report["brier"]) == (1, 1, 0, 0)
    assert report["confusion"]["rows_true_columns_predicted"] == [[10, 0, 0], [0, 10, 0], [0, 0, 10]]
    assert report["mistakes"] == []
    assert report["reliability"] == [{"from": 0.9333, "to": 1, "n": 30, "confidence": 1, "accuracy": 1}]
    folds = folds_report(rows_of(LABELS), 5, baseline=False)
    assert folds["model"]["accuracy"] == {"mean": 1, "std": 0}


@given(st.lists(st.lists(st.floats(-6, 6), min_size=3, max_size=3), min_size=1, max_size=40), st.integers(0, 99))
def test_reliability_adds_up_to_the_calibration_error(logits: list[list[float]], seed: int) -> None:
    """And its bins to the rows."""
    labels = np.random.default_rng(seed).integers(0, 3, len(logits))
    probabilities = softmax(np.array(logits))
    bins = reliability(probabilities, labels)
    assert sum(row["n"] for row in bins) == len(labels)
    error = sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in bins) / len(labels)
    assert error == pytest.approx(expected_calibration_error(probabilities, labels), abs=2e-4)
    assert confusion_counts(probabilities.argmax(axis=1), labels, 3).sum() == len(labels)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_the_summary_of_folds_is_mean_and_sample_deviation(values: list[float]) -> None:
    """Of every figure; numbers of fold and rows are none."""
    summary = fold_summary([{"fold": i, "n": 7, "accuracy": value} for i, value in enumerate(values)])
    assert summary["folds"] == len(values)
    assert set(summary) == {"folds", "accuracy"}
    assert summary["accuracy"]["mean"] == pytest.approx(np.mean(values), abs=1e-4)
    expected = np.std(values, ddof=1) if len(values) > 1 else 0
    assert summary["accuracy"]["std"] == pytest.approx(expected, abs=1e-4)


def test_no_folds_have_no_summary() -> None:
    """An error rather than a mean of nothing."""
    with pytest.raises(ConfigError, match="no folds"):
        fold_summary([])


def test_folds_that_a_class_cannot_be_in_are_not_stratified_and_say_so() -> None:
    """A class of two rows is in two of five folds; the class and its rows are named, and only those that are too rare."""
    rows = rows_of(LABELS)
    rare = np.where(np.arange(30) < 2, 0, 1)
    few = HeadRows("sentiment", rows.examples, SENTIMENTS, rare, rows.logits, 1.0)
    note = folds_report(few, 5, baseline=True)["note"]
    assert note == ("the 5 folds are not stratified: class 'negative' has 2 rows in 2 clusters of near-duplicates")
    assert "note" not in folds_report(rows, 5, baseline=False)


def test_folds_tell_how_well_calibrated_the_model_is() -> None:
    """ECE and Brier of its probabilities; the baseline has none. Of folds of one size the mean Brier is the file's."""
    rows = rows_of((LABELS + (np.arange(30) % 4 == 0)) % 3)
    soft = HeadRows("sentiment", rows.examples, SENTIMENTS, LABELS, rows.logits / 60, 1.5)
    head = head_report(soft, 0)
    head["folds"] = folds_report(soft, 3, baseline=True)
    model, baseline = head["folds"]["model"], head["folds"]["baseline"]
    assert model["brier"]["mean"] == pytest.approx(head["brier"], abs=2e-4)
    assert model["ece"]["mean"] == pytest.approx(np.mean([row["ece"] for row in model["by_fold"]]), abs=1e-4)
    assert model["brier"]["std"] > 0
    assert not {"ece", "brier"} & set(baseline)
    assert "model ECE | model Brier | baseline accuracy" in markdown_report(report_of(head))


def test_the_baseline_reads_characters_of_chinese() -> None:
    """Which has no spaces; a word it learned is found inside another sentence."""
    assert features_of(["股价暴跌", "业绩大增 Q3"]) == "character 1-3-grams"
    assert features_of(["shares of 腾讯 fall", "oil"]) == "word 1-2-grams"
    train = ["公司股价暴跌", "市场暴跌引发担忧", "公司业绩大增", "利润大增超预期"]
    predicted = fit_predict(train, ["negative", "negative", "positive", "positive"], ["银行股暴跌", "收入大增"])
    assert predicted == ["negative", "positive"]


def test_the_baseline_sees_which_company_is_asked_for() -> None:
    """Otherwise two companies of one headline could not differ."""
    one, other = (Example("oil rises as bank falls", entity=name) for name in ("oil", "bank"))
    assert baseline_text(one) != baseline_text(other)


@pytest.mark.parametrize(
    ("train", "said"),
    [(None, "near-duplicates of each other"), ([Example("gas", topic="Fed")], "no row of --train has a sentiment")],
)
def test_a_baseline_that_has_nothing_to_learn_from_is_left_out(train: list[Example] | None, said: str) -> None:
    """And the reason stands in its place."""
    examples = [Example("oil falls at bank 7", sentiment="negative")] * 3
    same = HeadRows("sentiment", examples, SENTIMENTS, np.zeros(3, dtype=int), np.zeros((3, 3)), 1.0)
    assert said in baseline_report(same, train)["left_out"]


def checkpoint_of(trained_on: Sequence[dict[str, Any]], *train: DataFile, seed: int = 13) -> Checkpoint:
    """A checkpoint that says it was trained on these files, by a recipe if there are tables of one."""
    recipe = {"train": [part.model_dump(mode="json") for part in train], "loop": {"seed": seed}} if train else {}
    tokenizer = Tokenizer(models.WordPiece({}))
    return Checkpoint(
        "m@1", Path("m"), "en", {"sentiment": tuple(SENTIMENTS)}, tuple(trained_on), 24, tokenizer, recipe
    )


def label_set(folder: Path, text: str) -> None:
    """A set whose only version holds one answer."""
    source = Source(file="answers.json", sha256="0" * 64, format="doccano")
    answer = Answer("d-1", text, "negative", None, "ann", "2026-03-05T09:00:00.000Z")
    add_version(folder, Manifest(), [answer], source, "2026-03-05T12:00:00Z", 1, 0)


@pytest.mark.parametrize("by_recipe", [True, False], ids=["by the recipe", "by the names of files"])
def test_leaks_are_looked_for_in_our_own_sets_and_in_label_sets(tmp_path: Path, by_recipe: bool) -> None:
    """The former come with the program, the latter are folders; both are found without being named as absent."""
    label_set(tmp_path / "analysts", "Rate cut at bank 7 falls")
    parts = (DataFile(file="own/en.csv", kind="labelled_csv"), DataFile(file="analysts", kind="label_set"))
    own = next(csv_rows(parts[0].path(tmp_path), ("text",)))[1]["text"]
    checkpoint = checkpoint_of([{"file": part.file} for part in parts], *(parts if by_recipe else ()))
    leaks = find_leaks([own, "profit rises at plant", "rate cut at bank 7 falls!"], checkpoint, tmp_path, tagged=False)
    assert (leaks.clean, leaks.files, leaks.absent) == ((1,), ("own/en.csv", "analysts"), ())


@pytest.mark.parametrize("seed", [13, 4])
def test_the_share_of_a_file_that_was_not_trained_on_is_no_leak(tmp_path: Path, seed: int) -> None:
    """The rest is held out by whole clusters; the share is drawn as training drew it."""
    write_rows(tmp_path / "a.csv", ("text", "label"), *((text, "neutral") for text in texts()))
    part = DataFile(file="a.csv", kind="sentiment_csv", share=0.4)
    rest, _ = split_by_cluster(texts(), 0.4, seed)
    checkpoint = checkpoint_of([{"file": "a.csv"}], part, seed=seed)
    assert find_leaks(texts(), checkpoint, tmp_path, tagged=False).clean == tuple(rest)
    assert 0 < len(rest) < 30


def test_a_file_that_an_earlier_model_read_too_is_compared_whole(tmp_path: Path) -> None:
    """The recipe's share is what the last run read of it; how much the model knew before isn't told."""
    write_rows(tmp_path / "a.csv", ("text", "label"), *((text, "neutral") for text in texts()))
    part = DataFile(file="a.csv", kind="sentiment_csv", share=0.3)
    went_on = replace(checkpoint_of([{"file": "a.csv"}], part), has_ancestors=True)
    assert find_leaks(texts(), went_on, tmp_path, tagged=False).clean == ()
    of_an_older_version = checkpoint_of([{"file": "a.csv"}, {"file": "before.csv"}], part)
    assert find_leaks(texts(), of_an_older_version, tmp_path, tagged=False).clean == ()


def test_files_of_the_model_that_a_run_went_on_from_count_too(tmp_path: Path) -> None:
    """They are in trained_on, and not in the recipe; of a file that is in both, the latest sum is the one to compare."""
    now = write_rows(tmp_path / "now.csv", ("text", "label"), ("rate cut at bank 7 falls", "negative"))
    write_rows(tmp_path / "before.csv", ("text", "label"), ("profit rises at plant 9", "positive"))
    latest = {"file": "now.csv", "sha256": sha256_of(now)}
    told = [latest, {"file": "now.csv", "sha256": "0"}, {"file": "before.csv"}]
    checkpoint = checkpoint_of(told, DataFile(file="now.csv", kind="sentiment_csv"))
    found = find_leaks(["profit rises at plant 9", "oil stays"], checkpoint, tmp_path, tagged=False)
    assert (found.clean, found.files, found.changed) == ((1,), ("now.csv", "before.csv"), ())


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """As another version may have written it."""
    checkpoint = replace(checkpoint_of([{"file": "a.csv"}]), recipe={"train": [{"file": "a.csv"}]})
    with pytest.raises(ConfigError, match="m: recipe: train: kind: Field required"):
        find_leaks(["oil"], checkpoint, tmp_path, tagged=False)


def test_leaks_need_to_know_what_was_trained_on(tmp_path: Path) -> None:
    """A file that is not at hand is named; none at hand is an error."""
    with pytest.raises(ConfigError, match="does not say what it was trained on"):
        find_leaks(["oil"], checkpoint_of([]), tmp_path, tagged=False)
    parts = checkpoint_of([{"file": "a.csv"}, {"file": "b.csv"}])
    with pytest.raises(ConfigError, match=r"none of the model's training files is there: a.csv, b.csv"):
        find_leaks(["oil"], parts, tmp_path, tagged=False)
    write_rows(tmp_path / "a.csv", ("text", "label"), ("rate cut at bank 7 falls", "negative"))
    leaks = find_leaks(["Rate cut at bank 7 falls!", "profit rises at plant"], parts, tmp_path, tagged=False)
    assert (leaks.clean, leaks.files, leaks.absent) == ((1,), ("a.csv",), ("b.csv",))


@pytest.mark.parametrize("names", [SENTIMENTS, ["负面", "中性", "正面"]])
def test_a_picture_is_drawn_of_any_labels(tmp_path: Path, names: list[str]) -> None:
    """Several heads below each other, without a warning; a missing Chinese font is none of the picture's faults."""
    head = head_report(rows_of((LABELS + (np.arange(30) % 4 == 0)) % 3, names), 3)
    path = tmp_path / "heads.png"
    plot_heads([head, head], "m@1 on f.csv", path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_stands_in_a_text_is_no_markup() -> None:
    """Neither for the console nor for Markdown."""
    head = head_report(rows_of(np.roll(LABELS, 1)), 1)
    head["mistakes"][0]["text"] = "[bold]oil[/bold] | *gas*"
    console = Console(record=True, width=200, file=None, quiet=False)
    with console.capture() as captured:
        show_report(report_of(head), console)
    assert "[bold]oil[/bold] | *gas*" in captured.get()
    assert r"\[bold\]oil\[/bold\] \| \*gas\*" in markdown_report(report_of(head))


def test_empty_texts_are_told() -> None:
    """With the place of the first few."""
    written = markdown_report(report_of(head_report(rows_of(LABELS), 1)))
    assert "1 texts are empty once cleaned, and not measured: f.csv, row 9" in written
