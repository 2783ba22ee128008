"""The classifier on two sequence-classification checkpoints in Hugging Face's form, one for sentiment and one for topics.

Guarantees: weights are read from safetensors alone and no code of a checkpoint runs; classes come from `id2label` by way of
`classifier.label_aliases`, and what is unknown stops at start-up, as does a weight that the checkpoint lacks.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from monitor.adapters.encoder_parts import encoder_parts
from monitor.adapters.engines import batch_tokens_of, device_of, engine_of
from monitor.adapters.row_scorer import Row, RowScorer
from monitor.adapters.token_rows import Logits, TokenRow, token_row
from monitor.adapters.torch_classifier import probabilities, score_of
from monitor.classify.labels import CLASSES, SENTIMENT, TOPIC, meanings_of
from monitor.classify.observer import ClassifyObserver
from monitor.errors import ConfigError
from monitor.messages import ModelInput, Score
from monitor.settings import ClassifierSettings

log = logging.getLogger(__name__)
# What is taken from a hub: nothing that would have to be unpickled or run, no copies in other forms.
_HUB_FILES = (
    "config.json",
    "model.safetensors",
    "model-*-of-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
)
# What BERT and its kin call their classification head.
_HEAD = "classifier"
# RoBERTa's positions begin behind the padding's: two of max_position_embeddings are never used.
_UNUSED_POSITIONS = 2


class Checkpoint:
    """One sequence classifier with its own tokenizer.

    Args:
        name: a folder, or a model hub's name, with @revision where one is wanted.
        task: `sentiment` or `topic`.
        settings: aliases, temperature, device, backend, token budget, cache.

    Raises:
        ConfigError: it can't be had, is no such classifier, or has a label of unknown meaning or no usable temperature.
    """

    def __init__(self, name: str, task: str, settings: ClassifierSettings) -> None:
        folder = _folder_of(name)
        device = device_of(settings)
        model, self._tokenizer = _load(name, folder)
        config = model.config
        labels = [str(config.id2label[i]) for i in range(config.num_labels)]
        meanings = meanings_of(labels, task, name, settings.label_aliases)
        # (labels, classes): adds up labels that mean the same.
        self._meaning = np.zeros((len(labels), len(CLASSES[task])), np.float32)
        self._meaning[range(len(labels)), meanings] = 1.0
        given = settings.sentiment_temperature if task == SENTIMENT else settings.topic_temperature
        self._task = task
        self._temperature = exported_temperature(config, name) if given is None else given
        self._max_tokens = _max_tokens(config, self._tokenizer, settings.checkpoint_max_tokens)
        left = self._tokenizer.padding_side == "left"
        head = getattr(model, _HEAD, None)
        parts = None if left or head is None else encoder_parts(config, model.base_model, {task: head})
        whole = _Whole(model, task, segments="token_type_ids" in self._tokenizer.model_input_names)
        tasks, pad_id = {task: len(labels)}, int(self._tokenizer.pad_token_id)
        engine = engine_of(whole, parts, tasks, pad_id, settings, verified=False, left=left)
        budget = batch_tokens_of(settings, device)
        self._scorer = RowScorer[list[float]](engine, self._encoded, self._decided, budget, settings.cache_entries)
        self.version = f"{Path(name).name if folder == Path(name) else name.partition('@')[0]}@{_fingerprint(folder)}"

    def observe(self, observer: ClassifyObserver) -> None:
        """From now on told of batches and of what was known already."""
        self._scorer.observer = observer

    def foresee(self, texts: Sequence[str]) -> None:
        """Tokenises what `probabilities` will be asked for, while it works; from another thread."""
        self._scorer.foresee([Row(text) for text in texts])

    def probabilities(self, texts: Sequence[str]) -> list[list[float]]:
        """Returns the probabilities of each text, in the order of `CLASSES[task]`.

        Raises:
            ClassifierError: the model failed.
        """
        return [told or [] for told in self._scorer.score([Row(text) for text in texts])]

    def _encoded(self, rows: Sequence[Row]) -> list[TokenRow | None]:
        told = self._tokenizer([row.text for row in rows], truncation=True, max_length=self._max_tokens)
        types = told.get("token_type_ids") or [()] * len(rows)
        return [token_row(ids, of_ids) for ids, of_ids in zip(told["input_ids"], types, strict=True)]

    def _decided(self, logits: Logits) -> list[list[float]]:
        told: list[list[float]] = (probabilities(logits[self._task], self._temperature) @ self._meaning).tolist()
        return told


class _Whole(nn.Module):
    """The checkpoint as engines call a model."""

    def __init__(self, model: nn.Module, task: str, *, segments: bool) -> None:
        super().__init__()
        self._model, self._task, self._segments = model, task, segments

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """See TwoHeadModel.forward."""
        segments = {"token_type_ids": token_type_ids} if self._segments else {}
        return {self._task: self._model(input_ids=input_ids, attention_mask=attention_mask, **segments).logits}


class CheckpointPair:
    """Implements Classifier.

    Args:
        language: what both can read; a checkpoint doesn't say.
        sentiment: the one for sentiment.
        topic: the one for topics.
    """

    def __init__(self, language: str, sentiment: Checkpoint, topic: Checkpoint) -> None:
        self._sentiment, self._topic = sentiment, topic
        self._languages = frozenset({language})

    @property
    def version(self) -> str:
        """See Classifier."""
        return f"{self._sentiment.version} + {self._topic.version}"

    @property
    def languages(self) -> frozenset[str]:
        """See Classifier."""
        return self._languages

    @property
    def checkpoints(self) -> tuple[Checkpoint, Checkpoint]:
        """Both; other languages' pairs may share them. Each of them can be told of texts before `classify` asks for them."""
        return self._sentiment, self._topic

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        texts = [one.text for one in inputs]
        sentiment, topic = self._sentiment.probabilities(texts), self._topic.probabilities(texts)
        return [
            score_of(of_sentiment, of_topic, CLASSES[TOPIC], self.version)
            for of_sentiment, of_topic in zip(sentiment, topic, strict=True)
        ]

    def observe(self, observer: ClassifyObserver) -> None:
        """From now on told of batches and of what was known already, by both."""
        self._sentiment.observe(observer)
        self._topic.observe(observer)


