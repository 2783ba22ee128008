"""The report of one head on texts as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.evaluation.figure_sections import confusion_section, folds_sections, notes_of
from pipelines.evaluation.table_section import (
    PRECISION,
    PROBABILITIES,
    Section,
    cells_of,
    decimal,
    item_of,
    signed_gap,
)


def head_sections(head: dict[str, Any]) -> Iterator[Section]:
    """Yields the tables of what `head_report` and its companions returned."""
    yield Section(head["task"], ("", *PROBABILITIES.names), tuple(_figure_rows(head)), tuple(notes_of(head)))
    yield _by_class(head)
    yield confusion_section(head)
    yield _reliability(head)
    yield from folds_sections(head)
    if head["mistakes"]:
        yield _mistakes(head)


def _by_class(head: dict[str, Any]) -> Section:
    beside = head.get("baseline", {}).get("by_class", {})
    return Section(
        f"{head['task']}: by class",
        ("class", *PRECISION.names, *(("baseline F1",) if beside else ())),
        tuple(
            (name, *cells_of(row, PRECISION), *((decimal(beside[name]["f1"]),) if beside else ()))
            for name, row in head["by_class"].items()
        ),
    )


def _reliability(head: dict[str, Any]) -> Section:
    return Section(
        f"{head['task']}: reliability",
        ("confidence", "n", "mean confidence", "accuracy", "gap"),
        tuple(
            (
                f"{row['from']:.2f} to {row['to']:.2f}",
                str(row["n"]),
                decimal(row["confidence"]),
                decimal(row["accuracy"]),
                signed_gap(row["accuracy"] - row["confidence"]),
            )
            for row in head["reliability"]
        ),
        ("a gap above 0: more often right than it says",),
    )


def _mistakes(head: dict[str, Any]) -> Section:
    return Section(
        f"{head['task']}: most confident mistakes",
        ("confidence", "true", "predicted", "text", "place"),
        tuple(
            (
                decimal(row["confidence"]),
                row["true"],
                row["predicted"],
                f"[{row['entity']}] {row['text']}" if "entity" in row else row["text"],
                item_of(row["place"]),
            )
            for row in head["mistakes"]
        ),
    )


def _figure_rows(head: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    yield ("model", *cells_of(head, PROBABILITIES))
    leaks = head.get("leaks", {})
    if "without_them" in leaks:
        yield ("model, without near-duplicates", *cells_of(leaks["without_them"], PROBABILITIES))
    if "copied" in head:
        yield ("the text's sentiment for each company", *cells_of(head["copied"], PROBABILITIES))
    if "accuracy" in head.get("baseline", {}):
        yield (head["baseline"]["name"], *cells_of(head["baseline"], PROBABILITIES))
