"""A worker that gives the claims of a batch back which it may not apply any more, to whomever they belong: a saboteur.

That looks like tidying up. But whoever has taken its partition over read the same records, and counts on the very same claims:
without them the next copy counts once more. The shipped step refuses it by the epoch. Usage: as worker_program.py.
"""

from __future__ import annotations

import sys

from monitor.adapters.redis_connection import Client
from monitor.adapters.redis_novelty import RedisStoryMemory
from monitor.adapters.redis_trends import RedisTrends
from monitor.messages import ApplyOutcome, ApplyResult, PartitionUpdate
from monitor.settings import TrendSettings

# Later than any that there is, so that no claim is held to be another's.
LAST_EPOCH = 2**53


class GenerousTrends(RedisTrends):
    """Made as the shipped one."""

    def __init__(self, client: Client, prefix: str, settings: TrendSettings) -> None:
        super().__init__(client, prefix, settings)
        self._memory = RedisStoryMemory(client, prefix, horizon_seconds=1)

    def apply(self, update: PartitionUpdate) -> ApplyOutcome:
        """See TrendStore."""
        outcome = super().apply(update)
        if outcome.result is ApplyResult.STALE_EPOCH:
            self._memory.forget(update.claims, {claim.partition: LAST_EPOCH for claim in update.claims})
        return outcome


if __name__ == "__main__":
    from monitor import app
    from tests import worker_program

    setattr(app, RedisTrends.__name__, GenerousTrends)
    sys.exit(worker_program.main())
