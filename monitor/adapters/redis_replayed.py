"""Which records were replayed out of the dead-letter topic, in Redis; see redis_keys.py for the key.

By where they were read from: a letter that was published twice is one letter, and one that died again is another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from monitor.adapters.redis_connection import Client, translated
from monitor.adapters.redis_keys import RedisKeys

Source = tuple[str, int, int]  # topic, partition, offset
# A small set of small numbers takes two bytes a number, and one key a few dozen letters or a single one.
_CHUNK = 512
_KEPT_SECONDS = 400 * 86_400


class RedisReplayed:
    """The ledger of replays.

    Args:
        client: the connection.
        prefix: `redis.key_prefix`.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._keys = RedisKeys(prefix)

    def known(self, sources: Collection[Source]) -> set[Source]:
        """Returns those that were replayed before."""
        found: set[Source] = set()
        with translated():
            for key, offsets in self._chunks(sources):
                flags = self._client.smismember(key, [str(offset % _CHUNK) for _, _, offset in offsets])
                found.update(source for source, flag in zip(offsets, flags, strict=True) if flag)
        return found

    def note(self, sources: Collection[Source]) -> None:
        """Remembers them, for 400 days."""
        with translated():
            for key, offsets in self._chunks(sources):
                self._client.sadd(key, *(str(offset % _CHUNK) for _, _, offset in offsets))
                self._client.expire(key, _KEPT_SECONDS)

    def _chunks(self, sources: Collection[Source]) -> Iterator[tuple[str, list[Source]]]:
        chunks: defaultdict[str, list[Source]] = defaultdict(list)
        for topic, partition, offset in sorted(sources):
            chunks[self._keys.replayed(topic, partition, offset // _CHUNK)].append((topic, partition, offset))
        yield from chunks.items()
