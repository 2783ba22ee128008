"""Which letters a command is about; every condition that is given must hold."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from datetime import UTC

from monitor.adapters.kafka_dead_letters import StoredLetter
from monitor.adapters.kafka_headers import DETAIL
from monitor.errors import DEAD_LETTER_REASONS, ConfigError
from pipelines.replay.times import bound_ms

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """What a letter must be.

    Attributes:
        reasons: it died of one of them; empty for any.
        partition: of the raw topic, that it was read from.
        since_ms: it was written at or after.
        until_ms: it was written before.
        contains: text in its value, key or detail; JSON may write it with escapes. Case doesn't matter.
        places: it is one of these (partition, offset) of the dead-letter topic; empty for any.
    """

    reasons: frozenset[str] = frozenset()
    partition: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    contains: str = ""
    places: frozenset[tuple[int, int]] = frozenset()

    def matches(self, letter: StoredLetter) -> bool:
        """Whether all that is given holds."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.partition is None or (letter.source is not None and letter.source[1] == self.partition))
            and (self.since_ms is None or letter.timestamp_ms >= self.since_ms)
            and (self.until_ms is None or letter.timestamp_ms < self.until_ms)
            and (not self.places or (letter.partition, letter.offset) in self.places)
            and (not self.contains or self._found_in(letter))
        )

    def _found_in(self, letter: StoredLetter) -> bool:
        texts = [part.decode("utf-8", "replace") for part in (letter.value, letter.key) if part]
        texts.append(letter.headers.get(DETAIL, ""))
        wanted = self.contains.casefold()
        return any(wanted in text.casefold() or wanted in _unescaped(text).casefold() for text in texts)


def filter_from(args: argparse.Namespace) -> LetterFilter:
    """Reads the filter's flags.

    Raises:
        ConfigError: one can't be read; names the flag and what is allowed.
    """
    since, until = bound_ms("--since", args.since, UTC, 0), bound_ms("--until", args.until, UTC, 1)
    if since is not None and until is not None and since >= until:
        raise ConfigError(f"--since {args.since} --until {args.until}: nothing lies between")
    for reason in args.reason or ():
        if reason not in DEAD_LETTER_REASONS:
            raise ConfigError(f"--reason {reason}: no such reason; reasons: {', '.join(DEAD_LETTER_REASONS)}")
    if args.partition is not None and args.partition < 0:
        raise ConfigError(f"--partition {args.partition}: partitions are numbered from 0")
    if args.contains == "":
        raise ConfigError("--contains: a text is expected, not an empty one")
    return LetterFilter(
        reasons=frozenset(args.reason or ()),
        partition=args.partition,
        since_ms=since,
        until_ms=until,
        contains=args.contains or "",
        places=frozenset(place_in("--letter", text) for text in args.letter or ()),
    )


def place_in(flag: str, text: str) -> tuple[int, int]:
    """Reads PARTITION:OFFSET. Raises ConfigError that names the flag."""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ConfigError(f"{flag} {text[:40]!r}: PARTITION:OFFSET in the dead-letter topic is expected, such as 0:17")
    return int(found[1]), int(found[2])


def _unescaped(text: str) -> str:
    """Text with JSON's escapes of characters resolved, pairs of surrogates too."""
    resolved = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return resolved.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
