"""Laws of making one answer out of what annotators said."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from pipelines.datasets.reading import Place
from pipelines.labels.answers import Annotation, Resolved, resolve
from tests.unit.labels.written import TOPICS

SENTIMENTS = ("negative", "neutral", "positive")


def annotation(
    sentiment: str | None = "negative",
    topic: str | None = "Earnings",
    who: str = "ann",
    at: int = 0,
    document_id: str = "d-1",
    text: str = "Oil falls",
) -> Annotation:
    """What somebody said, at minute `at`."""
    place = Place(Path("answers.json"), f"task {document_id}")
    return Annotation(place, document_id, text, sentiment, topic, who, f"2026-03-05T09:{at:02d}:00.000Z")


ANNOTATIONS = st.lists(
    st.builds(
        annotation,
        sentiment=st.sampled_from(SENTIMENTS),
        topic=st.sampled_from(TOPICS),
        who=st.sampled_from(["ann", "bob", "cyd"]),
        at=st.integers(0, 59),
        document_id=st.sampled_from(["d-1", "d-2"]),
    ).map(lambda one: replace(one, text=f"Oil falls {one.document_id}")),
    max_size=8,
    unique_by=lambda one: (one.document_id, one.annotator, one.answered_at),
)


@given(ANNOTATIONS, st.randoms(use_true_random=False))
def test_the_order_of_a_file_does_not_matter(annotations: list[Annotation], chance: object) -> None:
    """Who said what when is all that counts."""
    other = list(annotations)
    chance.shuffle(other)  # type: ignore[attr-defined]
    for policy in ("majority", "skip"):
        assert resolve(annotations, policy) == resolve(other, policy)


@given(ANNOTATIONS)
def test_no_document_is_lost_or_settled_by_chance(annotations: list[Annotation]) -> None:
    """Each has an answer that more than half of its annotators gave last, or is counted as contradicted."""
    found = resolve(annotations, "majority")
    assert len(found.answers) + found.contradicted == len({one.document_id for one in annotations})
    for answer in found.answers:
        latest = {one.annotator: one for one in sorted(annotations, key=lambda one: one.answered_at)
                  if one.document_id == answer.document_id}  # fmt: skip
        for task in ("sentiment", "topic"):
            counts = Counter(one.label(task) for one in latest.values())
            assert 2 * counts[getattr(answer, task)] > len(latest)


def test_annotators_who_agree_are_all_named() -> None:
    """With the time of the last of them."""
    (answer,) = resolve([annotation(who="bob", at=3), annotation(who="ann", at=5)], "error").answers
    assert (answer.annotator, answer.answered_at) == ("ann; bob", "2026-03-05T09:05:00.000Z")


def test_an_annotator_may_change_their_mind() -> None:
    """Their latest annotation counts; it contradicts nothing."""
    (answer,) = resolve([annotation("positive", at=9), annotation("negative", at=2)], "error").answers
    assert answer.sentiment == "positive"


def test_a_contradiction_is_an_error_that_names_the_task() -> None:
    """And who said what."""
    with pytest.raises(ConfigError) as caught:
        resolve([annotation(who="ann"), annotation("neutral", who="bob")], "error")
    assert str(caught.value) == (
        "answers.json, task d-1: annotators contradict each other on the sentiment: negative (ann), neutral (bob); "
        "see --on-conflict"
    )


def test_a_majority_settles_a_contradiction() -> None:
    """Who was outvoted isn't named as an annotator of the answer."""
    annotations = [annotation(who="ann"), annotation("neutral", who="bob"), annotation(who="cyd")]
    found = resolve(annotations, "majority")
    assert (found.answers[0].sentiment, found.answers[0].annotator) == ("negative", "ann; cyd")
    assert (found.by_majority, found.contradicted) == (1, 0)


def test_a_tie_is_no_majority() -> None:
    """The document is left out and counted."""
    found = resolve([annotation(who="ann"), annotation("neutral", who="bob")], "majority")
    assert found == Resolved([], by_majority=0, contradicted=1)


def test_contradictions_can_be_left_out() -> None:
    """The other documents are kept."""
    annotations = [
        annotation(who="ann"),
        annotation(topic="Macro", who="bob"),
        annotation(who="cyd"),
        annotation(document_id="d-2", text="Oil rises"),
    ]
    found = resolve(annotations, "skip")
    assert ([answer.document_id for answer in found.answers], found.contradicted) == (["d-2"], 1)


def test_annotations_without_a_name_may_be_of_several_people() -> None:
    """They are not taken for one who changed their mind."""
    with pytest.raises(ConfigError, match=r"negative \(unknown\), neutral \(unknown\)"):
        resolve([annotation(who=""), annotation("neutral", who="")], "error")


def test_documents_with_the_same_text_have_the_same_labels() -> None:
    """One person who says different things of two of them has not changed their mind: nothing says which is right."""
    annotations = [annotation(at=1), annotation("neutral", at=2, document_id="d-2")]
    said = r"task d-2: .* sentiment: negative \(ann\), neutral \(ann\); documents 'd-1', 'd-2' have the same text; see"
    with pytest.raises(ConfigError, match=said):
        resolve(annotations, "error")
    assert resolve(annotations, "skip") == resolve(annotations, "majority") == Resolved([], 0, contradicted=2)
    found = resolve([*annotations, annotation(who="bob", document_id="d-3")], "majority")
    assert [(one.document_id, one.sentiment) for one in found.answers] == [(f"d-{i}", "negative") for i in (1, 2, 3)]
    assert found.by_majority == 3


def test_a_document_gets_no_label_by_its_text_alone() -> None:
    """What was asked of another document with that text stays there."""
    annotations = [annotation(topic=None), annotation(None, document_id="d-2")]
    found = resolve(annotations, "error").answers
    assert [(one.sentiment, one.topic) for one in found] == [("negative", None), (None, "Earnings")]


def test_labels_of_different_tasks_complete_each_other() -> None:
    """One annotator knows the sentiment, another the topic."""
    (answer,) = resolve([annotation(topic=None), annotation(None, who="bob")], "error").answers
    assert (answer.sentiment, answer.topic, answer.annotator) == ("negative", "Earnings", "ann; bob")


def test_two_texts_under_one_document_are_an_error() -> None:
    """Both are named."""
    with pytest.raises(ConfigError, match=r"document 'd-1' is 'Oil rises', and .*task d-1 has 'Oil falls'"):
        resolve([annotation(), annotation(who="bob", text="Oil rises")], "skip")
