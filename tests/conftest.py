"""What all tests share: one Kafka and one Valkey a session, names of its own for each test, and browsers if there are.

Servers that the tests need and can't have are a failure; a browser or a Prometheus that isn't there is a skip.
"""

from __future__ import annotations

import gc
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
from kafka import KafkaAdminClient
from prometheus_client import CollectorRegistry

from monitor.demo.alerting import find_programs
from monitor.embedded.kafka import EmbeddedKafka
from monitor.embedded.services import EmbeddedServices
from monitor.embedded.valkey import EmbeddedValkey
from monitor.settings import Settings

ROOT = Path(__file__).parents[1]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class SettingsFactory(Protocol):
    """Makes settings for one test: its own topics, group, key prefix and ports; given sections change keys of them."""

    def __call__(self, **sections: Mapping[str, object]) -> Settings:
        """Returns the settings."""


@pytest.fixture(scope="session")
def _services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServices]:
    """Both servers of the session, each started by the first test that asks for it."""
    services = EmbeddedServices(run_dir=tmp_path_factory.mktemp("services"), say=lambda line: None)
    yield services
    services.stop()


@pytest.fixture(scope="session")
def kafka(_services: EmbeddedServices) -> EmbeddedKafka:
    """The session's Kafka."""
    _services.kafka.start()
    return _services.kafka


@pytest.fixture(scope="session")
def valkey(_services: EmbeddedServices) -> EmbeddedValkey:
    """The session's Valkey, which no test may stop or fill."""
    _services.valkey.start()
    return _services.valkey


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey for one test, which may do to it what it likes."""
    with EmbeddedValkey(tmp_path / "own-valkey", lambda line: None) as server:
        yield server


@pytest.fixture
def refused_connections() -> Iterator[None]:
    """For tests that dial a Kafka in vain: the library leaves such sockets to the garbage collector.

    They are collected when the test is over; it ignores the warning itself. Log records of the library would hold them.
    """
    logger = logging.getLogger("kafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)
    gc.collect()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def registry() -> CollectorRegistry:
    """A fresh registry."""
    return CollectorRegistry()


@pytest.fixture
def redis_client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    """A client of the session's Valkey."""
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest.fixture
def admin(kafka: EmbeddedKafka) -> Iterator[KafkaAdminClient]:
    """An admin client of the session's Kafka."""
    client = KafkaAdminClient(bootstrap_servers=kafka.address)
    yield client
    client.close()


@pytest.fixture
def make_settings(kafka: EmbeddedKafka, valkey: EmbeddedValkey, name: str) -> SettingsFactory:
    """Settings for the session's servers."""
    base: dict[str, dict[str, Any]] = {
        "kafka": {
            "bootstrap_servers": kafka.address,
            "raw_topic": f"{name}.raw",
            "scored_topic": f"{name}.scored",
            "dead_topic": f"{name}.dead",
            "group_id": name,
            "partitions": 2,
            "session_timeout_seconds": 6.0,
            "connect_timeout_seconds": 10.0,
        },
        "redis": {"url": valkey.url, "key_prefix": name, "connect_timeout_seconds": 10.0},
        "worker": {"port": 0},
        "exporter": {"port": 0},
    }

    def make(**sections: Mapping[str, object]) -> Settings:
        names = {*base, *sections}
        return Settings.model_validate(
            {section: base.get(section, {}) | dict(sections.get(section, {})) for section in names}
        )

    return make


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium; the test is skipped where there is none."""
    for program in _BROWSERS:
        if path := shutil.which(program):
            return path
    pytest.skip(f"none of {', '.join(_BROWSERS)} is on PATH (Debian: apt install chromium)")


@pytest.fixture(scope="session")
def alerting_programs() -> tuple[str, str]:
    """Paths of prometheus and alertmanager; the test is skipped where one is missing."""
    programs = find_programs()
    if programs is None:
        pytest.skip(
            "prometheus and alertmanager are not both on PATH (Debian: apt install prometheus prometheus-alertmanager)"
        )
    return programs
