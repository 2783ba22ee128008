"""Which companies a document names: cashtags, and names out of a list (companies.csv: ticker, name, further names).

Guarantees: pure and deterministic; whole words only; a name that is also a common word is matched by its case.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from monitor.errors import ConfigError

_CASHTAG = re.compile(r"\$([A-Z]{1,5}(?:\.[A-Z])?)\b")
_MAX_ENTITIES = 8
_WORD = re.compile(r"[\w&.'’-]*\w")


class EntityIndex:
    """Finds tickers in text.

    Args:
        names: (name, ticker) pairs; longer names win over shorter ones at the same place.
    """

    def __init__(self, names: Iterable[tuple[str, str]]) -> None:
        self._tickers = dict(names)
        self._longest = max((len(name.split()) for name in self._tickers), default=0)

    def find(self, text: str, given: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Returns the tickers in `text` and in `given`, ascending, at most eight."""
        found = {*given, *_CASHTAG.findall(text)}
        words = [word.removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text)]
        i = 0
        while i < len(words):
            for length in range(min(self._longest, len(words) - i), 0, -1):
                ticker = self._tickers.get(" ".join(words[i : i + length]))
                if ticker:
                    found.add(ticker)
                    i += length - 1
                    break
            i += 1
        return tuple(sorted(found))[:_MAX_ENTITIES]


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
