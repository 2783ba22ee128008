"""Labelled text from the formats that data comes in, as one kind of row: which reader reads which kind.

Guarantees: what can't be read is an error naming file and row; labels are checked against the task's label set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from monitor.errors import ConfigError
from pipelines.datasets import conll, doccano, fincuge, label_studio, phrasebank, sentfin, surge_stock, text_label_csv
from pipelines.datasets.examples import Example, TaggedSentence
from pipelines.datasets.reading import shown

_Reader = TypeVar("_Reader")
_EXAMPLES: dict[str, Callable[[Path], Iterator[Example]]] = {
    "sentiment_csv": text_label_csv.sentiment_rows,
    "topic_csv": text_label_csv.topic_rows,
    "labelled_csv": text_label_csv.labelled_rows,
    "sentfin": sentfin.headlines,
    "sentfin_entities": sentfin.entity_sentiments,
    "phrasebank": phrasebank.sentences,
    "surge_stock": surge_stock.tweets,
    "fincuge_finfe": fincuge.forum_posts,
    "fincuge_finnl": fincuge.news,
    "label_studio": label_studio.examples,
    "doccano": doccano.examples,
}
_TAGGED: dict[str, Callable[[Path], Iterator[TaggedSentence]]] = {
    "conll": conll.tagged_sentences,
    "conll_iob1": partial(conll.tagged_sentences, iob1=True),
    "label_studio": label_studio.tagged,
    "doccano": doccano.tagged,
}
EXAMPLE_KINDS = tuple(_EXAMPLES)
TAGGED_KINDS = tuple(_TAGGED)


def load_examples(
    path: Path, kind: str, topics: Collection[str] | None = None, *, keep_empty: bool = False
) -> list[Example]:
    """Reads one file of labelled texts. Texts of which cleaning leaves nothing (a bare link) are left out.

    Args:
        path: the file.
        kind: one of `EXAMPLE_KINDS`; the readers say what each is.
        topics: the topics that are allowed; None allows any.
        keep_empty: keeps those texts, for who counts them.

    Raises:
        ConfigError: the file can't be read; names file, row and reason.
    """
    examples = [example for example in _reader(path, kind, _EXAMPLES)(path) if example.text or keep_empty]
    if not examples:
        raise ConfigError(f"{path}: holds no labelled text")
    for example in examples:
        if topics is not None and example.topic is not None and example.topic not in topics:
            raise ConfigError(f"{example.place}: topic {shown(example.topic)} is none of {', '.join(topics)}")
    return examples


def load_tagged(path: Path, kind: str) -> list[TaggedSentence]:
    """Reads one file of sentences with a tag per token.

    Args:
        path: the file.
        kind: one of `TAGGED_KINDS`.

    Raises:
        ConfigError: the file can't be read; names file, line and reason.
    """
    sentences = [sentence for sentence in _reader(path, kind, _TAGGED)(path) if sentence.tokens]
    if not sentences:
        raise ConfigError(f"{path}: holds no tagged sentence")
    if all(tag == "O" for sentence in sentences for tag in sentence.tags):
        raise ConfigError(f"{path}: no sentence holds a name: every tag is O")
    return sentences


def sha256_of(path: Path) -> str:
    """Returns the file's SHA-256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _reader(path: Path, kind: str, readers: dict[str, _Reader]) -> _Reader:
    if kind not in readers:
        raise ConfigError(f"{path}: unknown data kind {kind!r}; known: {', '.join(sorted(readers))}")
    return readers[kind]
