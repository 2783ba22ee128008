"""Laws of isolating what can't be scored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapters.row_scorer import Row, RowScorer
from monitor.adapters.token_rows import Logits, Started, TokenRow, token_row
from monitor.classify.isolate import classify_isolating, model_input, model_text
from monitor.errors import ClassifierError, TransientError
from monitor.messages import ModelInput, Score
from tests.builders import document, score
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
            assert [result] == WordClassifier().classify([ModelInput(title, "en")])


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


class OneLanguageBroken(WordClassifier):
    """Its model for Chinese fails on everything, that for English on POISON."""

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        if any(one.language == "zh" for one in inputs):
            raise ClassifierError("the weights are gone", reason="model_failed")
        return super().classify(inputs)


@given(st.lists(st.sampled_from(["Profit falls", "Profit rises", "POISON"]), max_size=5))
def test_a_languages_model_that_scores_nothing_is_an_outage_though_another_works(titles: list[str]) -> None:
    """Its documents are not to blame, whatever those of another language do."""
    documents = [document(str(i), title=title) for i, title in enumerate(titles)]
    with pytest.raises(TransientError, match="'zh'"):
        classify_isolating(OneLanguageBroken(), [*documents, document("zh", title="利润下降", language="zh")])


class Dying:
    """Implements Engine: works until `dead`; a text of more than `longest` characters is poison to it."""

    def __init__(self, longest: int = 100) -> None:
        self.dead = False
        self.longest = longest

    def padded_length(self, length: int) -> int:
        """See Engine."""
        return length

    def start(self, rows: Sequence[TokenRow], budget: int) -> Started:
        """See Engine."""
        if self.dead or any(row.length > self.longest for row in rows):
            raise ClassifierError("CUDA error: an illegal memory access was encountered")
        return Started(sum(row.length for row in rows), lambda: {"rows": np.zeros(len(rows))})

    def make_room(self) -> None:
        """See Engine."""


class Caching(WordClassifier):
    """Implements Classifier by the scorer of the real ones, with its cache."""

    def __init__(self, engine: Dying) -> None:
        super().__init__()
        self._scorer = RowScorer[Score](engine, self._encoded, self._decided, 4096, 1000)

    def classify(self, inputs: Sequence[ModelInput]) -> list[Score]:
        """See Classifier."""
        self.read += inputs
        return [told or score() for told in self._scorer.score([Row(one.text) for one in inputs])]

    def _encoded(self, rows: Sequence[Row]) -> list[TokenRow | None]:
        return [token_row([*map(ord, row.text)]) for row in rows]

    def _decided(self, logits: Logits) -> list[Score]:
        return [score() for _ in logits["rows"]]


def test_a_model_that_died_is_an_outage_though_a_cache_still_knows_some_documents() -> None:
    """What was scored before says nothing about the model now."""
    engine = Dying()
    model = Caching(engine)
    reprint = document("a", title="Profit falls")
    assert all(isinstance(result, Score) for result in classify_isolating(model, [reprint]))
    engine.dead = True
    with pytest.raises(TransientError, match="scores nothing any more"):
        classify_isolating(model, [reprint, document("b", title="Profit rises")])


def test_a_plain_sentence_is_never_answered_from_a_cache() -> None:
    """Poison makes it asked, alone or beside others, once a round; when the model then dies, the answer is another one."""
    engine = Dying()
    model = Caching(engine)
    poison = document("a", title="Profit falls " * 20)
    for i, others in enumerate([[], [], [document("b", title="Profit rises")]]):
        model.read.clear()
        results = classify_isolating(model, [*others, poison, document("c", title=f"Profit {i}")])
        assert [isinstance(result, ClassifierError) for result in results] == [False] * len(others) + [True, False]
        assert sum("published its results" in one.text for one in model.read) == 1
    engine.dead = True
    for documents in ([poison], [poison, document("b", title="Profit rises")]):
        with pytest.raises(TransientError, match="scores nothing any more"):
            classify_isolating(model, documents)


def test_companies_are_asked_for_where_there_are_several() -> None:
    """With one, the document's sentiment is the sentiment towards it."""
    two = (("AAPL", "Apple"), ("ORCL", "Oracle"))
    asked = model_input(document(title="Apple falls, Oracle rises", mentions=two, entities=("AAPL", "MSFT", "ORCL")))
    assert asked == ModelInput("Apple falls, Oracle rises", "en", two)
    assert model_input(document(title="Apple falls", mentions=two[:1])).entities == ()


def test_the_model_reads_the_headline_then_the_text() -> None:
    """And what there is, where there is only one."""
    assert model_text(document(title="Profit falls", text="Sales too.")) == "Profit falls. Sales too."
    assert model_text(document(title="Profit falls", text="")) == "Profit falls"
    assert model_text(document(title="", text="sell everything")) == "sell everything"
