"""CoNLL files: a token and its tag per line, a blank line after each sentence; the tags are IOB2.

Tokens stay as they are written, since cleaning could take one away from under its tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.datasets.examples import TaggedSentence
from pipelines.datasets.reading import Place, decoded, numbered_lines, shown, text_at

_TAG = re.compile(r"O|[BI]-\S+")
_DOCUMENT = "-DOCSTART-"


def tagged_sentences(path: Path, *, iob1: bool = False) -> Iterator[TaggedSentence]:
    """Yields the sentences of a file.

    The tag stands in the last column (files of two columns, and the four of CoNLL-2003: token, part of speech, chunk,
    tag); where the first line has no tag there, it stands in the second (files of token, tag and a number).

    Args:
        path: the file; tabs or spaces separate its columns.
        iob1: whether the tags are IOB1, in which a name begins with I- unless it follows another of its type; they
            are converted.

    Raises:
        ConfigError: a line has another number of columns than the first, no tag, or one that IOB2 doesn't allow there.
    """
    rows: list[tuple[Place, str, str]] = []
    width = tag_column = 0
    for place, line in [*numbered_lines(path, decoded(path)), (Place(path, "the end"), "")]:
        cells = _cells(line)
        if not cells or cells[0] == _DOCUMENT:
            if rows:
                yield _sentence(rows, iob1=iob1)
            rows = []
            continue
        if not width:
            width, tag_column = len(cells), _tag_column(place, cells)
        if len(cells) != width:
            raise place.error(f"{len(cells)} columns in a file of {width}")
        rows.append((place, text_at(place, cells[0]), cells[tag_column]))


def looks_tagged(line: str) -> bool:
    """Whether a line could be a token's, with its tag in one of the columns that are looked at."""
    cells = _cells(line)
    return len(cells) > 1 and (cells[0] == _DOCUMENT or any(_TAG.fullmatch(cells[column]) for column in (-1, 1)))


def _cells(line: str) -> list[str]:
    stripped = line.rstrip(" \t")
    if not stripped:
        return []
    return stripped.split("\t") if "\t" in stripped else re.split(" +", stripped.lstrip(" "))


def _tag_column(place: Place, cells: list[str]) -> int:
    """Where the tags stand, by the first line that has any."""
    if len(cells) < 2:
        raise place.error("one column; wanted a token and its tag")
    for column in (len(cells) - 1, 1):
        if _TAG.fullmatch(cells[column]):
            return column
    raise place.error(
        f"neither the last nor the second column is a tag: {shown(cells[-1])}; wanted O, B-TYPE or I-TYPE"
    )


def _sentence(rows: list[tuple[Place, str, str]], *, iob1: bool) -> TaggedSentence:
    tags: list[str] = []
    for place, _, given in rows:
        tag, before = given, tags[-1] if tags else "O"
        if not _TAG.fullmatch(tag):
            raise place.error(f"{shown(tag)} is no tag; wanted O, B-TYPE or I-TYPE")
        if tag.startswith("I-") and before[2:] != tag[2:]:
            if not iob1:
                follows = f"follows {before}" if tags else "begins a sentence"
                raise place.error(f"{tag} {follows}; in IOB2 a name begins with B- (kind conll_iob1 converts IOB1)")
            tag = f"B-{tag[2:]}"
        tags.append(tag)
    return TaggedSentence(tuple(token for _, token, _ in rows), tuple(tags), place=str(rows[0][0]))
