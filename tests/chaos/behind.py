"""The stories that the trends keep behind a subject, and how often each was told again, against what was sent.

Certain is: which stories were negative, so that each is kept once for each of its subjects (unless more negative ones, or
among equals those behind it in order, fill its bucket), with the words of the document that began it; and that every other
document of the story is one copy. Which of them began it is a matter of timing: any may, where it was read.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from monitor.adapters import redis_connection
from monitor.messages import Evidence, Subject
from monitor.settings import Settings, TrendSettings
from tests.chaos.expected import Stories, Told
from tests.chaos.marks import is_mark, own_name
from tests.headlines import Headline
from tests.keyword_classifier import PROBABILITIES

# Partition, start of the coarse bucket.
Hour = tuple[int, int]


@dataclass(slots=True)
class Kept:
    """What the trends keep.

    Attributes:
        evidence: by hour and subject, each member with its weight, the lightest first.
        copies: by hour, how often stories were told again, by story id.
    """

    evidence: dict[tuple[Hour, Subject], list[tuple[bytes, float]]] = field(default_factory=dict)
    copies: dict[Hour, Counter[str]] = field(default_factory=dict)


def read_kept(settings: Settings) -> Kept:
    """Reads every key there is, also those that no exporter would ask for."""
    prefix = settings.redis.key_prefix
    kept = Kept()
    client: Any = redis_connection.connect(settings.redis)
    try:
        for key in client.scan_iter(match=f"{prefix}:{{*}}:e:*", count=1000):
            _, partition, _, start, dimension, name = key.decode().split(":", 5)
            hour = (int(partition.strip("{}")), int(start))
            kept.evidence[hour, (dimension, name)] = client.zrange(key, 0, -1, withscores=True)
        for key in client.scan_iter(match=f"{prefix}:{{*}}:c:*", count=1000):
            _, partition, _, start = key.decode().split(":")
            row = client.hgetall(key)
            hour = (int(partition.strip("{}")), int(start))
            kept.copies[hour] = Counter({story.decode(): int(amount) for story, amount in row.items()})
    finally:
        client.close()
    return kept


def faults_of(kept: Kept, stories: Stories, settings: TrendSettings) -> list[str]:
    """What is kept and should not be, or the other way round; a line for each.

    Args:
        kept: what the trends keep.
        stories: every document that must be counted.
        settings: length of a coarse bucket, and how much evidence each keeps.
    """
    return list(_Comparison(kept, stories, settings).faults())


class _Comparison:
    def __init__(self, kept: Kept, stories: Stories, settings: TrendSettings) -> None:
        self._kept, self._settings = kept, settings
        self._stories = {
            root: members for root, members in stories.items() if _is_negative(next(iter(members.values())).headline)
        }
        self._root_of = {id_: root for root, members in self._stories.items() for id_ in members}
        # By story: where it is kept for each subject, and under which document's id.
        self._found: dict[str, dict[Subject, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
        self._again: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)

    def faults(self) -> Iterator[str]:
        limit = self._settings.evidence_per_bucket
        for (hour, subject), kept in self._kept.evidence.items():
            if len(kept) > limit:
                yield f"{hour} {subject}: {len(kept)} stories are kept, {limit} is the most"
            for member, weight in kept:
                yield from self._take_in(hour, subject, member, weight)
        for hour, amounts in self._kept.copies.items():
            for id_, amount in amounts.items():
                told = self._told(id_)
                if told is None or self._hour_of(told.headline) != hour[1]:
                    yield f"{hour}: {amount} copies of {id_}, which is no negative story of that hour"
                else:
                    self._again[self._root_of[id_]][hour[0], id_] += amount
        for root, members in self._stories.items():
            yield from self._judge(root, members)

    def _take_in(self, hour: Hour, subject: Subject, member: bytes, weight: float) -> Iterator[str]:
        """Notes a story that is kept, if it is what the document of its id would leave."""
        evidence = Evidence(*json.loads(member))
        told = self._told(evidence.story_id)
        wanted = told and evidence_of(told.headline)
        if told is None or (evidence, weight) != (wanted, evidence.negative_probability):
            yield f"{hour} {subject}: {evidence} is kept, told was {wanted}"
        elif subject not in _subjects(told.headline) or self._hour_of(told.headline) != hour[1]:
            yield f"{hour} {subject}: {evidence.story_id} is kept, which belongs elsewhere"
        elif hour[0] not in told.places:
            yield f"{hour} {subject}: {evidence.story_id} is kept, which was never there"
        else:
            root = self._root_of[evidence.story_id]
            self._found[root][_whose(subject, root)].append((hour[0], evidence.story_id))

    def _judge(self, root: str, members: Mapping[str, Told]) -> Iterator[str]:
        found, again = self._found[root], self._again[root]
        headline = next(iter(members.values())).headline
        for subject in [_whose(subject, root) for subject in _subjects(headline)]:
            if len(found[subject]) > 1:
                yield f"story {root}: kept {len(found[subject])} times for {subject}: {found[subject]}"
            elif not found[subject] and not any(self._may_be_cut(told, subject) for told in members.values()):
                yield f"story {root}: not kept for {subject}"
        if sum(again.values()) != len(members) - 1:
            yield f"story {root}: {len(members)} documents tell it, {sum(again.values())} of them again: {dict(again)}"
            return
        begun = {id_ for places in found.values() for _, id_ in places} | {id_ for _, id_ in again}
        if len({place for places in found.values() for place, _ in places}) > 1 or len(begun) > 1:
            yield f"story {root}: begun more than once: {dict(found)}, {dict(again)}"
            return
        for first in begun:
            yield from self._judge_places(root, members, first)

    def _judge_places(self, root: str, members: Mapping[str, Told], first: str) -> Iterator[str]:
        """A partition has at least the copies that lie nowhere else, and at most those that lie there too."""
        others = [told.places for id_, told in members.items() if id_ != first]
        for place in sorted(set().union(*others, {place for place, _ in self._again[root]})):
            amount = self._again[root][place, first]
            least, most = sum(places == {place} for places in others), sum(place in places for places in others)
            if not least <= amount <= most:
                yield f"story {root}: partition {place} has {amount} copies, {least} to {most} were read there"

    def _may_be_cut(self, told: Told, subject: Subject) -> bool:
        """Whether a bucket that would have kept this document is full of others that go before it."""
        evidence = evidence_of(told.headline)
        own = (evidence.negative_probability, json.dumps(astuple(evidence), ensure_ascii=False).encode())
        for place in told.places:
            members = self._kept.evidence.get(((place, self._hour_of(told.headline)), subject), [])
            if len(members) >= self._settings.evidence_per_bucket and own < (members[0][1], members[0][0]):
                return True
        return False

    def _told(self, id_: str) -> Told | None:
        root = self._root_of.get(id_)
        return None if root is None else self._stories[root][id_]

    def _hour_of(self, headline: Headline) -> int:
        length_ms = self._settings.coarse_bucket_seconds * 1000
        return headline.published_ms // length_ms * length_ms


def evidence_of(headline: Headline) -> Evidence:
    """What is kept of a negative headline that began its story."""
    return Evidence(
        story_id=headline.id,
        title=headline.title,
        source="Test Wire",
        url=f"https://news.example/{headline.id}",
        kind=headline.kind,
        published_ms=headline.published_ms,
        negative_probability=PROBABILITIES["negative"][0],
    )


def _is_negative(headline: Headline) -> bool:
    return headline.sentiment == "negative"


def _subjects(headline: Headline) -> list[Subject]:
    return [("all", "all"), ("topic", headline.topic), *(("entity", ticker) for ticker in headline.tickers)]


def _whose(subject: Subject, story: str) -> Subject:
    """The subject; the story's own, if it is the mark of a document that may have begun it."""
    return ("entity", own_name(story)) if is_mark(subject[1]) else subject
