"""Laws of reading what the worker published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.kafka_sink import scored_message
from monitor.errors import ConfigError, InvalidMessageError
from monitor.messages import Kind
from pipelines.labels.scored import read_scored, scored_from, scored_of
from tests.builders import NOW_MS, reprint, scored
from tests.unit.labels.written import headline, told

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)


@given(WORDS, WORDS, st.text(st.characters(codec="utf-8"), max_size=30), st.integers(0, 4_000_000_000_000))
def test_what_was_published_is_read_back(id: str, title: str, text: str, published_ms: int) -> None:
    """Document, story and score, as far as the message has them; times to the millisecond."""
    there = told(id, title, text=text, kind=Kind.COMMENT, published_ms=published_ms, available_ms=published_ms + 5)
    back = scored_from(json.dumps(scored_message(there)).encode())
    assert (back.story, back.score) == (there.story, there.score)
    for name in ("id", "kind", "source", "title", "text", "url", "language", "published_ms", "available_ms"):
        assert getattr(back.document, name) == getattr(there.document, name)


def test_a_document_without_a_score_stays_one() -> None:
    """No model reads its language."""
    assert scored_of(scored_message(scored("a", None, language="zh"))).score is None


def test_a_copy_stays_a_copy() -> None:
    """Its story is the first document's."""
    back = scored_of(scored_message(reprint("b", of="a")))
    assert (back.story.id, back.story.first) == ("a", False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"id": None}, "id: text is expected, not NoneType"),
        ({"id": " "}, "id: missing"),
        ({"title": "", "text": ""}, "neither title nor text"),
        ({"published": "yesterday"}, "published: 'yesterday' is no ISO-8601 time"),
        ({"published": "2026-03-04T12:00:00"}, "has no time zone"),
        ({"kind": "rumour"}, "kind: 'rumour' is none of news, comment"),
        ({"sentiment": "bullish"}, "sentiment: 'bullish' is none of negative, neutral, positive"),
        ({"probabilities": {"negative": 1.0, "neutral": 0.0}}, "positive: a probability is expected, not None"),
        ({"probabilities": None}, "probabilities: missing"),
        ({"topic_probability": True}, "topic_probability: a probability is expected, not True"),
        ({"topic_probability": 1.5}, "topic_probability: a probability is expected, not 1.5"),
        ({"model": 3}, "model: text is expected, not int"),
    ],
)
def test_a_line_that_is_no_scored_document_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    """File, line and key."""
    good = scored_message(told("a", headline(1)))
    path = tmp_path / "scored.jsonl"
    path.write_text(f"{json.dumps(good)}\n\n{json.dumps(good | changes)}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_scored(path)
    assert f"{path}, line 3: no news.scored message: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"[1]", b"{", b"[" * 100_000])
def test_a_record_that_holds_no_document_says_so(value: bytes | None) -> None:
    """An error of the data, not of the program."""
    with pytest.raises(InvalidMessageError):
        scored_from(value)


def test_half_a_character_is_replaced(tmp_path: Path) -> None:
    """JSON can hold it; a file of tasks in UTF-8 can't."""
    path = tmp_path / "scored.jsonl"
    message = scored_message(scored("a", published_ms=NOW_MS)) | {"title": "Oil \ud83d falls"}
    path.write_text(json.dumps(message), encoding="utf-8")
    assert read_scored(path)[0].document.title == "Oil ? falls"
