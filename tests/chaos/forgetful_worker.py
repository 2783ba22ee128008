"""A worker that shares with no other which documents and stories it has seen: a saboteur.

A kill test that calls a run with it exact feeds no copies that another worker reads. Usage: as worker_program.py.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.messages import ApplyOutcome, PartitionUpdate


class OwnMemory(MemoryStoryMemory):
    """Made as the one in Redis."""

    def __init__(self, *_: object) -> None:
        super().__init__()


class UncheckedTrends(RedisTrends):
    """Doesn't miss in Redis the claims that a worker has made for itself."""

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        return super().apply(replace(update, claims=()))


if __name__ == "__main__":
    from monitor import app
    from tests import worker_program

    setattr(app, RedisStoryMemory.__name__, OwnMemory)
    setattr(app, RedisTrends.__name__, UncheckedTrends)
    sys.exit(worker_program.main())
