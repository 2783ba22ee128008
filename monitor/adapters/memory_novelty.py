"""What the novelty index remembers, in this process: for replay and tests; same contract as redis_novelty.py."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from monitor.messages import NO_EPOCHS, Epochs, StoryClaim, StoryRecord


class MemoryStoryMemory:
    """Implements StoryMemory; each call is one step to those of other threads, as it is in Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, StoryClaim] = {}
        self._bands: dict[str, StoryRecord] = {}
        self._stories: set[str] = set()
        self._epochs: dict[int, int] = {}

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        with self._lock:
            return [self._claims.get(id_) for id_ in ids], [self._bands.get(band) for band in bands]

    def remember(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> list[StoryClaim | None]:
        """See StoryMemory."""
        if not claims:
            return []
        with self._lock:
            for partition, epoch in epochs.items():
                self._epochs[partition] = max(epoch, self._epochs.get(partition, 0))
            return [self._remember(claim) for claim in claims]

    def forget(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> None:
        """See StoryMemory."""
        with self._lock:
            for claim in claims:
                self._forget(claim, epochs)

    def known_stories(self, story_ids: Collection[str]) -> set[str]:
        """See StoryMemory."""
        with self._lock:
            return self._stories & set(story_ids)

    def _forget(self, claim: StoryClaim, epochs: Epochs) -> None:
        held = self._claims.get(claim.document_id)
        stale = epochs.get(claim.partition, 0) < self._epochs.get(claim.partition, 0)
        if held is None or held.origin != claim.origin or stale:
            return
        del self._claims[claim.document_id]
        if held.first:
            self._stories.discard(held.story_id)
            for band in claim.bands:
                record = self._bands.get(band)
                if record is not None and record.story_id == held.story_id:
                    del self._bands[band]

    def _remember(self, claim: StoryClaim) -> StoryClaim | None:
        if claim.document_id in self._claims:
            return self._claims[claim.document_id]
        held = tuple(record.story_id if (record := self._bands.get(band)) else "" for band in claim.bands)
        if claim.known or held != claim.seen or (claim.record is None and claim.story_id not in self._stories):
            return None
        if claim.record is not None:
            self._stories.add(claim.story_id)
            self._bands.update(dict.fromkeys(claim.bands, claim.record))
        stands = StoryClaim(claim.document_id, claim.origin, claim.story_id)
        self._claims[claim.document_id] = stands
        return stands
