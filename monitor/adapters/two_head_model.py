"""The network: one BERT-family encoder, one classification head per task.

A head is the family's own (BERT: linear on the pooled first token, Devlin et al., 2019), so that with the encoder it is also
a plain sequence classifier. A checkpoint is a folder: config.json (encoder), heads.json, model.safetensors, tokenizer.json.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from monitor.errors import ConfigError

WEIGHTS = "model.safetensors"
HEADS = "heads.json"


# Families whose own sequence classifier is "encoder, then a head on its output": a head with the encoder is one of those.
_FAMILIES = ("bert", "electra", "mpnet", "roberta", "xlm-roberta")
# Those of them whose positions begin behind the padding's: two of max_position_embeddings are never used.
_POSITIONS_BEHIND_PADDING = ("mpnet", "roberta", "xlm-roberta")


class _Head(BaseModel):
    model_config = ConfigDict(strict=True)

    id2label: dict[str, str] = Field(min_length=1)
    temperature: float = Field(gt=0, allow_inf_nan=False)

    @field_validator("id2label")
    @classmethod
    def _whole(cls, names: dict[str, str]) -> dict[str, str]:
        if names.keys() != {str(i) for i in range(len(names))}:
            raise ValueError(f"the keys of {len(names)} classes are 0 to {len(names) - 1}, not {', '.join(names)}")
        return names


class _Heads(BaseModel):
    """What is read of heads.json; where a model came from stands there too, and is nobody's input."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    language: str = Field(min_length=1)
    max_tokens: int = Field(gt=0)
    entity_pairs: bool = False
    enabled: bool = True
    heads: dict[str, _Head] = Field(min_length=1)


class TwoHeadModel(nn.Module):
    """A BERT-family encoder with one classification head per task.

    Args:
        config: the encoder's shape.
        label_counts: number of classes by task name, for instance `{"sentiment": 3, "topic": 20}`.

    Raises:
        ConfigError: the encoder is of a family that is not supported.
    """

    def __init__(self, config: PretrainedConfig, label_counts: dict[str, int]) -> None:
        super().__init__()
        if config.model_type not in _FAMILIES:
            raise ConfigError(
                f"encoders of the family {config.model_type!r} can't be used; known: {', '.join(_FAMILIES)}",
                reason="model_misfit",
            )
        # BERT's head reads the pooled first token, the others' heads pool by themselves.
        self._pooled = config.model_type == "bert"
        self._segments = getattr(config, "type_vocab_size", 1) > 1
        heads = {task: _sequence_classifier(config, n, layers=0) for task, n in label_counts.items()}
        whole = _sequence_classifier(config, 2, config.num_hidden_layers)
        self.prefix = str(whole.base_model_prefix)
        self.add_module(self.prefix, whole.base_model)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.heads = nn.ModuleDict({task: model.get_submodule("classifier") for task, model in heads.items()})

    @property
    def encoder(self) -> PreTrainedModel:
        """The encoder that all heads share."""
        return self.get_submodule(self.prefix)  # type: ignore[return-value]

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Returns logits by task, each (batch, classes).

        Args:
            input_ids: (batch, tokens) int64.
            attention_mask: (batch, tokens), 1 for real tokens.
            token_type_ids: (batch, tokens), 1 for the second text of a pair; None where every row is one text.
        """
        segments = {"token_type_ids": token_type_ids} if self._segments and token_type_ids is not None else {}
        encoded = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **segments)
        features = self.dropout(encoded.pooler_output) if self._pooled else encoded.last_hidden_state
        return {task: head(features) for task, head in self.heads.items()}


def _sequence_classifier(config: PretrainedConfig, labels: int, layers: int) -> PreTrainedModel:
    shape = copy.deepcopy(config)
    shape.num_hidden_layers, shape.num_labels = layers, labels
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(shape)  # type: ignore[no-untyped-call]
    return model


def read_heads(folder: Path) -> dict[str, Any]:
    """Reads heads.json of a checkpoint: version, and per task `id2label` and `temperature`.

    Raises:
        ConfigError: it can't be read, or a key is absent or no such value; names the file and the key.
    """
    path = folder / HEADS
    try:
        heads = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigError(f"{folder} is no model folder: no {HEADS} that can be read", reason="model_missing") from exc
    if not isinstance(heads, dict):
        raise ConfigError(f"{path}: is no table of keys and values", reason="model_misfit")
    absent = [key for key in ("name", "version", "language", "max_tokens", "heads") if key not in heads]
    if absent:
        raise ConfigError(f"{path}: no {', '.join(absent)}", reason="model_misfit")
    try:
        _Heads.model_validate(heads)
    except ValidationError as exc:
        wrong = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in exc.errors())
        raise ConfigError(f"{path}: {wrong}", reason="model_misfit") from exc
    return heads


def load_model(folder: Path) -> tuple[TwoHeadModel, dict[str, Any]]:
    """Loads a checkpoint as float32, in evaluation mode, and its heads.json; never unpickles anything.

    Raises:
        ConfigError: a file is missing, can't be read, or does not fit the others.
    """
    heads = read_heads(folder)
    try:
        config = AutoConfig.from_pretrained(folder)
        weights = {name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()}
    except (OSError, ValueError, SafetensorError) as exc:
        raise ConfigError(f"{folder} is no model folder: {exc}", reason="model_missing") from exc
    model = _untrained(config, heads, folder / HEADS)
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


def _untrained(config: PretrainedConfig, heads: dict[str, Any], path: Path) -> TwoHeadModel:
    try:
        model = TwoHeadModel(config, {task: len(head["id2label"]) for task, head in heads["heads"].items()})
    except KeyError as exc:  # what torch raises for a name that no module can have, such as one with a dot
        raise ConfigError(f"{path}: heads: a head can't be called so: {exc}", reason="model_misfit") from exc
    positions = positions_of(config)
    if heads["max_tokens"] > positions:
        raise ConfigError(
            f"{path}: max_tokens: {heads['max_tokens']}, and the encoder has positions for {positions} tokens",
            reason="model_misfit",
        )
    return model


def positions_of(config: PretrainedConfig) -> int:
    """How many tokens an encoder has positions for; RoBERTa and its kin number them from behind the padding piece."""
    return int(config.max_position_embeddings) - 2 * (config.model_type in _POSITIONS_BEHIND_PADDING)


def round_as_saved(model: nn.Module) -> None:
    """Rounds the weights to what `save_model` keeps of them, so that what is measured afterwards is what is loaded."""
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(tensor.half())


def save_model(model: TwoHeadModel, heads: dict[str, Any], folder: Path) -> None:
    """Writes the weights as float16 safetensors beside the encoder's config and heads.json."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().half().contiguous()
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point()
    }
    save_file(weights, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)  # the library keeps it from other users, unlike every other file of the folder
    model.encoder.config.save_pretrained(folder)
    (folder / HEADS).write_text(json.dumps(heads, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
