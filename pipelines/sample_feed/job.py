"""Composes the sample feed and writes it with its manifest: what is in it, what should alert, and what must not."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.sample_feed import events
from pipelines.sample_feed.background import background
from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.phrasebook import SENTIMENTS
from pipelines.sample_feed.schedule import Schedule
from pipelines.sample_feed.stories import FEED_END, Telling, as_document, document_id

SEED = 20_260_116
FEED_NAME = "sample.jsonl"
MANIFEST_NAME = "sample.manifest.json"


def compose_sample(seed: int) -> list[Telling]:
    """Returns every document of the feed in the order of publication."""
    tellings = background(seed, Schedule(Draw(seed, "schedule"), events.BLOCKED))
    tellings += events.earnings_day(seed) + events.reprint_storm(seed) + events.surge(seed)
    return sorted(tellings, key=lambda telling: telling.at_seconds)  # stable: the surge stays last at the end


def write_sample(out: Path, seed: int) -> dict[str, Any]:
    """Writes the feed and its manifest into a folder and returns the manifest.

    Args:
        out: folder to write into; made if it is missing.
        seed: the same seed writes the same bytes.
    """
    tellings = compose_sample(seed)
    out.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps(as_document(telling, number), ensure_ascii=False, separators=(",", ":"))
        for number, telling in enumerate(tellings, start=1)
    ]
    _write(out / FEED_NAME, "\n".join(lines) + "\n")
    manifest = manifest_of(tellings, seed)
    _write(out / MANIFEST_NAME, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return manifest


def write_labels(file: Path, seed: int) -> None:
    """Writes the intended topic and sentiment of each document as CSV, to check a model against."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "topic", "sentiment", "part", "kind", "language"])
        for number, telling in enumerate(compose_sample(seed), start=1):
            story = telling.story
            rows.writerow([document_id(number), story.topic, story.sentiment, telling.part, story.kind, story.language])


def manifest_of(tellings: list[Telling], seed: int) -> dict[str, Any]:
    """Says what the feed holds, which alert it must raise, and which happenings must raise none."""
    counts = Counter((telling.story.topic, telling.story.sentiment) for telling in tellings)
    topics = sorted({topic for topic, _ in counts})
    return {
        "feed": FEED_NAME,
        "seed": seed,
        "ends": FEED_END.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "documents": len(tellings),
        "dimensions": ["topic", "entity"],
        "alerts": [
            {"dimension": "topic", "key": events.SURGE_TOPIC, "starts_before_end_seconds": events.SURGE_SECONDS}
        ],
        "decoys": [
            _decoy("volume", events.EARNINGS_TOPIC, events.EARNINGS_START, events.EARNINGS_END),
            _decoy("reprints", events.STORM_TOPIC, events.STORM_START, events.STORM_END),
        ],
        "intended": {topic: {s: counts[topic, s] for s in SENTIMENTS} for topic in topics},
    }


def _decoy(kind: str, topic: str, start: int, end: int) -> dict[str, Any]:
    times = {"starts_before_end_seconds": -start, "ends_before_end_seconds": -end}
    return {"kind": kind, "dimension": "topic", "key": topic, **times}


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8"))
