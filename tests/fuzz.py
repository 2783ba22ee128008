"""Raw messages with something wrong: mutations of good ones, by class, with the outcome where the rules settle it.

Seeded; `decode`'s docstring has the rules. An outcome is a reason of a dead letter, or DOCUMENT.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

DOCUMENT = "document"
LIMIT = 262_144  # ingest.max_message_bytes as it is shipped
Fields = dict[str, Any]
Outcome = tuple[Any, ...]  # the value, then the outcomes that are right


@dataclass(frozen=True, slots=True)
class Mutated:
    """A message and what must become of it; any outcome is right where `outcomes` is empty."""

    name: str
    value: bytes | None
    outcomes: frozenset[str]


def mutated(count: int, seed: int, largest: int = 1_000_000) -> Iterator[Mutated]:
    """Writes messages, all classes in turn.

    Args:
        count: how many.
        seed: the same seed writes the same.
        largest: bytes of the largest message, which are few.
    """
    draw = random.Random(seed)
    names = sorted(_CLASSES)
    for number in range(count):
        name = names[number % len(names)]
        if name == "huge" and draw.random() < 0.7:  # they take time to write, and are all alike
            name = "long fields"
        value, *outcomes = _CLASSES[name](draw, _good(draw, f"f{seed}-{number}"))
        if name == "huge" and value is not None and draw.random() < 0.05:
            value = b" " * (largest - len(value)) + value
        yield Mutated(name, value, frozenset(outcomes))


def _good(draw: random.Random, id: str) -> Fields:
    """A good message of its own; some fields are left out as sources do."""
    words = ("profit falls", "margins rise", "outlook stays", "油价上涨", "Umsatz steigt")
    minute = draw.randrange(60)
    fields = {
        "id": id,
        "kind": draw.choice(("news", "comment")),
        "source": "Fuzz Wire",
        "title": f"Earnings: {draw.choice(words)} at plant {id} {draw.getrandbits(64):x}",
        "text": "Two plants were closed, the company said.",
        "url": f"https://news.example/{id}",
        "language": draw.choice(("en", "zh", "de")),
        "published": f"2026-03-04T11:{minute:02d}:00Z",
        "fetched": f"2026-03-04T11:{minute:02d}:30Z",
        "entities": ["ACME"],
    }
    for name in ("kind", "source", "text", "url", "language", "entities"):
        if draw.random() < 0.2:
            del fields[name]
    return fields


def _written(fields: Any, escaped: bool = True) -> bytes:
    return json.dumps(fields, ensure_ascii=escaped).encode("utf-8", "surrogatepass")


def _truncated(draw: random.Random, fields: Fields) -> Outcome:
    whole = _written(fields)
    cut = draw.randrange(len(whole))
    return whole[:cut], "not_json" if cut else "empty_message"


def _wrong_type(draw: random.Random, fields: Fields) -> Outcome:
    name = draw.choice(("id", "kind", "source", "title", "text", "url", "language", "published", "fetched", "entities"))
    odd: list[Any] = [0, -1, 2**63, 1.5, 10**400, True, False, {}, {"a": 1}, [[]], [None], ["ACME", 7]]
    fields[name] = draw.choice(odd)
    return _written(fields), "bad_field"


def _null(draw: random.Random, fields: Fields) -> Outcome:
    name = draw.choice(sorted(fields))
    fields[name] = None
    if name == "title" and "text" not in fields:
        return _written(fields), "no_text"
    return _written(fields), "bad_time" if name == "published" else DOCUMENT


def _top_level(draw: random.Random, fields: Fields) -> Outcome:
    return _written(draw.choice([[fields], "text", 17, None, True, []])), "not_an_object"


def _huge(draw: random.Random, fields: Fields) -> Outcome:
    fields["padding"] = "x" * (LIMIT + draw.randrange(2000))
    return _written(fields), "oversized"


def _long_fields(draw: random.Random, fields: Fields) -> Outcome:
    name = draw.choice(("id", "source", "title", "text", "url", "unknown", "entities", "language"))
    length = draw.choice((201, 5000, 60_000))
    if name == "entities":
        fields[name] = ["ACME"] * length
    else:
        fields[name] = draw.choice(("x", "word ", "5&amp;", "油", "e\u0301")) * length
    return _written(fields)[: LIMIT + 1], *_when_long(name, fields)


def _when_long(name: str, fields: Fields) -> tuple[str, ...]:
    if len(_written(fields)) > LIMIT:
        return ("oversized",)
    return ("bad_field",) if name in ("id", "language") else (DOCUMENT,)


def _many_digits(draw: random.Random, fields: Fields) -> Outcome:
    """Python reads no integer of more than 4,300 digits; a float of any size is infinite and ignored."""
    digits = b"9" * draw.randrange(4301, 20_000)
    name = draw.choice((b"n", b"title"))
    return _written(fields)[:-1] + b', "%b": %b}' % (name, digits), "not_json"


def _infinite(draw: random.Random, fields: Fields) -> Outcome:
    name = draw.choice(("n", "title", "published"))
    number = draw.choice((b"1e999", b"-1e999", b"1e-999"))
    return _written(fields)[:-1] + f', "{name}": '.encode() + number + b"}", DOCUMENT if name == "n" else "bad_field"


def _not_a_number(draw: random.Random, fields: Fields) -> Outcome:
    constant = draw.choice((b"NaN", b"Infinity", b"-Infinity"))
    return _written(fields)[:-1] + b', "%b": %b}' % (draw.choice((b"n", b"title", b"published")), constant), "not_json"


def _raw_nul(draw: random.Random, fields: Fields) -> Outcome:
    whole = _written(fields)
    at = draw.randrange(len(whole) + 1)
    return whole[:at] + bytes([draw.choice((0, 1, 7, 27))]) * draw.choice((1, 3)) + whole[at:], "not_json"


def _escaped_control(draw: random.Random, fields: Fields) -> Outcome:
    """Cleaned away in text and names, links with it are dropped; an id with it can't be told from another."""
    name = draw.choice(("title", "text", "source", "url", "id", "unknown"))
    fields[name] = f"{fields.get(name, '')} a{draw.choice(chr(0) + chr(27) + chr(31) + chr(127) + chr(133))}b"
    return _written(fields), "bad_field" if name == "id" else DOCUMENT


