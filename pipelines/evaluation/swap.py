"""Entity swap: does a company's name sway the score of a headline that says the same of all of them?

Names and frames stand in `swap_names*.csv` and `swap_frames*.csv`: well-known and invented companies of many regions,
headlines with a slot, as many negative as neutral as positive.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS

SLOT = "{company}"
_FOLDER = Path(__file__).parent
_LANGUAGES = {"en": "", "zh": "_zh"}
_WORST = 10


def swap_names(language: str) -> list[dict[str, str]]:
    """The companies: name, region, industry, invented (yes or no)."""
    return _table("names", language)


def swap_frames(language: str) -> list[dict[str, str]]:
    """The headlines with a slot: sentiment, frame."""
    return _table("frames", language)


def swap_report(score: Callable[[list[str]], np.ndarray], language: str = "en") -> dict[str, Any]:
    """Puts every name into every frame and tells how far the score depends on it (after Prabhakaran et al., 2019).

    Args:
        score: gives (n, 3) probabilities of negative, neutral and positive for n texts.
        language: `en` or `zh`.

    Returns:
        `pairs_changed_share`: over all frames, the share of pairs of names whose labels differ;
        `off_majority_share`: the share of texts whose label is not their frame's most frequent one;
        `frames_changed_share`: the share of frames with more than one label;
        `mean_absolute_shift`: of the polarity P(positive) - P(negative), from the frame's median;
        `by_sentiment`: these by the sentiment that the frame was written with, and the share of labels that agree;
        `worst_names`, `by_region`, `by_name`: mean shift with its sign (positive: scored too kindly), most swayed first;
        `worst_frames`: those with the largest mean absolute shift.

    Raises:
        ConfigError: no list in that language, or `score` gives something else.
    """
    names, frames = swap_names(language), swap_frames(language)
    texts = [clean_text(frame["frame"].replace(SLOT, name["name"])) for frame in frames for name in names]
    probabilities = np.asarray(score(texts), dtype=np.float64)
    if probabilities.shape != (len(texts), 3) or not np.isfinite(probabilities).all():
        raise ConfigError(
            f"entity swap: wanted {len(texts)} rows of three probabilities, got {probabilities.shape} or no numbers"
        )
    grid = probabilities.reshape(len(frames), len(names), 3)
    labels, polarity = grid.argmax(axis=2), grid[:, :, 2] - grid[:, :, 0]
    shift = polarity - np.median(polarity, axis=1, keepdims=True)
    written = np.array([SENTIMENTS.index(frame["sentiment"]) for frame in frames])
    by_name = _by_name(names, shift, labels)
    return {
        "language": language,
        "names": len(names),
        "frames": len(frames),
        **_figures(labels, shift),
        "by_sentiment": {
            sentiment: {
                "frames": int((written == i).sum()),
                "agree_share": round(float((labels[written == i] == i).mean()), 4),
                **_figures(labels[written == i], shift[written == i]),
            }
            for i, sentiment in enumerate(SENTIMENTS)
        },
        "worst_names": by_name[:_WORST],
        "by_region": _by_region(by_name),
        "worst_frames": _worst_frames(frames, names, polarity, shift),
        "by_name": by_name,
    }


def _table(which: str, language: str) -> list[dict[str, str]]:
    if language not in _LANGUAGES:
        raise ConfigError(f"--language {language}: the entity swap knows {', '.join(_LANGUAGES)}")
    path = _FOLDER / f"swap_{which}{_LANGUAGES[language]}.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def _figures(labels: np.ndarray, shift: np.ndarray) -> dict[str, float]:
    counts = np.stack([(labels == i).sum(axis=1) for i in range(len(SENTIMENTS))], axis=1)
    total = labels.shape[1]
    alike = (counts * (counts - 1)).sum() / (len(labels) * total * (total - 1))
    return {
        "pairs_changed_share": round(float(1 - alike), 4),
        "off_majority_share": round(float(1 - counts.max(axis=1).mean() / total), 4),
        "frames_changed_share": round(float((counts.max(axis=1) < total).mean()), 4),
        "mean_absolute_shift": round(float(np.abs(shift).mean()), 4),
    }


def _by_name(names: list[dict[str, str]], shift: np.ndarray, labels: np.ndarray) -> list[dict[str, Any]]:
    majority = np.array([Counter(row.tolist()).most_common(1)[0][0] for row in labels])[:, None]
    off = (labels != majority).mean(axis=0)
    rows = [
        {
            "name": name["name"],
            "region": name["region"],
            "industry": name["industry"],
            "invented": name["invented"] == "yes",
            "mean_shift": round(float(shift[:, i].mean()), 4),
            "off_majority_share": round(float(off[i]), 4),
        }
        for i, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: -abs(row["mean_shift"]))


def _by_region(by_name: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    regions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in by_name:
        regions[row["region"]].append(row)
    return {
        region: {
            "names": len(rows),
            "mean_shift": round(float(np.mean([row["mean_shift"] for row in rows])), 4),
            "off_majority_share": round(float(np.mean([row["off_majority_share"] for row in rows])), 4),
        }
        for region, rows in sorted(regions.items())
    }


def _worst_frames(
    frames: list[dict[str, str]], names: list[dict[str, str]], polarity: np.ndarray, shift: np.ndarray
) -> list[dict[str, Any]]:
    spread = np.abs(shift).mean(axis=1)
    return [
        {
            "frame": frames[i]["frame"],
            "sentiment": frames[i]["sentiment"],
            "mean_absolute_shift": round(float(spread[i]), 4),
            "lowest": names[int(polarity[i].argmin())]["name"],
            "lowest_polarity": round(float(polarity[i].min()), 4),
            "highest": names[int(polarity[i].argmax())]["name"],
            "highest_polarity": round(float(polarity[i].max()), 4),
        }
        for i in np.argsort(-spread, kind="stable")[:_WORST]
    ]
