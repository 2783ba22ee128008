"""The report of a tagger as tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.evaluation.figure_sections import confusion_section, folds_sections, notes_of
from pipelines.evaluation.table_section import PRECISION, Section, cells_of, item_of

_TOKENS_SHOWN = 6


def tagger_sections(head: dict[str, Any]) -> Iterator[Section]:
    """Yields the tables of what `tag_report` and its companions returned."""
    rows = [
        ("tokens, O among them (= accuracy)", head["micro_with_o"]),
        ("tokens without O", head["micro_without_o"]),
        ("entities, exact bounds and type", head["entity"]),
    ]
    without = head.get("leaks", {}).get("without_them")
    if without:
        rows.append(("entities, without near-duplicates", without["entity"]))
    yield Section(
        "ner",
        ("", *PRECISION.names),
        tuple((name, *cells_of(row, PRECISION)) for name, row in rows),
        (
            f"{head['sentences']} sentences; micro-averages; macro-F1 over tags {head['macro_f1']:.3f}, "
            f"without O {head['macro_f1_without_o']:.3f}",
            *notes_of(head),
        ),
    )
    for title, figures in (("entities by type", head["entity"]["by_type"]), ("tokens by tag", head["by_tag"])):
        table = tuple((name, *cells_of(row, PRECISION)) for name, row in figures.items())
        yield Section(f"ner: {title}", (title.rpartition(" ")[2], *PRECISION.names), table)
    yield confusion_section(head)
    yield from folds_sections(head)
    if head["mistakes"]:
        yield _mistakes(head)


def _mistakes(head: dict[str, Any]) -> Section:
    def shown(wrong: list[dict[str, str]]) -> str:
        told = [f"{token['token']} ({token['true']}, {token['predicted']})" for token in wrong[:_TOKENS_SHOWN]]
        return ", ".join([*told, "…"] if len(wrong) > _TOKENS_SHOWN else told)

    return Section(
        "ner: sentences with most wrong tokens",
        ("wrong tokens (true, predicted)", "sentence", "place"),
        tuple((shown(row["wrong"]), row["text"], item_of(row["place"])) for row in head["mistakes"]),
    )
