"""Laws of what the shipped models come from: licences that allow it, recipes and files that are the ones in the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.datasets.load import sha256_of
from pipelines.training.recipe import OWN, OWN_FOLDER, Recipe, load_recipe

ROOT = Path(__file__).parents[3]
RECIPES = ROOT / "pipelines" / "training" / "recipes"
SHIPPED = ("default_en", "default_zh")
# Every run whose weights or probabilities went into a shipped model.
BEHIND = {
    "default_en": ("default_en", "default_en_1", "default_en_2", "default_en_3", "default_en_4", "teacher_en"),
    "default_zh": ("default_zh", "default_zh_1"),
}
# They permit to pass on, for money as well, what is made from the data or the weights; attribution is in the model cards.
MAY_SHIP = {
    "MIT",
    "Apache-2.0",
    "CC-BY-4.0",
    "CC-BY-4.0 (1313rzt/A-Domain-Specific-Text-Dataset-for-Credit-Risk-Assessment)",
}


def told_by(name: str) -> dict[str, Any]:
    """heads.json of a shipped model."""
    found: dict[str, Any] = json.loads((ROOT / "monitor" / "models" / name / "heads.json").read_text(encoding="utf-8"))
    return found


def shown(recipe: Recipe) -> Recipe:
    """A recipe without its notes, which are in the card alone, and without what recognises its encoder."""
    return recipe.model_copy(update={"notes": "", "encoder_sha256": ""})


@pytest.mark.parametrize("name", [name for names in BEHIND.values() for name in names])
def test_what_ships_is_trained_on_what_may_be_shipped(name: str) -> None:
    """The encoder and every file of every run behind it, the teacher's too."""
    recipe = load_recipe(RECIPES / f"{name}.toml")
    assert {recipe.encoder_licence, *(part.licence for part in recipe.train)} <= MAY_SHIP
    assert not {"conll2003", "fincuge_finfe", "fincuge_finnl", "feeds"} & {
        part.file.partition("/")[0] for part in recipe.train
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_no_run_behind_a_shipped_model_is_overlooked(name: str) -> None:
    """Each model that it names as one it was made from or taught by has its recipe among those that are looked at."""
    known = {f"{one.name}@{one.version}" for one in (load_recipe(RECIPES / f"{n}.toml") for n in BEHIND[name])}
    told = told_by(name)
    named = told.get("ancestors") or [told["went_on_from"]]
    assert {f"{told['name']}@{told['version']}", *named} == known


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_was_made_by_the_recipe_of_its_name(name: str) -> None:
    """The recipe in heads.json, the one beside the weights and the one that is run today are one."""
    told, recipe = told_by(name), load_recipe(RECIPES / f"{name}.toml")
    beside = load_recipe(ROOT / "monitor" / "models" / name / "recipe.toml")
    assert shown(Recipe.model_validate(told["recipe"])) == shown(beside) == shown(recipe)
    assert (told["name"], told["version"]) == (recipe.name, recipe.version)
    assert told["encoder"] == {
        "name": recipe.encoder,
        "licence": recipe.encoder_licence,
        "sha256": recipe.encoder_sha256,
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_names_every_file_of_every_run_behind_it(name: str) -> None:
    """With a licence that allows it; our own files are those that are there today, byte for byte."""
    told = told_by(name)["trained_on"]
    recipes = [load_recipe(RECIPES / f"{one}.toml") for one in BEHIND[name]]
    assert {(part["file"], part["licence"]) for part in told} == {
        (part.file, part.licence) for recipe in recipes for part in recipe.train
    }
    own = {part["file"]: part["sha256"] for part in told if part["file"].startswith(OWN)}
    assert own
    assert own == {file: sha256_of(OWN_FOLDER / file.removeprefix(OWN)) for file in own}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_s_card_says_what_its_heads_json_says(name: str) -> None:
    """Files with sums, the encoder, and how it was made."""
    told, card = told_by(name), (ROOT / "monitor" / "models" / name / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {told['name']} {told['version']}\n")
    assert all(f"| {part['file']} | {part['licence']} | `{part['sha256']}` |" in card for part in told["trained_on"])
    assert told["encoder"]["name"] in card
    assert told.get("made_by", "pipelines train") in card
    assert load_recipe(ROOT / "monitor" / "models" / name / "recipe.toml").notes.strip() in card
