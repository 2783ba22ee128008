"""The frozen values that pass between stages.

Instants inside the data path are integer milliseconds since the Unix epoch, UTC (`..._ms`): buckets are integer
arithmetic and must not depend on rounding. Durations are seconds (`..._seconds`). Polarity is P(positive) - P(negative);
sums of it are kept in ten-thousandths, as integers, so that the order of adding doesn't matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

SENTIMENTS = ("negative", "neutral", "positive")
Probabilities = tuple[float, float, float]  # over SENTIMENTS, in that order; they sum to 1
POLARITY_SCALE = 10_000

# (dimension, key): ("topic", "Energy / Oil"), ("entity", "AAPL"), ("all", "all").
Subject = tuple[str, str]
ALL: Subject = ("all", "all")

# The epoch in which a caller holds each partition; one that is missing is held in epoch 0, older than any assignment.
Epochs = Mapping[int, int]
NO_EPOCHS: Epochs = MappingProxyType({})

# What a bucket counts. Stories are counted at their first document; a sentiment's own count puts its name in front.
DOCUMENTS = "documents"
STORIES = "stories"
POLARITY_SUM = "polarity_sum"  # over stories
UNSUPPORTED = "unsupported_documents"


def documents_of(sentiment: str) -> str:
    """The measure that counts documents of a sentiment."""
    return f"{sentiment}_{DOCUMENTS}"


def stories_of(sentiment: str) -> str:
    """The measure that counts stories of a sentiment."""
    return f"{sentiment}_{STORIES}"


_LANGUAGES = frozenset({"en", "zh", "ja", "ko", "ru", "ar", "de", "fr", "es", "it", "pt", "nl", "hi", "und"})


def language_label(language: str) -> str:
    """A document's language out of a bounded set: what a source claims is not one."""
    return language if language in _LANGUAGES else "other"


class Kind(StrEnum):
    """What kind of source a document came from."""

    NEWS = "news"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One Kafka record as it was read.

    Attributes:
        timestamp_ms: the broker's.
        attempts: how often it was tried, with this time; more than 1 for a dead letter that was replayed.
        first_timestamp_ms: the broker's of the first attempt, if it was replayed; 0 otherwise.
    """

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    attempts: int = 1
    first_timestamp_ms: int = 0

    @property
    def known_ms(self) -> int:
        """When the record first came in: a replay makes it no younger, and nothing makes it known after it was read."""
        return min(self.first_timestamp_ms or self.timestamp_ms, self.timestamp_ms)


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """Records of one partition, read from position `begin` up to (not including) position `end`.

    Offsets may have holes (compaction, transaction markers); `begin` and `end` are positions, so batches still join.
    `reading` counts how often the partition had been rewound within its epoch: a batch of an earlier reading is outdated.
    """

    partition: int
    epoch: int
    begin: int
    end: int
    records: tuple[RawRecord, ...]
    reading: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A message that passed ingest.

    Attributes:
        origin: partition and offset it was read from; tells a redelivery from a second copy.
        published_ms: when the document was published (event time); never after `available_ms`.
        available_ms: when the program could first have known it.
        clamped: its clock was from the future and `published_ms` was set to `available_ms`.
        entities: companies named in it, as tickers, ascending.
        mentions: (ticker, name as the text writes it) of those among `entities` that its words name, ascending.
        headline_entities: those that its headline names; they tell two similar headlines apart.
    """

    id: str
    origin: str
    kind: Kind
    source: str
    title: str
    text: str
    url: str
    language: str
    published_ms: int
    available_ms: int
    entities: tuple[str, ...] = ()
    mentions: tuple[tuple[str, str], ...] = ()
    headline_entities: tuple[str, ...] = ()
    clamped: bool = False

    @property
    def headline(self) -> str:
        """The title, or the text of a document without one."""
        return self.title or self.text


@dataclass(frozen=True, slots=True)
class Story:
    """Which story a document tells.

    Attributes:
        id: the id of the document that told it first.
        first: whether this document did.
        repeated: a document of this very id was read before, from another offset; it counts for nothing.
    """

    id: str
    first: bool
    repeated: bool = False

    @property
    def joined(self) -> bool:
        """Whether this document counts, and tells a story that another one began."""
        return not (self.first or self.repeated)


@dataclass(frozen=True, slots=True)
class StoryRecord:
    """A story as the novelty index remembers it: its first document, when that came, and its packed sketch."""

    story_id: str
    available_ms: int
    sketch: bytes


@dataclass(frozen=True, slots=True)
class StoryClaim:
    """A document's claim to a story.

    Attributes:
        record: the story, if the document is its first; None for a reprint.
        bands: with `record`, the bands to find it by.
        seen: with `record`, the story id that each band held when the claim was decided ("" for none).
        known: it was found and not made, and is not stored once more if it is gone by then: whoever made it took it back.
    """

    document_id: str
    origin: str
    story_id: str
    record: StoryRecord | None = None
    bands: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    known: bool = False

    @property
    def partition(self) -> int:
        """The partition that the document was read from."""
        return int(self.origin.partition(":")[0])

    @property
    def first(self) -> bool:
        """Whether the document is the first to tell its story."""
        return self.story_id == self.document_id


