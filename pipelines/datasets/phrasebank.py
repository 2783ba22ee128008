"""Financial PhraseBank (Malo et al., 2014): a line per sentence, `sentence@label`."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from monitor.ingest.normalise import clean_text
from pipelines.datasets.examples import Example
from pipelines.datasets.labels import sentiment_at
from pipelines.datasets.reading import bytes_of, numbered_lines, text_at


def sentences(path: Path) -> Iterator[Example]:
    """Yields the sentences of a file in ISO-8859-1, as it is published, or in UTF-8, as copies of it are.

    Raises:
        ConfigError: a line has no @, no sentence, or a label that is no sentiment.
    """
    for place, line in numbered_lines(path, _decoded(bytes_of(path))):
        if not line.strip():
            continue
        sentence, separator, label = line.rpartition("@")
        if not separator:
            raise place.error("no @ between sentence and label")
        text, sentiment = clean_text(text_at(place, sentence)), sentiment_at(place, label)
        yield Example(text, sentiment=sentiment, source="phrasebank", place=str(place))


def _decoded(data: bytes) -> str:
    # Every file is valid ISO-8859-1; one that is valid UTF-8 too is ASCII, or has every accent where UTF-8 would.
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("iso-8859-1")
