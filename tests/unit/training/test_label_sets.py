"""Laws of training on what people answered: the newest version is learnt, evaluation texts never are."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.labels.answers import Answer
from pipelines.labels.evaluation import fix_evaluation
from pipelines.labels.label_set import Source, add_version, read_manifest
from pipelines.training.run import RunOptions, run_recipe

RECIPE = """
name = "answers"
version = "1"
encoder = "nobody/tiny"
tasks = ["sentiment"]
max_tokens = 16
train_tokens = 16
calibration_share = 0.2
[loop]
epochs = 1
[[train]]
file = "set"
kind = "label_set"
[[train]]
file = "other.csv"
kind = "sentiment_csv"
"""
WORDS = {"negative": "falls", "neutral": "stays", "positive": "rises"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A label set with thirty answers and one fixed evaluation text, another file, and a recipe that names both."""
    labels = list(WORDS)
    rows = [
        Answer(
            f"d{i}", f"profit {WORDS[labels[i % 3]]} at plant {i}", labels[i % 3], None, "ann", "2026-03-05T09:00:00Z"
        )
        for i in range(30)
    ]
    (tmp_path / "evaluation.csv").write_text("text,label\noil rises at bank 59 rate cut,positive\n")
    (tmp_path / "set").mkdir()
    fix_evaluation(tmp_path / "set", tmp_path / "evaluation.csv")
    source = Source(file="answers.json", sha256="0" * 64, format="label_studio")
    add_version(tmp_path / "set", read_manifest(tmp_path / "set"), rows, source, "2026-03-05T12:00:00Z", 30, 0)
    (tmp_path / "other.csv").write_text("text,label\nbank rate falls at 41,negative\n")
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def test_answers_are_training_data(folder: Path, encoder_folder: Path) -> None:
    """By the kind label_set; the sum that is told of is the manifest's."""
    heads = run_recipe(folder / "r.toml", RunOptions(folder, folder / "out", str(encoder_folder)))
    assert heads["rows"]["read"] == 31
    assert len(heads["trained_on"][0]["sha256"]) == 64


def test_an_evaluation_text_enters_by_no_file(folder: Path, encoder_folder: Path) -> None:
    """Not even by one that has nothing to do with the set."""
    (folder / "other.csv").write_text("text,label\noil rises at bank 59 rate cut,positive\n")
    with pytest.raises(ConfigError, match=r"other\.csv"):
        run_recipe(folder / "r.toml", RunOptions(folder, folder / "out", str(encoder_folder)))


@pytest.mark.parametrize("leaks", ["error", "drop"])
def test_evaluation_texts_of_sets_that_no_recipe_names_stay_out(folder: Path, encoder_folder: Path, leaks: str) -> None:
    """Of every set under the data folder: an error that names the text's file, or left out, as the recipe says of leaks."""
    (folder / "deep").mkdir()
    (folder / "set").rename(folder / "deep" / "set")
    rows = "".join(f"profit {word} at plant {i} {i},{label}\n" for i in range(9) for label, word in WORDS.items())
    (folder / "other.csv").write_text(f"text,label\n{rows}oil rises at bank 59 rate cut today,positive\n")
    recipe = RECIPE.replace('[[train]]\nfile = "set"\nkind = "label_set"\n', "")
    (folder / "r.toml").write_text(recipe.replace("calibration_share", f'leaks = "{leaks}"\ncalibration_share'))
    options = RunOptions(folder, folder / "out", str(encoder_folder))
    if leaks == "drop":
        assert run_recipe(folder / "r.toml", options)["rows"]["leaking"] == 1
        return
    with pytest.raises(ConfigError, match=r"(?s)other\.csv.* repeats .*evaluation/evaluation\.csv, row 2"):
        run_recipe(folder / "r.toml", options)
