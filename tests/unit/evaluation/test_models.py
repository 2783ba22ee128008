"""Laws of opening checkpoints to evaluate, and of scoring with them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from monitor.errors import ConfigError
from pipelines.evaluation.label_names import LabelNames
from pipelines.evaluation.models import open_model
from pipelines.evaluation.scoring import TagModel, TextModel
from tests.unit.evaluation.conftest import TwoHeadFolder, texts

PLAIN = LabelNames()


def text_model(folder: Path, task: str | None = None, names: LabelNames = PLAIN) -> TextModel:
    """The opened checkpoint."""
    model = open_model(str(folder), task, "cpu", names)
    assert isinstance(model, TextModel)
    return model


@pytest.mark.parametrize("which", ["two_head_folder", "plain_folder"])
def test_batched_equals_one_by_one_in_the_given_order(which: str, request: pytest.FixtureRequest) -> None:
    """Padding and neighbours change no score."""
    model = text_model(request.getfixturevalue(which))
    given = ["oil", *texts(), "profit " * 60, "bank"]
    together = model.logits(given)
    for task, values in together.items():
        alone = np.vstack([model.logits([text])[task] for text in given])
        assert values == pytest.approx(alone, abs=1e-4)


def test_a_text_is_scored_alone_or_with_a_company(two_heads: TwoHeadFolder) -> None:
    """The pair is another row; a text that is too long is cut, not the company's name."""
    model = text_model(two_heads(pairs=True))
    alone = model.logits(["oil falls at bank", "oil falls at bank"], [None, "bank"])["sentiment"]
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    assert model.logits(["oil " * 99], ["bank"])["sentiment"].shape == (1, 3)


def test_a_company_whose_name_is_longer_than_the_model_reads_is_cut(two_heads: TwoHeadFolder) -> None:
    """As where it serves; a short name leaves a long text as much room as there is."""
    model = text_model(two_heads(pairs=True))
    scored = model.logits(["oil falls", "oil falls", "oil " * 99], ["bank " * 99, "bank", "bank"])["sentiment"]
    assert scored.shape == (3, 3)
    assert scored[1] == pytest.approx(model.logits(["oil falls"], ["bank"])["sentiment"][0], abs=1e-4)
    exact = model.logits(["oil " * (24 - 4)], ["bank"])["sentiment"]
    assert scored[2] == pytest.approx(exact[0], abs=1e-4)


def test_what_was_told_of_a_checkpoint_is_known(two_head_folder: Path, tagger_folder: Path) -> None:
    """Name, labels, longest text, training files."""
    known = text_model(two_head_folder).checkpoint
    assert (known.name, known.max_tokens, known.language) == ("tiny@7", 24, "en")
    assert known.trained_on == ({"kind": None, "file": "seen.csv", "licence": "MIT", "sha256": "0"},)
    tagger = open_model(str(tagger_folder), None, "cpu", PLAIN)
    assert isinstance(tagger, TagModel)
    assert (tagger.checkpoint.max_tokens, tagger.checkpoint.labels["ner"][0]) == (32, "O")


@pytest.mark.parametrize("key", ["went_on_from", "mean_of", "taught_by", "ancestors"])
def test_a_model_that_went_on_from_others_says_so(two_head_folder: Path, tmp_path: Path, key: str) -> None:
    """However it did; what those were trained on isn't in its recipe."""
    assert not text_model(two_head_folder).checkpoint.has_ancestors
    folder = shutil.copytree(two_head_folder, tmp_path / "m")
    told = json.loads((folder / "heads.json").read_text())
    (folder / "heads.json").write_text(json.dumps({**told, key: "tiny@6"}))
    assert text_model(folder).checkpoint.has_ancestors


