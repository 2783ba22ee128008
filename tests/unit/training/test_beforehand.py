"""Laws of what a run refuses before it reads or trains anything: starts, teachers and folders that can't be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitor.errors import ConfigError
from pipelines.training import run
from pipelines.training.run import RunOptions, run_recipe

Written = Callable[..., Path]


@pytest.fixture
def written(data_folder: Path, tmp_path: Path) -> Written:
    """Writes the recipe with replacements, and returns its path."""

    def write(*pairs: tuple[str, str]) -> Path:
        text = (data_folder / "recipe.toml").read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "r.toml").write_text(text)
        return tmp_path / "r.toml"

    return write


@pytest.fixture
def options(data_folder: Path, encoder_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunOptions:
    """Of a run that starts at the encoder; to train anything fails the test."""

    def trained(*_: Any) -> None:
        raise AssertionError("trained")

    monkeypatch.setattr(run, "train", trained)
    return RunOptions(data_folder, tmp_path / "out", str(encoder_folder))


NO_EPOCH = ("epochs = 1", "epochs = 0")
TAUGHT = ('kind = "topic_csv"', 'kind = "topic_csv"\ntaught = true')


def test_no_epoch_is_no_model_of_an_encoder(written: Written, options: RunOptions) -> None:
    """Heads of random weights are never saved; where to read which recipe comes first is said."""
    with pytest.raises(ConfigError, match=r"epochs = 0 trains nothing.*docs/models\.md"):
        run_recipe(written(NO_EPOCH), options)
    assert not options.out.exists()


def test_a_mean_is_of_models(written: Written, options: RunOptions, trained: Path, encoder_folder: Path) -> None:
    """Neither end may be an encoder, whose heads would be random."""
    with pytest.raises(ConfigError, match=r"--encoder .*no model folder"):
        run_recipe(written(), replace(options, mean_with=(trained,)))
    with pytest.raises(ConfigError, match=r"--mean-with .*no model folder"):
        run_recipe(written(), replace(options, encoder=str(trained), mean_with=(encoder_folder,)))


def test_only_a_model_has_kept_rows(written: Written, options: RunOptions, encoder_folder: Path) -> None:
    """An encoder in its place would keep nothing, without a word."""
    with pytest.raises(ConfigError, match=r"--keep-as .*no model folder"):
        run_recipe(written(), replace(options, keep_as=encoder_folder))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((), "no file with taught = true"),
        ((TAUGHT, ("epochs = 1", "epochs = 0")), "epochs = 0"),
    ],
)
def test_a_teacher_that_would_teach_nothing_is_refused(
    written: Written, options: RunOptions, trained: Path, changes: tuple[tuple[str, str], ...], said: str
) -> None:
    """Or heads.json would say that it had."""
    with pytest.raises(ConfigError, match=said):
        run_recipe(written(*changes), replace(options, encoder=str(trained), teacher=trained))


def test_a_teacher_is_a_model(written: Written, options: RunOptions, encoder_folder: Path) -> None:
    """Whatever the recipe says."""
    for changes in ((), (TAUGHT,)):
        with pytest.raises(ConfigError, match=r"--teacher .*no model folder"):
            run_recipe(written(*changes), replace(options, teacher=encoder_folder))


def test_a_teacher_of_another_task_is_refused(
    written: Written, options: RunOptions, trained: Path, tmp_path: Path
) -> None:
    """It has nothing to say of what is learnt."""
    other = shutil.copytree(trained, tmp_path / "other")
    heads = json.loads((other / "heads.json").read_text())
    del heads["heads"]["topic"]
    (other / "heads.json").write_text(json.dumps(heads))
    recipe = written(TAUGHT, ("max_tokens = 16\ntrain", 'tasks = ["topic"]\nmax_tokens = 16\ntrain'))
    with pytest.raises(ConfigError, match="has sentiment; the recipe learns topic"):
        run_recipe(recipe, replace(options, teacher=other))


def other_topics(trained: Path, folder: Path) -> Path:
    """A copy of the model with a topic called otherwise."""
    shutil.copytree(trained, folder)
    heads = json.loads((folder / "heads.json").read_text())
    heads["heads"]["topic"]["id2label"]["0"] = "Gold"
    (folder / "heads.json").write_text(json.dumps(heads))
    return folder


def test_no_epoch_wants_the_same_classes(written: Written, options: RunOptions, trained: Path, tmp_path: Path) -> None:
    """What is missing and what is too much is named."""
    other = other_topics(trained, tmp_path / "other")
    with pytest.raises(ConfigError, match=r"topic head has other classes \(without Energy; with Gold\).*epochs = 0"):
        run_recipe(written(NO_EPOCH), replace(options, encoder=str(other)))


def test_a_head_that_begins_anew_is_told(
    written: Written,
    data_folder: Path,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the classes that differ; the other head goes on."""
    other = other_topics(trained, tmp_path / "other")
    run_recipe(written(), RunOptions(data_folder, tmp_path / "out", str(other)))
    said = capsys.readouterr().out
    assert "topic head has other classes (without Energy; with Gold); that head starts from nothing" in said
    assert "sentiment head" not in said


