"""Model folders small enough to be made in a test: a two-head model, and sequence classifiers as a model hub has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from monitor.adapters.two_head_model import TwoHeadModel, save_model
from monitor.classify.labels import TOPICS
from monitor.messages import SENTIMENTS

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [
    "profit",
    "falls",
    "rises",
    "oil",
    "bank",
    "apple",
    "oracle",
    "at",
    "##s",
    *"降息利润下降苹果上涨",
    *map(str, range(30)),
]
MAX_TOKENS = 24


def tiny_tokenizer(words: Sequence[str] = WORDS, *, pairs: bool = True) -> Tokenizer:
    """Word pieces of those words; without `pairs` it has no form for two texts."""
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys([*SPECIAL, *words]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a word piece
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1" if pairs else None,
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def tiny_config(words: int = len({*SPECIAL, *WORDS}), **changes: Any) -> BertConfig:
    """Two layers of BERT."""
    return BertConfig(
        vocab_size=words,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,  # large, so that texts differ in their scores
        **changes,
    )


def two_head_folder(
    folder: Path, language: str = "en", *, entity_pairs: bool = False, pair_form: bool = True, seed: int = 1
) -> Path:
    """A model folder as `pipelines train` writes it, untrained."""
    torch.manual_seed(seed)
    classes = {"sentiment": SENTIMENTS, "topic": TOPICS}
    heads = {
        "name": f"tiny-{language}",
        "version": str(seed),
        "language": language,
        "max_tokens": MAX_TOKENS,
        "entity_pairs": entity_pairs,
        "heads": {
            task: {"id2label": {str(i): name for i, name in enumerate(names)}, "temperature": 1.25}
            for task, names in classes.items()
        },
    }
    save_model(TwoHeadModel(tiny_config(), {task: len(names) for task, names in classes.items()}), heads, folder)
    tiny_tokenizer(pairs=pair_form).save(str(folder / "tokenizer.json"))
    return folder


def sequence_classifier_folder(
    folder: Path, labels: Sequence[str], words: Sequence[str] = WORDS, *, seed: int = 1, **config: Any
) -> Path:
    """An untrained BertForSequenceClassification with these labels, and its tokenizer."""
    torch.manual_seed(seed)
    names = dict(enumerate(labels))
    tokenizer = tiny_tokenizer(words)
    shape = tiny_config(tokenizer.get_vocab_size(), id2label=names, label2id={n: i for i, n in names.items()}, **config)
    BertForSequenceClassification(shape).save_pretrained(folder)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **special)  # type: ignore[no-untyped-call]
    whole.save_pretrained(folder)
    return folder


def permuted(folder: Path, to: Path, labels: Sequence[str], order: Sequence[int]) -> Path:
    """The same sequence classifier with its classes in another order: class i of it is class order[i] of `folder`."""
    sequence_classifier_folder(to, [labels[i] for i in order])
    weights = load_file(folder / "model.safetensors")
    for part in ("weight", "bias"):
        weights[f"classifier.{part}"] = weights[f"classifier.{part}"][list(order)].contiguous()
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to
