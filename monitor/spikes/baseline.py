"""What a subject's own past leads one to expect: level, daily rhythm, share of negatives, and how noisy all that is.

Guarantees: uses nothing newer than the hours it is given; past spikes are down-weighted, so that one surge doesn't hide
the next. Counts are modelled as over-dispersed Poisson: variance = dispersion times mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SLOTS = 48  # hour of day, for weekdays and for weekends
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_PRIOR_NOISE_HOURS = 24.0
_PRIOR_DISPERSION = 1.2
_RHYTHM_PRIOR_HOURS = 6.0
_RHYTHM_PRIOR_STORIES = 4.0
_OUTLIER = 3.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """Expectation for each slot.

    Attributes:
        rates: (SLOTS,) expected negative stories per hour.
        dispersion: variance over mean of hourly counts, at least 1.
        share: expected share of negatives among scored stories.
        share_dispersion: likewise for the share, over the binomial's.
    """

    rates: np.ndarray
    dispersion: float
    share: float
    share_dispersion: float


def slots_of(hours: np.ndarray) -> np.ndarray:
    """Slot of each hour since the epoch, UTC: (n,) int64 in, (n,) int64 out."""
    hour, day = hours % 24, hours // 24
    weekend = (day + _EPOCH_WEEKDAY) % 7 >= 5
    return np.asarray(hour + 24 * weekend)


def age_weights(count: int, half_life_hours: float) -> np.ndarray:
    """(count,) weights of hours in ascending order; the last weighs 1, one a half-life older 0.5."""
    return np.asarray(0.5 ** (np.arange(count - 1, -1, -1) / half_life_hours))


def rhythm_of(stories: np.ndarray, slots: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns (SLOTS,) volume of each slot relative to the mean, out of all subjects' stories, shrunk towards 1.

    Args:
        stories: (hours,) scored stories of all subjects.
        slots: (hours,) their slots.
        weights: (hours,) their weights.
    """
    mean = float((weights * stories).sum() / weights.sum())
    if mean <= 0:
        return np.ones(SLOTS)
    by_slot = np.bincount(slots, weights * stories, SLOTS)
    hours = np.bincount(slots, weights, SLOTS)
    return np.asarray((by_slot + _RHYTHM_PRIOR_HOURS * mean) / (hours + _RHYTHM_PRIOR_HOURS) / mean)


def fit_baseline(
    negative: np.ndarray, stories: np.ndarray, slots: np.ndarray, weights: np.ndarray, rhythm: np.ndarray
) -> Baseline:
    """Fits a subject's baseline to its past hours.

    Two passes of iteratively re-weighted means: hours far above the first fit count less in the second (Huber's weight).

    Args:
        negative: (hours,) negative stories.
        stories: (hours,) scored stories.
        slots: (hours,) slots.
        weights: (hours,) weights by age.
        rhythm: (SLOTS,) relative volume of slots.
    """
    shape = rhythm[slots]
    robust = weights
    level, dispersion = _level(negative, shape, robust), _PRIOR_DISPERSION
    for _ in range(2):
        mean = np.maximum(level * shape, 0.25)
        residual = (negative - mean) / np.sqrt(mean * dispersion)
        robust = weights * np.minimum(1.0, _OUTLIER / np.maximum(residual, _OUTLIER)) ** 2
        level = _level(negative, shape, robust)
        dispersion = _dispersion(negative, np.maximum(level * shape, 0.1), robust, limit=20.0)
    expected = np.bincount(slots, robust * level * shape, SLOTS)
    observed = np.bincount(slots, robust * negative, SLOTS)
    own = (observed + _RHYTHM_PRIOR_STORIES) / (expected + _RHYTHM_PRIOR_STORIES)
    share = float(((robust * negative).sum() + 1.0) / ((robust * stories).sum() + 4.0))
    some = stories > 0
    binomial = stories[some] * share * (1 - share)
    surplus = (negative[some] - stories[some] * share) ** 2 / np.maximum(binomial, 0.1)
    share_dispersion = _mean_with_prior(surplus, robust[some], limit=10.0)
    return Baseline(level * rhythm * own, dispersion, share, share_dispersion)


def _level(negative: np.ndarray, shape: np.ndarray, weights: np.ndarray) -> float:
    # Half a story in one hour as prior: a subject without any past negative story has a low level, but not zero.
    return float(((weights * negative).sum() + 0.5) / ((weights * shape).sum() + 1.0))


def _dispersion(negative: np.ndarray, mean: np.ndarray, weights: np.ndarray, limit: float) -> float:
    return _mean_with_prior((negative - mean) ** 2 / mean, weights, limit)


def _mean_with_prior(values: np.ndarray, weights: np.ndarray, limit: float) -> float:
    total = (weights * values).sum() + _PRIOR_NOISE_HOURS * _PRIOR_DISPERSION
    return float(np.clip(total / (weights.sum() + _PRIOR_NOISE_HOURS), 1.0, limit))
