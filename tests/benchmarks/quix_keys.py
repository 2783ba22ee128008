"""What the Quix Streams job tells of its progress, beside the trends, under the same prefix."""

from __future__ import annotations

from monitor.settings import Settings


def started_key(settings: Settings) -> str:
    """Key that is set when the first document is read."""
    return f"{settings.redis.key_prefix}:started"


def applied_key(settings: Settings) -> str:
    """Key that counts the documents that are in the trends."""
    return f"{settings.redis.key_prefix}:applied"
