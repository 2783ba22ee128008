"""Laws of the headers of dead letters and replays: what was written is read back, what can't be true is not believed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka_headers import (
    MOST_ATTEMPTS,
    Headers,
    decoded,
    encoded,
    number_in,
    raw_record,
    replay_headers,
)
from monitor.messages import RawRecord
from tests.builders import NOW_MS


@dataclass
class Message:
    """What the client hands out, as far as it is read."""

    headers: list[tuple[str, bytes | None]] | Headers
    partition: int = 2
    offset: int = 7
    key: bytes | None = b"key"
    value: bytes | None = b"value"
    timestamp: int = NOW_MS


def test_a_record_without_headers_is_a_first_attempt() -> None:
    """It came in when the broker says."""
    record = raw_record(Message([]))
    assert record == RawRecord(2, 7, b"key", b"value", NOW_MS)
    assert (record.attempts, record.known_ms) == (1, NOW_MS)


@given(st.integers(0, MOST_ATTEMPTS), st.integers(1, NOW_MS))
def test_a_replay_counts_attempts_on_and_keeps_when_it_first_came(attempts: int, first_ms: int) -> None:
    """Whoever replays it, and however late."""
    record = raw_record(Message(replay_headers("news.dead/0/1", attempts, first_ms)))
    assert (record.attempts, record.known_ms, record.timestamp_ms) == (attempts + 1, first_ms, NOW_MS)


@pytest.mark.parametrize("text", [b"", b"-1", b"1.5", b"1e3", "٣".encode(), b"\xff", b"9" * 16, b" 1", b"NaN", None])
def test_a_header_that_is_no_number_is_as_good_as_none(text: bytes | None) -> None:
    """Anybody may write headers."""
    record = raw_record(Message([("attempts", text), ("source-timestamp-ms", text)]))
    assert (record.attempts, record.known_ms) == (1, NOW_MS)


def test_nothing_is_known_before_it_was_written_nor_tried_without_end() -> None:
    """A first timestamp after the broker's is not believed; attempts are bounded."""
    record = raw_record(Message(replay_headers("x", 10**14, NOW_MS + 5)))
    assert (record.attempts, record.known_ms) == (MOST_ATTEMPTS + 1, NOW_MS)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4))
def test_text_comes_back_as_it_was_written(headers: dict[str, str]) -> None:
    """But for what UTF-8 can't hold, a lone surrogate."""
    written = {name: text.encode("utf-8", "replace").decode() for name, text in headers.items()}
    assert decoded(encoded(headers)) == written


def test_bytes_that_are_no_text_are_shown_as_escapes() -> None:
    """Of several headers with one name the last counts."""
    assert decoded([("a", b"1"), ("a", b"\xff\x00"), ("b", None)]) == {"a": "\\xff\x00", "b": ""}
    assert number_in({"a": "12"}, "a") == 12
    assert number_in({}, "a") is None
