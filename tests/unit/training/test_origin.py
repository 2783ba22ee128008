"""Laws of what a model says of where it comes from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import ConfigError
from pipelines.datasets.load import sha256_of
from pipelines.training.origin import command_of, encoder_of, origin_of
from pipelines.training.recipe import Recipe, load_recipe
from pipelines.training.run import RunOptions, run_recipe


@pytest.fixture
def recipe(data_folder: Path) -> Recipe:
    """Of the model of two layers; its encoder is called nobody/tiny."""
    return load_recipe(data_folder / "recipe.toml")


def named(trained: Path, folder: Path, **told: Any) -> str:
    """A copy of a model that says other things of itself."""
    shutil.copytree(trained, folder)
    heads = json.loads((folder / "heads.json").read_text())
    (folder / "heads.json").write_text(json.dumps(heads | told))
    return str(folder)


def test_another_encoder_than_the_recipe_s_goes_by_its_own_name(recipe: Recipe, encoder_folder: Path) -> None:
    """And without the licence of the recipe's; by the sum of its weights it is known to be the same."""
    found = encoder_of(str(encoder_folder), recipe)
    assert (found["name"], found["licence"]) == (encoder_folder.name, "")
    assert found["sha256"] == sha256_of(encoder_folder / "model.safetensors")
    assert encoder_of("somebody/else", recipe) == {"name": "somebody/else", "licence": ""}
    assert encoder_of("nobody/tiny", recipe) == {"name": "nobody/tiny", "licence": "Apache-2.0"}
    same = recipe.model_copy(update={"encoder_sha256": found["sha256"]})
    assert encoder_of(str(encoder_folder), same)["name"] == "nobody/tiny"


def test_models_behind_models_and_their_teachers_are_carried_on(trained: Path, recipe: Recipe, tmp_path: Path) -> None:
    """Over any number of runs, each once; those that an older version wrote tell who came right before."""
    first = named(trained, tmp_path / "a", name="a", went_on_from="older@0", taught_by="teacher@1")
    second = named(trained, tmp_path / "b", name="b", mean_of="2 × a@1, c@1", ancestors=["a@1", "c@1", "older@0"])
    origin = origin_of([first, first, second], recipe)
    assert origin["mean_of"] == "2 × a@1, b@1"
    assert origin["taught_by"] == "teacher@1"
    assert origin["ancestors"] == ["a@1", "b@1", "older@0", "teacher@1", "c@1"]
    taught = origin_of([second], recipe, teacher=first)
    assert (taught["went_on_from"], taught["taught_by"]) == ("b@1", "a@1")
    assert "older@0" in taught["ancestors"]


def test_the_files_of_a_tagger_to_go_on_from_are_carried_on(recipe: Recipe, tmp_path: Path) -> None:
    """Its encoder learnt from them as well."""
    told = {"name": "tagger", "version": "1", "encoder": {"name": "e", "licence": "MIT"}, "trained_on": [{"file": "f"}]}
    (tmp_path / "ner.json").write_text(json.dumps(told))
    origin = origin_of([str(tmp_path)], recipe)
    assert (origin["went_on_from"], origin["before"], origin["encoder"]["name"]) == ("tagger@1", [{"file": "f"}], "e")


@pytest.mark.parametrize("content", ["garbage", "[]", "{}"])
def test_a_tagger_that_says_nothing_of_itself_is_named(recipe: Recipe, tmp_path: Path, content: str) -> None:
    """Not a traceback."""
    (tmp_path / "ner.json").write_text(content)
    with pytest.raises(ConfigError, match=r"ner\.json"):
        origin_of([str(tmp_path)], recipe)


def test_the_command_names_models_and_no_folder(trained: Path, recipe: Recipe, tmp_path: Path) -> None:
    """All flags that the model depends on, in an order that can be typed again."""
    other = Path(named(trained, tmp_path / "b", name="b"))
    options = RunOptions(tmp_path, tmp_path / "out", str(trained), mean_with=(trained, other), keep_as=other)
    command = command_of(tmp_path / "r.toml", recipe, options)
    assert command == (
        "pipelines train --recipe r.toml --data DIR --encoder tiny@1 --mean-with tiny@1 --mean-with b@1 "
        "--keep-as b@1 --out DIR"
    )
    shipped = Path("pipelines/training/recipes").resolve() / "default_en_1.toml"
    plain = command_of(shipped, recipe, replace(options, encoder=None, mean_with=(), keep_as=None, teacher=other))
    assert plain == "pipelines train --recipe default_en_1 --data DIR --teacher b@1 --out DIR"


def test_a_mean_tells_what_it_is_in_heads_json_and_card(trained: Path, data_folder: Path, tmp_path: Path) -> None:
    """No row was fitted, no epoch ran; no path is in either."""
    (tmp_path / "mean.toml").write_text(
        (data_folder / "recipe.toml").read_text().replace("epochs = 1", "epochs = 0\n").replace('"tiny"', '"mean"')
    )
    options = RunOptions(data_folder, tmp_path / "out", str(trained), mean_with=(trained,), keep_as=trained)
    heads = run_recipe(tmp_path / "mean.toml", options)
    assert (heads["mean_of"], heads["ancestors"]) == ("2 × tiny@1", ["tiny@1"])
    assert heads["rows"]["fitted"] == 0
    assert sum(heads["rows"]["calibrated"].values()) == heads["rows"]["kept"]
    card, told = ((tmp_path / "out" / name).read_text() for name in ("README.md", "heads.json"))
    assert f"Made by `{heads['made_by']}`" in card
    assert "--mean-with tiny@1 --keep-as tiny@1" in card
    assert "mean of 2 × tiny@1" in card
    assert "0 rows fitted by this run" in card
    assert "epochs" not in card
    for text in (card, told):
        assert not any(str(folder) in text for folder in (trained, data_folder, tmp_path))


def test_the_card_of_a_run_with_epochs_tells_what_stopped_it(trained: Path) -> None:
    """And how many rows gave each temperature."""
    heads, card = json.loads((trained / "heads.json").read_text()), (trained / "README.md").read_text()
    rows = heads["rows"]
    assert f"{rows['fitted']} rows fitted by this run, {rows['kept']} kept from fitting" in card
    assert f"{rows['calibrated']['topic']} gave the topic head's temperature; all judged the epochs)" in card