@dataclass(frozen=True, slots=True)
class ModelInput:
    """What a classifier is asked about one document.

    Attributes:
        text: what it reads.
        language: which model may read it.
        entities: (ticker, name as the text writes it) of each company whose own sentiment is asked for.
    """

    text: str
    language: str
    entities: tuple[tuple[str, str], ...] = ()


def sentiment_of(probabilities: Probabilities) -> str:
    """The most probable sentiment; of equal ones the first in `SENTIMENTS`."""
    return SENTIMENTS[probabilities.index(max(probabilities))]


def polarity_of(probabilities: Probabilities) -> float:
    """P(positive) - P(negative), in [-1, 1]."""
    return probabilities[2] - probabilities[0]


@dataclass(frozen=True, slots=True)
class Score:
    """What the classifiers say of one document; probabilities are calibrated and sum to 1 over `SENTIMENTS`.

    Attributes:
        by_entity: (ticker, probabilities) of the sentiment towards each company that was asked for and could be told.
    """

    topic: str
    topic_probability: float
    sentiment: str
    probabilities: Probabilities
    model_version: str
    by_entity: tuple[tuple[str, Probabilities], ...] = ()

    @property
    def polarity(self) -> float:
        """That of the document as a whole."""
        return polarity_of(self.probabilities)

    def towards(self, subject: Subject) -> tuple[str, Probabilities]:
        """Sentiment and probabilities that count for a subject: a company's own where it has one, else the document's."""
        dimension, key = subject
        own = dict(self.by_entity).get(key) if dimension == "entity" else None
        return (self.sentiment, self.probabilities) if own is None else (sentiment_of(own), own)


@dataclass(frozen=True, slots=True)
class ScoredDocument:
    """A document with its story and its score; `score` is None where no model can read its language."""

    document: Document
    story: Story
    score: Score | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be read or scored, unchanged, and why."""

    record: RawRecord
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """Names one time bucket: its length and its start, aligned to its length."""

    seconds: int
    start_ms: int


@dataclass(frozen=True, slots=True)
class Cell:
    """Names one counter of a bucket."""

    dimension: str
    key: str
    kind: str
    measure: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A negative story as it is kept to explain a spike."""

    story_id: str
    title: str
    source: str
    url: str
    kind: str
    published_ms: int
    negative_probability: float


@dataclass(frozen=True, slots=True)
class PartitionUpdate:
    """Everything that a batch changes in the trends, applied with its offsets in one atomic step."""

    partition: int
    epoch: int
    begin: int
    end: int
    counts: Mapping[Bucket, Mapping[Cell, int]]
    evidence: tuple[tuple[Subject, Evidence], ...] = ()
    copies: tuple[tuple[int, str], ...] = ()  # (published_ms, story id) of each reprint
    last_published_ms: int = 0
    claims: tuple[StoryClaim, ...] = ()  # those that decided what is counted, as they were looked up last


class ApplyResult(StrEnum):
    """What the trend store did with an update."""

    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    GAP = "gap"
    STALE_EPOCH = "stale_epoch"


@dataclass(frozen=True, slots=True)
class ApplyOutcome:
    """The result, and the position that the store now holds for the partition."""

    result: ApplyResult
    position: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """A worker's hold on a partition: its epoch fences earlier holders; it reads on from `position`."""

    partition: int
    epoch: int
    position: int


@dataclass(frozen=True, slots=True)
class BucketCounts:
    """One bucket of one partition, as read back."""

    partition: int
    bucket: Bucket
    counts: Mapping[Cell, int]


@dataclass(frozen=True, slots=True)
class PartitionState:
    """How far a partition has come."""

    partition: int
    position: int
    epoch: int
    last_published_ms: int


@dataclass(frozen=True, slots=True)
class RankedStory:
    """A story behind a spike, with how many documents told it."""

    evidence: Evidence
    documents: int

    @property
    def rank(self) -> tuple[int, bool, float, str]:
        """Sorts what explains best to the front: most told, news before comments, most surely negative."""
        evidence = self.evidence
        return (-self.documents, evidence.kind != Kind.NEWS, -evidence.negative_probability, evidence.story_id)


@dataclass(frozen=True, slots=True)
class Level:
    """One step of a subject's timeline: what was observed in the window ending at `at_ms`, against expectation.

    Attributes:
        observed: negative stories in the window.
        stories: scored stories in the window.
        expected: negative stories that the subject's own past leads one to expect.
        upper: the count at which `score` reaches the threshold.
        score: surprise of the count, in standard deviations of the fitted noise.
        share_score: surprise of the share of negatives, likewise.
        active: whether a spike is on.
    """

    at_ms: int
    observed: int
    stories: int
    expected: float
    upper: float
    score: float
    share_score: float
    active: bool


@dataclass(frozen=True, slots=True)
class Spike:
    """A run of steps during which a subject's negative stories were more than its past explains."""

    dimension: str
    key: str
    start_ms: int
    end_ms: int | None
    peak: Level
