"""Untrained encoders of each family, rows for them, and what they say by the family's own modules."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from transformers import BertConfig, ElectraConfig, MPNetConfig, PretrainedConfig, RobertaConfig

from monitor.adapters.token_rows import TokenRow, token_row
from monitor.adapters.two_head_model import TwoHeadModel

TASKS = {"sentiment": 3, "topic": 7}
BUDGET = 4096
PAD = 1
_SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
    "pad_token_id": PAD,
}
FAMILIES: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**_SHAPE),
    "electra": ElectraConfig(**_SHAPE, embedding_size=16),
    "roberta": RobertaConfig(**_SHAPE, type_vocab_size=1),
    "mpnet": MPNetConfig(**_SHAPE),
}


def model_of(family: str) -> TwoHeadModel:
    """An untrained one, the same each time."""
    torch.manual_seed(3)
    return TwoHeadModel(FAMILIES[family], TASKS).eval()


def rows(*lengths: int, segments: bool = False) -> list[TokenRow]:
    """Random ids; with `segments` the second half of each is a second text."""
    source = np.random.default_rng(sum(lengths))
    return [
        token_row(source.integers(5, 50, n).tolist(), [int(segments and i > n // 2) for i in range(n)]) for n in lengths
    ]


def told_by(model: TwoHeadModel, row: TokenRow) -> dict[str, np.ndarray]:
    """The logits of one row by the family's own modules."""
    ids = torch.from_numpy(np.frombuffer(row.ids, np.uint32).astype(np.int64))[None]
    types = torch.tensor([list(row.types or bytes(row.length))])
    with torch.inference_mode():
        return {task: values[0].numpy() for task, values in model(ids, torch.ones_like(ids), types).items()}
