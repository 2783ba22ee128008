"""Checkpoints small enough to be made in a test, of each kind that can be evaluated."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    PreTrainedTokenizerFast,
)

from monitor.adapters.two_head_model import TwoHeadModel, save_model

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["profit", "falls", "rises", "stays", "oil", "bank", "rate", "cut", "at", "plant", "##s", *map(str, range(60))]
SENTIMENTS = ["negative", "neutral", "positive"]
TOPICS = ["Energy", "Fed", "Earnings"]
TAGS = ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """Word pieces of a few words."""
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *WORDS])}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a word piece
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return made


def tiny_config(labels: list[str]) -> BertConfig:
    """A BERT of two narrow layers."""
    return BertConfig(
        vocab_size=len(SPECIAL) + len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """As the library writes it beside a plain checkpoint."""
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)  # type: ignore[no-untyped-call]


def enlarged(model: nn.Module) -> None:
    """Makes random weights so large that labels differ from text to text."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    model.train(False)


@pytest.fixture(scope="session")
def tagger() -> BertForTokenClassification:
    """A tagger with random weights."""
    torch.manual_seed(5)
    model = BertForTokenClassification(tiny_config(TAGS))
    enlarged(model)
    return model


@pytest.fixture(scope="session")
def tagger_folder(
    tagger: BertForTokenClassification, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """That tagger as a checkpoint."""
    folder = tmp_path_factory.mktemp("tagger")
    tagger.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


TwoHeadFolder = Callable[..., Path]


@pytest.fixture(scope="session")
def two_heads(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> TwoHeadFolder:
    """Makes checkpoints of one random network with the sentiments in any order."""

    def made(order: Sequence[int] = (0, 1, 2), *, pairs: bool = False, temperature: float = 1.5) -> Path:
        torch.manual_seed(3)
        model = TwoHeadModel(tiny_config(SENTIMENTS), {"sentiment": 3, "topic": 3})
        enlarged(model)
        head = model.heads["sentiment"]
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.copy_(parameter[list(order)])
        heads = {
            "name": "tiny",
            "version": "7",
            "language": "en",
            "max_tokens": 24,
            "entity_pairs": pairs,
            "heads": {
                "sentiment": {
                    "id2label": {str(i): SENTIMENTS[j] for i, j in enumerate(order)},
                    "temperature": temperature,
                },
                "topic": {"id2label": dict(enumerate(TOPICS)), "temperature": 2.0},
            },
            "trained_on": [{"file": "seen.csv", "licence": "MIT", "sha256": "0"}],
        }
        folder = tmp_path_factory.mktemp("model")
        save_model(model, heads, folder)
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return made


@pytest.fixture(scope="session")
def two_head_folder(two_heads: TwoHeadFolder) -> Path:
    """A checkpoint with a sentiment and a topic head."""
    return two_heads()


@pytest.fixture(scope="session")
def plain_folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain sequence classifier, as they are found elsewhere: capitals, another order."""
    folder = tmp_path_factory.mktemp("plain")
    torch.manual_seed(4)
    model = BertForSequenceClassification(tiny_config(["Positive", "Negative", "Neutral"]))
    enlarged(model)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


def texts() -> list[str]:
    """Thirty that are no near-duplicates of each other: seven numbers, and a word that says the sentiment."""
    words = ["falls", "stays", "rises"]
    return [f"{words[i % 3]} {' '.join(str((7 * i + 11 * j + i * j) % 60) for j in range(7))} oil" for i in range(30)]


def write_rows(path: Path, *rows: Sequence[str]) -> Path:
    """A CSV file."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows(rows)
    return path


@pytest.fixture(scope="session")
def sentiment_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty rows whose label follows from a word."""
    labelled = [(text, SENTIMENTS[i % 3]) for i, text in enumerate(texts())]
    return write_rows(tmp_path_factory.mktemp("data") / "sentiment.csv", ("text", "label"), *labelled)
