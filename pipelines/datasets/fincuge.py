"""Two sets of the Chinese benchmark FinCUGE (Lu et al., 2023): a JSON list of [text, label]."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from monitor.errors import ConfigError
from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import SENTIMENTS, Example
from pipelines.datasets.labels import topic_at
from pipelines.datasets.reading import Place, json_in, shown, text_at

# What the first label of FinNL says: China, abroad, international. The second is the topic.
_REGIONS = {"中国", "外国", "国际"}


def forum_posts(path: Path) -> Iterator[Example]:
    """Yields FinFE: posts of a stock forum; 0 is negative, 1 neutral, 2 positive."""
    for place, text, label in _pairs(path):
        if type(label) is not int or label not in range(len(SENTIMENTS)):
            raise place.error(f"label {shown(label)} is none of 0 (negative), 1 (neutral), 2 (positive)")
        yield Example(clean_text(text), sentiment=SENTIMENTS[label], source="fincuge_finfe", place=str(place))


def news(path: Path) -> Iterator[Example]:
    """Yields FinNL: news with labels between spaces, of which the first that is no region is taken as the topic.

    Items that bear a region alone are left out.
    """
    for place, text, label in _pairs(path):
        topics = [name for name in topic_at(place, label).split() if name not in _REGIONS]
        if topics:
            yield Example(clean_text(text), topic=topics[0], source="fincuge_finnl", place=str(place))


def _pairs(path: Path) -> Iterator[tuple[Place, str, object]]:
    items = json_in(path)
    if not isinstance(items, list):
        raise ConfigError(f"{path}: holds {shown(items)}; wanted a list of [text, label]")
    for number, item in enumerate(items, start=1):
        place = Place(path, f"item {number}")
        if not (isinstance(item, list) and len(item) == 2):
            raise place.error(f"{shown(item)} is not [text, label]")
        yield place, text_at(place, item[0]), item[1]
