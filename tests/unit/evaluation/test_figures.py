"""Held-out figures against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.figures import expected_calibration_error, figures_of, fit_temperature, softmax

NAMES = ["negative", "neutral", "positive"]


def certain(classes: list[int]) -> np.ndarray:
    """Logits that are sure of these classes."""
    return np.eye(3)[classes] * 50.0


@given(st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=9), st.floats(0.25, 8))
def test_softmax_rows_are_probabilities(rows: list[list[float]], temperature: float) -> None:
    """They sum to 1, keep the order of the logits, and do not change when all logits of a row are moved."""
    logits = np.array(rows)
    probabilities = softmax(logits, temperature)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert softmax(logits + 7.5, temperature) == pytest.approx(probabilities, abs=1e-9)
    taken = probabilities[np.arange(len(rows)), logits.argmax(axis=1)]
    assert taken == pytest.approx(probabilities.max(axis=1))


def test_accuracy_and_f1_by_hand() -> None:
    """Six rows: negative 2 of 3 found with one false alarm, neutral 1 of 2, positive 1 of 1 with one false alarm."""
    labels = np.array([0, 0, 0, 1, 1, 2])
    figures = figures_of(certain([0, 0, 2, 1, 0, 2]), labels, NAMES, 1.0)
    assert figures["n"] == 6
    assert figures["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert figures["by_class"]["negative"] == pytest.approx(
        {"n": 3, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}, abs=1e-4
    )
    assert figures["by_class"]["neutral"] == pytest.approx(
        {"n": 2, "precision": 1, "recall": 0.5, "f1": 2 / 3}, abs=1e-4
    )
    assert figures["by_class"]["positive"] == pytest.approx(
        {"n": 1, "precision": 0.5, "recall": 1, "f1": 2 / 3}, abs=1e-4
    )
    assert figures["macro_f1"] == pytest.approx(2 / 3, abs=1e-4)


def test_macro_f1_is_the_mean_over_the_classes_that_occur() -> None:
    """A class that no held-out row has says nothing; one that is never predicted has 0."""
    figures = figures_of(certain([0, 0]), np.array([0, 1]), NAMES, 1.0)
    assert figures["by_class"]["neutral"]["f1"] == 0
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 0) / 2, abs=1e-4)


def test_calibration_error_by_hand() -> None:
    """Ten rows of confidence 0.8, six right: 0.2; ten of 0.5, five right: 0; together half of 0.2."""
    sure = np.array([[0.8, 0.2]] * 10)
    unsure = np.array([[0.5, 0.5]] * 10)
    assert expected_calibration_error(sure, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.2)
    both = expected_calibration_error(np.vstack([sure, unsure]), np.array([0] * 6 + [1] * 4 + [0] * 5 + [1] * 5))
    assert both == pytest.approx(0.1)


def test_brier_score_by_hand() -> None:
    """0.7 on the right class and 0.3 on the other: twice 0.3 squared."""
    logits = np.log(np.array([[0.7, 0.3, 1e-12]]))
    assert figures_of(logits, np.array([0]), NAMES, 1.0)["brier"] == pytest.approx(0.18, abs=1e-4)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_labels_is_found(true_temperature: float) -> None:
    """And with it the calibration error is that of chance."""
    chance = np.random.default_rng(11)
    logits = chance.normal(0, 3, size=(6000, 3))
    probabilities = softmax(logits, true_temperature)
    labels = (chance.random((6000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=2)
    found = fit_temperature(logits, labels)
    assert found == pytest.approx(true_temperature, rel=0.1)
    assert figures_of(logits, labels, NAMES, found)["ece"] < 0.03


def test_the_temperature_stays_in_its_range() -> None:
    """However wrong or right the logits are."""
    assert fit_temperature(certain([0, 1]) / 25, np.array([0, 1])) == pytest.approx(0.25, rel=1e-3)
    assert fit_temperature(certain([0, 1]) / 25, np.array([1, 0])) == pytest.approx(8.0, rel=1e-3)
