"""Batches by padded tokens, not by count: a batch costs its longest text times its size."""

from __future__ import annotations

from collections.abc import Sequence


def token_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Groups indices of texts into batches of similar length.

    Every index appears once; a batch's padded size, longest length times count, is at most `max_tokens` unless it holds
    a single text.

    Args:
        lengths: tokens per text.
        max_tokens: the budget of a batch.
    """
    batches: list[list[int]] = []
    current: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        # Ascending order, so the newcomer is the longest.
        if current and lengths[index] * (len(current) + 1) > max_tokens:
            batches.append(current)
            current = []
        current.append(index)
    if current:
        batches.append(current)
    return batches
