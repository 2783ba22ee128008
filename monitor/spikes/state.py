"""When a spike is on: it takes a surprise of both count and share above a minimum volume, and lasts until calm is sure."""

from __future__ import annotations

import numpy as np

from monitor.settings import SpikeSettings


def active_steps(
    observed: np.ndarray, score: np.ndarray, share: np.ndarray, step_seconds: int, settings: SpikeSettings
) -> np.ndarray:
    """Returns (steps,) bool: whether a spike is on at each step, by what was known at that step.

    Args:
        observed: (steps,) negative stories in the window.
        score: (steps,) surprise of the count; NaN where nothing can be judged.
        share: (steps,) surprise of the share.
        step_seconds: time between steps.
        settings: thresholds.
    """
    starts = (
        (score >= settings.on_score) & (share >= settings.on_share_score) & (observed >= settings.min_negative_stories)
    )
    calm = ~(score >= settings.off_score)  # NaN is calm
    active = np.zeros(len(observed), dtype=bool)
    if not starts.any():
        return active
    patience = max(1, settings.off_after_minutes * 60 // step_seconds)
    on, calm_steps = False, 0
    for i in range(int(np.argmax(starts)), len(observed)):
        calm_steps = calm_steps + 1 if calm[i] else 0
        on = bool(starts[i]) or (on and calm_steps < patience)
        active[i] = on
    return active
