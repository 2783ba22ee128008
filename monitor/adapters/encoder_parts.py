"""The weights of a BERT-family encoder and its heads as plain arrays, for engines that run them in a way of their own.

Owns which families those are: encoders with absolute positions and exact GELU whose heads read the first token alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn
from transformers import PretrainedConfig

_FAMILIES = ("bert", "electra", "roberta", "xlm-roberta")
# Numbers its positions from behind the padding piece.
_POSITIONS_BEHIND_PADDING = ("roberta", "xlm-roberta")


@dataclass(frozen=True, slots=True)
class Linear:
    """x @ weight.T + bias; weight is (out, in), both float32."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation over the last axis."""

    weight: np.ndarray
    bias: np.ndarray
    epsilon: float


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: attention, then the feed-forward part, each added to what came in and normalised (Devlin et al., 2019)."""

    query: Linear
    key: Linear
    value: Linear
    attended: Linear
    attended_norm: Norm
    inner: Linear
    outer: Linear
    outer_norm: Norm


@dataclass(frozen=True, slots=True)
class Head:
    """A task's classifier on the first token: linear, activation (`tanh` or `gelu`), linear to logits."""

    dense: Linear
    activation: str
    out: Linear


@dataclass(frozen=True, slots=True)
class EncoderParts:
    """An encoder and its heads.

    Attributes:
        words: (vocabulary, embedding) float32.
        positions: (tokens, embedding) float32, row 0 for the first token of a text.
        segments: (segments, embedding) float32.
        projection: from embedding to hidden size, where they differ.
        attention_heads: heads of the attention of every layer.
    """

    words: np.ndarray
    positions: np.ndarray
    segments: np.ndarray
    embedding_norm: Norm
    projection: Linear | None
    layers: tuple[Layer, ...]
    attention_heads: int
    heads: dict[str, Head]

    @property
    def hidden_size(self) -> int:
        """Numbers a token."""
        return len(self.layers[0].query.bias)


def encoder_parts(config: PretrainedConfig, encoder: nn.Module, heads: Mapping[str, nn.Module]) -> EncoderParts | None:
    """Takes an encoder apart; None where its family or shape is another than those of the module's docstring.

    Args:
        config: its shape.
        encoder: the family's own model without a head.
        heads: the family's own classification head by task.
    """
    if config.model_type not in _FAMILIES or config.hidden_act != "gelu" or not config.num_hidden_layers:
        return None
    if getattr(config, "position_embedding_type", "absolute") != "absolute" or getattr(config, "is_decoder", False):
        return None
    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in encoder.state_dict().items()}

    def linear(name: str) -> Linear:
        return Linear(weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(name: str) -> Norm:
        return Norm(weights[f"{name}.weight"], weights[f"{name}.bias"], float(config.layer_norm_eps))

    behind = int(config.pad_token_id) + 1 if config.model_type in _POSITIONS_BEHIND_PADDING else 0
    pooler = linear("pooler.dense") if config.model_type == "bert" else None
    return EncoderParts(
        words=weights["embeddings.word_embeddings.weight"],
        positions=weights["embeddings.position_embeddings.weight"][behind:],
        segments=weights["embeddings.token_type_embeddings.weight"],
        embedding_norm=norm("embeddings.LayerNorm"),
        projection=linear("embeddings_project") if "embeddings_project.weight" in weights else None,
        layers=tuple(_layer(f"encoder.layer.{i}", linear, norm) for i in range(config.num_hidden_layers)),
        attention_heads=int(config.num_attention_heads),
        heads={task: _head(head, pooler, config.model_type) for task, head in heads.items()},
    )


def _layer(prefix: str, linear: Callable[[str], Linear], norm: Callable[[str], Norm]) -> Layer:
    return Layer(
        query=linear(f"{prefix}.attention.self.query"),
        key=linear(f"{prefix}.attention.self.key"),
        value=linear(f"{prefix}.attention.self.value"),
        attended=linear(f"{prefix}.attention.output.dense"),
        attended_norm=norm(f"{prefix}.attention.output.LayerNorm"),
        inner=linear(f"{prefix}.intermediate.dense"),
        outer=linear(f"{prefix}.output.dense"),
        outer_norm=norm(f"{prefix}.output.LayerNorm"),
    )


def _head(head: nn.Module, pooler: Linear | None, family: str) -> Head:
    """BERT's head is linear on the pooled first token, the others' pool by themselves; electra's by GELU."""
    weights = {name: tensor.detach().float().cpu().numpy() for name, tensor in head.state_dict().items()}
    if pooler is not None:
        return Head(pooler, "tanh", Linear(weights["weight"], weights["bias"]))
    dense, out = (Linear(weights[f"{name}.weight"], weights[f"{name}.bias"]) for name in ("dense", "out_proj"))
    return Head(dense, "gelu" if family == "electra" else "tanh", out)
