"""Prepares a pretrained BERT encoder for tuning: loads it by path or hub name and drops what can never be used."""

from __future__ import annotations

import json
import re
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, BertConfig, BertModel

_UNUSED = re.compile(r"\[unused\d+\]")


def load_encoder(name_or_path: str, max_tokens: int) -> tuple[BertModel, Tokenizer]:
    """Loads encoder and tokenizer, without the `[unused…]` word pieces and without positions past `max_tokens`.

    Neither is ever reached by text of at most `max_tokens` pieces, so the outputs are those of the original.
    """
    model = BertModel.from_pretrained(name_or_path, add_pooling_layer=True)
    tokenizer = AutoTokenizer.from_pretrained(name_or_path, use_fast=True).backend_tokenizer
    state = json.loads(tokenizer.to_str())
    vocabulary = sorted(state["model"]["vocab"].items(), key=lambda item: item[1])
    kept = [(token, index) for token, index in vocabulary if not _UNUSED.fullmatch(token)]
    renumbered = {token: i for i, (token, _) in enumerate(kept)}
    state["model"]["vocab"] = renumbered
    for added in state["added_tokens"]:
        added["id"] = renumbered[added["content"]]
    for special in ((state.get("post_processor") or {}).get("special_tokens") or {}).values():
        special["ids"] = [renumbered[token] for token in special["tokens"]]
    processor = state.get("post_processor") or {}
    for side in ("sep", "cls"):
        if side in processor:
            processor[side] = [processor[side][0], renumbered[processor[side][0]]]
    state["padding"], state["truncation"] = None, None
    trimmed = Tokenizer.from_str(json.dumps(state))
    trimmed.enable_truncation(max_length=max_tokens)

    config = BertConfig.from_dict(
        model.config.to_dict()
        | {"vocab_size": len(kept), "max_position_embeddings": max_tokens, "pad_token_id": renumbered["[PAD]"]}
    )
    smaller = BertModel(config, add_pooling_layer=True)
    weights = dict(model.state_dict())
    words, positions = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    weights[words] = weights[words][torch.tensor([index for _, index in kept])]
    weights[positions] = weights[positions][:max_tokens]
    shapes = smaller.state_dict()
    smaller.load_state_dict(
        {k: v for k, v in weights.items() if k in shapes and v.shape == shapes[k].shape}, strict=False
    )
    return smaller, trimmed


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes tokenizer.json."""
    tokenizer.save(str(folder / "tokenizer.json"))
