"""The baseline beside every model: TF-IDF features and a linear support vector machine (Joachims, 1998)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from monitor.ingest.normalise import CJK
from pipelines.datasets.examples import Example

SEED = 13
_ENTITY = "theentityasked"
_WORD = r"(?u)\b\w+\b|[^\w\s]"  # one character is a word too: "up 5 %" and "?" say something


def baseline_text(example: Example) -> str:
    """What the baseline reads: the text, in which the company that is asked for is marked."""
    if example.entity is None:
        return example.text
    return example.text.replace(example.entity, _ENTITY) if example.entity in example.text else example.text


def mostly_chinese(texts: Sequence[str]) -> bool:
    """Whether a third of the characters are Chinese in more than half of the texts."""
    return sum(len(CJK.findall(text)) > len(text) / 3 for text in texts) > len(texts) / 2


def features_of(texts: Sequence[str]) -> str:
    """`word 1-2-grams`, or `character 1-3-grams` where most texts are Chinese, which has no spaces between words."""
    return "character 1-3-grams" if mostly_chinese(texts) else "word 1-2-grams"


def fit_predict(train: Sequence[str], labels: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Trains on texts and labels and returns a label per text.

    Args:
        train: texts to learn from, at least one.
        labels: of those.
        texts: texts to label.
    """
    classes = sorted(set(labels))
    if len(classes) == 1:  # which the machine can't learn from, and which needs no machine
        return [classes[0]] * len(texts)
    model = _machine(train)
    with warnings.catch_warnings():
        # A thousand rounds are enough for the labels, if not for the last digit of the margins.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(list(train), list(labels))
    return [str(label) for label in model.predict(list(texts))]


def cross_predict(texts: Sequence[str], labels: Sequence[str], folds: Sequence[np.ndarray]) -> list[str]:
    """Returns a label per text, each from a baseline that was trained on the other folds."""
    predicted = [""] * len(texts)
    for fold in folds:
        inside = set(fold.tolist())
        rest = [i for i in range(len(texts)) if i not in inside]
        found = fit_predict([texts[i] for i in rest], [labels[i] for i in rest], [texts[i] for i in fold])
        for i, label in zip(fold, found, strict=True):
            predicted[i] = label
    return predicted


def _machine(train: Sequence[str]) -> Any:
    if mostly_chinese(train):
        features = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    else:
        features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=_WORD)
    return make_pipeline(features, LinearSVC(class_weight="balanced", random_state=SEED))
