"""Isolates what a classifier can't score: a failing batch is halved until the culprit stands alone.

Guarantees: one result per document, in order; an error is a result of its own and never a neutral score.
"""

from __future__ import annotations

from collections.abc import Sequence

from monitor.errors import ClassifierError, TransientError
from monitor.messages import Document, Score
from monitor.ports import Classifier

_PLAIN_SENTENCE = "The company published its results."


def model_text(document: Document) -> str:
    """What the model reads: the headline, then the text where there is both; the tokenizer cuts the end."""
    return f"{document.title}. {document.text}" if document.title and document.text else document.headline


def classify_isolating(classifier: Classifier, documents: Sequence[Document]) -> list[Score | ClassifierError]:
    """Scores documents; those that make the model fail come back as the error.

    Raises:
        TransientError: the model can't even score a plain sentence: no document is to blame.
    """
    results = _halve(classifier, documents)
    if results and all(isinstance(result, ClassifierError) for result in results):
        try:
            classifier.classify([_PLAIN_SENTENCE])
        except ClassifierError as exc:
            raise TransientError(f"the model scores nothing any more: {exc}", reason="model_unavailable") from exc
    return results


def _halve(classifier: Classifier, documents: Sequence[Document]) -> list[Score | ClassifierError]:
    if not documents:
        return []
    try:
        return list(classifier.classify([model_text(document) for document in documents]))
    except ClassifierError as exc:
        if len(documents) == 1:
            return [exc]
    middle = len(documents) // 2
    return _halve(classifier, documents[:middle]) + _halve(classifier, documents[middle:])
