"""Which companies a document names: cashtags, and names out of a list (companies.csv: ticker, name, further names).

Guarantees: pure and deterministic; a name in Latin letters is a whole word in its case, one with Chinese characters is found
wherever it stands; of names that begin alike the longest wins, also one of no company ("高通胀", ticker `-`, not Qualcomm).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

from monitor.errors import ConfigError
from monitor.ingest.normalise import CJK

NO_COMPANY = "-"
_CASHTAG = re.compile(r"\$([A-Z]{1,5}(?:\.[A-Z])?)\b", re.ASCII)  # ASCII: "$AAPL大涨" ends where the letters do
_MAX_ENTITIES = 8
# From the beginning of a run only: of one without a letter, every place in it would be tried to its end.
_WORD = re.compile(r"(?<![\w&.'’-])[\w&.'’-]*\w")


class EntityIndex:
    """Finds tickers in text.

    Args:
        names: (name, ticker) pairs; longer names win over shorter ones at the same place.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._tickers = dict(names)
        spaced = [name for name in self._tickers if not CJK.search(name)]
        unspaced = sorted((name for name in self._tickers if CJK.search(name)), key=len, reverse=True)
        self._longest: dict[str, int] = {}  # by first word, the words of the longest name that begins with it
        for name in spaced:
            first = name.partition(" ")[0]
            self._longest[first] = max(self._longest.get(first, 0), name.count(" ") + 1)
        self._unspaced = re.compile("|".join(map(re.escape, unspaced))) if unspaced else None

    def find(self, text: str, given: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Returns the tickers in `text` and in `given`, ascending, at most eight."""
        return bounded({*given, *self.mentions(text)})

    def mentions(self, text: str) -> dict[str, str]:
        """Returns the tickers in `text`, each with a name that it has there.

        That is the first with Chinese characters, else the first in Latin letters; the ticker where there is a cashtag alone.
        """
        found: dict[str, str] = {}
        for name in self._names_in(text):
            ticker = self._tickers[name]
            if ticker != NO_COMPANY:
                found.setdefault(ticker, name)
        for ticker in _CASHTAG.findall(text):
            found.setdefault(ticker, ticker)
        return found

    def _names_in(self, text: str) -> Iterator[str]:
        if not text.isascii():  # no name with Chinese characters can stand in ASCII
            if self._unspaced is not None:
                yield from self._unspaced.findall(text)
                text = self._unspaced.sub(" ", text)  # "UPS电源" is a power supply as a whole
            text = CJK.sub(" ", text)
        words = _WORD.findall(text)
        if "'s" in text or "’s" in text:
            words = [word.removesuffix("'s").removesuffix("’s") for word in words]
        if self._longest.keys().isdisjoint(words):
            return
        i = 0
        while i < len(words):
            for length in range(min(self._longest.get(words[i], 0), len(words) - i), 0, -1):
                name = " ".join(words[i : i + length])
                if name in self._tickers:
                    yield name
                    i += length - 1
                    break
            i += 1


def bounded(tickers: Iterable[str]) -> tuple[str, ...]:
    """The tickers a document may count for: ascending, each once, at most eight."""
    return tuple(sorted(set(tickers)))[:_MAX_ENTITIES]


def load_entities(path: Path | None) -> EntityIndex:
    """Reads the company list: lines of ticker,name[,name...]; None for the bundled one."""
    source = path if path is not None else resources.files("monitor.ingest").joinpath("companies.csv")
    try:
        rows = list(csv.reader(source.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"ingest.entities_file: {source}: {exc}") from exc
    pairs = []
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row if cell.strip()]
        if not cells or cells[0].startswith("#"):
            continue
        if len(cells) < 2:
            raise ConfigError(f"ingest.entities_file: {source}, line {number}: expected ticker,name[,name...]")
        pairs += [(name, cells[0]) for name in cells[1:]]
    return EntityIndex(pairs)
