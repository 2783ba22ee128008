"""Laws of which model reads which language."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters import routed_classifier
from monitor.adapters.checkpoint_pair import CheckpointPair
from monitor.adapters.routed_classifier import RoutedClassifier, load_classifier
from monitor.adapters.row_scorer import Row
from monitor.adapters.torch_classifier import TorchClassifier, default_model_folder, shipped_models
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import ModelInput, Score
from monitor.settings import ClassifierSettings
from tests.fakes import WordClassifier
from tests.tiny_checkpoints import sequence_classifier_folder, two_head_folder
from tests.unit.adapters.noting import Noting

QUESTIONS = [ModelInput("Apple falls", "en"), ModelInput("利润下降", "zh"), ModelInput("oil rises", "en")]


class NamedClassifier(WordClassifier):
    """Says in each score who gave it."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version

    def _score(self, asked: ModelInput) -> Score:
        return replace(super()._score(asked), model_version=self.version)


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two shipped models."""
    folder = tmp_path_factory.mktemp("models")
    return {language: two_head_folder(folder / f"default_{language}", language) for language in ("en", "zh")}


def settings(**changes: object) -> ClassifierSettings:
    """On the CPU."""
    return ClassifierSettings.model_validate({"device": "cpu", **changes})


@given(st.lists(st.sampled_from(["en", "zh", "fr"]), max_size=12))
def test_each_document_is_scored_by_the_model_of_its_language(languages: list[str]) -> None:
    """In order, and each model reads only its own."""
    models = {language: NamedClassifier(f"{language}@1") for language in ("en", "zh", "fr")}
    asked = [ModelInput(f"{i} falls", language) for i, language in enumerate(languages)]
    scores = RoutedClassifier(models).classify(asked)
    assert [score.model_version for score in scores] == [f"{language}@1" for language in languages]
    for language, model in models.items():
        assert model.read == [one for one in asked if one.language == language]


def test_a_language_without_a_model_is_never_scored_by_another() -> None:
    """It is not offered, and asking all the same is an error."""
    routed = RoutedClassifier({"en": NamedClassifier("en@1")})
    assert routed.languages == {"en"}
    with pytest.raises(ClassifierError, match="'zh'"):
        routed.classify(QUESTIONS)


def test_shipped_models_serve_what_the_settings_do_not_name(
    shipped: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """And the log says at start-up which model reads which language."""
    with caplog.at_level(logging.INFO):
        model = load_classifier(settings(), shipped)
    assert model.languages == {"en", "zh"}
    assert model.version == "tiny-en@1, tiny-zh@1"
    assert [score.model_version for score in model.classify(QUESTIONS)] == ["tiny-en@1", "tiny-zh@1", "tiny-en@1"]
    assert [line for line in caplog.messages if "read by" in line] == [
        "en is read by tiny-en@1",
        "zh is read by tiny-zh@1",
    ]


def test_a_language_whose_model_is_not_shipped_is_not_supported(shipped: dict[str, Path]) -> None:
    """No error: its documents are counted as such."""
    assert load_classifier(settings(), {"en": shipped["en"]}).languages == {"en"}


def test_a_language_can_be_switched_off(shipped: dict[str, Path]) -> None:
    """Any of them, not all."""
    assert load_classifier(settings(model={"zh": "off"}), shipped).languages == {"en"}
    assert load_classifier(settings(model={"en": "off"}), shipped).languages == {"zh"}
    with pytest.raises(ConfigError, match="no language has a model"):
        load_classifier(settings(model={"en": "off", "zh": "off"}), shipped)


def test_a_shipped_model_that_is_switched_off_serves_only_when_it_is_asked_for(
    shipped: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says that it is there, and how to have it."""
    folder = shutil.copytree(shipped["zh"], tmp_path / "zh")
    heads = json.loads((folder / "heads.json").read_text(encoding="utf-8"))
    (folder / "heads.json").write_text(json.dumps(heads | {"enabled": False}), encoding="utf-8")
    here = {"en": shipped["en"], "zh": folder}
    with caplog.at_level(logging.INFO):
        assert load_classifier(settings(), here).languages == {"en"}
    assert "zh: tiny-zh@1 is there, switched off; classifier.model zh=shipped switches it on" in caplog.messages
    caplog.clear()
    with caplog.at_level(logging.INFO):
        both = load_classifier(settings(model={"en": "shipped", "zh": "shipped"}), here)
    assert both.version == "tiny-en@1, tiny-zh@1"
    assert not [line for line in caplog.messages if "switched off" in line]
    assert load_classifier(settings(model={"zh": folder}), here).languages == {"en", "zh"}


def test_a_shipped_model_that_is_not_there_is_named(shipped: dict[str, Path]) -> None:
    """With the languages that have one."""
    with pytest.raises(ConfigError, match="no model is shipped for fr; shipped: en, zh"):
        load_classifier(settings(model={"fr": "shipped"}), shipped)


def test_a_model_of_ones_own_takes_the_place_of_the_shipped_one(shipped: dict[str, Path], tmp_path: Path) -> None:
    """For a shipped language, for a further one, and by the plain word for English."""
    own, french = two_head_folder(tmp_path / "own", seed=2), two_head_folder(tmp_path / "french", "fr")
    assert load_classifier(settings(model=own), shipped).version == "tiny-en@2, tiny-zh@1"
    assert load_classifier(settings(model={"fr": french}), shipped).languages == {"en", "zh", "fr"}


