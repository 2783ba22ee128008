"""Stands in for the outside: a clock, a classifier, a source and a sink that a test can look into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from monitor.errors import ClassifierError, TransientError
from monitor.messages import DeadLetter, ModelInput, PartitionBatch, Score, ScoredDocument
from tests.builders import NOW_MS, score


class ManualClock:
    """Time that passes only when somebody waits, or a test moves it."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        """The time in milliseconds."""
        return self.at_ms

    def monotonic_seconds(self) -> float:
        """The same in seconds."""
        return self.at_ms / 1000

    def wait_seconds(self, seconds: float) -> None:
        """Moves on by that much."""
        self.at_ms += round(seconds * 1000)


class SteppedClock:
    """A clock that moves only when someone waits, kept in seconds without rounding: for pacing."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds

    def now_ms(self) -> int:
        """The time in milliseconds."""
        return round(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        """The time in seconds."""
        return self.seconds

    def wait_seconds(self, seconds: float) -> None:
        """Lets that much pass."""
        self.seconds += seconds


class WordClassifier:
    """Scores by one word: falls is negative, rises is positive, POISON (`failing_words`) can't be scored.

    Towards a company by the word behind its name: with "Apple falls, Oracle rises" it tells them apart.
    """

    version = "words@1"

    def __init__(self, largest_batch: int = 1000, languages: Iterable[str] = ("en",)) -> None:
        self.largest_batch = largest_batch
        self.languages = frozenset(languages)
        self.read: list[ModelInput] = []
        self.failing_words = {"POISON"}

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """Scores them; fails as a whole if one of them can't be scored, or if there are too many."""
        self.read += inputs
        if len(inputs) > self.largest_batch:
            raise ClassifierError("out of memory", reason="model_failed")
        if any(word in one.text for one in inputs for word in self.failing_words):
            raise ClassifierError("a text made the model fail", reason="model_failed")
        return [self._score(one) for one in inputs]

    def _score(self, asked: ModelInput) -> Score:
        topic = "Energy / Oil" if "oil" in asked.text.lower() else "Earnings"
        own = [(key, self._sentiment(asked.text.partition(name)[2].lstrip()[:5])) for key, name in asked.entities]
        by_entity = tuple((key, score(sentiment).probabilities) for key, sentiment in own)
        return replace(score(self._sentiment(asked.text), topic), by_entity=by_entity)

    def _sentiment(self, text: str) -> str:
        return "negative" if "falls" in text else "positive" if "rises" in text else "neutral"


class RecordingSink:
    """Keeps what it is handed; notes calls in `events`; can fail at the next flushes."""

    def __init__(self, events: list[str] | None = None) -> None:
        self.events = [] if events is None else events
        self.scored: list[ScoredDocument] = []
        self.dead: list[DeadLetter] = []
        self.failing_flushes = 0

    def publish_scored(self, documents: Sequence[ScoredDocument]) -> None:
        """Keeps them."""
        self.events.append("publish scored")
        self.scored += documents

    def publish_dead(self, letters: Sequence[DeadLetter]) -> None:
        """Keeps them."""
        self.events.append("publish dead")
        self.dead += letters

    def flush(self) -> None:
        """Notes it, or fails."""
        if self.failing_flushes:
            self.failing_flushes -= 1
            raise TransientError("the broker is away", reason="kafka")
        self.events.append("flush")


class RecordingSource:
    """Notes what it is told; never has records of its own."""

    def __init__(self, events: list[str] | None = None) -> None:
        self.events = [] if events is None else events
        self.committed: dict[int, int] = {}
        self.lost: set[int] = set()

    def holds(self, batch: PartitionBatch) -> bool:
        """All but those of partitions that a test says are lost."""
        return batch.partition not in self.lost

    def rewind(self, partition: int, position: int) -> None:
        """Notes it."""
        self.events.append(f"rewind {partition} to {position}")

    def release(self, partition: int) -> None:
        """Notes it."""
        self.events.append(f"release {partition}")

    def doubt(self, partition: int) -> None:
        """Notes it."""
        self.events.append(f"doubt {partition}")

    def commit(self, positions: Mapping[int, int]) -> None:
        """Notes it."""
        self.events.append("commit")
        self.committed.update(positions)
