"""Near-duplicate sketches: what is compared to decide whether two documents tell the same story.

A sketch is the bottom-k set of shingle hashes (exact for headlines, an unbiased sample for long texts) and MinHash bands
to find candidates by. Two sketches match when their Jaccard similarity is high *and* neither contradicts the other in
numbers or names: "profit up 4%" and "profit up 14%" are two stories.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monitor.ingest.normalise import CJK, story_text, tokens_of

SKETCH_SIZE = 64
BANDS = 8
ROWS = 3
MATCH_JACCARD = 0.65
_RNG = np.random.default_rng(20_240_601)
# Odd 61-bit multipliers keep the products distinct modulo 2**64; taking the top bits afterwards mixes them.
_MULTIPLIERS = (_RNG.integers(1, 1 << 60, size=(BANDS * ROWS, 1), dtype=np.uint64) << np.uint64(1)) | np.uint64(1)
_OFFSETS = _RNG.integers(0, 1 << 60, size=(BANDS * ROWS, 1), dtype=np.uint64)
_TITLE_CASE_RATIO = 0.6


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
    tokens = tokens_of(story_text(text))
    words = [token.lower() for token in tokens]
    shingles = {zlib.crc32(word.encode()) for word in words}
    shingles.update(zlib.crc32(f"{a} {b}".encode()) for a, b in pairwise(words))
    if not shingles:
        shingles = {zlib.crc32(text.encode())}
    smallest = tuple(sorted(shingles)[:SKETCH_SIZE])
    return Sketch(smallest, _marks(tokens, entities), _bands(np.fromiter(shingles, dtype=np.uint64)))


def same_story(a: Sketch, b: Sketch) -> bool:
    """Whether two sketches tell one story: similar enough, and no number or name stands against another."""
    return _jaccard(a.shingles, b.shingles) >= MATCH_JACCARD and not _contradict(a.marks, b.marks)


def _jaccard(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Bottom-k estimate (Cohen & Kaplan, 2007): the share common to both among the k smallest of the union."""
    union = sorted(set(a) | set(b))
    if SKETCH_SIZE in (len(a), len(b)):  # at least one is a sample: only the smallest k of the union are known to both
        union = union[:SKETCH_SIZE]
    common = set(a) & set(b)
    return sum(1 for shingle in union if shingle in common) / len(union)


def _contradict(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    left, right = set(a), set(b)
    return bool(left - right) and bool(right - left)


def _marks(tokens: list[str], entities: tuple[str, ...]) -> tuple[int, ...]:
    words = [t for t in tokens if t[0].isalpha() and not CJK.match(t) and len(t) > 3]
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


def _bands(hashes: np.ndarray) -> tuple[str, ...]:
    """MinHash by multiply-shift (Dietzfelbinger et al., 1997), `ROWS` minima to a band.

    Args:
        hashes: (n,) uint64 shingle hashes, n >= 1.
    """
    mixed = (hashes[None, :] * _MULTIPLIERS + _OFFSETS) >> np.uint64(32)
    minima = mixed.min(axis=1).astype("<u4").reshape(BANDS, ROWS)
    return tuple(f"{band}:{row.tobytes().hex()}" for band, row in enumerate(minima))


def pack(sketch: Sketch) -> bytes:
    """Writes shingles and marks as little-endian 32-bit numbers behind a count; bands are not kept."""
    return np.array([len(sketch.shingles), *sketch.shingles, *sketch.marks], dtype="<u4").tobytes()


def unpack(packed: bytes) -> Sketch:
    """Reads what `pack` wrote; the bands are empty."""
    count, *hashes = np.frombuffer(packed, dtype="<u4").tolist()
    return Sketch(tuple(hashes[:count]), tuple(hashes[count:]), ())
