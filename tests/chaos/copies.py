"""Copies of documents that land in other partitions, so that another worker reads them: the same id again, and reprints.

Whichever of them is read first is a matter of timing. So all that is counted of a copy is its original's: the moment, the
topic, the sentiment, the companies. What must be counted is then certain, but not where. All that a reprint has for itself is
its mark (`marks.py`).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, fields

from tests.chaos.marks import Marker
from tests.headlines import Headline

# Only a fifth of the stories may have copies, so that only their documents need marks: the trends keep counters for each. Of
# all documents then about one in twenty comes again, and one in ten is reprinted.
_STORY_SHARE = 0.2
_REPEATED_SHARE = 1 / 7
_REPRINT_SHARE = 1 / 4
# Some 17 seconds at the usual rate, longer than a worker's session: the original's worker may be another by then.
_REACH = 1_700
Message = tuple[bytes, bytes]


@dataclass(frozen=True)
class Reprint(Headline):
    """A headline as another paper runs it: other words behind it, the story's by the same marks."""

    @property
    def title(self) -> str:
        """The original's, and who printed it."""
        return f"{super().title} - Example Press"


class Scatter:
    """Draws copies and their keys, which put three in four of them into another partition than their original.

    Args:
        draw: where chance comes from.
        before_ms: no headline is published before this instant.
    """

    def __init__(self, draw: random.Random, before_ms: int) -> None:
        self._draw = draw
        self._marker = Marker(before_ms)
        self._stories: set[str] = set()
        self._passed = 0
        # By how many headlines will have passed then: documents that come again, and reprints.
        self._due: dict[int, list[Headline]] = defaultdict(list)
        self._reprints = 0
        self._sent: set[str] = set()

    def marked(self, headline: Headline) -> Headline:
        """The headline as it is to be sent: with a mark, if its story may have copies."""
        if not headline.tells and self._draw.random() < _STORY_SHARE:
            self._stories.add(headline.id)
        return self._marker.mark(headline) if _story_of(headline) in self._stories else headline

    def after(self, headline: Headline) -> Iterator[tuple[Headline, Message]]:
        """Copies to send behind a headline: of it, so that both are read at once, or of an earlier one.

        Args:
            headline: as `marked` returned it.

        Yields:
            The document, and its message under a key of its own.
        """
        self._passed += 1
        self._plan(headline)
        while due := self._due[self._passed]:
            copy = due.pop(0)
            if isinstance(copy, Reprint) and copy.id not in self._sent:
                self._sent.add(copy.id)
                self._plan(copy)
                yield copy, (copy.id.encode(), copy.message)
            else:
                yield copy, (f"{copy.id} {self._draw.random()}".encode(), copy.message)
        del self._due[self._passed]

    def _plan(self, document: Headline) -> None:
        """Draws which copies of a document will come, and when."""
        if _story_of(document) not in self._stories:
            return
        while self._draw.random() < _REPEATED_SHARE:
            self._due[self._moment()].append(document)
        while document.scorable and self._draw.random() < _REPRINT_SHARE:
            self._reprints += 1
            reprint = reprint_of(document, f"{document.id}-reprint-{self._reprints}")
            self._due[self._moment()].append(self._marker.mark(reprint))

    def _moment(self) -> int:
        """At once, or after at most as many headlines as have passed, so that short runs have copies too."""
        at_once = self._draw.random() < 0.5
        return self._passed + (0 if at_once else self._draw.randint(1, min(_REACH, self._passed)))


def _story_of(headline: Headline) -> str:
    return headline.tells or headline.id


def reprint_of(original: Headline, id: str) -> Reprint:
    """The same story under an id of its own."""
    values = {field.name: getattr(original, field.name) for field in fields(Headline)}
    return Reprint(**values | {"id": id, "tells": original.tells or original.id})
