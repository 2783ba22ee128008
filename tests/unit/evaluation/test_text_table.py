"""Laws of reading tables of texts and labels as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.evaluation.label_names import LabelNames
from pipelines.evaluation.labelled import read_labelled, read_tagged
from pipelines.evaluation.text_table import text_table
from tests.unit.evaluation.conftest import SENTIMENTS, TOPICS, write_rows

CLASSES = {"sentiment": SENTIMENTS, "topic": TOPICS}
PLAIN = LabelNames()
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXTS, st.sampled_from(SENTIMENTS)), min_size=1, max_size=8))
def test_every_row_is_an_example_or_named_as_empty(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    """In its order, whatever stands in it."""
    path = write_rows(tmp_path / "any.csv", ("text", "label"), *rows)
    table = text_table(path, "sentiment", CLASSES, PLAIN)
    assert table is not None
    examples, empty = table
    assert [(e.text, e.sentiment) for e in examples] == [(clean_text(t), s) for t, s in rows if clean_text(t)]
    assert len(examples) + len(empty) == len(rows)


@pytest.mark.parametrize(
    ("content", "sentiments", "topics"),
    [
        ("text,label\noil,positive\ngas,Neutral\n", ["positive", "neutral"], [None, None]),
        ("Text,Label\noil,POSITIVE\n", ["positive"], [None]),
        ("label,text\npositive,oil\n", ["positive"], [None]),
        ("id,text,sentiment\n7,oil,negative\n", ["negative"], [None]),
        ("headline;sentiment\noil, gas;negative\n", ["negative"], [None]),
        ("text\tlabel\noil\tfed\n", [None], ["Fed"]),
        ("text,sentiment,topic\noil,negative,\ngas,,fed\n", ["negative", None], [None, "Fed"]),
        ("oil,negative\ngas,neutral\n", ["negative", "neutral"], [None, None]),
        ('neutral,"According to Gran, nothing"\n', ["neutral"], [None]),
        ("oil,Earnings\n", [None], ["Earnings"]),
        ("\ufefftext,label\noil,positive\n\n", ["positive"], [None]),
    ],
)
def test_columns_are_found_by_name_or_by_a_known_label(
    tmp_path: Path, content: str, sentiments: list[str | None], topics: list[str | None]
) -> None:
    """Other capitals, order and delimiters, or no header."""
    path = tmp_path / "any.csv"
    path.write_text(content, encoding="utf-8")
    examples = read_labelled(path, None, None, CLASSES, PLAIN).examples
    assert [example.sentiment for example in examples] == sentiments
    assert [example.topic for example in examples] == topics


def test_other_kinds_are_left_to_their_readers(tmp_path: Path) -> None:
    """Rows whose text is empty once cleaned are counted there as well; labels are the model's."""
    path = write_rows(
        tmp_path / "tweets.csv", ("Tweet Text", "Sentiment"), ("oil", "positive"), ("http://a.co/b", "neutral")
    )
    labelled = read_labelled(path, None, None, CLASSES, PLAIN)
    assert (labelled.kind, len(labelled.examples), len(labelled.empty)) == ("surge_stock", 1, 1)
    with pytest.raises(ConfigError, match=r"row 2: label 'positive' is none of Up, Down"):
        read_labelled(path, None, None, {"sentiment": ["Up", "Down"]}, PLAIN)


def test_tagged_sentences_are_no_texts(tmp_path: Path) -> None:
    """And the other way round."""
    path = tmp_path / "tags.txt"
    path.write_text("oil O\nbank B-ORG\n", encoding="utf-8")
    assert read_tagged(path, None)[0] == "conll"
    with pytest.raises(ConfigError, match="'conll' is no kind of labelled texts"):
        read_labelled(path, None, None, CLASSES, PLAIN)
    with pytest.raises(ConfigError, match="'phrasebank' is no kind of tagged"):
        read_tagged(path, "phrasebank")


def test_labels_can_be_given_another_meaning() -> None:
    """In any capitals, several to a flag or several flags."""
    names = LabelNames.parse(["0=negative, 1=neutral", "Bullish = positive"])
    assert [names.known(label, SENTIMENTS, "here") for label in ("0", " 1 ", "BULLISH", "Positive")] == [
        "negative",
        "neutral",
        "positive",
        "positive",
    ]
    assert names.find("2", SENTIMENTS) is None


@pytest.mark.parametrize("flag", ["0", "=negative", "0=", "0=negative,,", "0=negative,0=positive"])
def test_a_mapping_that_says_nothing_or_two_things_is_an_error(flag: str) -> None:
    """Rather than a guess."""
    with pytest.raises(ConfigError, match="--labels"):
        LabelNames.parse([flag])
