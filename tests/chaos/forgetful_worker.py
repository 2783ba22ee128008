"""A worker that shares with no other which documents and stories it has seen: a saboteur.

A kill test that calls a run with it exact feeds no copies that another worker reads. Usage: as worker_program.py.
"""

from __future__ import annotations

import sys

from monitor.adapters.memory_novelty import MemoryStoryMemory
from monitor.adapters.redis_novelty import RedisStoryMemory


class OwnMemory(MemoryStoryMemory):
    """Made as the one in Redis."""

    def __init__(self, *_: object) -> None:
        super().__init__()


if __name__ == "__main__":
    from monitor import app
    from tests import worker_program

    setattr(app, RedisStoryMemory.__name__, OwnMemory)
    sys.exit(worker_program.main())
