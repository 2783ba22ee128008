"""The classifier of a worker: each document goes to the model of its language; which those are, the settings say.

Guarantees: a language without a model is not among `languages`, and what is in it is never scored by another one's; a
score carries the version of the model that gave it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from monitor.adapters.checkpoint_pair import Checkpoint, CheckpointPair
from monitor.adapters.engines import device_of
from monitor.adapters.torch_classifier import TorchClassifier, shipped_models
from monitor.adapters.two_head_model import read_heads
from monitor.classify.labels import SENTIMENT, TOPIC
from monitor.classify.observer import ClassifyObserver
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import ModelInput, Score
from monitor.ports import Classifier
from monitor.setting_tables import OFF
from monitor.settings import ClassifierSettings

log = logging.getLogger(__name__)
# Of classifier.model: the folder of this package, also where its heads.json says that it does not serve by default.
SHIPPED = "shipped"


class RoutedClassifier:
    """Implements Classifier.

    Args:
        models: by language, at least one.

    Attributes:
        on_gpu: whether they run on a GPU.
    """

    def __init__(self, models: Mapping[str, Classifier], *, on_gpu: bool = False) -> None:
        self.on_gpu = on_gpu
        self._models = dict(models)
        self._languages = frozenset(self._models)

    @property
    def version(self) -> str:
        """See Classifier."""
        return ", ".join(sorted({model.version for model in self._models.values()}))

    @property
    def languages(self) -> frozenset[str]:
        """See Classifier."""
        return self._languages

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        scores: dict[int, Score] = {}
        for language, indices in _by_language(inputs).items():
            model = self._models.get(language)
            if model is None:
                raise ClassifierError(f"no model reads {language!r}", reason="model_failed")
            scores.update(zip(indices, model.classify([inputs[i] for i in indices]), strict=True))
        return [scores[i] for i in range(len(inputs))]

    def foresee(self, inputs: Sequence[ModelInput]) -> None:
        """Tokenises a round that `classify` will be asked for, while it works; from another thread."""
        texts: dict[Checkpoint, list[str]] = defaultdict(list)
        for language, indices in _by_language(inputs).items():
            model = self._models.get(language)
            if isinstance(model, TorchClassifier):
                model.foresee([inputs[i] for i in indices])
            elif isinstance(model, CheckpointPair):
                for checkpoint in model.checkpoints:
                    texts[checkpoint] += [inputs[i].text for i in indices]
        # Once for all languages that share one: it keeps what it was told of a few times, and each is to be a round.
        for checkpoint, of_round in texts.items():
            checkpoint.foresee(of_round)

    def observe(self, observer: ClassifyObserver) -> None:
        """Tells it of batches and of what was known already, from now on; `WorkerMetrics.classify` is one."""
        for model in self._models.values():
            if isinstance(model, TorchClassifier | CheckpointPair):
                model.observe(observer)


def _by_language(inputs: Sequence[ModelInput]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(inputs):
        places[one.language].append(i)
    return places


def load_classifier(
    settings: ClassifierSettings,
    shipped: Mapping[str, Path] | None = None,
    observer: ClassifyObserver | None = None,
) -> RoutedClassifier:
    """Loads the model of each language, each once.

    Args:
        settings: which models, where they run.
        shipped: model folders by language for languages that the settings don't name; None for those of this package.
        observer: told of batches and of what was known already; `RoutedClassifier.observe` can name one later.

    Raises:
        ConfigError: a model can't be loaded, is not shipped, reads another language than it is given for, or there is
            none at all.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    chosen = _folders(settings, shipped_models() if shipped is None else shipped)
    models: dict[str, Classifier] = {}
    loaded: dict[tuple[str, str], Checkpoint] = {}
    for language in sorted({*chosen, *settings.sentiment_checkpoint}):
        if language in settings.sentiment_checkpoint:
            models[language] = _pair(language, settings, loaded)
        else:
            models[language] = _two_heads(language, chosen[language], settings)
        log.info("%s is read by %s", language, models[language].version)
    if not models:
        raise ConfigError("classifier.model: no language has a model: nothing could be scored", reason="model_missing")
    log.info("documents in other languages than %s are counted, not scored", ", ".join(models))
    classifier = RoutedClassifier(models, on_gpu=device_of(settings).type == "cuda")
    if observer is not None:
        classifier.observe(observer)
    return classifier


def _folders(settings: ClassifierSettings, shipped: Mapping[str, Path]) -> dict[str, Path]:
    """Model folders by language: those that the settings name, and of the shipped ones those that are switched on."""
    chosen = {language: Path(folder) for language, folder in settings.model.items() if folder not in (OFF, SHIPPED)}
    for language in (language for language, folder in settings.model.items() if folder == SHIPPED):
        if language not in shipped:
            raise ConfigError(
                f"classifier.model: no model is shipped for {language}; shipped: {', '.join(shipped) or 'none'}",
                reason="model_missing",
            )
        chosen[language] = shipped[language]
    for language in sorted(shipped.keys() - settings.model.keys() - settings.sentiment_checkpoint.keys()):
        heads = read_heads(shipped[language])
        if heads.get("enabled", True):
            chosen[language] = shipped[language]
        else:
            model = f"{heads['name']}@{heads['version']}"
            log.info(
                "%s: %s is there, switched off; classifier.model %s=shipped switches it on", language, model, language
            )
    return chosen


def _two_heads(language: str, folder: Path, settings: ClassifierSettings) -> TorchClassifier:
    model = TorchClassifier(settings, folder)
    if model.languages != {language}:
        raise ConfigError(
            f"classifier.model: {folder} is given for {language}, and reads {', '.join(model.languages)}",
            reason="model_misfit",
        )
    return model


def _pair(language: str, settings: ClassifierSettings, loaded: dict[tuple[str, str], Checkpoint]) -> CheckpointPair:
    wanted = ((settings.sentiment_checkpoint[language], SENTIMENT), (settings.topic_checkpoint[language], TOPIC))
    for name, task in wanted:
        if (name, task) not in loaded:
            loaded[name, task] = Checkpoint(name, task, settings)
    sentiment, topic = (loaded[key] for key in wanted)
    return CheckpointPair(language, sentiment, topic)
