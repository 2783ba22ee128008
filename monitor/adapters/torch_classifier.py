"""The classifier of a model folder: both heads from one pass of one encoder, calibrated probabilities.

Guarantees: one score per input in order, the same in any order and company to the tolerance of the engine that runs the
model; labels come from `id2label`, and a label set that isn't negative, neutral and positive stops at start-up. With a model
tuned on pairs (heads.json: `entity_pairs`) each company asked for is a row of its own: (name, text); its sentiment counts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from monitor.adapters.encoder_parts import encoder_parts
from monitor.adapters.engines import batch_tokens_of, device_of, engine_of
from monitor.adapters.row_scorer import Row, RowScorer
from monitor.adapters.token_rows import Logits, TokenRow, token_row
from monitor.adapters.two_head_model import load_model
from monitor.classify.observer import ClassifyObserver
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import SENTIMENTS, ModelInput, Probabilities, Score, sentiment_of
from monitor.settings import ClassifierSettings

log = logging.getLogger(__name__)
_SHIPPED = "default_"
# Of a row: sentiment probabilities, the index of the best topic, its probability.
_Told = tuple[Probabilities, int, float]


def shipped_models() -> dict[str, Path]:
    """Folders of the shipped models by the language that each reads."""
    models = Path(str(resources.files("monitor.models")))
    return {path.name.removeprefix(_SHIPPED): path for path in sorted(models.glob(f"{_SHIPPED}*")) if path.is_dir()}


def default_model_folder(language: str = "en") -> Path:
    """Where the shipped model of a language is, or would be."""
    return Path(str(resources.files("monitor.models").joinpath(f"{_SHIPPED}{language}")))


class TorchClassifier:
    """Implements Classifier.

    Args:
        settings: device, backend, token budget, cache.
        folder: the model.

    Raises:
        ConfigError: the folder holds no usable model, or the device isn't there.
    """

    def __init__(self, settings: ClassifierSettings, folder: Path) -> None:
        device = device_of(settings)
        model, heads = load_model(folder)
        self._tokenizer = load_tokenizer(folder, int(heads["max_tokens"]))
        self._version = f"{heads['name']}@{heads['version']}"
        self._languages = frozenset({str(heads["language"])})
        self._pairs = bool(heads.get("entity_pairs", False))
        if self._pairs:
            _check_pairs(self._tokenizer, folder)
        self._topics = _labels(heads, "topic", folder)
        self._sentiment_order = _sentiment_order(_labels(heads, "sentiment", folder), folder)
        self._temperatures = {task: float(head["temperature"]) for task, head in heads["heads"].items()}
        tasks = {task: len(head["id2label"]) for task, head in heads["heads"].items()}
        parts = encoder_parts(model.encoder.config, model.encoder, dict(model.heads.items()))
        engine = engine_of(model, parts, tasks, _pad_id(self._tokenizer), settings)
        budget = batch_tokens_of(settings, device)
        self._scorer = RowScorer[_Told](engine, self._encoded, self._decided, budget, settings.cache_entries)

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

    def observe(self, observer: ClassifyObserver) -> None:
        """From now on told of batches and of what was known already."""
        self._scorer.observer = observer

    def foresee(self, inputs: Sequence[ModelInput]) -> None:
        """Tokenises what `classify` will be asked for, while it works; from another thread."""
        self._scorer.foresee(self._rows(inputs))

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        told = self._scorer.score(self._rows(inputs))
        own: dict[int, list[tuple[str, Probabilities]]] = {}
        for (i, key, _), pair in zip(self._asked(inputs), told[len(inputs) :], strict=True):
            if pair is not None:
                own.setdefault(i, []).append((key, pair[0]))
        return [self._score(row, own.get(i, ())) for i, row in enumerate(told[: len(inputs)])]

    def _rows(self, inputs: Sequence[ModelInput]) -> list[Row]:
        """The texts, and behind them the companies that are asked for."""
        pairs = (Row(inputs[i].text, name) for i, _, name in self._asked(inputs))
        return [*(Row(one.text) for one in inputs), *pairs]

    def _asked(self, inputs: Sequence[ModelInput]) -> list[tuple[int, str, str]]:
        """Place of the text, ticker and name of each company, where the model tells them apart."""
        return [(i, key, name) for i, one in enumerate(inputs) for key, name in one.entities] if self._pairs else []

    def _score(self, told: _Told | None, own: Sequence[tuple[str, Probabilities]]) -> Score:
        if told is None:
            raise ClassifierError("a text was not scored", reason="model_failed")
        triple, topic, probability = told
        return Score(self._topics[topic], probability, sentiment_of(triple), triple, self._version, tuple(sorted(own)))

    def _encoded(self, rows: Sequence[Row]) -> list[TokenRow | None]:
        """What the model reads; None for a company whose name stands behind the cut."""
        if all(row.name is None for row in rows):  # nobody asks where a piece stood in the text
            return [token_row(told.ids) for told in self._tokenizer.encode_batch_fast([row.text for row in rows])]
        asked = [row.text if row.name is None else (row.name, row.text) for row in rows]
        pairs = zip(rows, self._tokenizer.encode_batch(asked), strict=True)
        return [_token_row(row, encoding) for row, encoding in pairs]

    def _decided(self, logits: Logits) -> list[_Told]:
        calibrated = {task: probabilities(values, self._temperatures[task]) for task, values in logits.items()}
        sentiment, topic = calibrated["sentiment"][:, self._sentiment_order], calibrated["topic"]
        best = topic.argmax(axis=1)
        return [
            ((negative, neutral, positive), index, probability)
            for (negative, neutral, positive), index, probability in zip(
                sentiment.tolist(), best.tolist(), topic.max(axis=1).tolist(), strict=True
            )
        ]


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Calibrated softmax over the last axis, float32 to float32 (Guo et al., 2017).

    Raises:
        ClassifierError: a number is not finite.
    """
    if not np.isfinite(logits).all():
        raise ClassifierError("the model gave numbers that are not finite", reason="not_finite")
    scaled = logits / np.float32(temperature)
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    found: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return found


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


def _token_row(row: Row, encoding: Encoding) -> TokenRow | None:
    if row.name is None:
        return token_row(encoding.ids)
    return token_row(encoding.ids, encoding.type_ids) if row.name in _read_part(row.text, encoding) else None


def _read_part(text: str, pair: Encoding) -> str:
    """What is left of the text of a pair behind which the tokenizer cut it: a name further on was never read."""
    ends = (end for (_, end), sequence in zip(pair.offsets, pair.sequence_ids, strict=True) if sequence == 1)
    return text[: max(ends, default=0)]


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


def _pad_id(tokenizer: Tokenizer) -> int:
    return next((i for name in ("[PAD]", "<pad>") if (i := tokenizer.token_to_id(name)) is not None), 0)


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
