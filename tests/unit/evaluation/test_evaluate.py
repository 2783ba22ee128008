"""Laws of `pipelines evaluate` from the command line to what it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from monitor.adapters.two_head_model import load_model
from pipelines.cli import main
from pipelines.evaluation.figures import figures_of
from tests.unit.evaluation.conftest import SENTIMENTS, TOPICS, TwoHeadFolder, texts, write_rows


def evaluated(folder: Path, data: Path, out: Path, *flags: str) -> dict[str, Any]:
    """The JSON that the command writes."""
    path = out / "figures.json"
    assert main(["evaluate", str(folder), "--data", str(data), "--json", str(path), "--device", "cpu", *flags]) == 0
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def test_figures_are_those_of_calibrated_probabilities(
    two_head_folder: Path, tokenizer: Tokenizer, sentiment_file: Path, tmp_path: Path
) -> None:
    """As worked out text by text from the checkpoint, with the temperature of its heads.json."""
    report = evaluated(two_head_folder, sentiment_file, tmp_path, "--task", "sentiment", "--no-baseline")
    model, _ = load_model(two_head_folder)
    with torch.inference_mode():
        encoded = [torch.tensor([tokenizer.encode(text).ids]) for text in texts()]
        logits = np.vstack([model(ids, torch.ones_like(ids))["sentiment"].numpy() for ids in encoded])
    expected = figures_of(logits, np.arange(30) % 3, SENTIMENTS, 1.5)
    for key in ("n", "accuracy", "macro_f1", "ece", "brier"):
        assert report[key] == pytest.approx(expected[key], abs=2e-4)
    assert report["by_class"] == expected["by_class"]
    assert 0 < report["accuracy"] < 1, "otherwise the test shows little"
    counts = np.array(report["confusion"]["rows_true_columns_predicted"])
    assert (counts.sum(), np.trace(counts)) == (30, round(30 * report["accuracy"]))
    assert sum(row["n"] for row in report["reliability"]) == 30
    confidences = [row["confidence"] for row in report["mistakes"]]
    assert confidences == sorted(confidences, reverse=True)
    assert len(confidences) == min(10, 30 - np.trace(counts))
    assert report["mistakes"][0]["place"].endswith(f"row {texts().index(report['mistakes'][0]['text']) + 2}")


def test_the_order_of_a_checkpoints_labels_changes_no_figure(
    two_heads: TwoHeadFolder, sentiment_file: Path, tmp_path: Path
) -> None:
    """Labels go by their names."""
    one = evaluated(two_heads(), sentiment_file, tmp_path, "--task", "sentiment", "--folds", "3")
    other = evaluated(two_heads((2, 0, 1)), sentiment_file, tmp_path, "--task", "sentiment", "--folds", "3")
    for key in ("n", "accuracy", "macro_f1", "ece", "brier", "by_class", "mistakes", "baseline", "folds"):
        assert one[key] == other[key]


def test_the_baseline_learns_what_a_word_says(two_head_folder: Path, sentiment_file: Path, tmp_path: Path) -> None:
    """Each row is labelled by a baseline that never saw it; by default in five folds, with --folds in as many."""
    report = evaluated(two_head_folder, sentiment_file, tmp_path, "--folds", "3")
    assert report["accuracy"] < 0.6
    assert report["baseline"]["accuracy"] > 0.85
    assert "5 by near-duplicate cluster within the evaluated file" in report["baseline"]["trained_on"]
    folds = report["folds"]
    assert (folds["k"], [row["n"] for row in folds["model"]["by_fold"]]) == (3, [10, 10, 10])
    mean = np.mean([row["accuracy"] for row in folds["model"]["by_fold"]])
    assert folds["model"]["accuracy"]["mean"] == pytest.approx(mean, abs=1e-4)
    assert mean == pytest.approx(report["accuracy"], abs=1e-3)
    assert folds["baseline"]["macro_f1"]["mean"] > 0.85


def test_folds_that_a_class_is_missing_from_name_the_file(two_head_folder: Path, tmp_path: Path) -> None:
    """And the class, with its rows."""
    rows = [(text, "positive" if i == 0 else "neutral") for i, text in enumerate(texts()[:8])]
    data = write_rows(tmp_path / "d.csv", ("text", "label"), *rows)
    note = evaluated(two_head_folder, data, tmp_path, "--folds", "2", "--no-baseline")["folds"]["note"]
    assert note.startswith(f"{data}: the 2 folds are not stratified: class 'positive' has 1 rows in 1 clusters")


def test_the_baseline_can_be_trained_on_other_files(
    two_head_folder: Path, sentiment_file: Path, tmp_path: Path
) -> None:
    """Less what is a near-duplicate of an evaluated row."""
    own = write_rows(
        tmp_path / "train.csv", ("text", "label"), ("cut falls 1 2 3", "positive"), (texts()[0], "neutral")
    )
    report = evaluated(two_head_folder, sentiment_file, tmp_path, "--train", str(own))
    assert report["baseline"]["trained_on"] == "1 rows of --train, less 1 near-duplicates of evaluated ones"
    assert report["baseline"]["accuracy"] == pytest.approx(1 / 3, abs=1e-4)  # all positive


def test_several_tasks_stand_beside_each_other(two_head_folder: Path, tmp_path: Path) -> None:
    """Each on the rows that have its label; what cleaning leaves nothing of is counted."""
    rows = [
        ("profit rises", "positive", "Earnings"),
        ("rate cut at bank", "", "Fed"),
        ("oil falls", "negative", ""),
        ("https://t.co/a1b2c3", "neutral", "Fed"),
    ]
    data = write_rows(tmp_path / "both.csv", ("text", "sentiment", "topic"), *rows)
    report = evaluated(two_head_folder, data, tmp_path)
    assert list(report["tasks"]) == ["sentiment", "topic"]
    assert [head["n"] for head in report["tasks"].values()] == [2, 2]
    assert [head["unlabelled_rows"] for head in report["tasks"].values()] == [1, 1]
    assert (report["data"]["rows"], report["data"]["empty_texts"]) == (4, 1)
    assert report["data"]["empty_places"][0].endswith("row 5")
    assert evaluated(two_head_folder, data, tmp_path, "--task", "topic")["n"] == 2


@pytest.mark.parametrize("pairs", [False, True])
def test_a_company_is_asked_for_by_itself_where_the_model_can(
    two_heads: TwoHeadFolder, tmp_path: Path, pairs: bool
) -> None:
    """Otherwise it gets the whole text's sentiment, and the report says so."""
    rows = [("oil rises as bank falls", name, label) for name, label in (("oil", "positive"), ("bank", "negative"))]
    data = write_rows(tmp_path / "entities.csv", ("text", "entity", "sentiment"), *rows)
    report = evaluated(two_heads(pairs=pairs), data, tmp_path)
    assert (report["task"], report["n"]) == ("entity", 2)
    assert report["copied"]["is_the_model"] is not pairs
    assert (report["brier"] == report["copied"]["brier"]) is not pairs
    assert report["copied"]["accuracy"] <= 0.5  # two companies, one sentiment


