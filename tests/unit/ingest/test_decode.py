"""Laws of decoding: every input gives a document or a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InvalidMessageError
from monitor.ingest.decode import REASONS, decode
from monitor.ingest.entities import EntityIndex, load_entities
from monitor.messages import Document, Kind
from monitor.settings import IngestSettings
from tests.builders import message, record

ENTITIES = EntityIndex([("Apple", "AAPL")])
SETTINGS = IngestSettings()


def read(value: bytes | dict[str, Any] | None) -> Document:
    """Decodes one message with default settings."""
    return decode(record(value), SETTINGS, ENTITIES)


def outcome(value: bytes) -> Document | str:
    """The document, or the reason."""
    try:
        return read(value)
    except InvalidMessageError as exc:
        return exc.reason


def reason_of(value: bytes | dict[str, Any] | None) -> str:
    """Why a message can't be read."""
    with pytest.raises(InvalidMessageError) as caught:
        read(value)
    assert caught.value.reason in REASONS
    return caught.value.reason


def test_a_good_message_gives_its_document() -> None:
    """Every field arrives, and the origin says where it was read."""
    found = decode(record(message(), offset=7, partition=3), SETTINGS, ENTITIES)
    assert (found.id, found.origin, found.kind, found.source) == ("story-1", "3:7", Kind.NEWS, "Example Wire")
    assert (found.title, found.text) == ("Chip maker warns of weak demand", "Shares fell after hours.")
    assert (found.url, found.language, found.entities) == ("https://example.com/1", "en", ())


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty_message"),
        (b"", "empty_message"),
        (b" " * 300_000, "oversized"),
        (b'{"title": "caf\xe9"}', "not_utf8"),
        (json.dumps(message()).encode()[:-9], "not_json"),
        (b"\x00\x00", "not_json"),
        (b'{"title": NaN}', "not_json"),
        (b"[" * 200_000, "not_json"),
        (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, "not_json"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not_json"),
        (b'["a", "list"]', "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (message(title=17), "bad_field"),
        (message(kind="rumour"), "bad_field"),
        (message(language="english, I think"), "bad_field"),
        (message(entities="AAPL"), "bad_field"),
        (message(entities=[1]), "bad_field"),
        (message(id="x" * 201), "bad_field"),
        (message(title=None, text=None), "no_text"),
        (message(title=" \u200b ", text="https://only.example/link"), "no_text"),
        (message(title="...", text="!!!"), "no_text"),
        (message(published=None), "bad_time"),
        (message(published="yesterday"), "bad_time"),
        (message(published=1_772_625_600), "bad_field"),
        (message(published="0000-01-01T00:00:00Z"), "bad_time"),
        (message(published="0001-01-01T00:00:00+14:00"), "bad_time"),
        (message(published="9999-12-31T23:59:59-14:00"), "bad_time"),
        (message(published="2026-03-04T12:00:00"), "no_zone"),
        (message(published="2026-03-04"), "no_zone"),
        (message(fetched="soon"), "bad_time"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(value: bytes | dict[str, Any] | None, reason: str) -> None:
    """One reason per way to be wrong, out of a bounded set."""
    assert reason_of(value) == reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
odd_times = st.sampled_from(
    [
        "2026-03-04T12:00:00Z",
        "2026-W10-3T12Z",
        "20260304T120000+0530",
        "2026-03-04T24:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59+23:59",
        "2026-03-04T12:00:00.123456789Z",
        "2026-02-30T00:00:00Z",
        "\ud800",
        "12:00",
    ]
)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_document_or_a_reason(value: bytes) -> None:
    """Garbage never raises anything else."""
    assert reason_of(value) in REASONS


@given(
    st.fixed_dictionaries(
        {"published": odd_times, "title": st.text(st.characters())},
        optional={
            name: odd_times | json_values
            for name in ("id", "kind", "source", "text", "url", "language", "entities", "fetched")
        },
    )
)
def test_any_json_object_gives_a_document_or_a_reason(fields: dict[str, Any]) -> None:
    """Whatever stands in the fields, lone surrogates and impossible times included; a document can be written out."""
    found = outcome(json.dumps(fields).encode())
    if isinstance(found, Document):
        assert found.published_ms <= found.available_ms
        str(found).encode("utf-8")
    else:
        assert found in REASONS


@given(st.integers(0, 400))
def test_a_truncated_message_gives_a_reason(length: int) -> None:
    """Cut anywhere, it is no JSON; whole, it is read."""
    whole = json.dumps(message()).encode()
    if length >= len(whole):
        assert read(whole[:length]).id == "story-1"
    else:
        assert reason_of(whole[:length]) in {"not_json", "empty_message"}


def test_the_same_bytes_give_the_same_id_and_another_time_another_one() -> None:
    """A message without an id is known by its content."""
    first, again = read(message(id=None)), read(message(id=None))
    assert first.id == again.id
    assert first.id != read(message(id=None, published="2026-03-04T11:58:00Z")).id
    assert first.id != read(message(id=None, source="Another Wire")).id


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "//no.scheme", "http://[bad", "data:,x"])
def test_only_links_that_a_browser_may_open_are_kept(url: str) -> None:
    """They end up on a page and in notifications."""
    assert read(message(url=url)).url == ""


def test_long_fields_are_cut_and_unknown_ones_ignored() -> None:
    """A length is bounded whatever a source sends."""
    found = read(message(title="word " * 400, text="word " * 8000, source="S" * 500, surprise={"a": 1}))
    assert (len(found.title), len(found.text), len(found.source)) == (1000, 20_000, 80)


def test_given_tickers_and_named_companies_are_joined() -> None:
    """What the source says counts like what the text says; what is no ticker is left out."""
    found = read(message(title="Apple cuts prices", entities=["$msft", "not a ticker", "BRK.B", ""]))
    assert found.entities == ("AAPL", "BRK.B", "MSFT")
    assert found.mentions == (("AAPL", "Apple"),)  # its words name no other


def test_a_comment_is_known_by_its_kind_and_a_missing_source_is_said() -> None:
    """The two defaults."""
    assert read(message(kind="comment", source=None)).kind is Kind.COMMENT
    assert read(message(kind=None, source=None)).source == "unknown"


def test_the_bundled_companies_are_found() -> None:
    """The list that ships can be read and knows the largest."""
    found = decode(record(message(title="Apple and Microsoft sue")), SETTINGS, load_entities(None))
    assert found.entities == ("AAPL", "MSFT")
