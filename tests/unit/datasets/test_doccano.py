"""Laws of reading doccano's JSONL."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.datasets.load import load_examples, load_tagged
from tests.unit.datasets.conftest import Write
from tests.unit.datasets.written import SENTIMENT, TEXTS, TOPICS


@given(st.lists(st.tuples(TEXTS, SENTIMENT, TOPICS), min_size=1, max_size=8), st.sampled_from(["label", "labels"]))
def test_every_labelled_text_comes_back(write: Write, rows: list[tuple[str, str, str]], key: str) -> None:
    """A label that is a sentiment is one, another is a topic; line ends within texts are escaped or are none of JSON's."""
    lines = [json.dumps({"id": 1, "text": t, key: [c, s.title()]}, ensure_ascii=False) for t, s, c in rows]
    found = load_examples(write("a.jsonl", "\n".join(lines)), "doccano")
    assert [(row.text, row.sentiment, row.topic) for row in found] == [(clean_text(t), s, c) for t, s, c in rows]


def test_texts_without_a_label_are_not_labelled_yet(write: Write) -> None:
    """A single label may stand without a list around it."""
    path = write("a.jsonl", '{"text": "Ore falls", "label": []}\n\n{"text": "Ore rises", "label": "positive"}\n')
    expected = Example("Ore rises", sentiment="positive", source="set", place="set/a.jsonl, line 3")
    assert load_examples(path, "doccano") == [expected]


def test_spans_become_tags(write: Write) -> None:
    """Positions count characters, emoji as one; a text without spans names nothing."""
    path = write("a.jsonl", '{"text": "🚀 Acorn Ltd up", "label": [[2, 11, "ORG"]]}\n{"text": "Up", "label": []}\n')
    assert load_tagged(path, "doccano") == [
        TaggedSentence(("🚀", "Acorn", "Ltd", "up"), ("O", "B-ORG", "I-ORG", "O"), "set/a.jsonl, line 1"),
        TaggedSentence(("Up",), ("O",), "set/a.jsonl, line 2"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a", "label": ["positive", "negative"]}', "2 sentiments for one text: negative, positive"),
        ('{"text": "a", "label": ["Macro", "IPO"]}', "2 topics for one text: IPO, Macro"),
        ('{"text": "a", "label": [[0, 1, "ORG"]]}', r"label \[0, 1, 'ORG'\] is not the name of a topic"),
        ('{"text": "a", "label": [" "]}', "no label"),
        ('{"text": "a"}', "no list 'label' or 'labels'; found text"),
        ('{"label": ["positive"]}', "the text is None, not a string"),
        ('{"text": " ", "label": ["positive"]}', "no text"),
        ('["a", "positive"]', "is not an object"),
        ('{"text": "a", "label": ["positive"]', r"broken JSON: .* \(column 36\)"),
        ("[" * 100_000, "broken JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(write: Write, line: str, said: str) -> None:
    """File, line and reason."""
    path = write("a.jsonl", f'{{"text": "Ore falls", "label": ["negative"]}}\n{line}\n')
    with pytest.raises(ConfigError, match=rf"a\.jsonl, line 2: .*{said}"):
        load_examples(path, "doccano")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ('["positive"]', r"label 'positive' is not \[start, end, tag\]"),
        ("[[0, 1]]", r"is not \[start, end, tag\]"),
        ('[[0, 99, "ORG"]]', "span 0 to 99 is not in the text, which has 9 characters"),
        ('[[0, 3, "ORG"], [2, 5, "ORG"]]', "overlaps"),
    ],
)
def test_spans_that_cannot_be_read_are_named(write: Write, labels: str, said: str) -> None:
    """As other labels are."""
    with pytest.raises(ConfigError, match=rf"a\.jsonl, line 1: .*{said}"):
        load_tagged(write("a.jsonl", f'{{"text": "Ore falls", "label": {labels}}}\n'), "doccano")
