"""An encoder with its heads on torch, from its parts: one product for query, key and value, scaled-dot-product attention,
and of the last layer only the first token, which is all that the heads read. Logits are those of the family's own modules.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from monitor.adapters.encoder_parts import EncoderParts, Head, Layer, Linear, Norm


class TorchEncoder(nn.Module):
    """Called as TwoHeadModel is, for inference alone.

    Args:
        parts: the weights, shared and not copied until the module is moved or converted.
    """

    def __init__(self, parts: EncoderParts) -> None:
        super().__init__()
        self.words = _embedding(parts.words)
        self.positions = _embedding(parts.positions)
        self.segments = _embedding(parts.segments)
        self.embedding_norm = _norm(parts.embedding_norm)
        self.projection = _linear(parts.projection) if parts.projection else nn.Identity()
        self.layers = nn.ModuleList(_Layer(layer, parts.attention_heads) for layer in parts.layers[:-1])
        self.last = _LastLayer(parts.layers[-1], parts.attention_heads)
        self.heads = nn.ModuleDict({task: _Head(head) for task, head in parts.heads.items()})

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """See TwoHeadModel.forward."""
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        summed = self.words(input_ids) + self.segments(token_type_ids) + self.positions(places)
        hidden = self.projection(self.embedding_norm(summed))
        seen = attention_mask.bool()[:, None, None, :]
        for layer in self.layers:
            hidden = layer(hidden, seen)
        first = self.last(hidden, seen)
        return {task: head(first) for task, head in self.heads.items()}


class _Layer(nn.Module):
    def __init__(self, layer: Layer, attention_heads: int) -> None:
        super().__init__()
        self._heads = attention_heads
        self.asked = _linear(_together(layer.query, layer.key, layer.value))
        self.attended, self.attended_norm = _linear(layer.attended), _norm(layer.attended_norm)
        self.inner, self.outer = _linear(layer.inner), _linear(layer.outer)
        self.outer_norm = _norm(layer.outer_norm)

    def forward(self, hidden: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, hidden) to the same."""
        query, key, value = (self._split(part) for part in self.asked(hidden).chunk(3, dim=-1))
        return self._after_attention(query, key, value, seen, hidden)

    def _after_attention(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor, hidden: torch.Tensor
    ) -> torch.Tensor:
        told = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        attended = self.attended(told.transpose(1, 2).flatten(2))
        hidden = self.attended_norm(attended + hidden)
        return self.outer_norm(self.outer(functional.gelu(self.inner(hidden))) + hidden)  # type: ignore[no-any-return]

    def _split(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, hidden) to (batch, heads, tokens, hidden / heads)."""
        return values.view(*values.shape[:2], self._heads, -1).transpose(1, 2)


class _LastLayer(_Layer):
    def __init__(self, layer: Layer, attention_heads: int) -> None:
        super().__init__(layer, attention_heads)
        self.asked = _linear(_together(layer.key, layer.value))
        self.query = _linear(layer.query)

    def forward(self, hidden: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, hidden) to (batch, hidden) of the first token."""
        first = hidden[:, :1]
        key, value = (self._split(part) for part in self.asked(hidden).chunk(2, dim=-1))
        return self._after_attention(self._split(self.query(first)), key, value, seen, first)[:, 0]


class _Head(nn.Module):
    def __init__(self, head: Head) -> None:
        super().__init__()
        self.dense, self.out = _linear(head.dense), _linear(head.out)
        self._active: Any = torch.tanh if head.activation == "tanh" else functional.gelu

    def forward(self, first: torch.Tensor) -> torch.Tensor:
        """(batch, hidden) to logits."""
        return self.out(self._active(self.dense(first)))  # type: ignore[no-any-return]


def _together(*linears: Linear) -> Linear:
    return Linear(np.concatenate([one.weight for one in linears]), np.concatenate([one.bias for one in linears]))


def _linear(parts: Linear) -> nn.Linear:
    outs, ins = parts.weight.shape
    linear = nn.Linear(ins, outs, device="meta")
    linear.weight, linear.bias = _parameter(parts.weight), _parameter(parts.bias)
    return linear


def _embedding(rows: np.ndarray) -> nn.Embedding:
    embedding = nn.Embedding(rows.shape[0], rows.shape[1], device="meta")
    embedding.weight = _parameter(rows)
    return embedding


def _norm(parts: Norm) -> nn.LayerNorm:
    norm = nn.LayerNorm(len(parts.weight), eps=parts.epsilon, device="meta")
    norm.weight, norm.bias = _parameter(parts.weight), _parameter(parts.bias)
    return norm


def _parameter(values: np.ndarray) -> nn.Parameter:
    return nn.Parameter(_tensor(values), requires_grad=False)


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))
