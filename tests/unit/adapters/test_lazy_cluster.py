"""Laws of the client of a Redis Cluster that need no cluster."""

from __future__ import annotations

import logging

import pytest
from redis.exceptions import ClusterError

from monitor.adapters.redis_cluster import LazyCluster


def test_what_the_library_trips_over_is_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    """With its traceback: a mistake in a program must not pass for a cluster that changes."""
    caplog.set_level(logging.WARNING)
    client = LazyCluster([("127.0.0.1", 1)], {})
    for _ in range(2):
        with pytest.raises(ClusterError), client._learning():
            raise KeyError("a mistake")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)
