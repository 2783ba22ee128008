"""Checkpoints small enough to be made in a test, of each kind that can be evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["profit", "falls", "rises", "stays", "oil", "bank", "rate", "cut", "at", "plant", "##s", *map(str, range(60))]
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


@pytest.fixture(scope="session")
def tagger() -> BertForTokenClassification:
    """A tagger with random weights, large enough that its tags differ from token to token."""
    torch.manual_seed(5)
    model = BertForTokenClassification(tiny_config(TAGS))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)
    model.train(False)
    return model
