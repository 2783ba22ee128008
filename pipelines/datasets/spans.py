"""Turns a text with marked spans, as annotation tools write it, into tokens with tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.ingest.normalise import CJK, clean_text
from pipelines.datasets.examples import TaggedSentence
from pipelines.datasets.reading import Place, shown

# A Chinese character, a run of other letters and digits, or one mark of punctuation.
_TOKEN = re.compile(rf"{CJK.pattern}|(?:(?!{CJK.pattern})\w)+|[^\w\s]")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A marked part of a text: `text[start:end]` is a name of type `tag`."""

    start: int
    end: int
    tag: str


def span_at(place: Place, start: object, end: object, tag: object, length: int) -> Span:
    """Returns a span of a text with `length` characters.

    Raises:
        ConfigError: it isn't one.
    """
    # A bool is an int in Python, and none in JSON.
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise place.error(f"span {shown(start)} to {shown(end)} is not in the text, which has {length} characters")
    if not isinstance(tag, str) or not tag.strip():
        raise place.error(f"the tag of span {start} to {end} is {shown(tag)}, not a name")
    return Span(start, end, tag.strip())


def tagged_text(place: Place, text: str, spans: Sequence[Span]) -> TaggedSentence:
    """Splits a text into tokens, cleaned as the live path cleans it, and tags them.

    Token borders lie wherever a span begins or ends, so that no span cuts a token.

    Raises:
        ConfigError: spans overlap, or one holds no token.
    """
    tokens: list[str] = []
    tags: list[str] = []
    position = 0
    for span in sorted(spans):
        if span.start < position:
            raise place.error(f"span {span.start} to {span.end} overlaps the one before it")
        inside = _tokens(text[span.start : span.end])
        if not inside:
            raise place.error(f"span {span.start} to {span.end} holds no word: {shown(text[span.start : span.end])}")
        outside = _tokens(text[position : span.start])
        tokens += [*outside, *inside]
        tags += ["O"] * len(outside) + [f"B-{span.tag}"] + [f"I-{span.tag}"] * (len(inside) - 1)
        position = span.end
    rest = _tokens(text[position:])
    return TaggedSentence((*tokens, *rest), (*tags, *("O" for _ in rest)), place=str(place))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(clean_text(text))
