"""Laws of tuning a tagger for named entities, on an encoder of two layers and sixty sentences."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForTokenClassification, AutoTokenizer

from monitor.errors import ConfigError
from pipelines.datasets.load import load_tagged
from pipelines.evaluation.token_figures import predict_tags
from pipelines.evaluation.word_starts import with_word_starts
from pipelines.labels.evaluation import fix_evaluation
from pipelines.training.run import RunOptions, run_recipe

RECIPE = """
name = "tiny-ner"
version = "1"
tasks = ["ner"]
encoder = "nobody/tiny"
max_tokens = 16
train_tokens = 16
calibration_share = 0.2
leaks = "{leaks}"
[loop]
epochs = 6
batch_size = 8
learning_rate = 1e-2
head_learning_rate = 1e-2
patience = 6
[[train]]
file = "train.txt"
kind = "conll"
licence = "ours"
[[held_out]]
file = "test.txt"
kind = "conll"
"""


def sentence(number: int) -> str:
    """A bank is an organisation, oil a product, the rest no name."""
    name, tag = ("bank", "B-ORG") if number % 2 else ("oil", "B-PROD")
    return f"profit O\nat O\n{name} {tag}\n{number} O\n\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training sentences, held-out ones and a recipe."""
    folder = tmp_path_factory.mktemp("ner")
    (folder / "train.txt").write_text("".join(sentence(i) for i in range(48)))
    (folder / "test.txt").write_text("".join(sentence(i) for i in range(46, 60)))
    for leaks in ("drop", "error"):
        (folder / f"{leaks}.toml").write_text(RECIPE.format(leaks=leaks))
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path, encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained tagger."""
    out = tmp_path_factory.mktemp("tagger")
    run_recipe(folder / "drop.toml", RunOptions(folder, out, str(encoder_folder)))
    return out


def test_a_tagger_learns_names_and_tells_how_well(trained: Path) -> None:
    """Held-out figures by token and by entity, epochs, data and rows stand beside the weights and in the card."""
    told = json.loads((trained / "ner.json").read_text())
    assert told["held_out"]["test.txt"]["entity"]["f1"] == 1
    assert told["held_out"]["test.txt"]["micro_with_o"]["f1"] == 1
    assert told["rows"] == {"read": 48, "leaking": 2, "fitted": told["rows"]["fitted"], "kept": told["rows"]["kept"]}
    assert told["rows"]["fitted"] + told["rows"]["kept"] == 46
    card = (trained / "README.md").read_text()
    assert told["trained_on"][0]["sha256"] in card
    assert "1.0000" in card
    assert "kept to judge the epochs by" in card
    assert f"Made by `{told['made_by']}`" in card


def test_a_tagger_s_epochs_are_told_by_what_they_are_judged_by(
    folder: Path, encoder_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whole entities, on rows that calibrate nothing."""
    recipe = (folder / "drop.toml").read_text().replace("epochs = 6", "epochs = 1")
    (tmp_path / "one.toml").write_text(recipe)
    told = run_recipe(tmp_path / "one.toml", RunOptions(folder, tmp_path / "out", str(encoder_folder)))
    assert len(told["entity_f1_by_epoch"]) == 1
    said = capsys.readouterr().out
    assert "epoch 1: entity F1" in said
    assert "macro-F1" not in said
    assert "calibration" not in said


def test_a_tagger_is_a_plain_checkpoint(trained: Path, folder: Path) -> None:
    """Other tools load it offline, with its tags and its tokenizer."""
    model = AutoModelForTokenClassification.from_pretrained(trained).float()
    assert [model.config.id2label[i] for i in range(3)] == ["O", "B-ORG", "B-PROD"]
    assert AutoTokenizer.from_pretrained(trained)("bank")["input_ids"]
    sentences = load_tagged(folder / "test.txt", "conll")
    tags = predict_tags(model.eval(), Tokenizer.from_file(str(trained / "tokenizer.json")), sentences, 16)
    assert tags == [list(s.tags) for s in sentences]


@pytest.mark.parametrize("nested", [False, True])
def test_words_of_a_split_sentence_begin_with_their_mark(nested: bool) -> None:
    """As they do in running text, also where the tokenizer has several steps."""
    tokenizer = Tokenizer(models.BPE({"Ġ": 0, "o": 1, "i": 2, "l": 3}, []))
    step = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([step]) if nested else step
    tokenizer.enable_truncation(max_length=16)
    running = tokenizer.encode(" oil oil").ids
    assert tokenizer.encode(["oil", "oil"], is_pretokenized=True).ids != running
    marked = with_word_starts(tokenizer)
    assert marked.encode(["oil", "oil"], is_pretokenized=True).ids == running
    assert marked.truncation == tokenizer.truncation


def test_evaluation_texts_of_label_sets_are_not_trained_on(folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    """A sentence that repeats one is left out, as one of a held-out file is."""
    data = shutil.copytree(folder, tmp_path / "data")
    (data / "held.csv").write_text("text,label\nprofit at bank 3,neutral\n")
    fix_evaluation(data / "set", data / "held.csv")
    (data / "drop.toml").write_text((folder / "drop.toml").read_text().replace("epochs = 6", "epochs = 1"))
    told = run_recipe(data / "drop.toml", RunOptions(data, tmp_path / "out", str(encoder_folder)))
    before = run_recipe(data / "drop.toml", RunOptions(folder, tmp_path / "before", str(encoder_folder)))
    assert told["rows"]["leaking"] == before["rows"]["leaking"] + 1


def test_a_leak_is_an_error_that_names_the_pair(folder: Path, encoder_folder: Path, tmp_path: Path) -> None:
    """Unless the recipe says that such rows are to be dropped."""
    with pytest.raises(ConfigError, match=r"(?s)train\.txt.*test\.txt|test\.txt.*train\.txt"):
        run_recipe(folder / "error.toml", RunOptions(folder, tmp_path, str(encoder_folder)))
