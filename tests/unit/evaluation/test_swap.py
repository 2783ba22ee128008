"""Laws of the entity swap, with scorers whose bias is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS
from pipelines.evaluation.swap import SLOT, swap_frames, swap_names, swap_report

LANGUAGES = pytest.mark.parametrize("language", ["en", "zh"])


def fair(texts: list[str]) -> np.ndarray:
    """Says the same of everything."""
    return np.tile([0.2, 0.5, 0.3], (len(texts), 1))


def unfair(name: str) -> np.ndarray:
    """What a scorer that can't stand one company says of it."""
    return np.array([0.8, 0.1, 0.1]) if name else np.array([0.2, 0.5, 0.3])


@LANGUAGES
def test_the_lists_are_what_the_figures_assume(language: str) -> None:
    """A slot in each frame, as many frames of each sentiment, nothing twice, and enough of both."""
    names, frames = swap_names(language), swap_frames(language)
    assert len(names) >= (60 if language == "en" else 50)
    assert len(frames) >= (60 if language == "en" else 40)
    assert len(set(Counter(frame["sentiment"] for frame in frames).values())) == 1
    assert {frame["sentiment"] for frame in frames} == set(SENTIMENTS)
    assert all(frame["frame"].count(SLOT) == 1 for frame in frames)
    for rows, column in ((names, "name"), (frames, "frame")):
        assert len({row[column] for row in rows}) == len(rows)
        assert all(clean_text(row[column]) == row[column] for row in rows)
    assert all(name["region"] and name["industry"] and name["invented"] in {"yes", "no"} for name in names)
    assert len({name["region"] for name in names}) >= 5
    assert 0.1 < np.mean([name["invented"] == "yes" for name in names]) < 0.5


def test_english_frames_are_as_short_and_long_as_headlines_are() -> None:
    """3 to 25 words."""
    lengths = [len(frame["frame"].split()) for frame in swap_frames("en")]
    assert min(lengths) == 3
    assert 20 <= max(lengths) <= 25


@LANGUAGES
def test_a_scorer_that_ignores_names_has_no_shift(language: str) -> None:
    """All figures are 0, of every name, region and sentiment."""
    report = swap_report(fair, language)
    zeros = {
        "pairs_changed_share": 0,
        "off_majority_share": 0,
        "frames_changed_share": 0,
        "mean_absolute_shift": 0,
    }
    assert zeros.items() <= report.items()
    for sentiment, row in report["by_sentiment"].items():
        assert zeros.items() <= row.items()
        assert row["agree_share"] == (sentiment == "neutral")
    assert all(row["mean_shift"] == 0 for row in (*report["by_name"], *report["by_region"].values()))
    assert len(report["by_name"]) == report["names"]


@LANGUAGES
def test_a_hated_company_is_found(language: str) -> None:
    """It stands first, with its sign; the others have no shift; shares follow by counting."""
    names = [name["name"] for name in swap_names(language)]
    hated = names[7]
    report = swap_report(lambda texts: np.stack([unfair(hated if hated in text else "") for text in texts]), language)
    assert report["worst_names"][0]["name"] == hated
    assert report["worst_names"][0]["mean_shift"] == pytest.approx(-0.8)  # polarity -0.7 in place of 0.1
    assert report["worst_names"][0]["off_majority_share"] == 1
    assert report["worst_names"][1]["mean_shift"] == 0
    n = len(names)
    assert report["off_majority_share"] == pytest.approx(1 / n, abs=1e-4)
    assert report["pairs_changed_share"] == pytest.approx(2 / n, abs=1e-4)  # n - 1 of n (n - 1) / 2 pairs
    assert report["frames_changed_share"] == 1
    assert report["mean_absolute_shift"] == pytest.approx(0.8 / n, abs=1e-4)
    assert report["worst_frames"][0]["lowest"] == hated


@pytest.mark.parametrize(
    ("wrong", "language", "said"),
    [
        (np.zeros((3, 3)), "en", "three probabilities"),
        (np.full((1, 1), np.nan), "en", "three probabilities"),
        (np.zeros((3, 3)), "de", "--language de"),
    ],
)
def test_what_cannot_be_measured_is_an_error(wrong: np.ndarray, language: str, said: str) -> None:
    """A scorer that gives something else, or a language without lists."""
    with pytest.raises(ConfigError, match=said):
        swap_report(lambda _: wrong, language)
