"""Laws of serving two sequence classifiers that somebody else made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertForSequenceClassification, PreTrainedTokenizerFast

from monitor.adapters.checkpoint_pair import Checkpoint, CheckpointPair
from monitor.classify.labels import SENTIMENT, TOPIC
from monitor.errors import ClassifierError, ConfigError
from monitor.messages import SENTIMENTS, ModelInput, Score
from monitor.settings import ClassifierSettings
from tests.tiny_checkpoints import MAX_TOKENS, WORDS, permuted, sequence_classifier_folder

TEXTS = [
    "profit falls at bank 7",
    "oil",
    "",
    "unknown words entirely",
    "profit rises " * 30,
    "apple falls, oracle rises",
]
TOPIC_LABELS = ["Macro", "Energy | Oil", "Earnings", "IPO"]


@pytest.fixture(scope="module")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with the three sentiments."""
    return sequence_classifier_folder(tmp_path_factory.mktemp("pair") / "feelings", SENTIMENTS)


@pytest.fixture(scope="module")
def topic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with four topics and a vocabulary in another order."""
    return sequence_classifier_folder(tmp_path_factory.mktemp("pair") / "themes", TOPIC_LABELS, WORDS[::-1], seed=2)


def settings(**changes: Any) -> ClassifierSettings:
    """On the CPU."""
    return ClassifierSettings.model_validate({"device": "cpu", **changes})


def pair(sentiment: Path, topic: Path, **changes: Any) -> CheckpointPair:
    """The live classifier."""
    made = settings(**changes)
    return CheckpointPair("en", Checkpoint(str(sentiment), SENTIMENT, made), Checkpoint(str(topic), TOPIC, made))


def scores(model: CheckpointPair, texts: list[str] = TEXTS) -> list[Score]:
    """What it says of texts."""
    return model.classify([ModelInput(text, "en", (("AAPL", "apple"),)) for text in texts])


def assert_close(one: list[Score], other: list[Score]) -> None:
    """Same labels, same probabilities but for rounding."""
    assert [(a.topic, a.sentiment) for a in one] == [(b.topic, b.sentiment) for b in other]
    for a, b in zip(one, other, strict=True):
        assert (*a.probabilities, a.topic_probability) == pytest.approx(
            (*b.probabilities, b.topic_probability), abs=1e-5
        )


def test_a_score_is_what_both_checkpoints_say_each_with_its_own_tokenizer(sentiment: Path, topic: Path) -> None:
    """Computed here without the classifier, a text at a time."""
    for text, score in zip(TEXTS, scores(pair(sentiment, topic)), strict=True):
        told = []
        for folder in (sentiment, topic):
            tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
            encoded = tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            model = BertForSequenceClassification.from_pretrained(folder)  # in evaluation mode
            with torch.inference_mode():
                told.append(torch.softmax(model(**encoded).logits[0], dim=-1))
        assert score.probabilities == pytest.approx(told[0].tolist(), abs=1e-5)
        assert score.topic_probability == pytest.approx(float(told[1].max()), abs=1e-5)
        assert score.topic == TOPIC_LABELS[int(told[1].argmax())].replace("|", "/")
        assert score.by_entity == ()


@pytest.mark.parametrize("order", [[2, 0, 1], [1, 2, 0], [0, 2, 1]])
def test_the_order_of_labels_changes_no_score(sentiment: Path, topic: Path, tmp_path: Path, order: list[int]) -> None:
    """Nor does what they are called, if it is known or said."""
    names = ["Bearish", "NEUTRAL", "up"]
    other = permuted(sentiment, tmp_path / "other", names, order)
    assert_close(scores(pair(other, topic, label_aliases={"up": "positive"})), scores(pair(sentiment, topic)))


@pytest.mark.parametrize("budget", [128, 4096])
def test_batched_equals_one_by_one(sentiment: Path, topic: Path, budget: int) -> None:
    """Whatever the order."""
    model = pair(sentiment, topic, max_batch_tokens=budget)
    alone = [scores(model, [text])[0] for text in TEXTS]
    assert_close(scores(model), alone)
    assert_close(scores(model, TEXTS[::-1]), alone[::-1])
    assert scores(model, []) == []


def test_labels_that_mean_the_same_add_up(topic: Path, tmp_path: Path) -> None:
    """Probabilities of one text still sum to 1."""
    folder = sequence_classifier_folder(tmp_path / "five", ["awful", "bad", "neutral", "good", "great"])
    aliases = {"awful": "negative", "bad": "negative", "good": "positive", "great": "positive"}
    for score in scores(pair(folder, topic, label_aliases=aliases)):
        assert sum(score.probabilities) == pytest.approx(1, abs=1e-5)


def test_a_temperature_moves_confidence_not_decisions(sentiment: Path, topic: Path) -> None:
    """Of the task it is given for."""
    mild, hot = scores(pair(sentiment, topic)), scores(pair(sentiment, topic, sentiment_temperature=3.0))
    for one, heated in zip(mild, hot, strict=True):
        assert (heated.sentiment, heated.topic) == (one.sentiment, one.topic)
        assert max(heated.probabilities) < max(one.probabilities)
        assert heated.topic_probability == pytest.approx(one.topic_probability, abs=1e-6)


def test_a_temperature_that_a_checkpoint_brings_counts_unless_one_is_set(
    sentiment: Path, topic: Path, tmp_path: Path
) -> None:
    """As exported heads have it in their config.json."""
    folder = shutil.copytree(sentiment, tmp_path / "calibrated")
    _configured(calibration_temperature=3.0)(folder)
    assert_close(scores(pair(folder, topic)), scores(pair(sentiment, topic, sentiment_temperature=3.0)))
    assert_close(scores(pair(folder, topic, sentiment_temperature=1.0)), scores(pair(sentiment, topic)))


def test_the_version_names_both_and_tells_weights_apart(sentiment: Path, topic: Path, tmp_path: Path) -> None:
    """A folder that was trained again under its name is another version."""
    version = pair(sentiment, topic).version
    assert {score.model_version for score in scores(pair(sentiment, topic))} == {version}
    first, second = version.split(" + ")
    assert (first.partition("@")[0], second.partition("@")[0]) == ("feelings", "themes")
    again = sequence_classifier_folder(tmp_path / "feelings", SENTIMENTS, seed=3)
    assert pair(again, topic).version.split(" + ")[0] not in (first, "feelings@")


def test_numbers_that_are_not_finite_are_an_error_not_a_score(sentiment: Path, topic: Path, tmp_path: Path) -> None:
    """NaN is never neutral."""
    folder = shutil.copytree(sentiment, tmp_path / "spoilt")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ClassifierError) as caught:
        scores(pair(folder, topic))
    assert caught.value.reason == "not_finite"


def _pickled(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _headless(folder: Path) -> None:
    AutoModel.from_pretrained(folder).save_pretrained(folder)


def _configured(**changes: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | changes))

    return edit


def _garbled(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"garbage")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_pickled, "can't be loaded"),
        (_headless, r"no sequence classifier: it has no classifier\.bias"),
        (_configured(problem_type="multi_label_classification"), "multi_label_classification"),
        (_configured(calibration_temperature=0), "calibration_temperature is 0; a number above 0"),
        (_configured(calibration_temperature="hot"), "calibration_temperature is 'hot'"),
        (_configured(id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}), "'LABEL_0' is no sentiment"),
        (_configured(model_type="nothing-known", architectures=["Unknown"]), "can't be loaded"),
        (_garbled, "can't be loaded"),
    ],
)
def test_a_checkpoint_that_can_not_be_served_stops_at_start_up(
    sentiment: Path, tmp_path: Path, edit: Callable[[Path], None], said: str
) -> None:
    """With its name and the reason; nothing is unpickled, nothing scored with random weights."""
    folder = shutil.copytree(sentiment, tmp_path / "edited")
    edit(folder)
    with pytest.raises(ConfigError, match=f"{folder}.*{said}"):
        Checkpoint(str(folder), SENTIMENT, settings())


def test_code_of_a_checkpoint_never_runs(sentiment: Path, tmp_path: Path) -> None:
    """Not even when its config asks for it."""
    folder = shutil.copytree(sentiment, tmp_path / "hostile")
    trace = tmp_path / "trace"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    names = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    _configured(model_type="hostile", auto_map=names)(folder)
    with pytest.raises(ConfigError):
        Checkpoint(str(folder), SENTIMENT, settings())
    assert not trace.exists()


@pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "a/b/c", "~/models/x"])
def test_a_folder_that_is_not_there_is_asked_of_no_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written as a path is one."""
    monkeypatch.setattr(huggingface_hub, "snapshot_download", pytest.fail)
    with pytest.raises(ConfigError, match="no such folder"):
        Checkpoint(name, SENTIMENT, settings())


def test_of_a_hub_only_safetensors_config_and_tokenizer_are_asked(
    sentiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the revision that was named."""
    asked: list[tuple[str, object, list[str]]] = []

    def snapshot(repository: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repository, revision, allow_patterns))
        return str(sentiment)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    found = Checkpoint("somebody/feelings@v2", SENTIMENT, settings())
    assert found.version.startswith("somebody/feelings@")
    ((repository, revision, patterns),) = asked
    assert (repository, revision) == ("somebody/feelings", "v2")
    assert not [pattern for pattern in patterns if pattern.endswith((".bin", ".py", ".pt", ".h5", "*"))]


def test_a_hub_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was asked for."""

    def unreachable(*args: object, **named: object) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(ConfigError, match=r"somebody/feelings is no folder here.*no route"):
        Checkpoint("somebody/feelings", SENTIMENT, settings())
