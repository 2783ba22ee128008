"""The tables and notes that reports of texts and of taggers have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.evaluation.table_section import Section, decimal, percent

_WHOLE_CONFUSION = 8  # classes; of more, the commonest confusions are told
_COMMONEST = 12
_NAMES = {"macro_f1": "macro-F1", "entity_f1": "entity F1", "ece": "ECE", "brier": "Brier"}


def confusion_section(head: dict[str, Any]) -> Section:
    """Counts by true and predicted class, or the commonest confusions of many classes."""
    names, counts = head["confusion"]["labels"], head["confusion"]["rows_true_columns_predicted"]
    if len(names) <= _WHOLE_CONFUSION:
        rows = tuple((name, *(str(n) for n in row)) for name, row in zip(names, counts, strict=True))
        return Section(f"{head['task']}: confusion", ("true \\ predicted", *names), rows)
    pairs = [
        (counts[i][j], names[i], names[j], counts[i][j] / sum(counts[i]))
        for i in range(len(names))
        for j in range(len(names))
        if i != j and counts[i][j]
    ]
    commonest = sorted(pairs, key=lambda pair: -pair[0])[:_COMMONEST]
    return Section(
        f"{head['task']}: commonest confusions",
        ("n", "true", "predicted", "share of the true class"),
        tuple((str(n), true, predicted, percent(share)) for n, true, predicted, share in commonest),
    )


def folds_sections(head: dict[str, Any]) -> Iterator[Section]:
    """Figures by fold, if there are any, with mean and standard deviation."""
    if "folds" not in head:
        return
    folds = head["folds"]
    who = [name for name in ("model", "baseline") if name in folds]
    columns = [(name, key) for name in who for key, value in folds[name].items() if isinstance(value, dict)]
    rows = [
        (str(row["fold"]), str(row["n"]), *(decimal(folds[name]["by_fold"][i][key]) for name, key in columns))
        for i, row in enumerate(folds["model"]["by_fold"])
    ]
    rows += [(what, "", *(decimal(folds[name][key][what]) for name, key in columns)) for what in ("mean", "std")]
    yield Section(
        f"{head['task']}: {folds['k']} folds by {folds['by']}",
        ("fold", "n", *(f"{name} {_NAMES.get(key, key)}" for name, key in columns)),
        tuple(rows),
        (
            *((folds["note"],) if "note" in folds else ()),
            "the model is the same in every fold" + ("; the baseline learns from the others" if len(who) > 1 else ""),
        ),
    )


def notes_of(head: dict[str, Any]) -> Iterator[str]:
    """What has to be known to read the figures."""
    if "temperature" in head:
        yield f"probabilities at temperature {head['temperature']:g}; ECE over 15 bins; macro-F1 over the classes that occur"
    if head.get("unlabelled_rows"):
        yield f"{head['unlabelled_rows']} rows of the file have no {head['task']}"
    if head.get("copied", {}).get("is_the_model"):
        yield "the model was not tuned on (company, text): each company has the whole text's sentiment"
    baseline = head.get("baseline", {})
    if "trained_on" in baseline:
        yield f"{baseline['name']}: {baseline['features']}, trained on {baseline['trained_on']}"
    if "left_out" in baseline:
        yield f"no {baseline['name']}: {baseline['left_out']}"
    if head.get("split_sentences"):
        yield f"{head['split_sentences']} sentences are longer than the model reads; they were tagged in parts"
    if "leaks" in head:
        yield from _leak_notes(head["leaks"])


def _leak_notes(leaks: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{leaks['near_duplicates']} rows are near-duplicates of rows in {', '.join(leaks['compared_with'])}, "
        "which training may have left out (heads.json: rows)"
    )
    if leaks["not_at_hand"]:
        yield f"not compared, since not at hand: {', '.join(leaks['not_at_hand'])}"
    if leaks["not_as_trained_on"]:
        yield f"another content than what was trained on: {', '.join(leaks['not_as_trained_on'])}"
