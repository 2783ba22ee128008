"""Fuzzed messages: each is read into a document that breaks nothing downstream, or refused for a reason that is known."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from monitor.adapters.kafka_sink import scored_message
from monitor.errors import INVALID_REASONS, InvalidMessageError
from monitor.ingest.decode import EARLIEST, decode
from monitor.ingest.entities import load_entities
from monitor.ingest.sketch import pack, sketch_of, unpack
from monitor.messages import Document, Kind, RawRecord, ScoredDocument, Story
from monitor.settings import IngestSettings, TrendSettings
from monitor.trends.buckets import contribution_of
from tests.builders import NOW_MS, score
from tests.fuzz import CLASSES, DOCUMENT, LIMIT, Mutated, mutated

SEED = 20_260_304
COUNT = 12_500
SETTINGS, ENTITIES = IngestSettings(), load_entities(None)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TOLERANCE_MS = int(SETTINGS.future_tolerance_seconds * 1000)


def outcome(value: bytes | None, offset: int = 0) -> Document | str:
    """The document, or the reason; nothing else is raised."""
    try:
        return decode(RawRecord(0, offset, None, value, NOW_MS), SETTINGS, ENTITIES)
    except InvalidMessageError as exc:
        return exc.reason if len(str(exc)) <= 400 else f"{exc.reason}, told at too great length"


def check(found: Document) -> None:
    """What every stage behind relies on."""
    earliest_ms = round(EARLIEST.timestamp() * 1000)
    assert earliest_ms <= found.published_ms <= found.available_ms <= NOW_MS + _TOLERANCE_MS
    bounds = {"id": 200, "source": 80, "title": 1000, "text": 20_000, "url": 2000}
    for name, most in bounds.items():
        text = getattr(found, name)
        assert len(text) <= most
        assert not _CONTROL.search(text), name
        text.encode("utf-8")
    assert found.id.strip()
    assert any(character.isalnum() for character in found.title + found.text)
    assert re.fullmatch("[a-z]{2,3}", found.language)
    assert found.kind in Kind
    assert list(found.entities) == sorted(set(found.entities))
    assert len(found.entities) <= 8
    assert all(re.fullmatch(r"[A-Z0-9.\-]{1,12}", ticker) for ticker in found.entities)
    assert {ticker for ticker, _ in found.mentions} <= set(found.entities)


def carry_on(found: Document) -> None:
    """Takes it through what comes after decoding: the sketch, the counts, the message that is published."""
    sketch = sketch_of(found.headline, found.headline_entities)
    assert unpack(pack(sketch)).shingles == sketch.shingles
    scored = ScoredDocument(found, Story(found.id, True), score())
    for cells in contribution_of([scored], TrendSettings()).counts.values():
        for cell, amount in cells.items():
            assert isinstance(amount, int)
            assert "\x1f" not in f"{cell.dimension}{cell.key}{cell.kind}{cell.measure}"
    json.dumps(scored_message(scored), allow_nan=False)


@pytest.fixture(scope="module")
def told() -> list[tuple[Mutated, Document | str]]:
    """Every mutation with its outcome."""
    return [(one, outcome(one.value, number)) for number, one in enumerate(mutated(COUNT, SEED))]


def test_every_mutation_gives_a_document_or_a_known_reason(told: list[tuple[Mutated, Document | str]]) -> None:
    """More than ten thousand of them, every class among them, and every reason that there is."""
    assert len(told) >= 10_000
    assert {one.name for one, _ in told} == set(CLASSES)
    assert {found for _, found in told if isinstance(found, str)} == set(INVALID_REASONS)


def test_what_is_read_breaks_nothing_downstream(told: list[tuple[Mutated, Document | str]]) -> None:
    """Times, lengths, characters and numbers are within their bounds."""
    documents = [found for _, found in told if isinstance(found, Document)]
    assert len(documents) > COUNT / 5
    for found in documents:
        check(found)
    for found in documents[::10]:
        carry_on(found)


def test_the_rules_say_which_is_which(told: list[tuple[Mutated, Document | str]]) -> None:
    """Where the table in decode's docstring settles the outcome, that is the outcome."""
    wrong = Counter(
        (one.name, str(sorted(one.outcomes)), found if isinstance(found, str) else DOCUMENT)
        for one, found in told
        if one.outcomes and (found if isinstance(found, str) else DOCUMENT) not in one.outcomes
    )
    assert wrong == {}


def test_the_rules_name_every_reason() -> None:
    """And no other, in the order in which they are asked."""
    named = re.findall(r"^\s*\| (\w+) +\|", decode.__doc__ or "", re.MULTILINE)
    assert [name for name in named if name != "reason"] == list(INVALID_REASONS)


@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1])
def test_the_limit_is_the_last_length_that_is_read(length: int) -> None:
    """To the byte."""
    message = json.dumps({"title": "Profit falls", "published": "2026-03-04T11:00:00Z"}).encode()
    found = outcome(message + b" " * (length - len(message)))
    assert found == "oversized" if length > LIMIT else isinstance(found, Document)


def test_a_replay_gives_the_document_that_the_first_reading_would_have_given() -> None:
    """But for the offset that it was read from: a mended program sees it as if nothing had been wrong."""
    later_ms = NOW_MS + 40 * 86_400_000
    for number, one in enumerate(mutated(500, SEED + 1)):
        first = outcome(one.value, number)
        replayed = RawRecord(0, number, None, one.value, later_ms, attempts=2, first_timestamp_ms=NOW_MS)
        if isinstance(first, Document):
            assert decode(replayed, SETTINGS, ENTITIES) == first
        else:
            with pytest.raises(InvalidMessageError):
                decode(replayed, SETTINGS, ENTITIES)


def test_mutations_are_the_same_for_the_same_seed() -> None:
    """So that what was found can be found again."""
    assert list(mutated(200, 1)) == list(mutated(200, 1)) != list(mutated(200, 2))
    assert datetime.fromtimestamp(NOW_MS / 1000, UTC).year == 2026
