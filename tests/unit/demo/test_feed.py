"""Laws of loading a feed and of moving it in time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.demo.feed import Feed, Item, at_end, load_feed
from monitor.errors import ConfigError
from tests.builders import HOUR_MS, NOW_MS, message, ms


def feed_of(folder: Path, *lines: dict[str, Any] | str | bytes) -> Feed:
    """Writes a feed and loads it."""
    path = folder / "feed.jsonl"
    encoded = [
        line if isinstance(line, bytes) else (line if isinstance(line, str) else json.dumps(line)).encode()
        for line in lines
    ]
    path.write_bytes(b"\n".join(encoded))
    return load_feed(path)


def timed(name: str, published: str, **changes: Any) -> dict[str, Any]:
    """A message of that time."""
    return message(id=name, published=published, **changes)


def iso(instant_ms: int) -> str:
    """An instant as a message writes it."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat()


def played(item: Item, end_ms: int = NOW_MS) -> dict[str, Any]:
    """The item's message with its times moved."""
    found: dict[str, Any] = json.loads(at_end(item, end_ms))
    return found


def test_a_feed_is_in_ascending_time_whatever_its_file_is(tmp_path: Path) -> None:
    """Documents of the same time stay in their order; zones are read."""
    feed = feed_of(
        tmp_path,
        timed("late", "2020-01-02T00:00:00Z"),
        timed("same-1", "2020-01-01T12:00:00Z"),
        timed("early", "2020-01-01T12:00:00+05:00"),
        timed("same-2", "2020-01-01T12:00:00Z"),
    )
    assert [item.key for item in feed.items] == ["early", "same-1", "same-2", "late"]
    assert [item.before_end_seconds for item in feed.items] == [17 * 3600, 12 * 3600, 12 * 3600, 0]
    assert (feed.span_seconds, feed.name) == (17 * 3600, "feed.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        b'{"title": "caf\xe9", "published": "2020-01-01T00:00:00Z"}',
        "[1, 2]",
        "[" * 100_000,
        '{"title": "no time"}',
        timed("x", "2020-01-01T00:00:00"),
        timed("x", "yesterday"),
        timed("x", "9999-12-31T23:59:59Z"),
        timed("x", "0001-01-01T00:00:00Z"),
        {"published": 5},
    ],
)
def test_a_line_without_a_usable_time_is_played_first_and_unchanged(tmp_path: Path, line: dict[str, Any] | str) -> None:
    """The worker dead-letters it, and it moves no other document."""
    feed = feed_of(tmp_path, timed("a", "2020-01-01T00:00:00Z"), line, "", timed("b", "2020-01-01T01:00:00Z"))
    first = feed.items[0]
    assert first.before_end_seconds is None
    assert at_end(first, NOW_MS) == (tmp_path / "feed.jsonl").read_bytes().split(b"\n")[1]
    assert [item.key for item in feed.items[1:]] == ["a", "b"]
    assert feed.span_seconds == 3600


def test_what_is_no_feed_is_named(tmp_path: Path) -> None:
    """A missing file, and one without any time."""
    with pytest.raises(ConfigError, match=r"missing\.jsonl"):
        load_feed(tmp_path / "missing.jsonl")
    with pytest.raises(ConfigError, match="no line has a `published` time"):
        feed_of(tmp_path, "not json", "")


def test_the_last_document_is_published_when_the_feed_ends(tmp_path: Path) -> None:
    """And the others keep their distance to it."""
    feed = feed_of(tmp_path, timed("a", "2020-01-01T00:00:00Z"), timed("b", " 2020-01-01T03:00:00Z "))
    assert [ms(played(item)["published"]) for item in feed.items] == [NOW_MS - 3 * HOUR_MS, NOW_MS]


@given(st.integers(0, 10**7), st.integers(-(10**6), 10**6), st.integers(0, 2 * 10**12))
def test_available_time_keeps_its_distance_and_never_precedes_publication(before: int, delay: int, end_ms: int) -> None:
    """A document fetched a while after it was published still is."""
    published = ms("2020-01-01T00:00:00Z")
    sent = message(published="2020-01-01T00:00:00Z", fetched=iso(published + delay * 1000))
    found = played(Item("a", float(before), json.dumps(sent).encode()), end_ms)
    assert ms(found["published"]) == end_ms - before * 1000
    assert ms(found["fetched"]) - ms(found["published"]) == max(0, delay) * 1000


def test_history_counts_as_known_when_it_was_published(tmp_path: Path) -> None:
    """A past document that says nothing of when it was fetched; the last one is known when it is read."""
    feed = feed_of(tmp_path, timed("a", "2020-01-01T00:00:00Z"), timed("b", "2020-01-01T03:00:00Z"))
    past, last = (played(item) for item in feed.items)
    assert past["fetched"] == past["published"]
    assert "fetched" not in last


def test_everything_but_the_times_stays(tmp_path: Path) -> None:
    """Other languages, unknown fields, lone surrogates and wrong values included."""
    sent = timed("a", "2020-01-01T00:00:00Z", title="央行降息", text="odd \ud800", surprise=[1], fetched="soon")
    found = played(feed_of(tmp_path, sent).items[0])
    assert {**found, "published": sent["published"]} == sent