def _invalid_utf8(draw: random.Random, fields: Fields) -> Outcome:
    whole = _written(fields)
    at = draw.randrange(len(whole) + 1)
    broken = draw.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe4\xb8", b"\x80"))
    return whole[:at] + broken + whole[at:], "not_utf8"


def _other_encoding(draw: random.Random, fields: Fields) -> Outcome:
    fields["title"] += " 油价 ü"
    encoding = draw.choice(("utf-16", "utf-32", "gb18030", "utf-8-sig"))
    return _written(fields, escaped=False).decode().encode(encoding), "not_utf8", "not_json"


def _lone_surrogate(draw: random.Random, fields: Fields) -> Outcome:
    name = draw.choice(("title", "text", "source", "url", "id"))
    fields[name] = f"{fields.get(name, '')} \ud800 {draw.choice(('', chr(0xDFFF)))}"
    return _written(fields), DOCUMENT


def _deep(draw: random.Random, fields: Fields) -> Outcome:
    depth = draw.choice((5, 100, 20_000, 60_000))
    opened, closed = draw.choice(((b"[", b"]"), (b'{"a":', b"}")))
    value = opened * depth + b"1" + (closed * depth if draw.random() < 0.8 or depth < 1000 else b"")
    name = draw.choice((b"n", b"title"))
    whole = _written(fields)[:-1] + b', "%b": ' % name + value + b"}"
    if len(whole) > LIMIT:
        return whole, "oversized"
    return whole, "not_json" if depth > 1000 else DOCUMENT if name == b"n" else "bad_field"


