"""Laws of a document's times: published, fetched, available."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.decode import decode
from monitor.ingest.entities import EntityIndex
from monitor.messages import Document
from monitor.settings import IngestSettings
from tests.builders import HOUR_MS, NOW_MS, message, ms, record

TOLERANCE_MS = 300_000


def at(instant_ms: int) -> str:
    """An instant as a message writes it."""
    return datetime.fromtimestamp(instant_ms / 1000, UTC).isoformat()


def read(published_ms: int, fetched_ms: int | None = None) -> Document:
    """A document read at NOW_MS."""
    fetched = None if fetched_ms is None else at(fetched_ms)
    sent = message(published=at(published_ms), fetched=fetched)
    return decode(record(sent), IngestSettings(future_tolerance_seconds=300), EntityIndex([]))


@given(st.integers(-100 * HOUR_MS, 100 * HOUR_MS), st.none() | st.integers(-100 * HOUR_MS, 100 * HOUR_MS))
def test_event_time_is_never_after_available_time(published: int, fetched: int | None) -> None:
    """Nothing can have been known before it was published."""
    found = read(NOW_MS + published, None if fetched is None else NOW_MS + fetched)
    assert found.published_ms <= found.available_ms


@given(st.integers(-100 * HOUR_MS, 0))
def test_a_past_time_is_kept_to_the_millisecond(age: int) -> None:
    """Event time is what the source says; available time is the broker's."""
    found = read(NOW_MS + age)
    assert (found.published_ms, found.available_ms, found.clamped) == (NOW_MS + age, NOW_MS, False)


@pytest.mark.parametrize(
    ("ahead_ms", "clamped"), [(1, False), (TOLERANCE_MS, False), (TOLERANCE_MS + 1, True), (9000 * HOUR_MS, True)]
)
def test_a_clock_from_the_future_is_clamped_and_beyond_the_tolerance_it_is_said(ahead_ms: int, clamped: bool) -> None:
    """A little ahead is an ordinary clock; far ahead is a broken one, and counted."""
    found = read(NOW_MS + ahead_ms)
    assert (found.published_ms, found.clamped) == (NOW_MS, clamped)


def test_fetched_is_when_it_could_be_known() -> None:
    """A scraper that was first to see it two hours ago says so."""
    found = read(NOW_MS - 3 * HOUR_MS, NOW_MS - 2 * HOUR_MS)
    assert (found.published_ms, found.available_ms) == (NOW_MS - 3 * HOUR_MS, NOW_MS - 2 * HOUR_MS)


def test_fetched_in_the_future_is_not_believed() -> None:
    """The broker had the record by its own clock."""
    assert read(NOW_MS - HOUR_MS, NOW_MS + HOUR_MS).available_ms == NOW_MS


def test_published_after_it_was_fetched_is_clamped_to_that() -> None:
    """Of two contradicting clocks, ours counts."""
    found = read(NOW_MS, NOW_MS - HOUR_MS)
    assert (found.published_ms, found.clamped) == (NOW_MS - HOUR_MS, True)


@pytest.mark.parametrize(
    "written", ["2026-03-04T12:00:00+05:30", "2026-03-04T06:30:00Z", " 2026-03-04T01:30:00-05:00 "]
)
def test_every_zone_is_read_as_utc(written: str) -> None:
    """One instant, however it is written."""
    found = decode(record(message(published=written)), IngestSettings(), EntityIndex([]))
    assert found.published_ms == ms("2026-03-04T06:30:00Z")
