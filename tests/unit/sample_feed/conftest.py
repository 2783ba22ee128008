"""The sample as the job writes it, composed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.ingest.sketch import Sketch, sketch_of
from pipelines.sample_feed.job import SEED, compose_sample
from pipelines.sample_feed.stories import Telling, as_document

COMMITTED = Path(__file__).parents[3] / "monitor" / "demo" / "sample"


@dataclass(frozen=True)
class Sample:
    """The feed in order: how each document was meant, how it reads, its sketch and its time."""

    tellings: list[Telling]
    documents: list[dict[str, Any]]
    sketches: list[Sketch]
    times: list[datetime]

    def numbers_of(self, *parts: str) -> list[int]:
        """Positions of the documents that belong to one of these parts."""
        return [i for i, telling in enumerate(self.tellings) if telling.part in parts]


@pytest.fixture(scope="session")
def sample() -> Sample:
    """The sample of the job's own seed."""
    tellings = compose_sample(SEED)
    documents = [as_document(telling, number) for number, telling in enumerate(tellings, start=1)]
    sketches = [sketch_of(document["title"] or document["text"]) for document in documents]
    return Sample(tellings, documents, sketches, [datetime.fromisoformat(d["published"]) for d in documents])


@pytest.fixture(scope="session")
def committed() -> Path:
    """The folder of the sample that the demo ships."""
    return COMMITTED
