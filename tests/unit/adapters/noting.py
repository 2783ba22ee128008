"""An observer of the classifiers that remembers what it was told."""

from __future__ import annotations


class Noting:
    """Implements ClassifyObserver."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, int]] = []  # tokens of texts, and padding
        self.hits = self.misses = 0

    def batch_scored(self, text_tokens: int, padding_tokens: int) -> None:
        """See ClassifyObserver."""
        self.batches.append((text_tokens, padding_tokens))

    def looked_up(self, hits: int, misses: int) -> None:
        """See ClassifyObserver."""
        self.hits += hits
        self.misses += misses
