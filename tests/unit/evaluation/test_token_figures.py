"""Figures of a tagger against values worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.evaluation.token_figures import token_figures

TRUE = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-ORG"]]
TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
PAIRS = st.lists(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=8), min_size=1, max_size=6)


def whole_entities(figures: dict[str, Any]) -> dict[str, float]:
    """Entity-level figures over all types."""
    return {key: figures["entity"][key] for key in ("precision", "recall", "f1", "n")}


def test_a_perfect_tagger_has_one_everywhere() -> None:
    """By token and by entity, of every type."""
    figures = token_figures(TRUE, TRUE)
    assert (figures["sentences"], figures["n"], figures["accuracy"], figures["macro_f1"]) == (2, 6, 1, 1)
    assert all(row["f1"] == 1 for row in figures["by_tag"].values())
    assert figures["micro_without_o"] == {"precision": 1, "recall": 1, "f1": 1, "n": 4}
    assert whole_entities(figures) == {"precision": 1, "recall": 1, "f1": 1, "n": 3}
    assert list(figures["entity"]["by_type"]) == ["LOC", "ORG", "PER"]


def test_figures_by_hand() -> None:
    """An entity cut short, and a false alarm: 4 of 6 tokens; 3 of 4 tagged ones found among 4; 2 of 3 entities of 4."""
    figures = token_figures(TRUE, [["B-PER", "O", "B-LOC", "B-LOC"], ["O", "B-ORG"]])
    assert figures["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert figures["micro_with_o"] == pytest.approx(
        {"precision": 4 / 6, "recall": 4 / 6, "f1": 4 / 6, "n": 6}, abs=1e-4
    )
    assert figures["micro_without_o"] == {"precision": 0.75, "recall": 0.75, "f1": 0.75, "n": 4}
    assert figures["by_tag"]["B-LOC"] == pytest.approx({"precision": 0.5, "recall": 1, "f1": 2 / 3, "n": 1}, abs=1e-4)
    assert figures["by_tag"]["I-PER"] == {"precision": 0, "recall": 0, "f1": 0, "n": 1}
    assert whole_entities(figures) == pytest.approx({"precision": 0.5, "recall": 2 / 3, "f1": 4 / 7, "n": 3}, abs=1e-4)
    assert figures["entity"]["by_type"]["PER"]["f1"] == 0


def test_an_inside_tag_that_continues_nothing_is_no_entity() -> None:
    """Strict mode: otherwise a tagger would be paid for entities that nobody could read out."""
    figures = token_figures([["B-PER", "O"]], [["I-PER", "O"]])
    assert whole_entities(figures) == {"precision": 0, "recall": 0, "f1": 0, "n": 1}


@pytest.mark.parametrize("predicted", [["O", "O"], ["I-PER", "O"]])
def test_sentences_without_entities_have_figures(predicted: list[str]) -> None:
    """Nothing to find is not a division by zero."""
    figures = token_figures([["O", "O"]], [predicted])
    assert figures["entity"] == {"precision": 0, "recall": 0, "f1": 0, "n": 0, "by_type": {}}


@given(PAIRS)
def test_micro_over_all_tags_is_the_accuracy(sentences: list[list[tuple[str, str]]]) -> None:
    """Which is why a table has to say whether `O` counted."""
    figures = token_figures([[a for a, _ in s] for s in sentences], [[b for _, b in s] for s in sentences])
    micro = figures["micro_with_o"]
    assert micro["precision"] == micro["recall"] == micro["f1"] == figures["accuracy"]
    assert sum(row["n"] for row in figures["by_tag"].values()) == figures["n"]


@given(PAIRS)
def test_exchanging_truth_and_prediction_exchanges_precision_and_recall(
    sentences: list[list[tuple[str, str]]],
) -> None:
    """Of tokens and of entities."""
    true, predicted = [[a for a, _ in s] for s in sentences], [[b for _, b in s] for s in sentences]
    one, other = token_figures(true, predicted), token_figures(predicted, true)
    for a, b in (
        (one["micro_without_o"], other["micro_without_o"]),
        (one["entity"], other["entity"]),
    ):
        assert (a["precision"], a["recall"], a["f1"]) == (b["recall"], b["precision"], b["f1"])


@pytest.mark.parametrize(
    ("true", "predicted", "said"),
    [
        ([["O"]], [["O"], ["O"]], "1 sentences with true tags, 2 with predicted"),
        ([], [], "no token"),
        ([["O"], ["O", "O"]], [["O"], ["O"]], "sentence 2: 2 true tags, 1 predicted"),
        ([["PER"]], [["O"]], "sentence 1: tag 'PER'"),
        ([["O"]], [["S-PER"]], "sentence 1: tag 'S-PER'"),
    ],
)
def test_what_cannot_be_compared_is_an_error(true: list[list[str]], predicted: list[list[str]], said: str) -> None:
    """It names the sentence."""
    with pytest.raises(ConfigError, match=said):
        token_figures(true, predicted)