@pytest.mark.parametrize(("told", "read"), [(None, 1.0), (2, 2.0), (0.3, 0.3), (0, None), ("2", None), (True, None)])
def test_an_exported_heads_temperature_counts(
    plain_folder: Path, tmp_path: Path, told: object, read: float | None
) -> None:
    """It stands in config.json, as `pipelines export` writes it and the monitor serves by it; other makers have none."""
    folder = shutil.copytree(plain_folder, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    if told is not None:
        (folder / "config.json").write_text(json.dumps({**config, "calibration_temperature": told}))
    if read is None:
        with pytest.raises(ConfigError, match=r"calibration_temperature is .*; a number above 0 is wanted"):
            text_model(folder)
    else:
        assert text_model(folder).temperatures == {"sentiment": read}


def test_labels_without_a_meaning_get_one(plain_folder: Path, tmp_path: Path) -> None:
    """LABEL_0 and the like, by the same mapping as the data's."""
    folder = shutil.copytree(plain_folder, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}
    config["label2id"] = {f"LABEL_{i}": i for i in range(3)}
    (folder / "config.json").write_text(json.dumps(config))
    names = LabelNames.parse(["LABEL_0=Positive,LABEL_1=negative,label_2=neutral"])
    assert text_model(folder, None, names).checkpoint.labels == {"sentiment": ("positive", "negative", "neutral")}
    assert list(text_model(folder, None).checkpoint.labels) == ["topic"]
    assert list(text_model(folder, "sentiment").checkpoint.labels) == ["sentiment"]


def without_weights(folder: Path) -> None:
    """Weights as a pickle."""
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_head(folder: Path) -> None:
    """A bare encoder under the name of a classifier."""
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if not k.startswith("classifier")}, folder / "model.safetensors")


def without_tokenizer(folder: Path) -> None:
    """Neither file of it."""
    for path in folder.glob("tokenizer*"):
        path.unlink()


def broken_config(folder: Path) -> None:
    """No JSON."""
    (folder / "config.json").write_text("{", encoding="utf-8")


def another_task(folder: Path) -> None:
    """A masked language model."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["BertForMaskedLM"]}))


def no_checkpoint(folder: Path) -> None:
    """Some other folder."""
    (folder / "config.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (without_weights, "never read"),
        (without_head, "the weights lack classifier"),
        (without_tokenizer, "no tokenizer; wanted one of tokenizer.json"),
        (broken_config, "can't be read"),
        (another_task, "is a BertForMaskedLM; wanted heads.json"),
        (no_checkpoint, "it is no checkpoint"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_an_error(
    plain_folder: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    """It says what is missing, and never goes on with random weights."""
    folder = shutil.copytree(plain_folder, tmp_path / "m")
    spoil(folder)
    with pytest.raises(ConfigError, match=said):
        text_model(folder)


@pytest.mark.parametrize("name", ["no-such-folder", "default-en"])
def test_a_model_that_is_not_there_is_an_error(name: str) -> None:
    """It says what could be given."""
    with pytest.raises(ConfigError, match=f"MODEL {name}: no such folder; wanted default, default-zh"):
        open_model(name, None, "cpu", PLAIN)


def test_numbers_that_are_not_finite_are_an_error(two_head_folder: Path, tmp_path: Path) -> None:
    """Not figures."""
    folder = shutil.copytree(two_head_folder, tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["heads.topic.bias"][:] = float("nan")
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ConfigError, match="not finite"):
        text_model(folder).logits(["oil"])


@pytest.mark.parametrize(("backend", "tolerance"), [("onnx", 1e-3), ("onnx_int8", 0.2)])
def test_an_engine_that_serves_gives_what_torch_gives(two_heads: TwoHeadFolder, backend: str, tolerance: float) -> None:
    """Texts and pairs of any length, in the given order; 8 bits cost a little."""
    folder = two_heads(pairs=True)
    served = open_model(str(folder), None, "cpu", PLAIN, backend)
    assert isinstance(served, TextModel)
    given, companies = ["oil", *texts(), "bank"], [None] * (len(texts()) + 1)
    for task, values in text_model(folder).logits(given, [*companies, "oil"]).items():
        assert served.logits(given, [*companies, "oil"])[task] == pytest.approx(values, abs=tolerance)


def test_an_engine_that_serves_wants_a_model_that_it_can_serve(plain_folder: Path) -> None:
    """A plain checkpoint is measured by torch."""
    with pytest.raises(ConfigError, match="--backend onnx"):
        open_model(str(plain_folder), None, "cpu", PLAIN, "onnx")
