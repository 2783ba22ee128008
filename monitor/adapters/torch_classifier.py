"""The classifier on torch: both heads from one pass of one encoder, batches by token budget, calibrated probabilities.

Guarantees: one score per input in order, whatever the batching; labels come from the checkpoint's `id2label`, and a label
set that isn't negative, neutral and positive stops at start-up. With a checkpoint that was tuned on pairs (heads.json:
`entity_pairs`), each company asked for is a row of its own: the tokenizer's pair (name, text), of which sentiment counts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from tokenizers import Encoding, Tokenizer

from monitor.adapters.two_head_model import load_model
from monitor.classify.batches import token_batches
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import SENTIMENTS, ModelInput, Probabilities, Score, sentiment_of
from monitor.settings import ClassifierSettings

log = logging.getLogger(__name__)
_SHIPPED = "default_"


def shipped_models() -> dict[str, Path]:
    """Folders of the shipped models by the language that each reads."""
    models = Path(str(resources.files("monitor.models")))
    return {path.name.removeprefix(_SHIPPED): path for path in sorted(models.glob(f"{_SHIPPED}*")) if path.is_dir()}


def default_model_folder(language: str = "en") -> Path:
    """Where the shipped model of a language is, or would be."""
    return Path(str(resources.files("monitor.models").joinpath(f"{_SHIPPED}{language}")))


@dataclass(frozen=True, slots=True)
class _Row:
    """One row that the model reads: an input as it is, or paired with one of its companies."""

    place: int  # of the input
    key: str | None
    encoding: Encoding


class TorchClassifier:
    """Implements Classifier.

    Args:
        settings: device, token budget.
        folder: the model.

    Raises:
        ConfigError: the folder holds no usable model, or the device isn't there.
    """

    def __init__(self, settings: ClassifierSettings, folder: Path) -> None:
        self._device = device_of(settings.device)
        model, heads = load_model(folder)
        self._model = model.to(self._device)
        self._tokenizer = load_tokenizer(folder, int(heads["max_tokens"]))
        self._pad_id = next(
            (i for name in ("[PAD]", "<pad>") if (i := self._tokenizer.token_to_id(name)) is not None), 0
        )
        self._max_batch_tokens = settings.max_batch_tokens
        self._version = f"{heads['name']}@{heads['version']}"
        self._languages = frozenset({str(heads["language"])})
        self._pairs = bool(heads.get("entity_pairs", False))
        if self._pairs:
            _check_pairs(self._tokenizer, folder)
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

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        rows = self._rows(inputs)
        whole: dict[int, tuple[list[float], list[float]]] = {}
        own: list[list[tuple[str, Probabilities]]] = [[] for _ in inputs]
        for batch in token_batches([len(row.encoding.ids) for row in rows], self._max_batch_tokens):
            told = self._told([rows[i].encoding for i in batch])
            for i, sentiment, topic in zip(batch, *told, strict=True):
                place, key = rows[i].place, rows[i].key
                if key is None:
                    whole[place] = sentiment, topic
                else:
                    own[place].append((key, _triple(sentiment)))
        # Sorted, since rows come back in the order of their lengths.
        return [score_of(*whole[i], self._topics, self._version, sorted(own[i])) for i in range(len(inputs))]

    def _rows(self, inputs: Sequence[ModelInput]) -> list[_Row]:
        texts = [one.text for one in inputs]
        rows = [_Row(i, None, encoding) for i, encoding in enumerate(self._tokenizer.encode_batch(texts))]
        if not self._pairs:
            return rows
        asked = [(i, key, name) for i, one in enumerate(inputs) for key, name in one.entities]
        encodings = self._tokenizer.encode_batch([(name, inputs[i].text) for i, _, name in asked])
        pairs = zip(asked, encodings, strict=True)
        return rows + [_Row(i, key, pair) for (i, key, name), pair in pairs if name in _read_part(inputs[i].text, pair)]

    def _told(self, encodings: Sequence[Encoding]) -> tuple[list[list[float]], list[list[float]]]:
        """Sentiment (in the order of SENTIMENTS) and topic probabilities of each row."""
        try:
            logits = self._logits(encodings)
        except RuntimeError as exc:  # what torch raises, out of memory included
            raise ClassifierError(f"the model failed on {len(encodings)} texts: {exc}", reason="model_failed") from exc
        probabilities = {
            task: torch.softmax(values.float() / self._temperatures[task], dim=-1).cpu()
            for task, values in logits.items()
        }
        return probabilities["sentiment"][:, self._sentiment_order].tolist(), probabilities["topic"].tolist()

    @torch.inference_mode()
    def _logits(self, encodings: Sequence[Encoding]) -> dict[str, torch.Tensor]:
        width = max(len(encoding.ids) for encoding in encodings)
        ids = torch.full((len(encodings), width), self._pad_id, dtype=torch.long)
        mask = torch.zeros((len(encodings), width), dtype=torch.long)
        types = torch.zeros((len(encodings), width), dtype=torch.long)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = torch.tensor(encoding.ids)
            mask[row, : len(encoding.ids)] = 1
            types[row, : len(encoding.ids)] = torch.tensor(encoding.type_ids)
        segments = {"token_type_ids": types.to(self._device)} if self._pairs else {}
        told: dict[str, torch.Tensor] = self._model(ids.to(self._device), mask.to(self._device), **segments)
        return told


def score_of(
    sentiment: Sequence[float],
    topic: Sequence[float],
    topics: Sequence[str],
    version: str,
    by_entity: Sequence[tuple[str, Probabilities]] = (),
) -> Score:
    """Makes a score out of probabilities over `SENTIMENTS` and over `topics`.

    Raises:
        ClassifierError: a number is not finite.
    """
    numbers = (*sentiment, *topic, *(number for _, own in by_entity for number in own))
    if not all(map(math.isfinite, numbers)):
        raise ClassifierError("the model gave numbers that are not finite", reason="not_finite")
    triple, best = _triple(sentiment), max(range(len(topic)), key=lambda i: topic[i])
    return Score(topics[best], topic[best], sentiment_of(triple), triple, version, tuple(by_entity))


def _triple(values: Sequence[float]) -> Probabilities:
    negative, neutral, positive = values
    return negative, neutral, positive


def _read_part(text: str, pair: Encoding) -> str:
    """What is left of the text of a pair behind which the tokenizer cut it: a name further on was never read."""
    ends = (end for (_, end), sequence in zip(pair.offsets, pair.sequence_ids, strict=True) if sequence == 1)
    return text[: max(ends, default=0)]


def device_of(wanted: str) -> torch.device:
    """The device that `classifier.device` names; ConfigError if it isn't there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("classifier.device is cuda, and torch sees no CUDA device; use auto or cpu")
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def load_tokenizer(folder: Path, max_tokens: int) -> Tokenizer:
    """Reads a model folder's tokenizer, cutting at `max_tokens`; raises ConfigError for a file that is no tokenizer."""
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


def _check_pairs(tokenizer: Tokenizer, folder: Path) -> None:
    """A tokenizer without a form for pairs would put name and text together unmarked."""
    single, pair = tokenizer.encode("a"), tokenizer.encode("a", "a")
    if sum(pair.special_tokens_mask) <= sum(single.special_tokens_mask):
        raise ConfigError(
            f"{folder}: heads.json says entity_pairs, and tokenizer.json has no form for pairs", reason="model_misfit"
        )


def _labels(heads: dict[str, Any], task: str, folder: Path) -> tuple[str, ...]:
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
