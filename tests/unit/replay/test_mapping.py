"""Laws of turning rows into news.raw messages."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigError, InvalidMessageError
from pipelines.replay.mapping import Message, Rules, message_of, resolve_columns
from pipelines.replay.readers import Row

RULES = Rules(columns={"title": "headline", "published": "date"}, source="Wire")
RAW = Rules(
    columns={role: role for role in ("id", "source", "title", "text", "url", "published")},
    source="Wire",
    carries_fields=True,
)


def message(values: Mapping[str, object], rules: Rules = RULES, number: int = 1) -> Message:
    """The message of a row with those values."""
    return message_of(Row(number, number + 1, number + 1, values), rules)


def body(values: Mapping[str, object], rules: Rules = RULES) -> dict[str, Any]:
    """What is sent for a row with those values."""
    found: dict[str, Any] = json.loads(message(values, rules).value)
    return found


def test_an_unknown_column_is_named_with_those_there_are() -> None:
    """A mistyped name costs no search."""
    with pytest.raises(ConfigError, match=r"--title headlin: no such column; columns: headline, date"):
        resolve_columns({"title": "headlin", "published": "date"}, ("headline", "date"))
    with pytest.raises(ConfigError, match=r"--source-column x: .*columns: title, published"):
        resolve_columns({"source": "x"}, ("title", "published"))


def test_headline_and_time_must_have_a_column() -> None:
    """Without them nothing can be sent, and the error says which option is missing."""
    with pytest.raises(ConfigError, match=r"--title or --text; columns: a, published"):
        resolve_columns({}, ("a", "published"))
    with pytest.raises(ConfigError, match=r"--published; columns: title"):
        resolve_columns({}, ("title",))


def test_columns_with_the_names_of_news_raw_need_no_option() -> None:
    """The schema's own names are found; a named headline switches the search for the text off."""
    found = ("title", "text", "published", "url", "other")
    assert resolve_columns({}, found) == {role: role for role in ("title", "text", "published", "url")}
    assert resolve_columns({"title": "other"}, found) == {"title": "other", "published": "published", "url": "url"}


def test_what_is_sent_is_a_news_raw_message() -> None:
    """Available time is the historical one, plus the delay."""
    rules = dataclasses.replace(RULES, kind="comment", language="en", delay_seconds=90)
    sent = body({"headline": " Shares fall ", "date": "2020-07-17T12:00:00Z"}, rules)
    assert sent.pop("id")
    assert sent == {
        "source": "Wire",
        "title": "Shares fall",
        "text": "",
        "url": "",
        "published": "2020-07-17T12:00:00Z",
        "fetched": "2020-07-17T12:01:30Z",
        "kind": "comment",
        "language": "en",
    }


@given(st.text(min_size=1).filter(str.strip), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_the_id_depends_on_what_is_said_not_on_where_it_stands(title: str, one: int, other: int) -> None:
    """The same document has one id in any row and under any other column; any change of it gives another."""
    row = {"headline": title, "date": "2020-07-17"}
    first = message({**row, "extra": "x"}, number=one)
    assert first.id == message({**row, "extra": "y"}, number=other).id
    assert first.id != message({**row, "date": "2020-07-18"}).id
    assert first.id != message({**row, "headline": title + "!"}).id
    assert first.id != message(row, dataclasses.replace(RULES, source="Other")).id


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("empty_row", {"headline": "", "date": ""}),
        ("no_headline", {"headline": " ", "date": "2020-07-17"}),
        ("no_time", {"headline": "Shares fall", "date": None}),
        ("bad_time", {"headline": "Shares fall", "date": "soon"}),
        ("bad_time", {"headline": "Shares fall", "date": "0001-01-01"}),
        ("bad_time", {"headline": "Shares fall", "date": "9999-12-31"}),
        ("not_text", {"headline": ["Shares fall"], "date": "2020-07-17"}),
        ("bad_encoding", {"headline": "Shares \udcff", "date": "2020-07-17"}),
    ],
)
def test_a_row_that_cannot_be_sent_says_why(reason: str, values: dict[str, object]) -> None:
    """Reasons are words of a bounded set."""
    with pytest.raises(InvalidMessageError) as caught:
        message(values)
    assert caught.value.reason == reason


def test_a_message_already_in_the_schema_goes_on_with_all_it_says() -> None:
    """Own id, fetched, kind, language and entities are kept."""
    given_row = {
        "id": "7", "kind": "comment", "source": "Forum", "title": "", "text": "Sell it", "url": "https://example.org/7",
        "published": "2020-07-17T12:00:00Z", "fetched": "2020-07-17T12:05:00Z", "language": "en", "entities": ["AAPL"],
    }  # fmt: skip
    assert body(given_row, RAW) == given_row
    sent = message(given_row, RAW)
    assert sent.available_ms - sent.published_ms == 300_000


@pytest.mark.parametrize(
    "cell",
    ["{'href': 'x', 'title': 'Bloomberg'}", '{"name": "Bloomberg", "x": null}', "Bloomberg", {"title": "Bloomberg"}],
)
def test_a_source_may_be_written_as_an_object(cell: object) -> None:
    """Feed libraries write the publisher as a dict."""
    rules = dataclasses.replace(RULES, columns={**RULES.columns, "source": "publisher"}, strip_source=True)
    sent = body({"headline": "Apple - up - Bloomberg", "date": "2020-07-17", "publisher": cell}, rules)
    assert (sent["source"], sent["title"]) == ("Bloomberg", "Apple - up")


def test_days_are_placed_and_marked() -> None:
    """A day without a time goes where `day_time` says in its zone; `days_only` makes days of times."""
    rules = dataclasses.replace(RULES, zone=ZoneInfo("Asia/Shanghai"))
    day = message({"headline": "A", "date": "2020-07-17"}, rules)
    assert day.day_only
    assert json.loads(day.value)["published"] == "2020-07-17T15:59:59Z"
    midnight = {"headline": "A", "date": "2020-07-17 00:00:00"}
    assert not message(midnight, rules).day_only
    assert message(midnight, dataclasses.replace(rules, days_only=True)) == day
