"""The network: one BERT encoder, one linear head per task on its pooled first token.

The pooled output is BERT's own (Devlin et al., 2019), so that each head with the encoder is also a plain
`BertForSequenceClassification`. A checkpoint is a folder: config.json (encoder), heads.json, model.safetensors, tokenizer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import BertConfig, BertModel

from monitor.errors import ConfigError

WEIGHTS = "model.safetensors"
HEADS = "heads.json"


class TwoHeadModel(nn.Module):
    """A BERT encoder with one classification head per task.

    Args:
        config: the encoder's shape.
        label_counts: number of classes by task name, for instance `{"sentiment": 3, "topic": 20}`.
    """

    def __init__(self, config: BertConfig, label_counts: dict[str, int]) -> None:
        super().__init__()
        self.bert = BertModel(config, add_pooling_layer=True)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.heads = nn.ModuleDict({task: nn.Linear(config.hidden_size, n) for task, n in label_counts.items()})

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns logits by task, each (batch, classes).

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens), 1 for real tokens.
        """
        pooled = self.dropout(self.bert(input_ids=input_ids, attention_mask=attention_mask).pooler_output)
        return {task: head(pooled) for task, head in self.heads.items()}


def read_heads(folder: Path) -> dict[str, Any]:
    """Reads heads.json of a checkpoint: version, and per task `id2label` and `temperature`."""
    path = folder / HEADS
    try:
        heads: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{folder} is no model folder: no {HEADS} that can be read", reason="model_missing") from exc
    absent = [key for key in ("name", "version", "language", "max_tokens", "heads") if key not in heads]
    if absent:
        raise ConfigError(f"{path}: no {', '.join(absent)}", reason="model_misfit")
    return heads


def load_model(folder: Path) -> tuple[TwoHeadModel, dict[str, Any]]:
    """Loads a checkpoint as float32, in evaluation mode, and its heads.json; never unpickles anything.

    Raises:
        ConfigError: a file is missing, can't be read, or does not fit the others.
    """
    heads = read_heads(folder)
    try:
        config = BertConfig.from_pretrained(folder)
        weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (OSError, ValueError, SafetensorError) as exc:
        raise ConfigError(f"{folder} is no model folder: {exc}", reason="model_missing") from exc
    model = TwoHeadModel(config, {task: len(head["id2label"]) for task, head in heads["heads"].items()})
    try:
        missing, unexpected = model.load_state_dict(weights, strict=False)
    except RuntimeError as exc:
        raise ConfigError(f"{folder / WEIGHTS} does not fit: {exc}", reason="model_misfit") from exc
    # position_ids and the like are buffers that newer library versions recompute; a missing weight is another matter.
    if [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))] or unexpected:
        raise ConfigError(
            f"{folder / WEIGHTS} does not fit: missing {missing}, unexpected {unexpected}", reason="model_misfit"
        )
    return model.eval(), heads


def save_model(model: TwoHeadModel, heads: dict[str, Any], folder: Path) -> None:
    """Writes the weights as float16 safetensors beside the encoder's config and heads.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().half().contiguous()
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }
    save_file(weights, folder / WEIGHTS)
    model.bert.config.save_pretrained(folder)
    (folder / HEADS).write_text(json.dumps(heads, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
