"""An evaluation as titled tables of words and numbers, for the console and for Markdown alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipelines.evaluation.head_sections import head_sections
from pipelines.evaluation.swap_sections import swap_sections
from pipelines.evaluation.table_section import Section
from pipelines.evaluation.tag_sections import tagger_sections


def heads_in(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The reports of all tasks, whether there are one or several."""
    return list(report["tasks"].values()) if "tasks" in report else [report] if "task" in report else []


def headline(report: dict[str, Any]) -> list[str]:
    """What was measured, in a line each."""
    model = report["model"]
    lines = [f"model {model['name']} ({model['folder']})"]
    if "data" in report:
        data = report["data"]
        lines.append(f"data {data['file']}: {data['rows']} rows, read as {data['kind']}")
        if data["empty_texts"]:
            places = ", ".join(data["empty_places"][:3]) + (", …" if data["empty_texts"] > 3 else "")
            lines.append(f"{data['empty_texts']} texts are empty once cleaned, and not measured: {places}")
        if "note" in data:
            lines.append(data["note"])
    return lines


def sections_of(report: dict[str, Any]) -> Iterator[Section]:
    """All tables of a report, in the order to read them."""
    for head in heads_in(report):
        yield from tagger_sections(head) if head["task"] == "ner" else head_sections(head)
    if "bias" in report:
        yield from swap_sections(report["bias"])
