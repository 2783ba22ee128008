"""Figures of a named-entity tagger: by token, as published tables give them, and by whole entity."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from seqeval.metrics.v1 import precision_recall_fscore_support
from seqeval.scheme import IOB2

from monitor.errors import ConfigError

_TAG = re.compile(r"O|[BI]-.+")


def token_figures(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Any]:
    """All figures of a tagger on one set of sentences.

    Args:
        true: tags of the scheme IOB2, one list a sentence.
        predicted: as `true`, for the same tokens; an `I-` that continues no entity is a wrong token and no entity.

    Returns:
        `sentences`, `n` (tokens), `accuracy` (of tokens, `O` among them); `by_tag` (precision, recall, f1, n), and over
        tags `micro_with_o` (all three equal the accuracy), `micro_without_o`, `macro_f1` (over the tags that occur,
        `O` among them) and `macro_f1_without_o`; `entities` with `by_type` and `micro`, where only an entity with
        exact bounds and type counts (CoNLL-2003; seqeval in mode strict).

    Raises:
        ConfigError: nothing to compare, sentences of different length, or a tag of another scheme; names the sentence.
    """
    _check(true, predicted)
    pairs = Counter(
        pair for ours, theirs in zip(true, predicted, strict=True) for pair in zip(ours, theirs, strict=True)
    )
    tags = sorted({tag for pair in pairs for tag in pair}, key=lambda tag: (tag == "O", tag[2:], tag))
    hits = {tag: pairs[tag, tag] for tag in tags}
    of_true = {tag: sum(n for pair, n in pairs.items() if pair[0] == tag) for tag in tags}
    of_predicted = {tag: sum(n for pair, n in pairs.items() if pair[1] == tag) for tag in tags}
    by_tag = {tag: _row(hits[tag], of_predicted[tag], of_true[tag]) for tag in tags}
    inside = [tag for tag in tags if tag != "O"]
    total = sum(pairs.values())
    return {
        "sentences": len(true),
        "n": total,
        "accuracy": round(sum(hits.values()) / total, 4),
        "macro_f1": _mean([by_tag[tag]["f1"] for tag in tags if of_true[tag]]),
        "macro_f1_without_o": _mean([by_tag[tag]["f1"] for tag in inside if of_true[tag]]),
        "micro_with_o": _row(sum(hits.values()), total, total),
        "micro_without_o": _row(*(sum(count[tag] for tag in inside) for count in (hits, of_predicted, of_true))),
        "by_tag": by_tag,
        "entities": _entities(true, predicted),
    }


def _entities(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, Any]:
    rows, columns = [list(tags) for tags in true], [list(tags) for tags in predicted]
    types = sorted({tag[2:] for tags in (*rows, *columns) for tag in tags if tag != "O"})
    if not types:
        return {"by_type": {}, "micro": _row(0, 0, 0)}

    def figures(average: str | None) -> Any:
        return precision_recall_fscore_support(rows, columns, average=average, scheme=IOB2, zero_division=0)

    # seqeval leaves out a type of which neither side has a whole entity.
    known = [name for name in types if any(f"B-{name}" in tags for tags in (*rows, *columns))]
    if not known:
        return {"by_type": {}, "micro": _row(0, 0, 0)}
    by_type = {name: _rounded(*row) for name, row in zip(known, zip(*figures(None), strict=True), strict=True)}
    return {"by_type": by_type, "micro": _rounded(*figures("micro"))}


def _check(true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> None:
    if len(true) != len(predicted):
        raise ConfigError(f"{len(true)} sentences with true tags, {len(predicted)} with predicted ones")
    if not any(true):
        raise ConfigError("no token to measure a tagger on")
    for number, (ours, theirs) in enumerate(zip(true, predicted, strict=True), start=1):
        if len(ours) != len(theirs):
            raise ConfigError(f"sentence {number}: {len(ours)} true tags, {len(theirs)} predicted")
        for tag in (*ours, *theirs):
            if not _TAG.fullmatch(tag):
                raise ConfigError(f"sentence {number}: tag {tag!r} is not of the scheme IOB2 (O, B-TYPE, I-TYPE)")


def _row(hits: int, predicted: int, true: int) -> dict[str, float]:
    precision, recall = hits / max(1, predicted), hits / max(1, true)
    f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    return _rounded(precision, recall, f1, true)


def _rounded(precision: float, recall: float, f1: float, n: int) -> dict[str, float]:
    return {
        "precision": round(float(precision), 4),
        "recall": round(float(recall), 4),
        "f1": round(float(f1), 4),
        "n": int(n),
    }


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0
