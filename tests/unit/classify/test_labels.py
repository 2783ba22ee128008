"""Laws of what a checkpoint's labels mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.torch_classifier import default_model_folder
from monitor.classify.labels import CLASSES, SENTIMENT, TOPIC, TOPICS, meanings_of
from monitor.errors import ConfigError
from monitor.messages import SENTIMENTS


@given(st.permutations(SENTIMENTS), st.sampled_from([str.upper, str.title, str.lower]))
def test_a_sentiment_means_itself_in_any_order_and_case(order: list[str], case: object) -> None:
    """An index is what the label says, not where it stands."""
    labels = [case(name) for name in order]  # type: ignore[operator]
    assert [SENTIMENTS[i] for i in meanings_of(labels, SENTIMENT, "x", {})] == order


@given(st.permutations(range(len(TOPICS))), st.sampled_from(["/", "|", "&", "-"]))
def test_a_topic_means_itself_however_its_parts_are_joined(order: list[int], sign: str) -> None:
    """With "Fed | Central Banks" is meant "Fed / Central Banks"."""
    labels = [TOPICS[i].replace("/", sign) for i in order]
    assert meanings_of(labels, TOPIC, "x", {}) == order


@pytest.mark.parametrize(
    "labels", [("bearish", "neutral", "Bullish"), ("NEG", "NEU", "POS"), (" Negative", "neu", "pos")]
)
def test_usual_names_are_known(labels: tuple[str, ...]) -> None:
    """What checkpoints call the three."""
    assert meanings_of(labels, SENTIMENT, "x", {}) == [0, 1, 2]


def test_a_number_is_never_guessed() -> None:
    """The error names label, checkpoint, what is known and what the checkpoint has."""
    with pytest.raises(
        ConfigError, match=r"some/model: 'LABEL_0'.*negative, neutral, positive.*LABEL_0, LABEL_1"
    ) as caught:
        meanings_of(["LABEL_0", "LABEL_1", "LABEL_2"], SENTIMENT, "some/model", {})
    assert "classifier.label_aliases" in str(caught.value)


def test_what_it_means_can_be_said() -> None:
    """For all checkpoints, for those of a task, or for one: the narrower word counts."""
    labels = ["LABEL_0", "LABEL_1", "LABEL_2"]
    aliases = {"LABEL_0": "positive", "LABEL_1": "neutral", "LABEL_2": "negative"}
    assert meanings_of(labels, SENTIMENT, "a/b", aliases) == [2, 1, 0]
    narrower = {**aliases, "topic:LABEL_0": "IPO", "a/b:LABEL_0": "negative", "a/b:label_2": "Bullish"}
    assert meanings_of(labels, SENTIMENT, "a/b", narrower) == [0, 1, 2]
    assert meanings_of(labels[:1], TOPIC, "c/d", narrower) == [TOPICS.index("IPO")]


def test_an_alias_comes_before_what_is_known() -> None:
    """A checkpoint may use a word in its own way."""
    aliases = {"positive": "negative", "negative": "positive"}
    assert meanings_of(["positive", "neutral", "negative"], SENTIMENT, "x", aliases) == [0, 1, 2]


def test_labels_that_differ_in_a_sign_alone_are_told_apart_by_exact_aliases() -> None:
    """Without its punctuation -1 would be 1; what no alias spells is unknown, not the other one."""
    signs = {"-1": "negative", "0": "neutral", "1": "positive"}
    assert meanings_of(["-1", "0", "1"], SENTIMENT, "a/b", signs) == [0, 1, 2]
    narrower = {f"a/b:{label}": meaning for label, meaning in signs.items()}
    assert meanings_of(["1", "0", "-1"], SENTIMENT, "a/b", {**narrower, "1": "neutral"}) == [2, 1, 0]
    with pytest.raises(ConfigError, match="'-1' is no sentiment"):
        meanings_of(["-1", "0", "1"], SENTIMENT, "a/b", {"0": "neutral", "1": "positive"})


def test_labels_may_mean_the_same() -> None:
    """Five degrees of sentiment are three."""
    aliases = {"very bad": "negative", "very good": "positive"}
    labels = ["very bad", "negative", "neutral", "positive", "very good"]
    assert meanings_of(labels, SENTIMENT, "x", aliases) == [0, 0, 1, 2, 2]


def test_a_sentiment_that_no_label_means_is_named() -> None:
    """Its probability would always be 0."""
    with pytest.raises(ConfigError, match="x: no label means neutral; its labels are negative, positive"):
        meanings_of(["negative", "positive"], SENTIMENT, "x", {})


def test_an_alias_that_leads_nowhere_is_named() -> None:
    """With the label that it was given for."""
    with pytest.raises(ConfigError, match=r"x: 'Enrgy' \(classifier\.label_aliases for 'oil'\) is no topic"):
        meanings_of(["oil"], TOPIC, "x", {"oil": "Enrgy"})


def test_a_topic_checkpoint_may_know_fewer() -> None:
    """What it doesn't know gets no documents."""
    assert meanings_of(["IPO", "Macro"], TOPIC, "x", {}) == [TOPICS.index("IPO"), TOPICS.index("Macro")]


def test_the_known_topics_are_those_of_the_shipped_model() -> None:
    """One set of names on the dashboards, whatever model is served."""
    heads = json.loads((default_model_folder() / "heads.json").read_text(encoding="utf-8"))["heads"]
    for task, classes in CLASSES.items():
        assert sorted(heads[task]["id2label"].values()) == sorted(classes)
