"""Laws of reading FinCUGE's lists."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS, Example
from pipelines.datasets.load import load_examples
from tests.unit.datasets.conftest import Write
from tests.unit.datasets.written import TEXTS


@given(st.lists(st.tuples(TEXTS, st.integers(0, 2)), min_size=1, max_size=8))
def test_every_post_comes_back(write: Write, rows: list[tuple[str, int]]) -> None:
    """0 is negative, 1 neutral, 2 positive."""
    found = load_examples(write("a.json", json.dumps(rows)), "fincuge_finfe")
    assert [(row.text, row.sentiment) for row in found] == [(clean_text(text), SENTIMENTS[n]) for text, n in rows]


def test_the_first_label_that_is_no_region_is_the_topic(write: Write) -> None:
    """What comes first says China, abroad or international."""
    rows = [["沪指收涨", "中国 大盘"], ["油价走低", " 国际  期货 能源 "], ["数据发布", "经济"], ["会议召开", "外国"]]
    path = write("a.json", json.dumps(rows, ensure_ascii=False))
    assert load_examples(path, "fincuge_finnl") == [
        Example(text, topic=topic, source="fincuge_finnl", place=f"set/a.json, item {number}")
        for number, (text, topic) in enumerate(
            [("沪指收涨", "大盘"), ("油价走低", "期货"), ("数据发布", "经济")], start=1
        )
    ]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("fincuge_finfe", '[["a", 0],\n["b", 3]]', r"item 2: label 3 is none of 0 \(negative\), 1"),
        ("fincuge_finfe", '[["a", true]]', "item 1: label True is none of 0"),
        ("fincuge_finfe", '[["a", "0"]]', "item 1: label '0' is none of 0"),
        ("fincuge_finfe", '[["a", 0], ["b"]]', r"item 2: \['b'\] is not \[text, label\]"),
        ("fincuge_finfe", '[["a", 0], ["  ", 0]]', "item 2: no text"),
        ("fincuge_finfe", '[["a", 0], [null, 0]]', "item 2: the text is None, not a string"),
        ("fincuge_finfe", r'[["a\u0000", 0]]', "item 1: the text holds a NUL"),
        ("fincuge_finfe", r'[["a\ud83d", 0]]', "item 1: the text holds half a character"),
        ("fincuge_finnl", '[["a", 2]]', "item 1: label 2 is not the name of a topic"),
        ("fincuge_finnl", '[["a", " "]]', "item 1: no label"),
        ("fincuge_finfe", '[["a", 0],\n["b", 1', r"line 2: broken JSON: .* \(column"),
        ("fincuge_finfe", "[" * 100_000, "broken JSON"),
        ("fincuge_finfe", f'[["a", {"9" * 5000}]]', "broken JSON"),
        ("fincuge_finfe", '{"a": 0}', r"wanted a list of \[text, label\]"),
        ("fincuge_finfe", "[]", "holds no labelled text"),
    ],
)
def test_an_item_that_cannot_be_read_is_named(write: Write, kind: str, content: str, said: str) -> None:
    """File, item or line, and reason."""
    with pytest.raises(ConfigError, match=rf"a\.json[,:] {said}|a\.json: .*{said}"):
        load_examples(write("a.json", content), kind)
