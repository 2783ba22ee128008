"""How surprising a count and a share are, in standard deviations, after transforms that make their noise even.

Counts: Anscombe's square root (1948); shares: the arcsine of the square root. Both are divided by the square root of the
fitted over-dispersion, so that a noisy subject needs more to surprise.
"""

from __future__ import annotations

import numpy as np

_ANSCOMBE = 3.0 / 8.0


def count_score(observed: np.ndarray, expected: np.ndarray, dispersion: float) -> np.ndarray:
    """Surprise of counts, each argument (steps,)."""
    return np.asarray(2.0 * (np.sqrt(observed + _ANSCOMBE) - np.sqrt(expected + _ANSCOMBE)) / np.sqrt(dispersion))


def count_at_score(score: float, expected: np.ndarray, dispersion: float) -> np.ndarray:
    """The count at which `count_score` reaches `score`: its inverse, (steps,)."""
    return np.asarray((np.sqrt(expected + _ANSCOMBE) + score * np.sqrt(dispersion) / 2.0) ** 2 - _ANSCOMBE)


def share_score(observed: np.ndarray, total: np.ndarray, share: float, dispersion: float) -> np.ndarray:
    """Surprise of `observed` out of `total` against `share`; 0 where there is nothing, (steps,)."""
    ratio = np.clip(observed / np.maximum(total, 1), 0.0, 1.0)
    gap = np.arcsin(np.sqrt(ratio)) - np.arcsin(np.sqrt(share))
    return np.asarray(2.0 * np.sqrt(total) * gap / np.sqrt(dispersion))
