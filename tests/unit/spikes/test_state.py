"""Laws of when a spike is on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings import SpikeSettings
from monitor.spikes.state import active_steps

SETTINGS = SpikeSettings(on_score=4, off_score=2, on_share_score=2.5, off_after_minutes=3, min_negative_stories=6)
HIGH, LOW, BETWEEN = 5.0, 0.0, 3.0


def active(scores: list[float], observed: int = 10, share: float = 3.0) -> list[bool]:
    """Whether a spike is on, minute by minute."""
    steps = len(scores)
    on = active_steps(np.full(steps, observed), np.array(scores), np.full(steps, share), 60, SETTINGS)
    return [bool(step) for step in on]


def test_a_spike_starts_when_the_score_is_reached() -> None:
    """Not a step earlier."""
    assert active([LOW, BETWEEN, 3.99, 4.0]) == [False, False, False, True]


def test_one_dip_does_not_end_a_spike() -> None:
    """Nor do two; calm has to last."""
    assert active([HIGH, LOW, LOW, HIGH, LOW, BETWEEN, LOW, LOW]) == [True] * 8


def test_a_spike_ends_when_calm_has_lasted() -> None:
    """At the step at which that is known, and then stays off."""
    assert active([HIGH, LOW, LOW, LOW, LOW, BETWEEN]) == [True, True, True, False, False, False]


def test_between_the_thresholds_a_spike_goes_on_but_does_not_start() -> None:
    """Hysteresis."""
    assert active([BETWEEN] * 3 + [HIGH] + [BETWEEN] * 5) == [False] * 3 + [True] * 6


@pytest.mark.parametrize(("observed", "share"), [(5, 3.0), (10, 2.49), (10, -1.0)])
def test_count_share_and_volume_are_all_needed(observed: int, share: float) -> None:
    """A surge of stories that are no more negative than usual is none, nor is a handful."""
    assert active([9.0] * 4, observed, share) == [False] * 4


def test_what_cannot_be_judged_is_calm() -> None:
    """NaN starts nothing, and ends what was on."""
    assert active([np.nan, HIGH, np.nan, np.nan, np.nan]) == [False, True, True, True, False]


SCORES = st.lists(st.sampled_from([np.nan, LOW, BETWEEN, HIGH]), max_size=40)


@given(SCORES, SCORES)
def test_what_comes_later_changes_no_earlier_step(past: list[float], future: list[float]) -> None:
    """A step knows only what came before it."""
    assert active(past + future)[: len(past)] == active(past)


@given(SCORES)
def test_a_spike_is_on_wherever_it_would_start(scores: list[float]) -> None:
    """And never before the first such step."""
    on = active(scores)
    assert all(on[i] for i, score in enumerate(scores) if score == HIGH)
    first = scores.index(HIGH) if HIGH in scores else len(scores)
    assert not any(on[:first])
