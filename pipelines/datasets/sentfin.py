"""SEntFiN 1.0 (Sinha et al., 2022): headlines with a sentiment for each entity that they name.

The column Decisions looks like a Python dict but isn't one everywhere: names hold bare apostrophes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.labels import sentiment_at
from pipelines.datasets.reading import Place, csv_rows, shown, text_at

# A name ends at the quote that a colon and a quoted label follow; behind that comes a comma or the end:
# {'Sebi': 'neutral', 'Osian's Art Fund': 'neutral', "Dr Reddy's": 'neutral'}
_DECISION = re.compile(
    r"""\s*(['"])(?P<name>(?:(?!['"]\s*:\s*['"]).)+)\1\s*:\s*(['"])(?P<label>[^'",]*)\3\s*(?:,|$)""", re.DOTALL
)
# The published file went through replacements of whole labels that caught names too: Holdings became neutralings,
# Russell Rusnegative (19 of its 14,405 names).
_REPLACED = {"neutral": "hold", "negative": "sell", "positive": "buy"}
_LABEL = re.compile(f"({'|'.join(_REPLACED)})")


def headlines(path: Path) -> Iterator[Example]:
    """Yields only those headlines whose entities all carry the same sentiment, which then is the headline's."""
    for place, row in csv_rows(path, ("Title", "Decisions")):
        title = clean_text(text_at(place, row["Title"]))
        labels = {label for _, label in decisions_in(place, row["Decisions"])}
        if len(labels) == 1:
            yield Example(title, sentiment=labels.pop(), source="sentfin", place=str(place))


def entity_sentiments(path: Path) -> Iterator[Example]:
    """Yields one example per headline and entity.

    Raises:
        ConfigError: an entity isn't in its headline.
    """
    for place, row in csv_rows(path, ("Title", "Decisions")):
        title = clean_text(text_at(place, row["Title"]))
        for name, label in decisions_in(place, row["Decisions"]):
            entity = _as_written(clean_text(name), title)
            if not entity:
                raise place.error(f"the headline doesn't name {shown(name)}")
            yield Example(title, sentiment=label, entity=entity, source="sentfin", place=str(place))


def decisions_in(place: Place, written: str) -> list[tuple[str, str]]:
    """Splits what stands in the column Decisions into pairs of name and sentiment.

    Raises:
        ConfigError: it isn't of that form, holds no pair, or a label is no sentiment.
    """
    stripped = written.strip()
    body = stripped[1:-1].strip()
    if not (stripped.startswith("{") and stripped.endswith("}") and body):
        raise place.error(f"Decisions holds no sentiment: {shown(written)}; wanted {{'Name': 'neutral', ...}}")
    pairs = []
    position = 0
    while position < len(body):
        found = _DECISION.match(body, position)
        if not found:
            raise place.error(f"Decisions can't be read from {shown(body[position:])} on")
        pairs.append((found["name"].replace("\\'", "'"), sentiment_at(place, found["label"])))
        position = found.end()
    return pairs


def _as_written(name: str, title: str) -> str | None:
    """How the headline writes the name."""
    if name in title:
        return name
    parts = (f"(?:{part}|{_REPLACED[part]})" if part in _REPLACED else re.escape(part) for part in _LABEL.split(name))
    found = re.search("".join(parts), title, re.IGNORECASE)
    return found[0] if found else None
