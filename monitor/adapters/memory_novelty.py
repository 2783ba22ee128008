"""What the novelty index remembers, in this process: for replay and tests; same contract as redis_novelty.py."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence

from monitor.messages import NO_EPOCHS, Epochs, StoryClaim, StoryRecord

_NO_SKETCH = b"\0\0\0\0"  # of a story that is gone while a band still leads to it; it matches nothing


class MemoryStoryMemory:
    """Implements StoryMemory; each call is one step to those of other threads, as it is in Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, StoryClaim] = {}
        self._bands: dict[str, str] = {}
        self._stories: dict[str, StoryRecord] = {}
        self._epochs: dict[int, int] = {}

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        with self._lock:
            return [self._claims.get(id_) for id_ in ids], [self._record(self._bands.get(band)) for band in bands]

    def remember(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> list[StoryClaim | None]:
        """See StoryMemory."""
        if not claims:
            return []
        with self._lock:
            for partition, epoch in epochs.items():
                self._epochs[partition] = max(epoch, self._epochs.get(partition, 0))
            return [self._remember(claim, epochs) for claim in claims]

    def forget(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> None:
        """See StoryMemory."""
        with self._lock:
            for claim in claims:
                self._forget(claim, epochs)

    def known_stories(self, story_ids: Collection[str]) -> set[str]:
        """See StoryMemory."""
        with self._lock:
            return self._stories.keys() & set(story_ids)

    def _record(self, story_id: str | None) -> StoryRecord | None:
        return None if story_id is None else self._stories.get(story_id) or StoryRecord(story_id, 0, _NO_SKETCH)

    def _forget(self, claim: StoryClaim, epochs: Epochs) -> None:
        held = self._claims.get(claim.document_id)
        stale = epochs.get(claim.partition, 0) < self._epochs.get(claim.partition, 0)
        if held is None or held.origin != claim.origin or stale:
            return
        del self._claims[claim.document_id]
        if held.first:
            self._stories.pop(held.story_id, None)
            for band in claim.bands:
                if self._bands.get(band) == held.story_id:
                    del self._bands[band]

    def _remember(self, claim: StoryClaim, epochs: Epochs) -> StoryClaim | None:
        if claim.document_id in self._claims:
            return self._claims[claim.document_id]
        held = tuple(self._bands.get(band, "") for band in claim.bands)
        if claim.known or held != claim.seen or (claim.record is None and claim.story_id not in self._stories):
            return None
        stands = StoryClaim(claim.document_id, claim.origin, claim.story_id)
        if claim.partition in epochs and epochs[claim.partition] < self._epochs[claim.partition]:
            return stands
        if claim.record is not None:
            self._stories[claim.story_id] = claim.record
            self._bands.update(dict.fromkeys(claim.bands, claim.story_id))
        self._claims[claim.document_id] = stands
        return stands
