"""Ranks documents by what a person's answer would teach, and chooses from the rankings in turn.

Guarantees: a function of its input (ties go by document id); one document of a group of copies is chosen, at most.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

from monitor.ingest.normalise import clean_text
from monitor.messages import Score
from pipelines.labels.alerts import Alert, AlertStory
from pipelines.labels.candidates import Candidate


@dataclass(frozen=True, slots=True)
class Pick:
    """A document, which strategy picked it, and why; of what the model said of it the reason names no label."""

    candidate: Candidate
    strategy: str
    why: str


def margin_of(score: Score) -> float:
    """How far the most probable sentiment is ahead of the next (margin sampling, Scheffer et al., 2001), in [0, 1]."""
    first, second = sorted(score.probabilities, reverse=True)[:2]
    return first - second


def least_certain(candidates: Iterable[Candidate]) -> list[Pick]:
    """Every candidate, least certain first: by sentiment and by topic in turn, since their margins don't compare.

    Of the topic a scored record has the best probability p alone; the margin is at least 2p - 1, so p ranks by that.
    """
    listed = list(candidates)
    by_sentiment = sorted(listed, key=lambda one: (round(margin_of(one.score), 9), one.document.id))
    by_topic = sorted(listed, key=lambda one: (one.score.topic_probability, one.document.id))
    picks = chain.from_iterable(
        (
            Pick(one, "margin", f"sentiment margin {margin_of(one.score):.3f}"),
            Pick(other, "margin", f"topic probability {other.score.topic_probability:.3f}"),
        )
        for one, other in zip(by_sentiment, by_topic, strict=True)
    )
    return _first_of_each(picks)


def disagreeing(candidates: Iterable[Candidate]) -> list[Pick]:
    """Documents whose label differs from most of their copies', those with most such copies first."""
    groups: dict[int, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[candidate.group].append(candidate)
    found: list[tuple[int, float, str, Pick]] = []
    for copies in groups.values():
        for task in ("sentiment", "topic"):
            labels = Counter(_label(one, task) for one in copies)
            for one in copies:
                others, differing = len(copies) - 1, len(copies) - labels[_label(one, task)]
                if 2 * differing > others:
                    pick = Pick(one, "disagreement", f"{task} differs from {differing} of {others} copies")
                    found.append((-differing, margin_of(one.score), one.document.id, pick))
    found.sort(key=lambda row: row[:3])
    return _first_of_each(pick for *_, pick in found)


def behind_alerts(candidates: Iterable[Candidate], alerts: Sequence[Alert]) -> list[Pick]:
    """The documents that told the stories behind alerts first: each alert's best evidence, then each one's second."""
    index = _StoryIndex(candidates)
    rows = [
        [(alert, candidate) for story in alert.stories if (candidate := index.find(story)) is not None]
        for alert in alerts
    ]
    in_turn = chain.from_iterable(zip_longest(*rows))
    return _first_of_each(
        Pick(candidate, "alerts", f"behind the spike of {alert.dimension} {alert.key} since {alert.start}")
        for alert, candidate in (entry for entry in in_turn if entry is not None)
    )


def choose(rankings: Mapping[str, Sequence[Pick]], closed: Iterable[int], limit: int) -> list[Pick]:
    """Takes the best of each ranking in turn, so that each has an equal share; who has no more leaves it to the others.

    The shortest ranking goes first: a group that it needs is one of many to the longest.

    Args:
        rankings: by strategy, best first.
        closed: groups that nothing may be chosen from.
        limit: takes at most so many.
    """
    taken = set(closed)
    waiting = {name: iter(rankings[name]) for name in sorted(rankings, key=lambda name: (len(rankings[name]), name))}
    chosen: list[Pick] = []
    while waiting:
        for name in list(waiting):
            if len(chosen) >= limit:
                return chosen
            pick = next((pick for pick in waiting[name] if pick.candidate.group not in taken), None)
            if pick is None:
                del waiting[name]
            else:
                chosen.append(pick)
                taken.add(pick.candidate.group)
    return chosen


class _StoryIndex:
    """Finds the document that told a story first: by story id, or by address, or by title and source."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._found: dict[tuple[str, ...], Candidate] = {}
        order = sorted(candidates, key=lambda one: (not one.story.first, one.document.available_ms, one.document.id))
        for one in order:
            document = one.document
            for key in _keys(AlertStory(one.story.id, document.url, document.headline, document.source)):
                self._found.setdefault(key, one)

    def find(self, story: AlertStory) -> Candidate | None:
        return next((self._found[key] for key in _keys(story) if key in self._found), None)


def _keys(story: AlertStory) -> list[tuple[str, ...]]:
    """What a story is known by, surest first."""
    keys = [("story", story.story), ("url", story.url)]
    named = [(kind, value) for kind, value in keys if value]
    return [*named, ("title", clean_text(story.title), story.source)]


def _label(candidate: Candidate, task: str) -> str:
    return candidate.score.sentiment if task == "sentiment" else candidate.score.topic


def _first_of_each(picks: Iterable[Pick]) -> list[Pick]:
    found: dict[str, Pick] = {}
    for pick in picks:
        found.setdefault(pick.candidate.document.id, pick)
    return list(found.values())
