"""Reads the phrase files: patterns by topic, kind and sentiment, and the words that fill their slots.

A pattern is one line; `title || text` gives it a summary. A slot's words stand one a line or between ` | `.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PHRASES = Path(__file__).parent / "phrases"
SENTIMENTS = ("negative", "neutral", "positive")


@dataclass(frozen=True, slots=True)
class Company:
    """A fictional company.

    Attributes:
        name: as a headline writes it.
        ticker: invented, without the dollar sign.
        sector: key of the sectors in companies.toml.
        city: where it sits.
    """

    name: str
    ticker: str
    sector: str
    city: str


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of one file, and the words of its own slots.

    Attributes:
        topic: the label of the topic they are written for.
        lines: patterns by "news" or "comments" and sentiment.
        slots: words by slot name; they go before the shared ones of the same name.
    """

    topic: str
    lines: dict[tuple[str, str], list[str]]
    slots: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What every English pattern may draw from.

    Attributes:
        slots: words by slot name.
        companies: all fictional companies.
        groups: sectors by group name ("lender" = banks), every sector a group of itself.
        items: what a sector sells, by sector.
    """

    slots: dict[str, list[str]]
    companies: list[Company]
    groups: dict[str, list[str]]
    items: dict[str, list[str]]


def read_phrases(name: str) -> dict[str, Any]:
    """Returns a phrase file as it stands, for example `read_phrases("plan")`."""
    return tomllib.loads((PHRASES / f"{name}.toml").read_text(encoding="utf-8"))


def lines_of(block: str) -> list[str]:
    """Splits a block into its lines, blank ones left out."""
    return [line.strip() for line in block.splitlines() if line.strip()]


def words_of(block: str) -> list[str]:
    """Splits a block into alternatives: one a line, or between ` | ` on a line."""
    return [word.strip() for line in lines_of(block) for word in line.split(" | ")]


@cache
def read_patterns(name: str) -> Patterns:
    """Reads one pattern file, for example `read_patterns("energy_oil")`."""
    content = read_phrases(name)
    lines = {
        (kind, sentiment): lines_of(content.get(kind, {}).get(sentiment, ""))
        for kind in ("news", "comments")
        for sentiment in SENTIMENTS
    }
    slots = {slot: words_of(block) for slot, block in content.get("slots", {}).items()}
    return Patterns(content.get("topic", ""), lines, slots)


@cache
def read_lexicon() -> Lexicon:
    """Reads the shared words and the companies."""
    content = read_phrases("companies")
    companies = [Company(*words_of(line)) for line in lines_of(content["companies"])]
    items = {sector: words_of(block) for sector, block in content["items"].items()}
    groups = {group: words_of(block) for group, block in content["groups"].items()}
    groups |= {sector: [sector] for sector in items}
    slots = {slot: words_of(block) for slot, block in read_phrases("words")["slots"].items()}
    return Lexicon(slots, companies, groups, items)
