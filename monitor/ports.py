"""What the data path needs of the outside, as protocols; adapters implement them, tests and replay swap them.

Contract of every port: a failure that may pass raises TransientError and has changed nothing that a retry would
repeat wrongly.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import numpy as np

from monitor.messages import (
    NO_EPOCHS,
    ApplyOutcome,
    Assignment,
    BucketCounts,
    DeadLetter,
    Epochs,
    ModelInput,
    PartitionBatch,
    PartitionState,
    PartitionUpdate,
    RankedStory,
    Score,
    ScoredDocument,
    StoryClaim,
    StoryRecord,
    Subject,
)


class Clock(Protocol):
    """The time. Processing time only ever enters through this."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""

    def monotonic_seconds(self) -> float:
        """Seconds on a clock that never goes back, for durations."""

    def wait_seconds(self, seconds: float) -> None:
        """Lets that much time pass."""


class Source(Protocol):
    """Where records come from, as the data path sees it."""

    def holds(self, batch: PartitionBatch) -> bool:
        """Whether the batch still counts: its partition is held in that epoch and was not rewound since it was read."""

    def rewind(self, partition: int, position: int) -> None:
        """Reads that partition on from `position`; what was polled from it and not yet applied comes again."""

    def release(self, partition: int) -> None:
        """Forgets a partition whose epoch is stale; it is taken anew if it still belongs to this worker."""

    def doubt(self, partition: int) -> None:
        """Takes a partition anew before it is read on: its last batch may be applied, or its epoch over.

        Read once more, records that were applied could give claims back that are counted on.
        """

    def commit(self, positions: Mapping[int, int]) -> None:
        """Notes how far each partition is applied, and tells the broker, for watching lag only."""


class GroupSource(Source, Protocol):
    """The same as a worker sees it: a member of a group of workers that share the partitions."""

    @property
    def partitions(self) -> frozenset[int]:
        """Partitions that are held now."""

    def poll(self, timeout_seconds: float, at_most: int) -> Sequence[PartitionBatch]:
        """Returns what has arrived, at most one batch a partition and so many records; empty after the timeout."""

    def hold_back(self, held_back: bool) -> None:
        """Whether polls only keep the membership and bring no records, from the next one on."""

    def start_over(self) -> None:
        """Rewinds every partition to where it is applied."""

    def check(self) -> None:
        """Tells the lag of every partition; raises TransientError if the broker doesn't answer."""

    def close(self, timeout_seconds: float) -> None:
        """Leaves the group, so that others take over at once."""


class StoryMemory(Protocol):
    """What the novelty index remembers, shared by all workers."""

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """Returns what is known of each document id, and the newest story of each band."""

    def remember(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> list[StoryClaim | None]:
        """Stores claims, each whole or not at all, and returns what stands for the document afterwards.

        An earlier claim for the same document stands. None means that since `look_up` one of a new story's bands was
        taken, a reprint's story was forgotten, or so was the claim itself if it was `known`: decide again. In the same
        step `epochs`, those of the partitions that the documents were read from, are kept where they are newer: from then
        on no claim can be taken back in an older, and none that is made in an older is kept. It is answered as if it were;
        its document is not applied.
        """

    def forget(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> None:
        """Takes back each document's claim, if it was made from that very origin; another one stands.

        So does one of a partition for which `remember` was called in a newer epoch than the one given: whoever did so may
        have been told of the claim, and counts on it. With the claim that began a story go the story and those of the
        given bands that still lead to it. Each claim is forgotten whole or not at all; twice is as good as once.
        """

    def known_stories(self, story_ids: Collection[str]) -> set[str]:
        """Returns those of the stories that are remembered; a story is while any claim to it is."""


class Classifier(Protocol):
    """Scores text; pure in its input: neighbours in a batch change nothing."""

    @property
    def version(self) -> str:
        """Names its models; a score carries the version of the one that gave it."""

    @property
    def languages(self) -> frozenset[str]:
        """Languages that it can read."""

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """Returns one score per input, in order; raises ClassifierError when the batch can't be scored.

        A model that tells companies apart fills `Score.by_entity` for those asked for; others leave it empty.
        """


class Sink(Protocol):
    """Where scored documents and dead letters go, each keyed so that writing twice changes nothing."""

    def publish_scored(self, documents: Sequence[ScoredDocument]) -> None:
        """Hands documents over; durable only after `flush`."""

    def publish_dead(self, letters: Sequence[DeadLetter]) -> None:
        """Hands dead letters over; durable only after `flush`."""

    def flush(self) -> None:
        """Returns when everything handed over is durable; raises TransientError if it may not be."""


class TrendStore(Protocol):
    """The writing side of the trends."""

    def assign(self, partition: int, earliest: int) -> Assignment:
        """Takes the partition: a new epoch, and the stored position (`earliest` where none is stored).

        The epoch is newer than that stored, and than any that claims of the partition are remembered to be made in.
        """

    def skip_to(self, partition: int, epoch: int, position: int) -> ApplyOutcome:
        """Moves a position forward over records that the broker no longer has."""

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """Adds the counts and advances the position, both or neither.

        Refuses what was applied already, what begins past the stored position, and a stale epoch.

        Raises:
            TransientError: besides a failure, one of the update's claims does not stand any more, which is asked in the same
                step wherever one server holds claims and trends. It is to be decided anew.
        """


class TrendReader(Protocol):
    """The reading side of the trends."""

    def partitions(self) -> list[PartitionState]:
        """Every partition that ever applied anything."""

    def changed_since(self, partition: int, position: int) -> list[BucketCounts]:
        """Buckets that changed after `position` was stored, whole; -1 for all."""

    def stories(self, subject: Subject, from_ms: int, to_ms: int, limit: int) -> list[RankedStory]:
        """Negative stories about `subject` published in [from_ms, to_ms), best evidence first (`RankedStory.rank`)."""


class Series(Protocol):
    """Counts per bucket over time, as the spike stage reads them; trends/series.py has them."""

    def steps(self, subject: Subject, measure: str, seconds: int, first: int, stop: int) -> np.ndarray:
        """(stop - first,) int64: the measure in each bucket of that length with index in [first, stop)."""

    def first_index(self, subject: Subject, measure: str, seconds: int) -> int | None:
        """Index of the oldest bucket that counts any."""

    def take_changes(self) -> dict[Subject, int]:
        """Subjects changed since the last call, with the start (ms) of the oldest bucket that changed."""
