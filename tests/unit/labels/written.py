"""Headlines that are no near-duplicates of each other, and exports of annotation tools, for the tests of label sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from monitor.messages import Score, ScoredDocument, Story
from tests.builders import document

TOPICS = ("Earnings", "Energy / Oil", "M&A / Investments")
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjkmnpqtvwz")


def headline(number: int) -> str:
    """A headline that is like no other number's."""
    digest = hashlib.sha256(str(number).encode()).hexdigest().translate(_LETTERS)
    return "Profit at " + " ".join(digest[start : start + 6] for start in range(0, 48, 6))


def told(
    id: str,
    title: str,
    probabilities: tuple[float, float, float] = (0.8, 0.15, 0.05),
    topic: str = "Earnings",
    topic_probability: float = 0.9,
    of: str | None = None,
    **changes: Any,
) -> ScoredDocument:
    """A scored document; `of` is the id of the story's first document where it is a copy."""
    names = ("negative", "neutral", "positive")
    sentiment = names[probabilities.index(max(probabilities))]
    score = Score(topic, topic_probability, sentiment, probabilities, "test@1")
    about = replace(document(id), **{"title": title, "url": f"https://example.com/{id}", **changes})
    return ScoredDocument(about, Story(of or id, of is None), score)


def said(
    sentiment: str | None = "negative",
    topic: str | None = "Earnings",
    who: int | dict[str, Any] = 1,
    at: str = "2026-03-05T09:00:00.000000Z",
    *,
    skipped: bool = False,
) -> dict[str, Any]:
    """An annotation as Label Studio exports it."""
    chosen = (("sentiment", sentiment), ("topic", topic))
    return {
        "id": 7,
        "completed_by": who,
        "result": [
            {
                "id": f"r-{name}",
                "from_name": name,
                "to_name": "text",
                "type": "choices",
                "origin": "manual",
                "value": {"choices": [label]},
            }
            for name, label in chosen
            if label is not None
        ],
        "was_cancelled": skipped,
        "ground_truth": False,
        "created_at": "2026-03-05T08:00:00.000000Z",
        "updated_at": at,
        "lead_time": 4.2,
    }


def task(number: int, *annotations: dict[str, Any], text: str | None = None, **data: Any) -> dict[str, Any]:
    """A task as Label Studio exports it, about the headline of that number."""
    about = {"text": headline(number) if text is None else text, "document_id": f"d-{number}", **data}
    return {"id": number, "data": about, "annotations": list(annotations), "predictions": [], "project": 1}


def exported(path: Path, tasks: Sequence[dict[str, Any]]) -> Path:
    """Label Studio's export of tasks."""
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return path
