"""Puts an evaluation on the console and into Markdown."""

from __future__ import annotations

import re
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.evaluation.sections import headline, sections_of

_NUMBER = re.compile(r"[+-]?\d[\d.]*( %)?|–|")
_MARKDOWN = re.compile(r"([\\`*_\[\]<>|])")


def show_report(report: dict[str, Any], console: Console) -> None:
    """Prints a report that `evaluate` made."""
    for line in headline(report):
        console.print(Text(line))
    for section in sections_of(report):
        # Text, not strings: what stands in brackets in a headline is no markup.
        table = Table(title=Text(section.title, style="bold"), box=SIMPLE_HEAD, title_justify="left")
        for i, column in enumerate(section.columns):
            numbers = all(_NUMBER.fullmatch(row[i]) for row in section.rows)
            table.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
        for row in section.rows:
            table.add_row(*(Text(cell) for cell in row))
        console.print(table)
        for note in section.notes:
            console.print(Text(f"  {note}", style="dim"))


def markdown_report(report: dict[str, Any]) -> str:
    """The same as Markdown."""
    lines = [f"# {_escaped(report['model']['name'])}", ""]
    lines += [f"- {_escaped(line)}" for line in headline(report)]
    for section in sections_of(report):
        lines += ["", f"## {_escaped(section.title)}", ""]
        lines += [_line(section.columns), "|" + "---|" * len(section.columns)]
        lines += [_line(row) for row in section.rows]
        lines += ["", *(f"- {_escaped(note)}" for note in section.notes)] if section.notes else []
    return "\n".join(lines) + "\n"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))
