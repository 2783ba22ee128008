"""Documents that could be put before a person: each with the text the model read and the group of its copies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from monitor.classify.isolate import model_text
from monitor.ingest.normalise import clean_text
from monitor.messages import Document, Score, ScoredDocument, Story
from pipelines.datasets.splits import clusters_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scored document.

    Attributes:
        text: what the model read of it, cleaned: what a label is a label of.
        group: number of its group; copies of a story and near-duplicates are in one.
    """

    document: Document
    story: Story
    score: Score
    text: str
    group: int


@dataclass(frozen=True, slots=True)
class Taken:
    """A text that is not to be asked about again, nor anything like it; its story and document, where they are known."""

    text: str
    story: str | None = None
    document_id: str | None = None


@dataclass(frozen=True, slots=True)
class Candidates:
    """All of them, in the order of their ids, and the groups that a taken text is in."""

    all: list[Candidate]
    taken_groups: frozenset[int]


def candidates_of(documents: Iterable[ScoredDocument], taken: Sequence[Taken]) -> Candidates:
    """Groups the documents that have a score and some text; of copies of one id the last stands.

    Args:
        documents: as they were scored.
        taken: what was asked about before, or never may be.
    """
    by_id = {scored.document.id: scored for scored in documents if scored.score and not scored.story.repeated}
    chosen = [(scored, text) for _, scored in sorted(by_id.items()) if (text := _text_of(scored.document))]
    clusters = clusters_of([*(text for _, text in chosen), *(one.text for one in taken)])
    # A number is nothing's id: what is of no known story or document is alone in it.
    stories = [scored.story.id for scored, _ in chosen], [one.story or number for number, one in enumerate(taken)]
    ids = [scored.document.id for scored, _ in chosen], [one.document_id or number for number, one in enumerate(taken)]
    groups = joined(clusters, [*stories[0], *stories[1]], [*ids[0], *ids[1]])
    found = [
        Candidate(scored.document, scored.story, scored.score, text, group)
        for (scored, text), group in zip(chosen, groups, strict=False)
        if scored.score
    ]
    return Candidates(found, frozenset(groups[len(chosen) :]))


def joined(*labelings: Sequence[Hashable]) -> list[int]:
    """Returns a group number per item; items that share a label in any labeling share one, by way of others too."""
    size = len(labelings[0])
    members: dict[tuple[int, Hashable], list[int]] = defaultdict(list)
    for kind, labels in enumerate(labelings):
        for item, label in enumerate(labels):
            members[kind, label].append(item)
    groups = [-1] * size
    for start in range(size):
        waiting = [start] if groups[start] < 0 else []
        while waiting:
            item = waiting.pop()
            if groups[item] < 0:
                groups[item] = start
                for kind, labels in enumerate(labelings):
                    # Emptied, so that a large group is walked once and not once for each of its members.
                    waiting += members.pop((kind, labels[item]), [])
    return groups


def _text_of(document: Document) -> str:
    return clean_text(model_text(document))
