"""Clusters for the integration tests, each started by the first test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from monitor.adapters import redis_connection
from monitor.settings import RedisSettings
from tests.clusters.valkey_cluster import ValkeyCluster


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """The session's cluster of three masters without replicas, which no test may stop or fill."""
    with ValkeyCluster(tmp_path_factory.mktemp("valkey-cluster"), replicas=0) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster_client(valkey_cluster: ValkeyCluster) -> Iterator[redis_connection.Client]:
    """A client of it, as the program makes it."""
    with redis_connection.connect(RedisSettings.model_validate(valkey_cluster.settings)) as client:
        yield client