def test_a_head_that_is_left_out_is_told(
    written: Written, data_folder: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the recipe has fewer tasks than the model."""
    recipe = written(("max_tokens = 16\ntrain", 'tasks = ["sentiment"]\nmax_tokens = 16\ntrain'))
    heads = run_recipe(recipe, RunOptions(data_folder, tmp_path / "out", str(trained)))
    assert list(heads["heads"]) == ["sentiment"]
    assert "its topic head is left out" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["another name", "another kind", "weights alone"])
def test_a_folder_with_something_else_is_left_alone(
    written: Written, options: RunOptions, trained: Path, kind: str
) -> None:
    """Two models mixed in one folder would be neither."""
    shutil.copytree(trained, options.out)
    recipe = written()
    if kind == "another name":
        recipe = written(('name = "tiny"', 'name = "other"'))
    else:
        (options.out / "heads.json").unlink()
    if kind == "another kind":
        (options.out / "ner.json").write_text('{"name": "tiny", "version": "1"}')
    before = {path.name: path.read_bytes() for path in options.out.iterdir() if path.is_file()}
    with pytest.raises(ConfigError, match=r"--out .*holds .*a new folder is wanted"):
        run_recipe(recipe, options)
    assert {path.name: path.read_bytes() for path in options.out.iterdir() if path.is_file()} == before


def test_the_model_to_go_on_from_is_not_written_over(written: Written, options: RunOptions, trained: Path) -> None:
    """Though it has the name of the one to write."""
    with pytest.raises(ConfigError, match="the run reads the model in this folder"):
        run_recipe(written(), replace(options, encoder=str(trained), out=trained))


def test_a_file_is_no_folder_to_write(written: Written, options: RunOptions, tmp_path: Path) -> None:
    """Nor is what would be in one."""
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "in" / "it"):
        with pytest.raises(ConfigError, match=r"--out .*is a file"):
            run_recipe(written(), replace(options, out=out))


def test_a_model_can_be_made_again_by_its_own_recipe(
    trained: Path, data_folder: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    """In its own folder; no checkpoint stays behind."""
    again = shutil.copytree(trained, tmp_path / "again")
    run_recipe(again / "recipe.toml", RunOptions(data_folder, again, str(encoder_folder)))
    assert (again / "recipe.toml").read_bytes() == (data_folder / "recipe.toml").read_bytes()
    assert not list(again.glob("checkpoint*"))


def test_flags_of_texts_are_not_for_taggers(written: Written, options: RunOptions, trained: Path) -> None:
    """Rather than being passed over."""
    recipe = written(("max_tokens = 16\ntrain", 'tasks = ["ner"]\nmax_tokens = 16\ntrain'))
    for changes in ({"mean_with": (trained,)}, {"keep_as": trained}, {"teacher": trained}):
        with pytest.raises(ConfigError, match="is not for ner"):
            run_recipe(recipe, replace(options, **changes))


def test_a_task_without_rows_to_calibrate_on_is_said_before_training(
    written: Written, options: RunOptions, data_folder: Path, tmp_path: Path
) -> None:
    """Two topics in twenty-two rows, of which none happens to be kept."""
    data = shutil.copytree(data_folder, tmp_path / "data")
    (data / "topic.csv").write_text("text,label\nbank rate cut at oil,Fed\noil rises at 5 bank,Energy\n")
    with pytest.raises(ConfigError, match="no row kept for calibration has a topic"):
        run_recipe(written(), replace(options, data=data))
