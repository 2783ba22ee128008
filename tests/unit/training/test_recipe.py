"""Laws of recipes: what is misspelt or missing is said, with its place; only what differs stands in them."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from monitor.errors import ConfigError
from pipelines.training import add_training_arguments
from pipelines.training.recipe import load_recipe

SHIPPED = Path(__file__).parents[3] / "pipelines" / "training" / "recipes"
LEAST = 'name = "a"\nversion = "1"\nencoder = "e"\n[[train]]\nfile = "f.csv"\nkind = "topic_csv"\n'


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_the_shipped_recipes_are_read(path: Path) -> None:
    """Each file of our own writing that one names is there."""
    recipe = load_recipe(path)
    assert all(part.path(Path("data")).is_file() for part in recipe.train if part.file.startswith("own/"))


def test_the_least_recipe_is_enough(tmp_path: Path) -> None:
    """Everything else has a default."""
    (tmp_path / "r.toml").write_text(LEAST)
    assert load_recipe(tmp_path / "r.toml").loop.epochs == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LEAST + "[loop]\nepoch = 3\n", r"r\.toml: loop\.epoch: Extra inputs"),
        (LEAST.replace("version", "versoin"), r"r\.toml: version: Field required"),
        ("name = ", "not TOML"),
        (LEAST + "[loop]\nlearning_rate = -1\n", r"loop\.learning_rate: .*greater than 0"),
        ('tasks = ["ner", "topic"]\n' + LEAST, "ner is trained by itself"),
        ("train_tokens = 200\n" + LEAST, "train_tokens must not exceed max_tokens"),
        ('name = "a"\nversion = "1"\nencoder = "e"\n', r"r\.toml: train: Field required"),
        ('tasks = ["ner"]\n' + LEAST + "[loop]\nepochs = 0\n", "0 is not for ner"),
        (LEAST.replace("f.csv", "own/en_blind.csv"), r"own/en_blind\.csv: measures and never teaches"),
        (LEAST.replace("f.csv", "own/en_development.csv"), r"own/en_development\.csv: measures and never teaches"),
        (LEAST.replace("f.csv", "own/../own/zh_headlines_blind.csv"), "measures and never teaches"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    """File, key and what is allowed."""
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_recipe(tmp_path / "r.toml")


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(ConfigError, match="no recipe that can be read"):
        load_recipe(tmp_path / "absent.toml")


def test_without_a_recipe_the_first_of_the_runs_is_made(tmp_path: Path) -> None:
    """It trains, from an encoder that no run before it has to make."""
    parser = argparse.ArgumentParser()
    add_training_arguments(parser)
    recipe = load_recipe(parser.parse_args(["--data", str(tmp_path), "--out", str(tmp_path / "out")]).recipe)
    assert recipe.name == "default-en-1"
    assert recipe.loop.epochs > 0
