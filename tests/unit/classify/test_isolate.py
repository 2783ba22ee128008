"""Laws of isolating what can't be scored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.classify.isolate import classify_isolating, model_text
from monitor.errors import ClassifierError, TransientError
from monitor.messages import Score
from tests.builders import document
from tests.fakes import WordClassifier


@given(st.lists(st.sampled_from(["Profit falls", "Profit rises", "POISON", "Nothing new"]), max_size=20))
def test_exactly_the_failing_texts_fail(titles: list[str]) -> None:
    """One result per document, in order; its neighbours in the batch are scored as if it had not been there."""
    results = classify_isolating(WordClassifier(), [document(str(i), title=title) for i, title in enumerate(titles)])
    assert len(results) == len(titles)
    for title, result in zip(titles, results, strict=True):
        if title == "POISON":
            assert isinstance(result, ClassifierError)
        else:
            assert [result] == WordClassifier().classify([title])


@given(st.integers(1, 9), st.integers(0, 30))
def test_a_batch_that_is_too_large_is_split_until_it_fits(largest: int, count: int) -> None:
    """Running out of memory costs nobody a score."""
    documents = [document(str(i), title=f"Profit {i} falls") for i in range(count)]
    results = classify_isolating(WordClassifier(largest_batch=largest), documents)
    assert [isinstance(result, Score) and result.sentiment for result in results] == ["negative"] * count


def test_a_model_that_scores_nothing_any_more_blames_no_document() -> None:
    """It is an outage: nothing is dead-lettered, nothing neutral."""
    with pytest.raises(TransientError, match="scores nothing any more"):
        classify_isolating(WordClassifier(largest_batch=0), [document("a"), document("b")])


def test_the_model_reads_the_headline_then_the_text() -> None:
    """And what there is, where there is only one."""
    assert model_text(document(title="Profit falls", text="Sales too.")) == "Profit falls. Sales too."
    assert model_text(document(title="Profit falls", text="")) == "Profit falls"
    assert model_text(document(title="", text="sell everything")) == "sell everything"
