"""Who is told what the classifiers do: batches, padding, and what was known already."""

from __future__ import annotations

from typing import Protocol


class ClassifyObserver(Protocol):
    """Told by the thread that classifies; `monitor.metrics.ClassifyMetrics` is one."""

    def batch_scored(self, text_tokens: int, padding_tokens: int) -> None:
        """A batch went through a model: tokens of its texts, and tokens that only filled it up."""

    def looked_up(self, hits: int, misses: int) -> None:
        """Of the rows of a round so many were known already or came twice, and so many were not."""


class Unobserved:
    """Implements ClassifyObserver: nobody listens."""

    def batch_scored(self, text_tokens: int, padding_tokens: int) -> None:
        """See ClassifyObserver."""

    def looked_up(self, hits: int, misses: int) -> None:
        """See ClassifyObserver."""
