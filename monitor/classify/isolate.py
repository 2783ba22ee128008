"""Isolates what a classifier can't score: a failing batch is halved until the culprit stands alone.

Guarantees: one result per document, in order; an error is a result of its own and never a neutral score.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from monitor.errors import ClassifierError, TransientError
from monitor.messages import Document, ModelInput, Score
from monitor.ports import Classifier

_PLAIN_SENTENCES = {"zh": "公司公布了第{}季度的业绩。"}
_PLAIN_SENTENCE = "The company published its results number {}."
# A sentence that was asked before would be answered from a cache, whatever has become of the model.
_asked = count(1)
# With one company, the document's sentiment is the sentiment towards it.
_FEWEST_COMPANIES = 2


def model_text(document: Document) -> str:
    """What the model reads: the headline, then the text where there is both; the tokenizer cuts the end."""
    return f"{document.title}. {document.text}" if document.title and document.text else document.headline


def model_input(document: Document) -> ModelInput:
    """What a classifier is asked about a document; about each of its companies too, if it names several."""
    several = len(document.mentions) >= _FEWEST_COMPANIES
    return ModelInput(model_text(document), document.language, document.mentions if several else ())


def classify_isolating(classifier: Classifier, documents: Sequence[Document]) -> list[Score | ClassifierError]:
    """Scores documents; those that make the model fail come back as the error.

    Raises:
        TransientError: a language's model can't even score a plain sentence: no document is to blame.
    """
    results = _halve(classifier, [model_input(document) for document in documents])
    told = zip(documents, results, strict=True)
    # That others of the language were scored proves nothing: a cache may have known them, or the model died behind them.
    for language in sorted({document.language for document, result in told if isinstance(result, ClassifierError)}):
        plain = ModelInput(_PLAIN_SENTENCES.get(language, _PLAIN_SENTENCE).format(next(_asked)), language)
        try:
            classifier.classify([plain])
        except ClassifierError as exc:
            raise TransientError(
                f"the model for {language!r} scores nothing any more: {exc}", reason="model_unavailable"
            ) from exc
    return results


def _halve(classifier: Classifier, inputs: Sequence[ModelInput]) -> list[Score | ClassifierError]:
    if not inputs:
        return []
    try:
        return list(classifier.classify(inputs))
    except ClassifierError as exc:
        if len(inputs) == 1:
            return [exc]
    middle = len(inputs) // 2
    return _halve(classifier, inputs[:middle]) + _halve(classifier, inputs[middle:])
