"""The headers of dead letters and of their replays: the one place that names them, writes them and reads them back.

A dead letter says where, when and how often its record was read, and why it died; a replayed record says how often it was
tried and when it first came in. Anybody may write headers: what can't be true is read as if it weren't there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitor.messages import RawRecord

SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET = "source-topic", "source-partition", "source-offset"
SOURCE_TIMESTAMP_MS = "source-timestamp-ms"
REASON, DETAIL, ATTEMPTS, DEAD_AT = "reason", "detail", "attempts", "dead-at"
VALUE_BYTES = "value-bytes"  # of a value that was cut
KEY_BYTES = "key-bytes"  # of a key that was left out
REPLAY_OF = "replay-of"  # topic/partition/offset of the dead letter
MOST_ATTEMPTS = 1_000_000
_LONGEST_NUMBER = 15
Headers = list[tuple[str, bytes]]


def encoded(headers: Mapping[str, str]) -> Headers:
    """Headers as the client sends them; what UTF-8 can't hold becomes a question mark."""
    return [(name, text.encode("utf-8", "replace")) for name, text in headers.items()]


def size_of(headers: Mapping[str, str]) -> int:
    """Bytes of names and texts as they are sent, without framing."""
    return sum(len(name.encode()) + len(value) for name, value in encoded(headers))


def decoded(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Headers as text, of several with one name the last; bytes that are no UTF-8 are shown as escapes."""
    return {name: (value or b"").decode("utf-8", "backslashreplace") for name, value in headers}


def number_in(headers: Mapping[str, str], name: str) -> int | None:
    """A header that is a whole number of at most 15 digits; None for any other, and where there is none."""
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER else None


def replay_headers(letter: str, attempts: int, first_timestamp_ms: int) -> Headers:
    """The headers of a record that is tried again.

    Args:
        letter: topic/partition/offset of its dead letter.
        attempts: how often it was tried so far.
        first_timestamp_ms: when it first came into the raw topic.
    """
    return encoded({REPLAY_OF: letter, ATTEMPTS: str(attempts), SOURCE_TIMESTAMP_MS: str(first_timestamp_ms)})


def raw_record(message: Any) -> RawRecord:
    """A record of the client's, with what its headers say of earlier attempts."""
    if not message.headers:
        return RawRecord(message.partition, message.offset, message.key, message.value, message.timestamp)
    headers = decoded(message.headers)
    return RawRecord(
        message.partition,
        message.offset,
        message.key,
        message.value,
        message.timestamp,
        attempts=min(number_in(headers, ATTEMPTS) or 0, MOST_ATTEMPTS) + 1,
        first_timestamp_ms=number_in(headers, SOURCE_TIMESTAMP_MS) or 0,
    )
