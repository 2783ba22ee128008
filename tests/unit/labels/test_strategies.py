"""Laws of what is worth a person's time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitor.messages import ScoredDocument
from pipelines.labels.alerts import Alert, AlertStory
from pipelines.labels.candidates import Candidate, candidates_of
from pipelines.labels.strategies import Pick, behind_alerts, choose, disagreeing, least_certain, margin_of
from tests.unit.labels.written import headline, told

NEGATIVE, NEUTRAL = (0.8, 0.15, 0.05), (0.1, 0.8, 0.1)


def ids(picks: list[Pick]) -> list[str]:
    """The documents picked, in order."""
    return [pick.candidate.document.id for pick in picks]


def among(*documents: ScoredDocument) -> list[Candidate]:
    """The candidates."""
    return candidates_of(documents, []).all


def test_the_least_certain_come_first_by_sentiment_and_by_topic_in_turn() -> None:
    """A sure sentiment doesn't hide a doubtful topic, and every document comes once."""
    candidates = among(
        told("a", headline(1), (0.4, 0.35, 0.25), topic_probability=0.95),
        told("b", headline(2), (0.9, 0.06, 0.04), topic_probability=0.3),
        told("c", headline(3), (0.5, 0.3, 0.2), topic_probability=0.9),
        told("d", headline(4), (0.8, 0.1, 0.1), topic_probability=0.5),
    )
    picks = least_certain(candidates)
    assert ids(picks) == ["a", "b", "c", "d"]
    assert [pick.why for pick in picks[:2]] == ["sentiment margin 0.050", "topic probability 0.300"]


@given(st.lists(st.integers(0, 100), min_size=3, max_size=3).filter(any))
def test_a_margin_is_the_lead_of_the_best_class(weights: list[int]) -> None:
    """Between 0 and 1, whatever the order of the classes."""
    total = sum(weights)
    negative, neutral, positive = (weight / total for weight in weights)
    margin = margin_of(told("a", "Oil falls", (negative, neutral, positive)).score)  # type: ignore[arg-type]
    assert margin == margin_of(told("a", "Oil falls", (positive, negative, neutral)).score)  # type: ignore[arg-type]
    assert 0 <= margin <= 1


def test_a_document_that_differs_from_most_of_its_copies_is_picked() -> None:
    """Not those that it differs from, and nothing of a story that is labelled alike."""
    copies = [told(f"a-{i}", headline(1), NEGATIVE, of="a") for i in range(3)]
    odd = told("odd", headline(1), NEUTRAL, of="a")
    alike = [told(f"b-{i}", headline(2), NEGATIVE) for i in range(3)]
    picks = disagreeing(among(*copies, odd, *alike))
    assert ids(picks) == ["odd"]
    assert picks[0].why == "sentiment differs from 3 of 3 copies"


def test_topics_can_disagree_too() -> None:
    """The reason says on which task."""
    copies = [told(f"a-{i}", headline(1)) for i in range(2)]
    picks = disagreeing(among(*copies, told("odd", headline(1), topic="Macro")))
    assert [(pick.candidate.document.id, pick.why) for pick in picks] == [("odd", "topic differs from 2 of 2 copies")]


def test_more_copies_against_a_document_weigh_more() -> None:
    """A pair that differs is two documents at odds, either of which differs from all its copies."""
    many = [told(f"a-{i}", headline(1)) for i in range(4)]
    pair = [told("b-0", headline(2), NEGATIVE), told("b-1", headline(2), NEUTRAL)]
    assert ids(disagreeing(among(*pair, *many, told("odd", headline(1), NEUTRAL)))) == ["odd", "b-0", "b-1"]


def test_stories_behind_alerts_are_picked_in_turn() -> None:
    """The best evidence of each alert, then the second; a story behind two of them once."""
    stories = [AlertStory(f"s-{i}", "", headline(i), "Example Wire") for i in range(4)]
    alerts = [
        Alert("topic", "Earnings", "2026-03-04T11:00:00Z", tuple(stories[:3])),
        Alert("entity", "AAPL", "2026-03-04T11:30:00Z", (stories[0], stories[3])),
    ]
    picks = behind_alerts(among(*(told(f"s-{i}", headline(i)) for i in range(5))), alerts)
    assert ids(picks) == ["s-0", "s-1", "s-3", "s-2"]
    assert picks[2].why == "behind the spike of entity AAPL since 2026-03-04T11:30:00Z"


def test_a_story_is_known_by_its_id_its_address_or_its_title() -> None:
    """The first to tell it is asked about, if it is there; a story that nobody here told is passed over."""
    candidates = among(
        told("copy", headline(1), of="first", published_ms=1),
        told("first", headline(1), published_ms=2),
        told("linked", headline(2)),
        told("titled", headline(3), url="", source="Other Wire"),
    )
    told_of = [
        AlertStory("first", "", "", ""),
        AlertStory("", "https://example.com/linked", "", ""),
        AlertStory("", "", headline(3), "Other Wire"),
        AlertStory("gone", "", headline(4), "Example Wire"),
        AlertStory("", "", headline(2), "Another Wire"),
    ]
    picks = behind_alerts(candidates, [Alert("topic", "Earnings", "2026-03-04T11:00:00Z", tuple(told_of))])
    assert ids(picks) == ["first", "linked", "titled"]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.integers(0, 9)), max_size=25), st.integers(1, 12))
def test_a_choice_is_short_fair_and_never_repeats(rows: list[tuple[int, int, int]], limit: int) -> None:
    """At most the limit, at most one of a group, none of a closed one, and the same for any order of the input."""
    documents = [
        told(f"d-{i}", headline(story), (0.1 * doubt / 2, 0.1, 0.9 - 0.1 * doubt / 2), topic_probability=topic / 10)
        for i, (story, doubt, topic) in enumerate(rows)
    ]

    def chosen(given_documents: list[ScoredDocument]) -> list[Pick]:
        candidates = among(*given_documents)
        closed = {one.group for one in candidates if one.text == headline(0)}
        return choose({"a": least_certain(candidates), "b": disagreeing(candidates)}, closed, limit)

    picks = chosen(documents)
    assert len(picks) <= limit
    told_texts = [pick.candidate.text for pick in picks]
    assert len(set(told_texts)) == len(told_texts)
    assert headline(0) not in told_texts
    assert len(picks) == min(limit, len({story for story, _, _ in rows} - {0}))
    assert [(pick.candidate.document, pick.why) for pick in picks] == [
        (pick.candidate.document, pick.why) for pick in chosen(documents[::-1])
    ]


def test_each_strategy_has_an_equal_share_and_leaves_what_it_cannot_use() -> None:
    """Who has least goes first; what it leaves goes to the others."""
    candidates = among(*(told(f"d-{i}", headline(i)) for i in range(20)))
    many = [Pick(one, "many", "") for one in candidates]
    few = [Pick(one, "few", "") for one in candidates[-2:]]
    assert [pick.strategy for pick in choose({"many": many, "few": few}, (), 4)] == ["few", "many", "few", "many"]
    assert sum(pick.strategy == "many" for pick in choose({"many": many, "few": few}, (), 12)) == 10
