"""Laws of grouping documents with their copies."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import Story
from pipelines.labels.candidates import Taken, candidates_of, joined
from tests.builders import scored
from tests.unit.labels.written import headline, told


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_what_shares_a_label_is_joined_by_way_of_others_too(pairs: list[tuple[int, int]]) -> None:
    """The groups are the connected components, and no more than those."""
    groups = joined([one for one, _ in pairs], [other for _, other in pairs])
    reach = [{i} for i in range(len(pairs))]
    for _ in pairs:
        for i, one in enumerate(pairs):
            for j, other in enumerate(pairs):
                if one[0] == other[0] or one[1] == other[1]:
                    reach[i] |= reach[j]
    for i in range(len(pairs)):
        assert {j for j in range(len(pairs)) if groups[j] == groups[i]} == reach[i]


def test_only_documents_with_a_score_can_be_asked_about() -> None:
    """What no model reads, what was read before, and a bare link leave nothing to be judged."""
    repeated = replace(told("c", headline(3)), story=Story("c", False, repeated=True))
    bare = told("d", "https://example.com/only-a-link")
    found = candidates_of([told("a", headline(1)), scored("b", None, language="zh"), repeated, bare], [])
    assert [one.document.id for one in found.all] == ["a"]


def test_of_a_document_that_was_published_twice_the_last_stands() -> None:
    """Publishing is at least once; a later model may have scored it anew."""
    first, again = told("a", headline(1)), told("a", headline(1), (0.1, 0.8, 0.1))
    assert [one.score.sentiment for one in candidates_of([first, again], []).all] == ["neutral"]


def test_the_text_is_what_the_model_read() -> None:
    """The headline and the text, cleaned."""
    found = candidates_of([told("a", "Oil  falls", text="By 3% &amp; more https://example.com")], [])
    assert [one.text for one in found.all] == ["Oil falls. By 3% & more"]


def test_copies_are_in_one_group() -> None:
    """Those of one story, however they are worded, and near-duplicates, whatever their story; nothing else."""
    found = candidates_of(
        [
            told("a", headline(1)),
            told("b", headline(2), of="a"),
            told("c", f"UPDATE 1-{headline(2)}"),
            told("d", headline(3)),
        ],
        [],
    )
    a, b, c, d = (one.group for one in found.all)
    assert a == b == c != d


def test_what_was_asked_before_closes_its_group() -> None:
    """It is known by its document, its story, or a text like it."""
    documents = [told(f"d-{i}", headline(i)) for i in range(4)]
    taken = [
        Taken(headline(90), document_id="d-0"),
        Taken(headline(91), story="d-1"),
        Taken(f"BREAKING: {headline(2)}"),
    ]
    found = candidates_of(documents, taken)
    assert [one.document.id for one in found.all if one.group not in found.taken_groups] == ["d-3"]
