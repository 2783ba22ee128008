"""What the novelty index remembers, in Redis, shared by all workers; see redis_keys.py for the keys."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection, Sequence
from typing import Any

from monitor.adapters.redis_connection import Client, Script, translated
from monitor.adapters.redis_keys import SEPARATOR, RedisKeys, claim_of, value_of
from monitor.messages import NO_EPOCHS, Epochs, StoryClaim, StoryRecord


class RedisStoryMemory:
    """Implements StoryMemory.

    Args:
        client: the connection.
        prefix: `redis.key_prefix`.
        horizon_seconds: how long a claim is remembered.
    """

    def __init__(self, client: Client, prefix: str, horizon_seconds: int) -> None:
        self._client = client
        self._keys = RedisKeys(prefix)
        self._horizon_seconds = horizon_seconds
        self._remember = Script(client, "remember")
        self._forget = Script(client, "forget")

    def look_up(
        self, ids: Sequence[str], bands: Sequence[str]
    ) -> tuple[list[StoryClaim | None], list[StoryRecord | None]]:
        """See StoryMemory."""
        keys = [*map(self._keys.document, ids), *map(self._keys.band, bands)]
        with translated():
            values: list[Any] = self._client.mget(keys) if keys else []
            newest = [value.decode() if value else "" for value in values[len(ids) :]]
            wanted = sorted(set(newest) - {""})
            sketches: list[Any] = self._client.mget([self._keys.story(story) for story in wanted]) if wanted else []
        records = {
            story: StoryRecord(story, struct.unpack_from("<q", packed)[0], packed[8:])
            for story, packed in zip(wanted, sketches, strict=True)
            if packed
        }
        claims = [_claim(id_, value) for id_, value in zip(ids, values[: len(ids)], strict=True)]
        # A band may outlive its story's sketch only by a race with expiry; the empty sketch matches nothing.
        return claims, [
            records.get(story) or (StoryRecord(story, 0, b"\0\0\0\0") if story else None) for story in newest
        ]

    def remember(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> list[StoryClaim | None]:
        """See StoryMemory."""
        if not claims:
            return []
        rows = [
            {
                "claim": value_of(claim),
                "story": claim.story_id,
                "bands": len(claim.bands),
                **({"seen": claim.seen} if any(claim.seen) else {}),
                **({"known": True} if claim.known else {}),
            }
            for claim in claims
        ]
        sketches = [
            struct.pack("<q", claim.record.available_ms) + claim.record.sketch if claim.record else b""
            for claim in claims
        ]
        with translated():
            standing = self._remember(
                [self._keys.epochs(), *(key for claim in claims for key in self._keys_of(claim, claim.story_id))],
                [self._horizon_seconds, json.dumps(dict(epochs)), json.dumps(rows, ensure_ascii=False), *sketches],
            )
        return [_claim(claim.document_id, value) for claim, value in zip(claims, standing, strict=True)]

    def forget(self, claims: Sequence[StoryClaim], epochs: Epochs = NO_EPOCHS) -> None:
        """See StoryMemory."""
        if not claims:
            return
        rows = [
            {
                "document": claim.document_id,
                "origin": f"{SEPARATOR}{claim.origin}",
                "partition": claim.partition,
                "epoch": epochs.get(claim.partition, 0),
                "bands": len(claim.bands),
            }
            for claim in claims
        ]
        with translated():
            self._forget(
                [self._keys.epochs(), *(key for claim in claims for key in self._keys_of(claim, claim.document_id))],
                [json.dumps(rows, ensure_ascii=False)],
            )

    def _keys_of(self, claim: StoryClaim, story_id: str) -> list[str]:
        """Every key that a script touches for a claim, so that a cluster can refuse it whole while keys move."""
        bands = map(self._keys.band, claim.bands)
        return [self._keys.document(claim.document_id), self._keys.story(story_id), *bands]

    def known_stories(self, story_ids: Collection[str]) -> set[str]:
        """See StoryMemory."""
        wanted = sorted(story_ids)
        if not wanted:
            return set()
        with translated():
            sketches: list[Any] = self._client.mget([self._keys.story(story) for story in wanted])
        return {story for story, sketch in zip(wanted, sketches, strict=True) if sketch}


def _claim(document_id: str, value: bytes | None) -> StoryClaim | None:
    return claim_of(document_id, value) if value else None