def exported_temperature(config: Any, name: str) -> float:
    """What `pipelines export` writes into config.json of a head; 1 for checkpoints of other makers.

    Raises:
        ConfigError: it is no number above 0; `name` says whose.
    """
    told = getattr(config, "calibration_temperature", 1.0)
    if isinstance(told, bool) or not isinstance(told, int | float) or not (math.isfinite(told) and told > 0):
        raise ConfigError(
            f"{name}: config.json: calibration_temperature is {told!r}; a number above 0 is wanted",
            reason="model_misfit",
        )
    return float(told)


def _folder_of(name: str) -> Path:
    """The folder that a checkpoint is in; one named by a hub's name is fetched, or found in the hub's cache."""
    if Path(name).is_dir():
        return Path(name)
    repository, _, revision = name.partition("@")
    if name.startswith((".", "/", "~")) or repository.count("/") > 1 or "\\" in name:
        raise ConfigError(f"{name}: no such folder", reason="model_missing")
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - with local folders no hub is ever spoken to

    log.info("asking the model hub for %s", name)
    try:
        found = snapshot_download(repository, revision=revision or None, allow_patterns=list(_HUB_FILES))
    except Exception as exc:  # the library raises its HTTP client's errors, OSError and ValueError
        raise ConfigError(
            f"{name} is no folder here, and the model hub did not give it: {exc}", reason="model_missing"
        ) from exc
    return Path(found)


def _load(name: str, folder: Path) -> tuple[Any, Any]:
    try:
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
    except Exception as exc:  # nothing narrower: OSError, ValueError, RuntimeError, ImportError, safetensors' own
        raise ConfigError(f"{name} can't be loaded as a sequence classifier: {exc}", reason="model_missing") from exc
    if loading["missing_keys"]:
        missing = ", ".join(sorted(loading["missing_keys"])[:3])
        raise ConfigError(f"{name} is no sequence classifier: it has no {missing}", reason="model_misfit")
    if model.config.problem_type not in (None, "single_label_classification"):
        raise ConfigError(
            f"{name}: its problem_type is {model.config.problem_type}; one class a text is needed",
            reason="model_misfit",
        )
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise ConfigError(f"{name} has no fast tokenizer with a padding token", reason="model_misfit")
    return model.float().eval(), tokenizer


def _max_tokens(config: Any, tokenizer: Any, wanted: int) -> int:
    positions = getattr(config, "max_position_embeddings", None)
    limits = [wanted, int(tokenizer.model_max_length)]
    return min(limits if positions is None else [*limits, int(positions) - _UNUSED_POSITIONS])


def _fingerprint(folder: Path) -> str:
    """Eight hexadecimal digits of the weights' SHA-256: a name alone doesn't say which weights gave a score."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:8]
