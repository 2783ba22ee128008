"""Workers as processes of their own, which are killed in the middle of a batch: nothing is lost, nothing counted twice."""

from __future__ import annotations

import json
import random
import secrets
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.system_clock import SystemClock
from monitor.settings import Settings
from tests.conftest import SettingsFactory
from tests.headlines import UNREADABLE, Headline, counts_of, headlines
from tests.integration.topics import end_positions, produce, read_all
from tests.integration.workers import ProcessWorker, difference, positions, stored_counts, wait_until_applied
from tests.waiting import eventually

DOCUMENTS = 1_500
SECONDS_PER_TEXT = 0.004
UNREADABLE_EVERY = 25
# Starting anew, a group waits for the session of the member that was killed to run out.
TAKEOVER_SECONDS = 60.0


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> Settings:
    """Four partitions, small batches."""
    made = make_settings(kafka={"partitions": 4, "max_poll_records": 40})
    ensure_topics(admin, made.kafka)
    return made


@pytest.fixture
def told(settings: Settings, name: str) -> list[Headline]:
    """Headlines that are in the raw topic, among messages that can't be read."""
    written = headlines(DOCUMENTS, SystemClock().now_ms(), seed=2, name=name)
    bad = list(UNREADABLE.values())
    messages: list[tuple[bytes | None, bytes | None]] = []
    for number, headline in enumerate(written):
        messages.append((headline.key, headline.message))
        if number % UNREADABLE_EVERY == 0:
            messages.append((f"bad-{number}".encode(), bad[number // UNREADABLE_EVERY % len(bad)]))
    produce(settings.kafka.bootstrap_servers, settings.kafka.raw_topic, messages)
    return written


def applied(settings: Settings) -> int:
    """Records applied so far."""
    return sum(positions(settings).values())


def assert_exact(settings: Settings, told: list[Headline]) -> None:
    """Counts equal an independent count; the scored topic has each document, the dead topic each record to blame."""
    assert difference(stored_counts(settings), counts_of(told)) == {}
    address = settings.kafka.bootstrap_servers
    good = {headline.id for headline in told if headline.scorable or headline.sentiment is None}
    assert {json.loads(record.value)["id"] for record in read_all(address, settings.kafka.scored_topic)} == good
    dead = read_all(address, settings.kafka.dead_topic)
    places = {
        tuple(value for key, value in record.headers if key in ("source-partition", "source-offset")) for record in dead
    }
    assert len(places) == sum(end_positions(address, settings.kafka.raw_topic).values()) - len(good)


def kill_in_mid_batch(settings: Settings, log: Path, goal: int, delay_seconds: float) -> None:
    """Runs a worker until so much is applied and a moment longer, which falls anywhere in a batch; then kills it."""
    with ProcessWorker(settings, log, SECONDS_PER_TEXT) as worker:
        eventually(lambda: applied(settings) >= goal or not worker.running, f"{goal} applied", TAKEOVER_SECONDS)
        moment = time.monotonic() + delay_seconds
        eventually(lambda: time.monotonic() >= moment, "the moment to kill it")
        assert worker.running, worker.said()
        worker.kill()


def test_a_worker_killed_again_and_again_counts_exactly(
    settings: Settings, told: list[Headline], tmp_path: Path
) -> None:
    """SIGKILL at random moments, a restart after each: counts, scored and dead topics are as if nothing had happened."""
    seed = secrets.randbits(32)
    draw = random.Random(seed)
    total = sum(end_positions(settings.kafka.bootstrap_servers, settings.kafka.raw_topic).values())
    log = tmp_path / "worker.log"
    for share in (0.1, 0.35, 0.6):
        kill_in_mid_batch(
            settings, log, goal=int(total * (share + draw.random() / 10)), delay_seconds=draw.random() / 2
        )
        assert applied(settings) < total, f"it was done before it was killed (seed {seed})"
    with ProcessWorker(settings, log) as worker:
        wait_until_applied(settings, TAKEOVER_SECONDS)
        assert worker.terminate() == 0, worker.said()
    assert_exact(settings, told)


def test_sigterm_lets_the_batch_in_hand_finish(settings: Settings, told: list[Headline], tmp_path: Path) -> None:
    """Exit code 0; the next one takes over at once and reads nothing a second time."""
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    with ProcessWorker(settings, first, SECONDS_PER_TEXT) as worker:
        eventually(lambda: applied(settings) > 0 or not worker.running, "a batch is applied")
        assert worker.terminate() == 0, worker.said()
        assert "everything in work was applied" in worker.said()
    stopped = positions(settings)
    assert sum(stopped.values()) < DOCUMENTS
    began = time.monotonic()
    with ProcessWorker(settings, second) as worker:
        wait_until_applied(settings)
        assert time.monotonic() - began < settings.kafka.session_timeout_seconds + 5
        assert worker.terminate() == 0
        for partition, position in stopped.items():
            assert f"reading partition {partition} from position {position}, epoch 2" in worker.said()
    assert_exact(settings, told)
    assert len(read_all(settings.kafka.bootstrap_servers, settings.kafka.scored_topic)) == sum(
        headline.scorable or headline.sentiment is None for headline in told
    )


def test_the_other_worker_takes_over_from_one_that_is_killed(
    settings: Settings, told: list[Headline], tmp_path: Path
) -> None:
    """Two share the partitions; one dies with a batch in hand, the other goes on from the stored positions."""
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    with ExitStack() as stack:
        workers = [stack.enter_context(ProcessWorker(settings, log, SECONDS_PER_TEXT)) for log in logs]
        eventually(lambda: all("reading partition" in worker.said() for worker in workers), "each has a partition")
        before = applied(settings)
        eventually(lambda: applied(settings) > before, "they go on")
        workers[0].kill()
        assert applied(settings) < DOCUMENTS, "they were done before one was killed"
        wait_until_applied(settings, TAKEOVER_SECONDS)
        assert workers[1].terminate() == 0, workers[1].said()
    assert_exact(settings, told)
