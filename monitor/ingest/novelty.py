"""Decides which story each document tells: a near-duplicate joins the story it repeats, anything else begins one.

Guarantees: decided once, when a document is first seen; asked again for the same record, the answer is the same, whoever
asks, unless the document or its story's first could not be scored and was released. What is remembered is shared by all
workers; a story takes in reprints for a bounded time (of availability).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.errors import TransientError
from monitor.ingest.sketch import Sketch, pack, same_story, sketches_of, unpack
from monitor.messages import NO_EPOCHS, Document, Epochs, Story, StoryClaim, StoryRecord
from monitor.ports import StoryMemory


class NoveltyIndex:
    """Assigns stories.

    Args:
        memory: what is remembered, in Redis or in this process.
        horizon_ms: how long after its first document a story takes in reprints.
    """

    def __init__(self, memory: StoryMemory, horizon_ms: int) -> None:
        self._memory = memory
        self._horizon_ms = horizon_ms

    def assign(self, documents: Sequence[Document], epochs: Epochs = NO_EPOCHS) -> list[Story]:
        """Returns a story per document, in order.

        Args:
            documents: all that were read together.
            epochs: of the partitions that they were read from. From now on none of their claims is given back in an older
                epoch: not by a worker that was frozen and still takes a partition for its own.
        """
        sketches = _sketches(documents)
        stories: dict[int, Story] = {}
        pending = list(range(len(documents)))
        while pending:
            claims = self._decide([documents[i] for i in pending], [sketches[i] for i in pending], epochs)
            standing = self._remember(claims, epochs)
            for i, claim in zip(pending, standing, strict=True):
                if claim is not None:
                    stories[i] = _story(claim, documents[i])
            # Between our look and our claim another worker took a band, or that of the story it repeats, or somebody
            # released what we found: look again.
            pending = [i for i, claim in zip(pending, standing, strict=True) if claim is None]
        return [stories[i] for i in range(len(documents))]

    def release(self, documents: Sequence[Document], epochs: Epochs = NO_EPOCHS) -> None:
        """Gives back what documents claimed that could not be scored, so that a replay of them counts.

        A story that one of them began goes too: the next reprint begins it anew, and those that had joined it learn so from
        `settle`. Only a document's own claim goes, the one from its origin, and none of a partition that another worker has
        asked for in a newer epoch: it may count on it. Called before the document's batch is applied, once or again: after
        a crash in between the record is read again, claims anew and is released again.
        """
        claims = [
            StoryClaim(document.id, document.origin, document.id, bands=sketch.bands)
            for document, sketch in zip(documents, _sketches(documents), strict=True)
        ]
        self._memory.forget(claims, epochs)

    def settle(
        self, documents: Sequence[Document], stories: Sequence[Story], epochs: Epochs = NO_EPOCHS
    ) -> list[Story]:
        """Returns the stories as they stand: reprints of a story that was released since `assign` are decided anew.

        Called before the documents are published and applied: what has been counted is not decided again.
        """
        joined = {story.id for story in stories if story.joined}
        gone = joined - self._memory.known_stories(joined)
        orphans = [i for i, story in enumerate(stories) if story.id in gone and story.joined]
        if not orphans:
            return list(stories)
        self._memory.forget([StoryClaim(documents[i].id, documents[i].origin, stories[i].id) for i in orphans], epochs)
        anew = dict(zip(orphans, self.assign([documents[i] for i in orphans], epochs), strict=True))
        return [anew.get(i, story) for i, story in enumerate(stories)]

    def confirm(self, documents: Sequence[Document], stories: Sequence[Story]) -> list[StoryClaim]:
        """Asks once more for what `assign` answered, right before the documents are applied; returns the claims it found.

        Args:
            documents: all that are about to be applied.
            stories: theirs, in the same order.

        Raises:
            TransientError: a claim is gone, and is to be decided anew. The memory came back without its last writes; counted
                all the same, the next reprint would begin the story once more, and the next copy of the document would count
                once more. Or a copy counts for nothing beside a claim that was released since: it counts itself, also where a
                copy from further on in its partition has claimed the document in between.
        """
        standing, _ = self._memory.look_up([document.id for document in documents], [])
        claims = []
        for claim, document, story in zip(standing, documents, stories, strict=True):
            if claim is None or not _stands(claim, document, story):
                raise TransientError(
                    f"the claim that decided document {document.id} is not remembered any more: Redis has lost its last "
                    "writes, or the first copy could not be scored",
                    reason="redis_lost_writes",
                )
            claims.append(claim)
        return claims

    def _remember(self, claims: Sequence[StoryClaim], epochs: Epochs) -> list[StoryClaim | None]:
        """Stores new stories before reprints of them: a story that is refused must not leave reprints of it behind."""
        begun = {claim.story_id for claim in claims if claim.record is not None}
        follows = [claim.record is None and claim.story_id in begun for claim in claims]
        first = [i for i in range(len(claims)) if not follows[i]]
        standing = dict(zip(first, self._memory.remember([claims[i] for i in first], epochs), strict=True))
        stored = {claim.story_id for claim in standing.values() if claim is not None}
        then = [i for i in range(len(claims)) if follows[i] and claims[i].story_id in stored]
        if then:
            standing.update(zip(then, self._memory.remember([claims[i] for i in then], epochs), strict=True))
        return [standing.get(i) for i in range(len(claims))]

    def _look_up(
        self, documents: Sequence[Document], sketches: Sequence[Sketch], bands: Sequence[str], epochs: Epochs
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """Looks up ids and bands. A copy's claim from further on in a document's partition is taken back first.

        It was made while an earlier copy's was gone, and is not applied before this document is: if the copy could not be
        scored in turn, this document would have been counted as its repeat, and nothing would have counted.
        """
        ids = [document.id for document in documents]
        known, records = self._memory.look_up(ids, bands)
        ahead = [
            StoryClaim(document.id, claim.origin, document.id, bands=sketch.bands)
            for document, sketch, claim in zip(documents, sketches, known, strict=True)
            if claim is not None and _is_ahead(claim, document)
        ]
        if not ahead:
            return known, records
        self._memory.forget(ahead, epochs)
        return self._memory.look_up(ids, bands)

    def _decide(self, documents: Sequence[Document], sketches: Sequence[Sketch], epochs: Epochs) -> list[StoryClaim]:
        bands = list({band for sketch in sketches for band in sketch.bands})
        known, records = self._look_up(documents, sketches, bands, epochs)
        newest = dict(zip(bands, records, strict=True))
        decided: dict[str, StoryClaim] = {}
        claims = []
        for document, sketch, earlier in zip(documents, sketches, known, strict=True):
            found = replace(earlier, known=True) if earlier else decided.get(document.id)
            claim = found or self._claim(document, sketch, newest)
            if claim.record is not None and document.id not in decided:
                # What comes later in this batch finds it, and expects to.
                newest.update(dict.fromkeys(sketch.bands, claim.record))
            decided.setdefault(document.id, claim)
            claims.append(claim)
        return claims

    def _claim(self, document: Document, sketch: Sketch, newest: dict[str, StoryRecord | None]) -> StoryClaim:
        held = [newest[band] for band in sketch.bands]
        candidates = {record.story_id: record for record in held if record is not None}
        for record in sorted(candidates.values(), key=lambda r: (r.available_ms, r.story_id)):
            near = abs(document.available_ms - record.available_ms) <= self._horizon_ms
            if near and same_story(sketch, unpack(record.sketch)):
                return StoryClaim(document.id, document.origin, record.story_id)
        record = StoryRecord(document.id, document.available_ms, pack(sketch))
        seen = tuple(["" if found is None else found.story_id for found in held])
        return StoryClaim(document.id, document.origin, document.id, record, sketch.bands, seen)


def _sketches(documents: Sequence[Document]) -> list[Sketch]:
    return sketches_of([(document.headline, document.headline_entities) for document in documents])


def _story(claim: StoryClaim, document: Document) -> Story:
    repeated = claim.origin != document.origin
    return Story(claim.story_id, claim.first and not repeated, repeated)


def _stands(claim: StoryClaim, document: Document, story: Story) -> bool:
    if story.repeated:
        return claim.origin != document.origin and not _is_ahead(claim, document)
    return (claim.origin, claim.story_id) == (document.origin, story.id)


def _is_ahead(claim: StoryClaim, document: Document) -> bool:
    """Whether it was made further on in the document's own partition: by a record that is applied after it."""
    (theirs, their_offset), (own, offset) = claim.origin.split(":"), document.origin.split(":")
    return theirs == own and int(their_offset) > int(offset)