def test_a_plain_classifier_needs_no_heads_file(plain_folder: Path, sentiment_file: Path, tmp_path: Path) -> None:
    """Its labels are capitalised and in another order; its temperature is 1."""
    report = evaluated(plain_folder, sentiment_file, tmp_path, "--no-baseline")
    assert (report["task"], report["n"], report["temperature"]) == ("sentiment", 30, 1)
    assert report["confusion"]["labels"] == ["positive", "negative", "neutral"]
    assert report["model"]["name"] == plain_folder.name


def test_a_tagger_is_measured_by_token_and_by_entity(tagger_folder: Path, tmp_path: Path) -> None:
    """Sentences that are longer than it reads are counted and tagged whole."""
    lines = ["profit B-ORG", "bank I-ORG", "falls O", "", *["oil O"] * 40, "", "rate B-PER"]
    data = tmp_path / "tags.txt"
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = evaluated(tagger_folder, data, tmp_path, "--folds", "2", "--png", str(tmp_path / "tags.png"))
    assert (report["task"], report["sentences"], report["n"], report["split_sentences"]) == ("ner", 3, 44, 1)
    assert report["micro_with_o"]["f1"] == report["accuracy"]
    assert report["entity"]["n"] == 2
    assert np.sum(report["confusion"]["rows_true_columns_predicted"]) == 44
    assert report["folds"]["model"]["entity_f1"]["mean"] >= 0


def test_rows_that_the_model_was_trained_on_are_counted(
    two_head_folder: Path, sentiment_file: Path, tmp_path: Path
) -> None:
    """And the figures without them stand beside; a file that is not the one it was trained on is named."""
    seen = [(text, "neutral") for text in texts()[:4]]
    write_rows(tmp_path / "seen.csv", ("text", "label"), *seen)
    report = evaluated(two_head_folder, sentiment_file, tmp_path, "--check-leaks", str(tmp_path))
    assert (report["leaks"]["near_duplicates"], report["leaks"]["without_them"]["n"]) == (4, 26)
    assert report["leaks"]["not_as_trained_on"] == ["seen.csv"]


