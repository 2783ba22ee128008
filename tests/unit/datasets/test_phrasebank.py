"""Laws of reading Financial PhraseBank."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.load import load_examples
from tests.unit.datasets.conftest import Write
from tests.unit.datasets.written import SENTIMENT

SENTENCES = st.text(st.characters(codec="iso-8859-1", exclude_characters="\x00\n"), min_size=1).filter(clean_text)


def test_the_last_at_sign_separates(write: Write) -> None:
    """An address in a sentence stays in it; the accents are ISO-8859-1's."""
    path = write(
        "a.txt", "Order via info@firm.example was @ par .@neutral\r\n\r\nPähkinä rose .@positive".encode("latin-1")
    )
    assert load_examples(path, "phrasebank") == [
        Example("Order via info@firm.example was @ par .", "neutral", source="phrasebank", place="set/a.txt, line 1"),
        Example("Pähkinä rose .", "positive", source="phrasebank", place="set/a.txt, line 3"),
    ]


@given(st.lists(st.tuples(SENTENCES, SENTIMENT), max_size=8))
def test_every_sentence_comes_back(write: Write, rows: list[tuple[str, str]]) -> None:
    """Whatever the first 256 characters allow; the last line makes the file no UTF-8."""
    rows = [*rows, ("caf\xe9 opens", "neutral")]
    path = write("a.txt", "".join(f"{text}@{label}\n" for text, label in rows).encode("latin-1"))
    found = load_examples(path, "phrasebank")
    assert [(row.text, row.sentiment) for row in found] == [(clean_text(text), label) for text, label in rows]


def test_copies_in_utf_8_are_read_as_such(write: Write) -> None:
    """They are common, and every file is valid ISO-8859-1."""
    assert load_examples(write("a.txt", "\ufeffPähkinä rose .@positive\n"), "phrasebank")[0].text == "Pähkinä rose ."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Sales rose .@positive\nSales fell .\n", "line 2: no @ between sentence and label"),
        ("Sales rose .@up\n", "line 1: label 'up' is none of negative, neutral, positive"),
        ("Sales rose .@positive\n @neutral\n", "line 2: no text"),
        ("Sales rose .@positive\n\0@neutral\n", "line 2: a NUL byte"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(write: Write, content: str, said: str) -> None:
    """File, line and reason."""
    with pytest.raises(ConfigError, match=rf"a\.txt, {said}"):
        load_examples(write("a.txt", content), "phrasebank")
