"""A BERT encoder small enough to be trained in a test, and forty labelled rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from pipelines.training.run import RunOptions, run_recipe

SPECIAL = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[unused2]"]
WORDS = ["profit", "falls", "rises", "stays", "oil", "bank", "rate", "cut", "at", "plant", "##s", *map(str, range(60))]
RECIPE = """
name = "tiny"
version = "1"
encoder = "nobody/tiny"
encoder_licence = "Apache-2.0"
max_tokens = 16
train_tokens = 12
calibration_share = 0.2
leaks = "drop"
[loop]
epochs = 1
batch_size = 8
learning_rate = 1e-3
head_learning_rate = 1e-2
class_weight_power = 0.5
[[train]]
file = "sentiment.csv"
kind = "sentiment_csv"
licence = "MIT"
[[train]]
file = "topic.csv"
kind = "topic_csv"
licence = "MIT"
[[held_out]]
file = "held_out.csv"
kind = "sentiment_csv"
"""


def tiny_tokenizer() -> Tokenizer:
    """Word pieces with unused ones between them, as pretrained vocabularies have."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a word piece
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of an untrained two-layer BERT with its tokenizer."""
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tiny_tokenizer(), **names).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty rows with a sentiment and twenty with a topic, held-out ones, and the recipe that names them."""
    folder = tmp_path_factory.mktemp("data")
    words = {"negative": "falls", "neutral": "stays", "positive": "rises"}
    labels = list(words)
    sentiment = [(f"profit {words[labels[i % 3]]} at plant {i}", labels[i % 3]) for i in range(20)]
    topic = [
        (f"oil at {i} bank" if i % 2 else f"rate cut at bank {i}", "Energy" if i % 2 else "Fed") for i in range(20, 40)
    ]
    held_out = [(f"profit {words[labels[i % 3]]} at plant {i}", labels[i % 3]) for i in (*range(40, 55), 0)]
    for name, rows in (("sentiment", sentiment), ("topic", topic), ("held_out", held_out)):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([("text", "label"), *rows])
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def trained(encoder_folder: Path, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model trained by the recipe."""
    out = tmp_path_factory.mktemp("model")
    run_recipe(data_folder / "recipe.toml", RunOptions(data_folder, out, str(encoder_folder)))
    return out
