"""Laws of texts that measure and never teach: no file brings one into training."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.datasets.examples import Example
from pipelines.training.blind import blind_examples
from pipelines.training.recipe import OWN_FOLDER
from pipelines.training.run import RunOptions, not_held_out, run_recipe


def with_blind_rows(data_folder: Path, folder: Path) -> Path:
    """The data, with three blind texts among the training rows, one of them with a word more."""
    shutil.copytree(data_folder, folder)
    texts = [example.text for example in blind_examples()[:3]]
    with (folder / "sentiment.csv").open("a", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([[texts[0], "neutral"], [texts[1], "neutral"], [f"{texts[2]} today", "neutral"]])
    return folder


def test_every_file_with_texts_is_read() -> None:
    """Those of hashes tell of no near-duplicate."""
    rows = 0
    for name in ("en_blind.csv", "en_development.csv"):
        with (OWN_FOLDER / name).open(encoding="utf-8", newline="") as handle:
            rows += sum(1 for _ in csv.DictReader(handle))
    assert len(blind_examples()) == rows >= 700


def test_blind_texts_are_left_out_of_training(data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    """Whatever file they stand in, where the recipe drops leaks."""
    data = with_blind_rows(data_folder, tmp_path / "data")
    heads = run_recipe(data / "recipe.toml", RunOptions(data, tmp_path / "out", str(encoder_folder)))
    assert heads["rows"]["leaking"] == 1 + 3


def test_blind_texts_are_an_error_where_leaks_are(data_folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    """Both places are named."""
    data = with_blind_rows(data_folder, tmp_path / "data")
    recipe = (data / "recipe.toml").read_text().replace('"drop"', '"error"').partition("[[held_out]]")[0]
    (data / "recipe.toml").write_text(recipe)
    with pytest.raises(ConfigError, match=r"(?s)sentiment\.csv.*en_blind\.csv"):
        run_recipe(data / "recipe.toml", RunOptions(data, tmp_path / "out", str(encoder_folder)))


def test_nothing_else_is_left_out() -> None:
    """Also where there is no held-out row to compare with."""
    rows = [Example("profit rises at plant 7"), *blind_examples()[:2], Example("oil falls at bank 9")]
    assert not_held_out(rows, [], "drop") == [0, 3]
