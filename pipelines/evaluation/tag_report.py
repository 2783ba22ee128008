"""Everything that is told of a tagger on one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.datasets.examples import TaggedSentence
from pipelines.datasets.splits import folds_by_cluster
from pipelines.evaluation.folds import SEED, fold_summary
from pipelines.evaluation.leaks import Leaks
from pipelines.evaluation.token_figures import token_figures


def tag_report(
    sentences: Sequence[TaggedSentence], predicted: Sequence[Sequence[str]], mistakes: int
) -> dict[str, Any]:
    """Figures by token and by entity, confusion of tags, and the sentences with most wrong tokens.

    Args:
        sentences: with their true tags.
        predicted: a tag per token.
        mistakes: how many of those sentences.
    """
    true = [sentence.tags for sentence in sentences]
    figures = token_figures(true, predicted)
    tags = list(figures["by_tag"])
    pairs = Counter(
        pair for ours, theirs in zip(true, predicted, strict=True) for pair in zip(ours, theirs, strict=True)
    )
    wrong = [
        sum(a != b for a, b in zip(ours, theirs, strict=True)) for ours, theirs in zip(true, predicted, strict=True)
    ]
    most = [int(i) for i in np.argsort(-np.array(wrong), kind="stable")[:mistakes] if wrong[i]]
    return {
        "task": "ner",
        "unit": "tokens",
        **figures,
        "confusion": {
            "labels": tags,
            "rows_true_columns_predicted": [[pairs[a, b] for b in tags] for a in tags],
        },
        "mistakes": [
            {
                "text": " ".join(sentences[i].tokens),
                "wrong": [
                    {"token": token, "true": a, "predicted": b}
                    for token, a, b in zip(sentences[i].tokens, true[i], predicted[i], strict=True)
                    if a != b
                ],
                "place": sentences[i].place,
            }
            for i in most
        ],
    }


def tag_folds_report(sentences: Sequence[TaggedSentence], predicted: Sequence[Sequence[str]], k: int) -> dict[str, Any]:
    """By fold of whole near-duplicate clusters, mean and spread of the tagger as it is.

    Raises:
        ConfigError: the sentences form fewer clusters than folds.
    """
    folds = folds_by_cluster([" ".join(sentence.tokens) for sentence in sentences], None, k, SEED)
    rows = []
    for number, fold in enumerate(folds, start=1):
        figures = token_figures([sentences[i].tags for i in fold], [predicted[i] for i in fold])
        rows.append(
            {
                "fold": number,
                **{key: figures[key] for key in ("n", "accuracy", "macro_f1")},
                "entity_f1": figures["entity"]["f1"],
            }
        )
    return {"k": k, "by": "near-duplicate cluster", "model": {**fold_summary(rows), "by_fold": rows}}


def tag_leaks_report(
    sentences: Sequence[TaggedSentence], predicted: Sequence[Sequence[str]], leaks: Leaks
) -> dict[str, Any]:
    """The figures without the sentences that are near-duplicates of training ones; nothing if none is left."""
    if not leaks.clean:
        return {}
    figures = token_figures([sentences[i].tags for i in leaks.clean], [predicted[i] for i in leaks.clean])
    entity = {key: value for key, value in figures["entity"].items() if key != "by_type"}
    kept = {key: figures[key] for key in ("n", "accuracy", "macro_f1")}
    return {"without_them": {**kept, "entity": entity}}
