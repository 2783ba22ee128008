"""What the novelty index remembers, in this process: for replay and tests; same contract as redis_novelty.py."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.messages import StoryClaim, StoryRecord


class MemoryStoryMemory:
    """Implements StoryMemory."""

    def __init__(self) -> None:
        self._claims: dict[str, StoryClaim] = {}
        self._bands: dict[str, StoryRecord] = {}

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        return [self._claims.get(id_) for id_ in ids], [self._bands.get(band) for band in bands]

    def remember(self, claims: Sequence[StoryClaim]) -> list[StoryClaim | None]:
        """See StoryMemory."""
        return [self._remember(claim) for claim in claims]

    def _remember(self, claim: StoryClaim) -> StoryClaim | None:
        if claim.document_id in self._claims:
            return self._claims[claim.document_id]
        held = tuple(record.story_id if (record := self._bands.get(band)) else "" for band in claim.bands)
        if held != claim.seen:
            return None
        if claim.record is not None:
            self._bands.update(dict.fromkeys(claim.bands, claim.record))
        stands = StoryClaim(claim.document_id, claim.origin, claim.story_id)
        self._claims[claim.document_id] = stands
        return stands
