"""Clients of a Kafka that nobody answers for: each says so in time, and leaves nothing running behind."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from monitor.adapters.kafka_connection import wait_until_reachable
from monitor.adapters.kafka_sink import KafkaSink
from monitor.adapters.kafka_source import KafkaSource
from monitor.adapters.memory_trends import MemoryTrends
from monitor.errors import MonitorError
from monitor.messages import DeadLetter, RawRecord
from monitor.settings import KafkaSettings
from tests.fakes import ManualClock

pytestmark = [
    pytest.mark.usefixtures("refused_connections"),
    # kafka-python leaves the socket of a connection that is refused to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
_FLUSH_SECONDS = 10.0 / 3


@pytest.fixture
def away() -> Iterator[KafkaSettings]:
    """A port that is taken, and that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield KafkaSettings(
            bootstrap_servers=f"127.0.0.1:{taken.getsockname()[1]}",
            connect_timeout_seconds=0.1,
            max_poll_interval_seconds=10.0,
        )


def _read(settings: KafkaSettings) -> None:
    KafkaSource(settings, MemoryTrends().assign, lambda *_: None, lambda records: None, lambda *_: None)


def _write(settings: KafkaSettings) -> None:
    sink = KafkaSink(settings, ManualClock())
    sink.publish_dead([DeadLetter(RawRecord(0, 1, b"key", b"value", 0), "oversized", "")])


def _ask(settings: KafkaSettings) -> None:
    wait_until_reachable(settings, ManualClock())


@pytest.mark.parametrize("use", [_read, _write, _ask])
def test_a_client_that_finds_no_broker_leaves_no_thread_and_no_selector(
    away: KafkaSettings, use: Callable[[KafkaSettings], None]
) -> None:
    """A start-up that waits makes one each time that it tries again."""
    threads, pollers = set(threading.enumerate()), _pollers()
    with pytest.raises(MonitorError, match="Kafka"):
        use(away)
    assert set(threading.enumerate()) <= threads
    assert _pollers() <= pollers


def test_a_producer_that_finds_no_broker_holds_up_the_loop_no_longer_than_a_flush(away: KafkaSettings) -> None:
    """A third of what the group waits for its worker: an outage of the broker doesn't cost the partitions too."""
    began = monotonic()
    with pytest.raises(MonitorError, match="Kafka"):
        _write(away)
    assert monotonic() - began < 2 * _FLUSH_SECONDS


def _pollers() -> int:
    """How many selectors are open: clients of other tests may open sockets meanwhile, and each has one selector."""
    gc.collect()  # the refused sockets, see above
    return sum("eventpoll" in str(path.resolve()) for path in Path("/proc/self/fd").glob("*"))
