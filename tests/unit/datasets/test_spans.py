"""Laws of tagging the tokens of a text by its spans."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.reading import Place
from pipelines.datasets.spans import Span, span_at, tagged_text
from tests.unit.datasets.written import TEXTS

PLACE = Place(Path("set/a.json"), "task 7")


def has_word(text: str) -> bool:
    """Whether tokens are left of it."""
    return bool(tagged_text(PLACE, text, []).tokens)


@given(st.lists(st.tuples(TEXTS.filter(has_word), st.sampled_from([None, "ORG", "PER"])), max_size=8))
def test_each_span_is_a_name_with_all_its_words(parts: list[tuple[str, str | None]]) -> None:
    """And what is outside of spans is O; a part between spans is tokenised as if it stood alone."""
    text, spans, expected = "", [], []
    for part, tag in parts:
        spans += [Span(len(text), len(text) + len(part), tag)] if tag else []
        text += part if tag else f" {part} "
        words = tagged_text(PLACE, part, []).tokens
        expected += [(word, f"{'I' if i else 'B'}-{tag}" if tag else "O") for i, word in enumerate(words)]
    sentence = tagged_text(PLACE, text, spans[::-1])
    names = [pair for pair in zip(sentence.tokens, sentence.tags, strict=True) if pair[1] != "O"]
    assert names == [pair for pair in expected if pair[1] != "O"]
    assert sentence.place == "set/a.json, task 7"


def test_tokens_are_words_marks_and_chinese_characters() -> None:
    """Cleaned as the live path cleans; a span's border is a token's, in the middle of a word too."""
    text = "Baker&amp;Co联想集团 rose3.5% https://t.example"
    spans = [Span(0, 12, "ORG"), Span(12, 16, "ORG"), Span(17, 19, "X")]
    sentence = tagged_text(PLACE, text, spans)
    assert sentence.tokens == ("Baker", "&", "Co", "联", "想", "集", "团", "ro", "se3", ".", "5", "%")
    tags = ["B-ORG", "I-ORG", "I-ORG", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "B-X", "O", "O", "O", "O"]
    assert list(sentence.tags) == tags
    assert "".join(sentence.tokens) == clean_text(text).replace(" ", "")


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([(0, 5, "ORG"), (4, 9, "ORG")], "span 4 to 9 overlaps the one before it"),
        ([(0, 5, "ORG"), (0, 5, "PER")], "overlaps"),
        ([(5, 6, "ORG")], "span 5 to 6 holds no word: ' '"),
        ([(3, 3, "ORG")], "span 3 to 3 is not in the text, which has 11 characters"),
        ([(-1, 3, "ORG")], "is not in the text"),
        ([(3, 12, "ORG")], "is not in the text"),
        ([(None, 5, "ORG")], "span None to 5 is not in the text"),
        ([(False, 5, "ORG")], "span False to 5"),
        ([(0, 5, " ")], "the tag of span 0 to 5 is ' ', not a name"),
        ([(0, 5, 3)], "the tag of span 0 to 5 is 3"),
    ],
)
def test_spans_that_do_not_fit_are_named(spans: list[tuple[object, object, object]], said: str) -> None:
    """With file and task."""
    with pytest.raises(ConfigError, match=rf"a\.json, task 7: .*{said}"):
        tagged_text(PLACE, "Acorn rises", [span_at(PLACE, *span, length=11) for span in spans])
