"""Laws of what other tools get: each head as a plain sequence-classification checkpoint, and low-rank adapters merged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig, ElectraConfig, RobertaConfig

from monitor.adapters.two_head_model import TwoHeadModel, load_model, save_model
from monitor.errors import ConfigError
from pipelines.evaluation.label_names import LabelNames
from pipelines.evaluation.models import open_model
from pipelines.evaluation.scoring import TextModel
from pipelines.training.export import export_head
from pipelines.training.run import RunOptions, run_recipe
from pipelines.training.weights import add_adapters, merge_adapters
from tests.tiny_checkpoints import tiny_tokenizer

TEXTS = ["profit falls at plant 7", "oil rises", "rate cut at bank 3"]
IDS, MASK = torch.tensor([[4, 9, 11, 13, 5], [4, 9, 5, 0, 0]]), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture(scope="module")
def trained(encoder_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained model."""
    out = tmp_path_factory.mktemp("model")
    run_recipe(data_folder / "recipe.toml", RunOptions(data_folder, out, str(encoder_folder)))
    return out


@pytest.mark.parametrize("task", ["sentiment", "topic"])
def test_an_exported_head_gives_the_logits_of_the_shared_model(trained: Path, tmp_path: Path, task: str) -> None:
    """Loaded by the field's own classes, offline, with its labels: within 1e-5."""
    export_head(trained, task, tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    model, heads = load_model(trained)
    assert {str(i): name for i, name in plain.config.id2label.items()} == heads["heads"][task]["id2label"]
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    own = Tokenizer.from_file(str(trained / "tokenizer.json"))
    assert [row[: len(own.encode(t).ids)] for row, t in zip(batch["input_ids"].tolist(), TEXTS, strict=True)] == [
        own.encode(t).ids for t in TEXTS
    ]
    with torch.inference_mode():
        ours = model(batch["input_ids"], batch["attention_mask"])[task]
        theirs = plain(**batch).logits
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("family", [BertConfig, ElectraConfig])
def test_an_exported_head_tells_a_company_from_its_text(
    family: type[BertConfig] | type[ElectraConfig], tmp_path: Path
) -> None:
    """Its tokenizer marks the second text of a pair: the logits are those that the monitor serves, within 1e-5."""
    torch.manual_seed(4)
    shape = family(
        vocab_size=tiny_tokenizer().get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    head = {"id2label": {"0": "negative", "1": "neutral", "2": "positive"}, "temperature": 1.5}
    told = {"name": "pairs", "version": "1", "language": "en", "max_tokens": 24, "heads": {"sentiment": head}}
    save_model(TwoHeadModel(shape, {"sentiment": 3}), told, tmp_path / "model")
    tiny_tokenizer().save(str(tmp_path / "model" / "tokenizer.json"))
    export_head(tmp_path / "model", "sentiment", tmp_path / "out")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out", local_files_only=True)
    pair = tiny_tokenizer().encode("oil 7", "profit falls at bank 7")
    ids, types = torch.tensor([pair.ids]), torch.tensor([pair.type_ids])
    model, _ = load_model(tmp_path / "model")
    with torch.inference_mode():
        ours = model(ids, torch.ones_like(ids), types)["sentiment"]
        unmarked = model(ids, torch.ones_like(ids))["sentiment"]
        theirs = plain(**tokenizer("oil 7", "profit falls at bank 7", return_tensors="pt")).logits
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(unmarked, theirs, atol=1e-3)


def test_an_export_writes_over_nothing(trained: Path, tmp_path: Path) -> None:
    """Least of all over the model: the folder to write is new or empty."""
    before = {path: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    (tmp_path / "link").symlink_to(trained)
    for out, said in ((trained, "own folder"), (tmp_path / "link", "own folder"), (tmp_path / "used", "not empty")):
        with pytest.raises(ConfigError, match=said):
            export_head(trained, "sentiment", out)
    assert {path: path.read_bytes() for path in trained.iterdir() if path.is_file()} == before
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["notes.txt"]


def test_a_shipped_model_is_exported_by_its_name(tmp_path: Path) -> None:
    """As it is evaluated; what is written gives the probabilities of the model, and is evaluated with its temperature."""
    export_head(Path("default"), "sentiment", tmp_path / "out")
    plain = open_model(str(tmp_path / "out"), None, "cpu", LabelNames())
    shipped = open_model("default", None, "cpu", LabelNames())
    assert isinstance(plain, TextModel)
    assert isinstance(shipped, TextModel)
    assert plain.temperatures["sentiment"] == shipped.temperatures["sentiment"] != 1
    assert np.allclose(plain.logits(TEXTS)["sentiment"], shipped.logits(TEXTS)["sentiment"], atol=1e-3)
    with pytest.raises(ConfigError, match="MODEL default-fr: no such folder; wanted default, default-zh, or"):
        export_head(Path("default-fr"), "sentiment", tmp_path / "fr")


def test_a_head_that_is_not_there_is_named(trained: Path, tmp_path: Path) -> None:
    """With those that are."""
    with pytest.raises(ConfigError, match="no mood head; it has sentiment, topic"):
        export_head(trained, "mood", tmp_path)


def test_encoders_of_other_families_are_saved_and_read_again(tmp_path: Path) -> None:
    """RoBERTa's head pools by itself; the outputs of the folder are those of the model."""
    config = RobertaConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    model = TwoHeadModel(config, {"sentiment": 3, "topic": 2}).half().float().eval()
    heads = {
        "name": "r",
        "version": "1",
        "language": "en",
        "max_tokens": 16,
        "heads": {
            "sentiment": {"id2label": {0: "a", 1: "b", 2: "c"}, "temperature": 1.0},
            "topic": {"id2label": {0: "x", 1: "y"}, "temperature": 1.0},
        },
    }
    save_model(model, heads, tmp_path)
    again, _ = load_model(tmp_path)
    with torch.inference_mode():
        for task, logits in model(IDS, MASK).items():
            assert torch.allclose(again(IDS, MASK)[task], logits, atol=1e-5)


def test_merged_adapters_are_a_plain_encoder_with_the_same_output(encoder_folder: Path) -> None:
    """Only adapters and heads learn; afterwards names and shapes are those of before, and the output stays."""
    torch.manual_seed(0)
    shape = AutoModelForSequenceClassification.from_pretrained(encoder_folder).config
    model = TwoHeadModel(shape, {"topic": 2}).eval()
    names = set(model.state_dict())
    add_adapters(model, model.prefix, 2)
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("heads.") for name in learning)
    assert any("lora_" in name for name in learning)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    model.eval()
    with torch.inference_mode():
        before = model(IDS, MASK)["topic"]
    merge_adapters(model)
    assert set(model.state_dict()) == names
    with torch.inference_mode():
        assert torch.allclose(model(IDS, MASK)["topic"], before, atol=1e-4)


def test_a_model_is_tuned_by_adapters_alone(encoder_folder: Path, data_folder: Path, tmp_path: Path) -> None:
    """The recipe asks for a rank; what is written is a model folder like any other."""
    recipe = (data_folder / "recipe.toml").read_text().replace("epochs = 1", "epochs = 1\nlora_rank = 4")
    (tmp_path / "lora.toml").write_text(recipe)
    run_recipe(tmp_path / "lora.toml", RunOptions(data_folder, tmp_path / "out", str(encoder_folder)))
    model, _ = load_model(tmp_path / "out")
    assert not any("lora" in name for name in model.state_dict())
    assert (tmp_path / "out" / "curves").is_dir()
    assert not (tmp_path / "out" / "checkpoint").exists()
