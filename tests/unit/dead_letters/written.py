"""Dead letters for tests, and stand-ins for where they go."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from monitor.adapters.kafka_dead_letters import StoredLetter
from monitor.errors import TransientError
from tests.builders import NOW_MS

Source = tuple[str, int, int]


def letter(
    offset: int = 0,
    *,
    partition: int = 0,
    value: bytes | None = b"{",
    key: bytes | None = b"key",
    timestamp_ms: int = NOW_MS,
    **headers: str | None,
) -> StoredLetter:
    """A letter read from offset + 100 of partition 1; underscores in header names are dashes, None leaves one out."""
    written: dict[str, str | None] = {
        "source-topic": "news.raw",
        "source-partition": "1",
        "source-offset": str(100 + offset),
        "source-timestamp-ms": str(NOW_MS - 5000),
        "reason": "not_json",
        "detail": "not JSON: it ends early",
        "attempts": "1",
    }
    written |= {name.replace("_", "-"): text for name, text in headers.items()}
    kept = {name: text for name, text in written.items() if text is not None}
    return StoredLetter("news.dead", partition, offset, timestamp_ms, key, value, kept)


class RecordingTarget:
    """Keeps what it is sent; refuses the places it is told to, and fails at the sends it is told to."""

    def __init__(self, too_large: Collection[str] = (), failing: Collection[int] = ()) -> None:
        self.sent: list[StoredLetter] = []
        self.sends: list[int] = []
        self._too_large, self._failing = set(too_large), set(failing)

    def send(self, letters: Sequence[StoredLetter]) -> set[str]:
        """Takes them, or fails."""
        self.sends.append(len(letters))
        if len(self.sends) in self._failing:
            raise TransientError("the broker is away", reason="kafka_unavailable")
        refused = {one.place for one in letters} & self._too_large
        self.sent += [one for one in letters if one.place not in refused]
        return refused


class MemoryLedger:
    """Remembers; fails at the notes it is told to."""

    def __init__(self, failing: Collection[int] = ()) -> None:
        self.noted: set[Source] = set()
        self._notes, self._failing = 0, set(failing)

    def known(self, sources: Collection[Source]) -> set[Source]:
        """Those that were noted."""
        return self.noted & set(sources)

    def note(self, sources: Collection[Source]) -> None:
        """Notes them, or fails."""
        self._notes += 1
        if self._notes in self._failing:
            raise TransientError("Redis is away", reason="redis_unreachable")
        self.noted.update(sources)
