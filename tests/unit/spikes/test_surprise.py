"""Laws of surprise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.spikes.surprise import count_at_score, count_score, share_score

EXPECTED = st.floats(0, 1000)
DISPERSION = st.floats(1, 20)


def number(value: float) -> np.ndarray:
    """One step."""
    return np.array([value])


@given(st.floats(0, 12), EXPECTED, DISPERSION)
def test_the_band_is_the_count_at_which_the_score_is_reached(score: float, expected: float, dispersion: float) -> None:
    """`count_at_score` is the inverse of `count_score`."""
    count = count_at_score(score, number(expected), dispersion)
    assert count_score(count, number(expected), dispersion)[0] == pytest.approx(score, abs=1e-6)


@given(st.integers(0, 500), EXPECTED, DISPERSION)
def test_more_stories_surprise_more_and_noise_surprises_less(observed: int, expected: float, dispersion: float) -> None:
    """The score grows with the count; the noisier the subject, the nearer to 0."""
    score = count_score(number(observed), number(expected), dispersion)[0]
    assert count_score(number(observed + 1), number(expected), dispersion)[0] > score
    assert abs(count_score(number(observed), number(expected), 2 * dispersion)[0]) <= abs(score)


@given(st.integers(1, 500), DISPERSION)
def test_what_was_expected_is_no_surprise(expected: int, dispersion: float) -> None:
    """Neither of the count nor of the share."""
    assert count_score(number(expected), number(expected), dispersion)[0] == 0
    assert share_score(number(expected), number(2 * expected), 0.5, dispersion)[0] == pytest.approx(0, abs=1e-6)


@given(st.integers(1, 300), st.floats(0.02, 0.98), DISPERSION)
def test_a_larger_share_surprises_more(total: int, share: float, dispersion: float) -> None:
    """From none negative to all negative."""
    counts = np.arange(total + 1)
    scores = share_score(counts, np.full(total + 1, total), share, dispersion)
    assert np.all(np.diff(scores) > 0)
    assert scores[0] < 0 < scores[-1]


def test_no_stories_have_no_surprising_share() -> None:
    """Nothing divided by nothing is 0 here, and no warning."""
    assert share_score(number(0), number(0), 0.3, 1.0)[0] == 0


def test_poisson_noise_has_unit_variance() -> None:
    """So that a score means the same for quiet and busy subjects (Anscombe, 1948)."""
    chance = np.random.default_rng(3)
    for mean in (4.0, 20.0, 100.0):
        scores = count_score(chance.poisson(mean, 20_000), np.full(20_000, mean), 1.0)
        assert scores.std() == pytest.approx(1.0, abs=0.06)
        assert scores.mean() == pytest.approx(0.0, abs=0.15)
