"""Near-duplicate sketches: what is compared to decide whether two documents tell the same story.

A sketch is the bottom-k set of shingle hashes (exact for headlines, an unbiased sample for long texts) and MinHash bands
to find candidates by. Two sketches match when their Jaccard similarity is high *and* neither contradicts the other in
numbers or names: "profit up 4%" and "profit up 14%" are two stories.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from monitor.ingest.normalise import story_text, tokens_of

SKETCH_SIZE = 64
BANDS = 8
ROWS = 3
MATCH_JACCARD = 0.65
_RNG = np.random.default_rng(20_240_601)
# Odd 61-bit multipliers keep the products distinct modulo 2**64; taking the top bits afterwards mixes them.
_MULTIPLIERS = (_RNG.integers(1, 1 << 60, size=(BANDS * ROWS, 1), dtype=np.uint64) << np.uint64(1)) | np.uint64(1)
_OFFSETS = _RNG.integers(0, 1 << 60, size=(BANDS * ROWS, 1), dtype=np.uint64)
_BAND_DIGITS = 8 * ROWS  # in hexadecimal
_BAND_PLACES = tuple(enumerate(range(0, BANDS * _BAND_DIGITS, _BAND_DIGITS)))
_TITLE_CASE_RATIO = 0.6
# Mixed together, at 8 bytes for each of `BANDS * ROWS` hash functions: 20 MB, or some thousands of headlines.
_SLICE_SHINGLES = 100_000


@dataclass(frozen=True, slots=True)
class Sketch:
    """What the novelty index keeps of a document.

    Attributes:
        shingles: ascending 32-bit hashes of its words and word pairs (characters and pairs for Chinese), at most
            `SKETCH_SIZE` of them: the smallest.
        marks: ascending hashes of the tokens that tell two similar texts apart: numbers, cashtags, names.
        bands: `BANDS` keys; two texts that share one are compared.
    """

    shingles: tuple[int, ...]
    marks: tuple[int, ...]
    bands: tuple[str, ...]


def sketch_of(text: str, entities: tuple[str, ...] = ()) -> Sketch:
    """Computes the sketch of a document's headline (or its whole text, if it has no headline).

    Args:
        text: the headline.
        entities: companies that it names; they are marks whatever their case.
    """
    return sketches_of([(text, entities)])[0]


def sketches_of(headlines: Sequence[tuple[str, tuple[str, ...]]]) -> list[Sketch]:
    """Computes the sketch of each (text, entities), as `sketch_of` does; many at once cost a third less each.

    Whole texts are sketched a few at a time, so that memory doesn't grow with how many there are.
    """
    sketches: list[Sketch] = []
    parts: list[tuple[set[int], tuple[int, ...]]] = []
    pending = 0
    for text, entities in headlines:
        tokens = tokens_of(story_text(text))
        shingles = _shingles(tokens) or {zlib.crc32(text.encode())}
        parts.append((shingles, _marks(tokens, entities)))
        pending += len(shingles)
        if pending >= _SLICE_SHINGLES:
            sketches += _finished(parts)
            parts, pending = [], 0
    return [*sketches, *_finished(parts)]


def _finished(parts: Sequence[tuple[set[int], tuple[int, ...]]]) -> list[Sketch]:
    bands = _bands([shingles for shingles, _ in parts])
    return [
        Sketch(tuple(sorted(shingles)[:SKETCH_SIZE]), marks, found)
        for (shingles, marks), found in zip(parts, bands, strict=True)
    ]


def same_story(a: Sketch, b: Sketch) -> bool:
    """Whether two sketches tell one story: similar enough, and no number or name stands against another."""
    return not _contradict(a.marks, b.marks) and _jaccard(a.shingles, b.shingles) >= MATCH_JACCARD


def _jaccard(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Bottom-k estimate (Cohen & Kaplan, 2007): the share common to both among the k smallest of the union."""
    common = set(a).intersection(b)
    if SKETCH_SIZE not in (len(a), len(b)):
        return len(common) / (len(a) + len(b) - len(common))
    # At least one is a sample: only the smallest k of the union are known to both.
    union = sorted({*a, *b})[:SKETCH_SIZE]
    return len(common.intersection(union)) / len(union)


def _contradict(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    left, right = set(a), set(b)
    return bool(left - right) and bool(right - left)


def _shingles(tokens: list[str]) -> set[int]:
    """Hashes of words and of pairs of neighbours; a pair's goes on from its first word's, as CRC-32 does byte by byte."""
    words = [token.lower().encode() for token in tokens]
    hashes = [zlib.crc32(word) for word in words]
    shingles = set(hashes)
    shingles.update(zlib.crc32(b" " + word, before) for word, before in zip(words[1:], hashes, strict=False))
    return shingles


def _marks(tokens: list[str], entities: tuple[str, ...]) -> tuple[int, ...]:
    # A Chinese character is a token of its own, so a longer one that begins with a letter is a word.
    words = [t for t in tokens if len(t) > 3 and t[0].isalpha()]
    capitalised = sum(1 for t in words if t[0].isupper())
    shouting = bool(words) and capitalised / len(words) >= _TITLE_CASE_RATIO
    marks = {
        zlib.crc32(t.lower().encode())
        for t in tokens
        if t[0].isdigit() or t[0] in "$" or (not shouting and t[0].isupper() and t.isascii())
    }
    # As a cashtag would be: "$AAPL" and a headline that names Apple bear the same mark.
    marks.update(zlib.crc32(f"${ticker}".lower().encode()) for ticker in entities)
    return tuple(sorted(marks))


def _bands(texts: Sequence[set[int]]) -> list[tuple[str, ...]]:
    """MinHash by multiply-shift (Dietzfelbinger et al., 1997), `ROWS` minima to a band.

    Args:
        texts: the shingle hashes of each text, at least one.
    """
    if not texts:
        return []
    sizes = [len(shingles) for shingles in texts]
    hashes = np.fromiter(chain.from_iterable(texts), dtype=np.uint64, count=sum(sizes))
    mixed = hashes[None, :] * _MULTIPLIERS
    mixed += _OFFSETS
    starts = np.cumsum([0, *sizes[:-1]])
    minima = np.minimum.reduceat(mixed, starts, axis=1) >> np.uint64(32)
    numbers = minima.T.astype("<u4", order="C")  # (texts, BANDS * ROWS)
    written = [row.tobytes().hex() for row in numbers]
    return [tuple(f"{band}:{row[at : at + _BAND_DIGITS]}" for band, at in _BAND_PLACES) for row in written]


def pack(sketch: Sketch) -> bytes:
    """Writes shingles and marks as little-endian 32-bit numbers behind a count; bands are not kept."""
    numbers = (len(sketch.shingles), *sketch.shingles, *sketch.marks)
    return struct.pack(f"<{len(numbers)}I", *numbers)


def unpack(packed: bytes) -> Sketch:
    """Reads what `pack` wrote; the bands are empty."""
    count, *hashes = struct.unpack(f"<{len(packed) // 4}I", packed)
    return Sketch(tuple(hashes[:count]), tuple(hashes[count:]), ())
