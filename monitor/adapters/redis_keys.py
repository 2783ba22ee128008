"""Every key in Redis. `P` is `redis.key_prefix`, `n` a source partition; {braces} are what decides on a cluster's slot.

A partition is in one slot, so that its counts and position can change in one step; so is all that novelty knows, since a
claim looks at many stories at once: the one master that serves it is asked by all workers.

| key                              | type   | fields                                        | TTL              | writer |
| P:partitions                     | set    | partition numbers                             | none             | worker |
| P:{n}:state                      | hash   | position, epoch, holder, last_published_ms    | none             | worker |
| P:{n}:touched:<seconds>          | zset   | bucket -> position of its last change         | pruned by age    | worker |
| P:{n}:b:<seconds>:<start_ms>     | hash   | dimension, key, kind, measure -> integer      | its retention    | worker |
| P:{n}:e:<start_ms>:<dim>:<key>   | zset   | story as JSON -> P(negative)                  | fine retention   | worker |
| P:{n}:c:<start_ms>               | hash   | story id -> documents that told it again      | fine retention   | worker |
| P:{n}:nothing                    | -      | never there: rights are tried on it           | -                | none   |
| P:{novelty}:d:<document id>      | string | story id, origin                              | story horizon    | worker |
| P:{novelty}:s:<story id>         | string | available_ms, packed sketch                   | 2 story horizons | worker |
| P:{novelty}:b:<band>             | string | newest story id                               | story horizon    | worker |
| P:{novelty}:epochs               | hash   | partition -> newest epoch that made claims    | story horizon    | worker |
| P:replayed:<topic>:{n}:<chunk>   | set    | offset in the chunk of each replayed letter   | 400 days         | replay |
"""

from __future__ import annotations

from monitor.messages import Bucket, Cell, StoryClaim, Subject

SEPARATOR = "\x1f"


class RedisKeys:
    """Builds keys under one prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def partitions(self) -> str:
        """Set of partitions that ever applied anything."""
        return f"{self._prefix}:partitions"

    def state(self, partition: int) -> str:
        """How far a partition has come."""
        return f"{self._prefix}:{{{partition}}}:state"

    def touched(self, partition: int, seconds: int) -> str:
        """Which buckets of a length changed last at which position."""
        return f"{self._prefix}:{{{partition}}}:touched:{seconds}"

    def bucket(self, partition: int, bucket: Bucket) -> str:
        """Counts of one bucket."""
        return self.bucket_prefix(partition) + bucket_name(bucket)

    def bucket_prefix(self, partition: int) -> str:
        """What the bucket keys of a partition have in common."""
        return f"{self._prefix}:{{{partition}}}:b:"

    def nothing(self, partition: int) -> str:
        """A key in the partition's slot that never exists."""
        return f"{self._prefix}:{{{partition}}}:nothing"

    def evidence(self, partition: int, start_ms: int, subject: Subject) -> str:
        """Negative stories of a subject in one coarse bucket."""
        return f"{self._prefix}:{{{partition}}}:e:{start_ms}:{subject[0]}:{subject[1]}"

    def copies(self, partition: int, start_ms: int) -> str:
        """How often stories were told again in one coarse bucket."""
        return f"{self._prefix}:{{{partition}}}:c:{start_ms}"

    def document(self, document_id: str) -> str:
        """Which story a document told."""
        return f"{self._prefix}:{{novelty}}:d:{document_id}"

    def story(self, story_id: str) -> str:
        """Sketch of a story."""
        return f"{self._prefix}:{{novelty}}:s:{story_id}"

    def band(self, band: str) -> str:
        """Newest story of a MinHash band."""
        return f"{self._prefix}:{{novelty}}:b:{band}"

    def epochs(self) -> str:
        """In which epoch each partition made claims last."""
        return f"{self._prefix}:{{novelty}}:epochs"

    def replayed(self, topic: str, partition: int, chunk: int) -> str:
        """Which records of a run of offsets were replayed out of the dead-letter topic."""
        return f"{self._prefix}:replayed:{topic}:{{{partition}}}:{chunk}"


def bucket_name(bucket: Bucket) -> str:
    """A bucket as a member of `touched` and the tail of its key."""
    return f"{bucket.seconds}:{bucket.start_ms}"


def bucket_of(name: str) -> Bucket:
    """Reads what `bucket_name` wrote."""
    seconds, start_ms = name.split(":")
    return Bucket(int(seconds), int(start_ms))


def field_of(cell: Cell) -> str:
    """A counter's field in its bucket's hash."""
    return SEPARATOR.join((cell.dimension, cell.key, cell.kind, cell.measure))


def cell_of(field: str) -> Cell:
    """Reads what `field_of` wrote."""
    return Cell(*field.split(SEPARATOR))


def value_of(claim: StoryClaim) -> str:
    """A claim as the value of its document's key."""
    return f"{claim.story_id}{SEPARATOR}{claim.origin}"


def claim_of(document_id: str, value: bytes) -> StoryClaim:
    """Reads what `value_of` wrote."""
    story_id, origin = value.decode().rsplit(SEPARATOR, 1)
    return StoryClaim(document_id, origin, story_id)