def test_a_model_of_another_language_is_refused(shipped: dict[str, Path]) -> None:
    """It would score what it can't read."""
    with pytest.raises(ConfigError, match="given for en, and reads zh"):
        load_classifier(settings(model=shipped["zh"]), shipped)


def test_a_language_may_have_checkpoints_while_another_has_its_model(shipped: dict[str, Path], tmp_path: Path) -> None:
    """A checkpoint doesn't say its language; the settings do. One for several languages is loaded once."""
    sentiment = sequence_classifier_folder(tmp_path / "feelings", ["neutral", "positive", "negative"])
    topic = sequence_classifier_folder(tmp_path / "themes", ["IPO", "Macro"])
    pairs = {"sentiment_checkpoint": {"zh": sentiment, "fr": sentiment}, "topic_checkpoint": {"zh": topic, "fr": topic}}
    model = load_classifier(settings(**pairs), shipped)
    assert model.languages == {"en", "zh", "fr"}
    english, chinese, _ = model.classify(QUESTIONS)
    assert english.model_version == "tiny-en@1"
    assert chinese.model_version.startswith("feelings@")
    assert chinese.topic in ("IPO", "Macro")


def test_an_observer_is_told_what_every_model_does(shipped: dict[str, Path], tmp_path: Path) -> None:
    """Model folders and checkpoints; given at the start or later."""
    sentiment = sequence_classifier_folder(tmp_path / "feelings", ["neutral", "positive", "negative"])
    topic = sequence_classifier_folder(tmp_path / "themes", ["IPO", "Macro"])
    pair = {"sentiment_checkpoint": {"fr": sentiment}, "topic_checkpoint": {"fr": topic}}
    first, later = Noting(), Noting()
    model = load_classifier(settings(**pair), shipped, first)
    questions = [*QUESTIONS, ModelInput("oil rises", "fr")]
    model.classify(questions)
    assert (first.misses, first.hits, len(first.batches)) == (5, 0, 4)
    model.observe(later)
    model.classify(questions)
    assert (later.misses, later.hits, len(later.batches)) == (0, 5, 0)
    assert first.misses == 5


def test_what_was_foreseen_has_the_same_scores(shipped: dict[str, Path], tmp_path: Path) -> None:
    """Model folders, pairs and checkpoints read it ahead, each its own language; one that no model reads is nobody's."""
    pairs = two_head_folder(tmp_path / "pairs", "en", entity_pairs=True)
    sentiment = sequence_classifier_folder(tmp_path / "feelings", ["neutral", "positive", "negative"])
    topic = sequence_classifier_folder(tmp_path / "themes", ["IPO", "Macro"])
    wanted = {"model": {"en": pairs}, "sentiment_checkpoint": {"fr": sentiment}, "topic_checkpoint": {"fr": topic}}
    companies = ModelInput("Apple falls, Oracle rises", "en", (("AAPL", "Apple"), ("ORCL", "Oracle")))
    asked = [companies, *QUESTIONS, ModelInput("oil rises", "fr")]
    plain, ahead = (load_classifier(settings(**wanted, cache_entries=0), shipped) for _ in range(2))
    ahead.foresee([*asked, ModelInput("oil", "ja")])
    rows = [Row(companies.text), Row(companies.text, "Oracle"), Row("oil rises")]
    english, french = ahead._models["en"], ahead._models["fr"]
    assert isinstance(english, TorchClassifier)
    assert isinstance(french, CheckpointPair)
    assert all(english._scorer._ahead.knows_any([row]) for row in rows)
    assert all(part._scorer._ahead.knows_any(rows[2:]) for part in (french._sentiment, french._topic))
    assert ahead.classify(asked) == plain.classify(asked)


def test_a_checkpoint_of_several_languages_is_told_of_a_round_once(shipped: dict[str, Path], tmp_path: Path) -> None:
    """So that it has the tokens of as many rounds as one of a single language, each of all its languages."""
    sentiment = sequence_classifier_folder(tmp_path / "feelings", ["neutral", "positive", "negative"])
    topic = sequence_classifier_folder(tmp_path / "themes", ["IPO", "Macro"])
    languages = ("de", "es", "fr")
    folders = {"sentiment_checkpoint": sentiment, "topic_checkpoint": topic}
    pairs = {key: dict.fromkeys(languages, folder) for key, folder in folders.items()}
    model = load_classifier(settings(**pairs), shipped)
    for number in range(3):
        model.foresee([ModelInput(f"oil rises {number} {language}", language) for language in languages])
    french = model._models["fr"]
    assert isinstance(french, CheckpointPair)
    for checkpoint in french.checkpoints:
        for language in languages:
            assert checkpoint._scorer._ahead.knows_any([Row(f"oil rises 0 {language}")])


def test_it_is_told_where_the_models_run(shipped: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What else depends on that is decided once they are loaded."""
    assert not load_classifier(settings(), shipped).on_gpu
    monkeypatch.setattr(routed_classifier, "device_of", lambda settings: torch.device("cuda"))
    assert load_classifier(settings(), shipped).on_gpu


def test_shipped_folders_are_named_by_the_language_they_read() -> None:
    """English is always there."""
    assert shipped_models()["en"] == default_model_folder()
    for language, folder in shipped_models().items():
        assert json.loads((folder / "heads.json").read_text(encoding="utf-8"))["language"] == language
