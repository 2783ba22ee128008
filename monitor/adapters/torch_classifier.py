"""The classifier on torch: both heads from one pass of one encoder, batches by token budget, calibrated probabilities.

Guarantees: one score per text in order, whatever the batching; labels come from the checkpoint's `id2label`, and a
label set that isn't negative, neutral and positive stops at start-up.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import torch
from tokenizers import Encoding, Tokenizer

from monitor.adapters.two_head_model import load_model
from monitor.classify.batches import token_batches
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import SENTIMENTS, Score
from monitor.settings import ClassifierSettings

log = logging.getLogger(__name__)
DEFAULT_MODEL = "default_en"


def default_model_folder() -> Path:
    """Where the shipped English model is."""
    return Path(str(resources.files("monitor.models").joinpath(DEFAULT_MODEL)))


class TorchClassifier:
    """Implements Classifier.

    Args:
        settings: model folder, device, token budget.

    Raises:
        ConfigError: the folder holds no usable model, or the device isn't there.
    """

    def __init__(self, settings: ClassifierSettings) -> None:
        folder = settings.model or default_model_folder()
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self._device = _device(settings.device)
        model, heads = load_model(folder)
        self._model = model.to(self._device)
        self._tokenizer = _tokenizer(folder, int(heads["max_tokens"]))
        self._pad_id = self._tokenizer.token_to_id("[PAD]") or 0
        self._max_batch_tokens = settings.max_batch_tokens
        self._version = f"{heads['name']}@{heads['version']}"
        self._languages = frozenset({str(heads["language"])})
        self._topics = _labels(heads, "topic", folder)
        self._sentiment_order = _sentiment_order(_labels(heads, "sentiment", folder), folder)
        self._temperatures = {task: float(head["temperature"]) for task, head in heads["heads"].items()}

    @property
    def version(self) -> str:
        """See Classifier."""
        return self._version

    @property
    def languages(self) -> frozenset[str]:
        """See Classifier."""
        return self._languages

    @property
    def topics(self) -> tuple[str, ...]:
        """Names of the topics, by class index."""
        return self._topics

    def classify(self, texts: Sequence[str]) -> list[Score]:
        """See Classifier."""
        encodings = self._tokenizer.encode_batch(list(texts))
        scores: dict[int, Score] = {}
        for batch in token_batches([len(encoding.ids) for encoding in encodings], self._max_batch_tokens):
            try:
                scored = self._score([encodings[i] for i in batch])
            except RuntimeError as exc:  # what torch raises, out of memory included
                raise ClassifierError(f"the model failed on {len(batch)} texts: {exc}", reason="model_failed") from exc
            scores.update(zip(batch, scored, strict=True))
        return [scores[i] for i in range(len(texts))]

    @torch.inference_mode()
    def _score(self, encodings: Sequence[Encoding]) -> list[Score]:
        width = max(len(encoding.ids) for encoding in encodings)
        ids = torch.full((len(encodings), width), self._pad_id, dtype=torch.long)
        mask = torch.zeros((len(encodings), width), dtype=torch.long)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding.ids)] = 1
        logits = self._model(ids.to(self._device), mask.to(self._device))
        probabilities = {
            task: torch.softmax(values.float() / self._temperatures[task], dim=-1).cpu()
            for task, values in logits.items()
        }
        sentiment = probabilities["sentiment"][:, self._sentiment_order]
        topic_probability, topic = probabilities["topic"].max(dim=-1)
        if not bool(torch.isfinite(sentiment).all() and torch.isfinite(topic_probability).all()):
            raise ClassifierError("the model gave numbers that are not finite", reason="not_finite")
        rows = zip(sentiment.tolist(), topic.tolist(), topic_probability.tolist(), strict=True)
        return [
            Score(
                topic=self._topics[index],
                topic_probability=probability,
                sentiment=SENTIMENTS[max(range(3), key=lambda i: triple[i])],
                probabilities=(triple[0], triple[1], triple[2]),
                model_version=self._version,
            )
            for triple, index, probability in rows
        ]


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("classifier.device is cuda, and torch sees no CUDA device; use auto or cpu")
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def _tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ConfigError(f"{folder} is no model folder: it has no tokenizer.json", reason="model_missing")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises nothing narrower
        raise ConfigError(f"{path} can't be read: {exc}", reason="model_missing") from exc
    tokenizer.enable_truncation(max_length=max_tokens)
    tokenizer.no_padding()
    return tokenizer


def _labels(heads: dict[str, dict[str, dict[str, dict[str, str]]]], task: str, folder: Path) -> tuple[str, ...]:
    try:
        id2label = heads["heads"][task]["id2label"]
        return tuple(id2label[str(i)] for i in range(len(id2label)))
    except KeyError as exc:
        raise ConfigError(
            f"{folder}: heads.json has no whole id2label for the {task} head: {exc}", reason="labels"
        ) from exc


def _sentiment_order(labels: tuple[str, ...], folder: Path) -> list[int]:
    lowered = [label.lower() for label in labels]
    if sorted(lowered) != sorted(SENTIMENTS):
        raise ConfigError(
            f"{folder}: sentiment labels are {', '.join(labels)}; expected {', '.join(SENTIMENTS)}", reason="labels"
        )
    return [lowered.index(name) for name in SENTIMENTS]
