"""Laws of a role's start: it says what it waits for, and whoever waits by it ends when the role is told to stop."""

from __future__ import annotations

import threading

import pytest

from monitor.errors import TransientError
from monitor.starting import Starting, StoppedError
from tests.fakes import ManualClock

WAIT_SECONDS = 10.0
GONE = TransientError("connection refused", reason="redis_unreachable")


def test_it_tells_what_is_missing_and_why() -> None:
    """From a step's beginning on; the newest failure replaces the one before."""
    starting = Starting(ManualClock())
    starting.begin("model", "the models are being loaded")
    assert starting.told() == {"missing": ["model"], "why": "the models are being loaded"}
    starting.ask("redis", "Redis at r:6379")
    assert starting.told() == {"missing": ["redis"], "why": "Redis at r:6379 has not answered yet"}
    assert starting.failed(GONE) == "Redis at r:6379 does not answer: connection refused"
    starting.ask("kafka", "Kafka at k:9092")
    assert starting.told() == {"missing": ["kafka"], "why": "Kafka at k:9092 has not answered yet"}
    starting.failed(TransientError("not yet", reason="kafka_unavailable"))
    starting.failed(TransientError("timed out", reason="kafka_unavailable"))
    assert starting.told() == {"missing": ["kafka"], "why": "Kafka at k:9092 does not answer: timed out"}


def test_a_wait_ends_when_the_role_is_told_to_stop() -> None:
    """However long it would have been."""
    starting, ended = Starting(ManualClock()), threading.Event()

    def wait() -> None:
        with pytest.raises(StoppedError):
            starting.wait_seconds(3600.0)
        ended.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    starting.stop()
    assert ended.wait(WAIT_SECONDS)


def test_a_role_that_was_told_to_stop_begins_no_further_step() -> None:
    """The signal came in the middle of one that could not be interrupted."""
    starting = Starting(ManualClock())
    starting.begin("model", "the models are being loaded")
    starting.stop()
    assert starting.stopped
    with pytest.raises(StoppedError):
        starting.ask("redis", "Redis at r:6379")
