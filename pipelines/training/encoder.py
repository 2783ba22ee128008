"""Prepares a pretrained encoder for tuning: loads it by path or hub name and drops what can never be used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedModel

from monitor.adapters.two_head_model import positions_of
from monitor.errors import ConfigError

_UNUSED = re.compile(r"\[unused\d+\]")


def load_encoder(name_or_path: str, max_tokens: int) -> tuple[PreTrainedModel, Tokenizer]:
    """Loads encoder and tokenizer; a BERT without its `[unused…]` word pieces and its positions past `max_tokens`.

    Neither is ever reached by text of at most `max_tokens` pieces, so the outputs are those of the original. Encoders of
    other families stay whole.

    Raises:
        ConfigError: neither a folder with an encoder, nor a name that the hub gives; or its weights are another's.
    """
    try:
        model, loading = AutoModel.from_pretrained(name_or_path, use_safetensors=True, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(name_or_path, use_fast=True).backend_tokenizer
    except (OSError, ValueError, RuntimeError, SafetensorError) as exc:
        raise ConfigError(f"no encoder can be had from {name_or_path}: {exc}") from exc
    # What is missing starts at random. A pooler may: checkpoints of language models have none, and it is tuned as a head is.
    missing = sorted(name for name in loading["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise ConfigError(
            f"{name_or_path}: the weights are of another model: {len(missing)} that the encoder needs are not among them, "
            f"the first: {missing[0]}"
        )
    positions = positions_of(model.config)
    if positions < max_tokens:
        raise ConfigError(
            f"{name_or_path} reads {positions} word pieces at most, the recipe's max_tokens is {max_tokens}"
        )
    if isinstance(model, BertModel) and json.loads(tokenizer.to_str())["model"]["type"] == "WordPiece":
        return _trimmed(model, tokenizer, max_tokens)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=max_tokens)
    return model, tokenizer


def _trimmed(model: BertModel, tokenizer: Tokenizer, max_tokens: int) -> tuple[BertModel, Tokenizer]:
    state = json.loads(tokenizer.to_str())
    vocabulary = sorted(state["model"]["vocab"].items(), key=lambda item: item[1])
    kept = [(token, index) for token, index in vocabulary if not _UNUSED.fullmatch(token)]
    renumbered = {token: i for i, (token, _) in enumerate(kept)}
    trimmed = Tokenizer.from_str(json.dumps(_renumber(state, renumbered)))
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


def _renumber(state: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    """The tokenizer's description with other ids; special pieces stand in one of two places, by its age."""
    state["model"]["vocab"] = numbers
    state["added_tokens"] = [added for added in state["added_tokens"] if added["content"] in numbers]
    for added in state["added_tokens"]:
        added["id"] = numbers[added["content"]]
    processor = state.get("post_processor") or {}
    for special in (processor.get("special_tokens") or {}).values():
        special["ids"] = [numbers[token] for token in special["tokens"]]
    for side in ("sep", "cls"):
        if side in processor:
            processor[side] = [processor[side][0], numbers[processor[side][0]]]
    state["padding"], state["truncation"] = None, None
    return state


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_tokens: int) -> None:
    """Writes tokenizer.json, cutting at `max_tokens`."""
    tokenizer.enable_truncation(max_length=max_tokens)
    tokenizer.save(str(folder / "tokenizer.json"))
