"""Copies of documents that land in other partitions, so that another worker reads them: the same id again, and reprints.

Whichever of them is read first is a matter of timing. So all that is counted of a copy is its original's: the moment, the
topic, the sentiment, the companies. What must be counted is then certain, but not where.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields

from tests.headlines import Headline

_REPEATED_SHARE = 0.05
_REPRINT_SHARE = 0.1
# Some 17 seconds at the usual rate, longer than a worker's session: the original's worker may be another by then.
_REACH = 2_000
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
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._recent: deque[Headline] = deque(maxlen=_REACH)

    def after(self, headline: Headline) -> Iterator[tuple[Headline, Message]]:
        """Copies to send behind a headline: of it, so that both are read at once, or of an earlier one.

        Yields:
            The document, and its message under a key of its own.
        """
        self._recent.append(headline)
        if self._draw.random() < _REPEATED_SHARE:
            again = self._original()
            yield again, (f"{again.id} {self._draw.random()}".encode(), again.message)
        if self._draw.random() < _REPRINT_SHARE and (original := self._original()).scorable:
            reprint = reprint_of(original, f"{headline.id}-reprint")
            self._recent.append(reprint)
            yield reprint, (reprint.id.encode(), reprint.message)

    def _original(self) -> Headline:
        return self._recent[-1] if self._draw.random() < 0.5 else self._draw.choice(self._recent)


def reprint_of(original: Headline, id: str) -> Reprint:
    """The same story under an id of its own."""
    values = {field.name: getattr(original, field.name) for field in fields(Headline)}
    return Reprint(**values | {"id": id, "tells": original.tells or original.id})