def test_the_entity_swap_needs_no_data(
    two_head_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the model's language unless another is asked for."""
    path = tmp_path / "bias.json"
    assert main(["evaluate", str(two_head_folder), "--bias", "--json", str(path), "--device", "cpu"]) == 0
    assert json.loads(path.read_text(encoding="utf-8"))["bias"]["language"] == "en"
    assert "entity swap" in capsys.readouterr().out


def test_reports_are_written_for_people(
    two_head_folder: Path, sentiment_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same tables on the console and in Markdown, and a picture."""
    markdown, picture = tmp_path / "report.md", tmp_path / "report.png"
    evaluated(two_head_folder, sentiment_file, tmp_path, "--folds", "--markdown", str(markdown), "--png", str(picture))
    console, written = capsys.readouterr().out, markdown.read_text(encoding="utf-8")
    for title in ("by class", "confusion", "reliability", "10 folds", "most confident mistakes", "linear SVM"):
        assert title in console
        assert title in written
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("rows", "flags", "said"),
    [
        (
            [("text", "label"), ("oil", "Bullish")],
            ("--task", "sentiment"),
            "row 2: label 'Bullish' is none of negative, ne",
        ),
        ([("text", "label"), ("oil", "neutral"), ("gas", "2")], (), "row 3: label '2' is none of negative"),
        ([("text", "topic"), ("oil", "Sport")], (), "row 2: label 'Sport' is none of Energy, Fed, Earnings"),
        ([("text", "label"), ("oil", "")], ("--task", "sentiment"), "row 2: no sentiment"),
        ([("text", "label"), ("oil", "neutral", "x")], (), "row 2: 3 cells in a file of 2 columns"),
        ([("text", "label")], (), "holds no labelled text"),
        ([("oil", "Bullish")], (), "columns text,label"),
        ([("text", "label"), ("oil", "neutral")], ("--task", "topic"), "row 2: label 'neutral' is none of Energy"),
        ([("text", "sentiment"), ("oil", "neutral")], ("--task", "topic"), "holds no labels for --task topic"),
        ([("text", "label"), ("oil", "neutral")], ("--task", "ner"), "no token classifier"),
        ([("text", "label"), ("oil", "neutral")], ("--kind", "parquet"), "'parquet' is no kind"),
        ([("text", "label"), ("oil", "neutral")], ("--labels", "0"), "wanted WRITTEN=MEANT"),
        ([("text", "label"), ("oil", "neutral")], ("--folds", "1"), "--folds 1"),
        ([("text", "label"), ("oil", "neutral")], ("--folds", "2"), "data.csv: 2 folds need 2 clusters"),
        ([("text", "label"), ("oil", "neutral")], ("--png", "x.jpg"), "must end in .png"),
        ([("text", "label"), ("oil", "neutral")], ("--markdown", "no/such/folder/x.md"), "there is no folder"),
        ([("text", "label"), ("oil", "neutral")], ("--mistakes", "-1"), "--mistakes -1"),
        ([("text", "label"), ("oil", "neutral")], ("--train", "absent.csv"), "absent.csv: no such file"),
        ([("text", "label"), ("oil", "neutral")], ("--check-leaks", "absent"), "none of the model's training files"),
    ],
)
def test_bad_input_is_an_error_that_says_what_is_wanted(
    two_head_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    rows: list[tuple[str, ...]],
    flags: tuple[str, ...],
    said: str,
) -> None:
    """Exit code 2, one line, no figures."""
    data = write_rows(tmp_path / "data.csv", *rows)
    assert main(["evaluate", str(two_head_folder), "--data", str(data), *flags]) == 2
    assert said in capsys.readouterr().err


def test_neither_data_nor_bias_is_an_error(two_head_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There would be nothing to do."""
    assert main(["evaluate", str(two_head_folder)]) == 2
    assert "--data FILE, --bias, or both" in capsys.readouterr().err


def test_labels_that_mean_something_else_are_mapped(two_head_folder: Path, tmp_path: Path) -> None:
    """Numbers, and the words of another scheme."""
    data = write_rows(tmp_path / "d.csv", ("text", "label"), ("oil", "0"), ("bank", "Bullish"), ("rate", "NEUTRAL"))
    report = evaluated(
        two_head_folder, data, tmp_path, "--labels", "0=negative,bullish=positive", "--task", "sentiment"
    )
    assert [row["n"] for row in report["by_class"].values()] == [1, 1, 1]


def test_topics_are_found_by_the_labels(two_head_folder: Path, tmp_path: Path) -> None:
    """A column `label` belongs to the head that knows what stands in it."""
    data = write_rows(tmp_path / "d.csv", ("text", "label"), *((f"oil {i}", topic) for i, topic in enumerate(TOPICS)))
    assert evaluated(two_head_folder, data, tmp_path)["task"] == "topic"


@pytest.mark.parametrize(("text", "told"), [("股价暴跌", True), ("oil falls", False)])
def test_a_text_in_another_language_than_the_models_is_told(
    two_head_folder: Path, tmp_path: Path, text: str, told: bool
) -> None:
    """The figures would be read as the model's on its own."""
    data = write_rows(tmp_path / "d.csv", ("text", "label"), (text, "negative"))
    report = evaluated(two_head_folder, data, tmp_path)
    assert (report["data"].get("note") == "the model's language is en, and most texts are Chinese") is told
