"""Fills the slots of a pattern: words, companies, and numbers in a range.

A word slot keeps its value within one document, so that title and summary agree; `{firm2}` is another than `{firm}`.
"""

from __future__ import annotations

import re

from pipelines.sample_feed.draw import Draw
from pipelines.sample_feed.phrasebook import Company, Lexicon

_SLOT = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(?P<low>[\d,]+(?:\.\d+)?)\.\.(?P<high>[\d,]+(?:\.\d+)?)")
_COMPANY = re.compile(r"(?P<group>[a-z]+)(?P<which>\d?)(?:\.(?P<part>cash|city|item))?")
_ARTICLE = re.compile(r"\b([Aa])\(n\) (?=(\S+))")
_SENTENCE_START = re.compile(r"(^|[.!?] )([a-z])")
_CONSONANT_SOUND = ("eu", "uni", "use", "us", "uk", "one")
_NUMERAL_VOWEL = re.compile(r"(?:8\d*|11|18)(?:[^\d.]|\.\d|$)")


class Filler:
    """Fills the patterns of one document.

    Args:
        draw: where choices come from.
        lexicon: shared words and companies.
        slots: the topic's own words.
    """

    def __init__(self, draw: Draw, lexicon: Lexicon, slots: dict[str, list[str]]) -> None:
        self._draw = draw
        self._lexicon = lexicon
        self._slots = slots
        self._words: dict[str, str] = {}
        self._companies: dict[str, Company] = {}

    @property
    def company(self) -> Company | None:
        """The first company that the document named, or None."""
        return next(iter(self._companies.values()), None)

    def fill(self, pattern: str) -> str:
        """Returns the pattern with every slot filled and "a(n)" resolved.

        Raises:
            KeyError: a slot has no words.
        """
        text = self._filled(pattern).replace(" ,", ",").replace(" : ", ": ")
        return _ARTICLE.sub(lambda m: f"{m[1]}n " if _takes_an(m[2]) else f"{m[1]} ", text)

    def _filled(self, text: str) -> str:
        return _SLOT.sub(lambda match: self._value(match[1]), text)

    def _value(self, slot: str) -> str:
        if span := _RANGE.fullmatch(slot):
            return _number(self._draw, span["low"], span["high"])
        company = _COMPANY.fullmatch(slot)
        if company and company["group"] in self._lexicon.groups and company["group"] not in self._slots:
            return self._company_part(company["group"], company["which"], company["part"])
        if slot not in self._words:
            self._words[slot] = self._filled(self._word(slot))
        return self._words[slot]

    def _word(self, slot: str) -> str:
        name = slot.rstrip("0123456789")
        words = self._slots.get(name) or self._lexicon.slots[name]
        taken = {value for other, value in self._words.items() if other.rstrip("0123456789") == name}
        return self._draw.pick([word for word in words if word not in taken] or words)

    def _company_part(self, group: str, which: str, part: str | None) -> str:
        key = f"{group}{which}"
        if key not in self._companies:
            sectors = self._lexicon.groups[group]
            taken = set(self._companies.values())
            among = [c for c in self._lexicon.companies if c.sector in sectors and c not in taken]
            self._companies[key] = self._draw.pick(among)
        company = self._companies[key]
        if part == "item":
            item = f"{key}.item"
            self._words.setdefault(item, self._draw.pick(self._lexicon.items[company.sector]))
            return self._words[item]
        return {None: company.name, "cash": f"${company.ticker}", "city": company.city}[part]


def capitalised(text: str) -> str:
    """Returns the text with a capital at the start of each sentence."""
    return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)


def _number(draw: Draw, low: str, high: str) -> str:
    """Draws a number with as many decimals as `low`; with a comma in either, as round as `low` is."""
    if "," in low + high:
        first, last = int(low.replace(",", "")), int(high.replace(",", ""))
        step = 10 ** (len(str(first)) - len(str(first).rstrip("0")))
        return f"{draw.integer(first // step, last // step) * step:,}"
    decimals = len(low.partition(".")[2])
    if not decimals:
        return str(draw.integer(int(low), int(high)))
    return f"{draw.uniform(float(low), float(high)):.{decimals}f}"


def _takes_an(word: str) -> bool:
    lowered = word.lower().lstrip("\"'($")
    if lowered[:1].isdigit():
        return bool(_NUMERAL_VOWEL.match(lowered))
    return lowered[:1] in set("aeiou") and not lowered.startswith(_CONSONANT_SOUND)
