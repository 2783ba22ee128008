"""Laws of what a subject's past leads one to expect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.spikes.baseline import SLOTS, Baseline, age_weights, fit_baseline, rhythm_of, slots_of
from tests.builders import HOUR_MS, ms

HOURS = np.arange(24 * 14)
FLAT = np.ones(SLOTS)


def fit(negative: np.ndarray, stories: np.ndarray | None = None) -> Baseline:
    """A fit to hours of equal weight, without a common rhythm."""
    hours = HOURS[: len(negative)]
    return fit_baseline(
        negative, negative * 4 if stories is None else stories, slots_of(hours), np.ones(len(hours)), FLAT
    )


@pytest.mark.parametrize(
    ("instant", "slot"),
    [
        ("2026-03-04T00:30:00Z", 0),  # a Wednesday
        ("2026-03-06T23:59:59Z", 23),
        ("2026-03-07T00:00:00Z", 24),  # a Saturday
        ("2026-03-08T23:00:00Z", 47),
        ("2026-03-09T07:00:00Z", 7),
        ("1970-01-03T05:00:00Z", 29),
    ],
)
def test_slots_are_hours_of_weekdays_and_of_weekends(instant: str, slot: int) -> None:
    """UTC; Saturday and Sunday have their own."""
    assert slots_of(np.array([ms(instant) // HOUR_MS]))[0] == slot


def test_weights_halve_with_each_half_life() -> None:
    """The newest hour weighs 1."""
    weights = age_weights(25, 12.0)
    assert (weights[-1], weights[-13], weights[-25]) == pytest.approx((1.0, 0.5, 0.25))


@given(st.lists(st.integers(0, 200), min_size=24, max_size=200), st.integers(0, 3))
def test_a_baseline_is_always_usable(counts: list[int], times: int) -> None:
    """Finite, above 0, no less noisy than Poisson, and a share inside (0, 1)."""
    negative = np.array(counts)
    found = fit(negative, negative * times + negative)
    assert np.all(np.isfinite(found.rates) & (found.rates > 0))
    assert 1 <= found.dispersion <= 20
    assert 1 <= found.share_dispersion <= 10
    assert 0 < found.share < 1


def test_a_steady_past_is_expected_to_go_on() -> None:
    """Level and share are learned within the noise of the prior."""
    chance = np.random.default_rng(5)
    negative = chance.poisson(6.0, len(HOURS))
    found = fit(negative, negative + chance.poisson(18.0, len(HOURS)))
    assert found.rates.mean() == pytest.approx(6.0, rel=0.1)
    assert found.share == pytest.approx(0.25, rel=0.1)
    assert found.dispersion < 1.5


def test_a_past_surge_is_weighed_down() -> None:
    """Five hours at thirty times the level hardly raise what is expected, where a mean would be raised by half."""
    chance = np.random.default_rng(5)
    calm = chance.poisson(4.0, len(HOURS))
    stormy = calm.copy()
    stormy[100:105] = 150
    assert stormy.mean() > 1.5 * calm.mean()
    assert fit(stormy).rates.mean() < 1.15 * fit(calm).rates.mean()


def test_a_noisy_past_raises_the_dispersion() -> None:
    """So that such a subject needs more to surprise."""
    chance = np.random.default_rng(5)
    bursts = chance.negative_binomial(2, 0.2, len(HOURS))
    steady = chance.poisson(bursts.mean(), len(HOURS))
    assert fit(bursts).dispersion > 2 * fit(steady).dispersion


def test_a_subjects_own_rhythm_is_learned() -> None:
    """One that speaks up at 14:00 is expected to, even where all subjects together have no rhythm."""
    negative = np.random.default_rng(5).poisson(np.where(HOURS % 24 == 14, 8.0, 2.0))
    found = fit(negative)
    assert found.rates[14] > 2.5 * found.rates[3]
    assert found.rates[3] == pytest.approx(2.0, rel=0.3)


def test_the_common_rhythm_is_relative_to_the_mean() -> None:
    """Twice the stories at noon, and a flat day without any stories."""
    slots, weights = slots_of(HOURS), np.ones(len(HOURS))
    rhythm = rhythm_of(np.where(HOURS % 24 == 12, 200, 100), slots, weights)
    assert rhythm[12] > 1.4
    assert rhythm[5] == pytest.approx(0.96, abs=0.02)
    assert rhythm_of(np.zeros(len(HOURS)), slots, weights) == pytest.approx(FLAT)


def test_a_subject_without_any_past_negative_story_has_a_low_level_above_zero() -> None:
    """The first one is a small surprise, not an infinite one."""
    found = fit(np.zeros(len(HOURS)), np.full(len(HOURS), 5))
    assert 0 < found.rates.max() < 0.05
