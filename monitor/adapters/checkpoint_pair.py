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

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from monitor.adapters.torch_classifier import device_of, score_of
from monitor.classify.batches import token_batches
from monitor.classify.labels import CLASSES, SENTIMENT, TOPIC, meanings_of
from monitor.errors import ClassifierError, ConfigError
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
# RoBERTa's positions begin behind the padding's: two of max_position_embeddings are never used.
_UNUSED_POSITIONS = 2


class Checkpoint:
    """One sequence classifier with its own tokenizer.

    Args:
        name: a folder, or a model hub's name, with @revision where one is wanted.
        task: `sentiment` or `topic`.
        settings: aliases, temperature, device, token budget.

    Raises:
        ConfigError: it can't be had, is no such classifier, or has a label of unknown meaning or no usable temperature.
    """

    def __init__(self, name: str, task: str, settings: ClassifierSettings) -> None:
        folder = _folder_of(name)
        self._device = device_of(settings.device)
        self._model, self._tokenizer = _load(name, folder)
        config = self._model.config
        labels = [str(config.id2label[i]) for i in range(config.num_labels)]
        meanings = meanings_of(labels, task, name, settings.label_aliases)
        # (labels, classes): adds up labels that mean the same.
        self._meaning = torch.zeros((len(labels), len(CLASSES[task])))
        self._meaning[range(len(labels)), meanings] = 1.0
        given = settings.sentiment_temperature if task == SENTIMENT else settings.topic_temperature
        self._temperature = _own_temperature(config, name) if given is None else given
        self._max_batch_tokens = settings.max_batch_tokens
        self._max_tokens = _max_tokens(config, self._tokenizer, settings.checkpoint_max_tokens)
        self._model.to(self._device)
        self.version = f"{Path(name).name if folder == Path(name) else name.partition('@')[0]}@{_fingerprint(folder)}"

    def probabilities(self, texts: Sequence[str]) -> torch.Tensor:
        """Returns (texts, classes) float32 probabilities, in the order of `CLASSES[task]`.

        Raises:
            RuntimeError: what torch raises, out of memory included.
        """
        found = torch.zeros((len(texts), self._meaning.shape[1]))
        encoded = (
            self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens) if texts else {"input_ids": []}
        )
        for batch in token_batches([len(ids) for ids in encoded["input_ids"]], self._max_batch_tokens):
            rows = {name: [values[i] for i in batch] for name, values in encoded.items()}
            found[batch] = self._classes(rows)
        return found

    @torch.inference_mode()
    def _classes(self, rows: dict[str, list[list[int]]]) -> torch.Tensor:
        padded = self._tokenizer.pad(rows, return_tensors="pt")
        logits = self._model(**{name: values.to(self._device) for name, values in padded.items()}).logits
        return torch.softmax(logits.float() / self._temperature, dim=-1).cpu() @ self._meaning


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

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        texts = [one.text for one in inputs]
        try:
            sentiment, topic = self._sentiment.probabilities(texts), self._topic.probabilities(texts)
        except RuntimeError as exc:
            raise ClassifierError(f"a checkpoint failed on {len(texts)} texts: {exc}", reason="model_failed") from exc
        return [
            score_of(of_sentiment, of_topic, CLASSES[TOPIC], self.version)
            for of_sentiment, of_topic in zip(sentiment.tolist(), topic.tolist(), strict=True)
        ]


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


def _own_temperature(config: Any, name: str) -> float:
    """What `pipelines export` writes into config.json of a head; 1 for checkpoints of other makers."""
    told = getattr(config, "calibration_temperature", 1.0)
    if isinstance(told, bool) or not isinstance(told, int | float) or not (math.isfinite(told) and told > 0):
        raise ConfigError(
            f"{name}: config.json: calibration_temperature is {told!r}; a number above 0 is wanted",
            reason="model_misfit",
        )
    return float(told)


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