def _odd_date(draw: random.Random, fields: Fields) -> Outcome:
    dates = ("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1849-12-31T23:59:59Z",
             "2200-01-01T00:00:01Z", "2026-02-30T00:00:00Z", "-2026-03-04T00:00:00Z", "yesterday", "1772625600", "",
             "10000-01-01T00:00:00Z", "2026-03-04T25:00:00Z", "\u0662\u0660\u0662\u0666-03-04T00:00:00Z",
             "2026-03-04T12:00:00+99:00", "x" * 3000)  # fmt: skip
    fields[draw.choice(("published", "fetched"))] = draw.choice(dates)
    return _written(fields), "bad_time"


def _no_zone(draw: random.Random, fields: Fields) -> Outcome:
    fields[draw.choice(("published", "fetched"))] = draw.choice(("2026-03-04T12:00:00", "2026-03-04", "20260304"))
    return _written(fields), "no_zone"


def _odd_clock(draw: random.Random, fields: Fields) -> Outcome:
    """Far future is clamped, far past is late: both are accepted."""
    name = draw.choice(("published", "fetched"))
    fields[name] = draw.choice(("1850-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z", "2199-12-31T00:00:00+23:59"))
    return _written(fields), DOCUMENT


def _no_words(draw: random.Random, fields: Fields) -> Outcome:
    fields["title"], fields["text"] = draw.choice(("", " ", "\u200b", "...", "https://only.example/link")), "!!!"
    return _written(fields), "no_text"


def _odd_word(draw: random.Random, fields: Fields) -> Outcome:
    name = draw.choice(("kind", "language"))
    words = {
        "kind": ("rumour", "NEWS", "news ", "\x00"),
        "language": ("english, I think", "e", "\u017fv", "en_US", "12"),
    }
    fields[name] = draw.choice(words[name])
    return _written(fields), "bad_field"


def _flipped(draw: random.Random, fields: Fields) -> Outcome:
    whole = bytearray(_written(fields))
    for _ in range(draw.randrange(1, 6)):
        whole[draw.randrange(len(whole))] = draw.randrange(256)
    return (bytes(whole),)


def _spliced(draw: random.Random, fields: Fields) -> Outcome:
    whole = _written(fields)
    a, b = sorted(draw.randrange(len(whole)) for _ in range(2))
    return (whole[:b] + whole[a:],)


def _slow(draw: random.Random, fields: Fields) -> Outcome:
    """What makes a careless pattern go back and forth."""
    unit = draw.choice(
        ("update 1 ", "RT @a: ", "(reuters) ", "&amp;amp;", "&#38;", "www.", " - A.", "reuters - 1 - ", "a'")
    )
    fields[draw.choice(("title", "text"))] = "plant " + unit * draw.randrange(100, 4000)
    return _written(fields), DOCUMENT


def _nothing(draw: random.Random, fields: Fields) -> Outcome:
    return draw.choice((b"", None)), "empty_message"


def _unchanged(draw: random.Random, fields: Fields) -> Outcome:
    return _written(fields, escaped=draw.random() < 0.5), DOCUMENT


_CLASSES: dict[str, Callable[[random.Random, Fields], Outcome]] = {
    "bytes flipped": _flipped,
    "control characters, escaped": _escaped_control,
    "control characters, raw": _raw_nul,
    "dates out of range": _odd_date,
    "dates without a zone": _no_zone,
    "deep nesting": _deep,
    "clocks that are wrong": _odd_clock,
    "huge": _huge,
    "infinite numbers": _infinite,
    "invalid UTF-8": _invalid_utf8,
    "lone surrogates": _lone_surrogate,
    "long fields": _long_fields,
    "no words": _no_words,
    "not a number": _not_a_number,
    "nothing": _nothing,
    "null": _null,
    "other encodings": _other_encoding,
    "pieces repeated": _spliced,
    "slow patterns": _slow,
    "too many digits": _many_digits,
    "truncated": _truncated,
    "unchanged": _unchanged,
    "words out of a set": _odd_word,
    "wrong top level": _top_level,
    "wrong type": _wrong_type,
}
CLASSES = tuple(sorted(_CLASSES))
