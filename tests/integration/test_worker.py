"""A whole worker between a real Kafka and a real Redis, with a classifier of which it is known what it must say."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from monitor.adapters.kafka_connection import ensure_topics
from monitor.adapters.system_clock import SystemClock
from monitor.app import Worker
from monitor.embedded.kafka import EmbeddedKafka
from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.valkey import EmbeddedValkey
from monitor.errors import ConfigError
from monitor.settings import Settings
from tests.conftest import SettingsFactory
from tests.headlines import UNREADABLE, Headline, counts_of, headlines
from tests.integration.topics import produce, read_all
from tests.integration.workers import (
    ProcessWorker,
    ThreadWorker,
    difference,
    positions,
    stored_counts,
    wait_until_applied,
)
from tests.keyword_classifier import KeywordClassifier
from tests.waiting import eventually

# kafka-python leaves the socket of a connection that is refused to the garbage collector.
REFUSED = "ignore:unclosed <socket:ResourceWarning"


@pytest.fixture
def settings(make_settings: SettingsFactory, admin: KafkaAdminClient) -> Settings:
    """Settings whose topics are there."""
    made = make_settings(kafka={"max_poll_records": 50})
    ensure_topics(admin, made.kafka)
    return made


@pytest.fixture
def told(name: str) -> list[Headline]:
    """Some hundred headlines up to now."""
    return headlines(400, SystemClock().now_ms(), seed=1, name=name)


def send(settings: Settings, told: Sequence[Headline]) -> None:
    """Produces headlines, and one unreadable message of each kind among them."""
    messages: list[tuple[bytes | None, bytes | None]] = [(headline.key, headline.message) for headline in told]
    for place, bad in enumerate(UNREADABLE.values()):
        messages.insert(place * 7, (f"bad-{place}".encode(), bad))
    produce(settings.kafka.bootstrap_servers, settings.kafka.raw_topic, messages)


def unscorable(told: Sequence[Headline]) -> int:
    """How many headlines the classifier fails on."""
    return sum(headline.sentiment is not None and not headline.scorable for headline in told)


def test_what_can_be_read_is_counted_exactly_and_the_rest_is_dead_lettered(
    settings: Settings, told: list[Headline]
) -> None:
    """Counts, metrics, scored and dead topic all agree with what was sent; each dead letter has its reason."""
    send(settings, told)
    with ThreadWorker(settings) as worker:
        wait_until_applied(settings)
    assert worker.exit_code == 0
    assert difference(stored_counts(settings), counts_of(told)) == {}
    reasons = Counter(
        {name.decode() for key, name in record.headers if key == "reason"}.pop()
        for record in read_all(settings.kafka.bootstrap_servers, settings.kafka.dead_topic)
    )
    assert reasons == {**dict.fromkeys(UNREADABLE, 1), "model_failed": unscorable(told)}
    for reason, count in reasons.items():
        assert worker.metric("sentiment_dead_letters_total", reason=reason) == count
    good = [headline for headline in told if headline.scorable or headline.sentiment is None]
    kinds = Counter((headline.kind, "zh" if headline.sentiment is None else "en") for headline in good)
    for (kind, language), count in kinds.items():
        assert worker.metric("sentiment_documents_total", kind=kind, language=language) == count
    assert worker.metric("sentiment_reprints_total") == sum(bool(headline.tells) for headline in good)
    assert worker.metric("sentiment_unsupported_language_documents_total", language="zh") == sum(
        headline.sentiment is None for headline in good
    )
    scored = read_all(settings.kafka.bootstrap_servers, settings.kafka.scored_topic)
    assert Counter(json.loads(record.value)["id"] for record in scored) == Counter(headline.id for headline in good)


def test_the_same_documents_again_change_no_bucket(settings: Settings, told: list[Headline]) -> None:
    """They are known by their ids, whatever offset they come from; what could not be scored gets another chance."""
    send(settings, told)
    with ThreadWorker(settings) as worker:
        wait_until_applied(settings)
        before = stored_counts(settings)
        documents = worker.metric("sentiment_documents_total", kind="news", language="en")
        send(settings, told)
        wait_until_applied(settings)
        eventually(
            lambda: worker.metric("sentiment_repeated_documents_total") == len(told) - unscorable(told),
            "all repetitions are counted",
        )
        assert worker.metric("sentiment_documents_total", kind="news", language="en") == documents
    assert difference(stored_counts(settings), before) == {}
    assert difference(before, counts_of(told)) == {}


@pytest.mark.usefixtures("refused_connections")
@pytest.mark.filterwarnings(REFUSED)
@pytest.mark.parametrize(
    ("section", "key", "value", "variable"),
    [
        ("kafka", "bootstrap_servers", f"{LOOPBACK}:{{port}}", "MONITOR_KAFKA__BOOTSTRAP_SERVERS"),
        ("redis", "url", f"redis://:hidden@{LOOPBACK}:{{port}}/0", "MONITOR_REDIS__URL"),
    ],
    ids=["kafka", "redis"],
)
def test_a_service_that_cannot_be_reached_at_the_start_is_named(
    section: str, key: str, value: str, variable: str, make_settings: SettingsFactory
) -> None:
    """Within its bound: address, setting and variable, and no password."""
    (port,) = free_ports(1)
    settings = make_settings(**{section: {key: value.format(port=port), "connect_timeout_seconds": 1.0}})
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        Worker(settings, KeywordClassifier(), SystemClock())
    assert time.monotonic() - began < 1.0 + 5.0
    for part in (f"{LOOPBACK}:{port}", f"{section}.{key}", variable, "gave up after 1 s"):
        assert part in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_the_command_says_in_a_line_what_cannot_be_reached(make_settings: SettingsFactory, tmp_path: Path) -> None:
    """Exit code 2 and no stack trace."""
    address = f"{LOOPBACK}:{free_ports(1)[0]}"
    settings = make_settings(kafka={"bootstrap_servers": address, "connect_timeout_seconds": 1.0})
    with ProcessWorker(settings, tmp_path / "worker.log") as worker:
        assert worker.wait() == 2
    last = worker.said().splitlines()[-1]
    assert last.startswith(f"monitor: Kafka at {address} (setting kafka.bootstrap_servers")
    assert "Traceback" not in worker.said()


def test_redis_gone_in_mid_work_stops_consuming_and_loses_nothing(
    make_settings: SettingsFactory,
    admin: KafkaAdminClient,
    own_valkey: EmbeddedValkey,
    told: list[Headline],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It says so, is not ready meanwhile, resumes by itself, and the counts are exact."""
    caplog.set_level(logging.INFO, logger="monitor")
    settings = make_settings(kafka={"max_poll_records": 20}, redis={"url": own_valkey.url})
    ensure_topics(admin, settings.kafka)
    send(settings, told)
    with ThreadWorker(settings, KeywordClassifier(seconds_per_text=0.002)) as worker:
        eventually(lambda: sum(positions(settings).values()) > 100, "a part is applied")
        own_valkey.kill()
        eventually(lambda: "consuming has stopped" in caplog.text, "the worker says that it has stopped")
        eventually(lambda: worker.status("/readyz") == 503, "the worker is not ready")
        assert worker.status("/healthz") == 200
        assert worker.metric("sentiment_worker_ready") == 0
        own_valkey.restart()
        assert sum(positions(settings).values()) < len(told), "it was killed too late to show anything"
        wait_until_applied(settings)
        eventually(lambda: worker.status("/readyz") == 200, "the worker is ready again")
    assert "works again after" in caplog.text
    assert worker.metric("sentiment_retries_total", reason="redis_unreachable") >= 1
    assert difference(stored_counts(settings), counts_of(told)) == {}


@pytest.mark.usefixtures("refused_connections")
@pytest.mark.filterwarnings(REFUSED)
def test_kafka_gone_in_mid_work_stops_consuming_and_loses_nothing(
    make_settings: SettingsFactory, told: list[Headline], tmp_path: Path
) -> None:
    """A broker that crashes and comes back is read on from where the trends are."""
    with EmbeddedKafka(run_dir=tmp_path / "own-kafka", say=lambda line: None) as broker:
        settings = make_settings(kafka={"bootstrap_servers": broker.address, "max_poll_records": 20})
        with ThreadWorker(settings, KeywordClassifier(seconds_per_text=0.002)) as worker:
            send(settings, told)
            eventually(lambda: sum(positions(settings).values()) > 100, "a part is applied")
            broker.kill()
            eventually(lambda: worker.status("/readyz") == 503, "the worker is not ready", 120)
            eventually(lambda: worker.metric("sentiment_retries_total", reason="kafka_unavailable") >= 1, "it says so")
            broker.restart()
            assert sum(positions(settings).values()) < len(told), "it was killed too late to show anything"
            wait_until_applied(settings, timeout_seconds=90)
        assert worker.exit_code == 0
    assert difference(stored_counts(settings), counts_of(told)) == {}


@pytest.mark.usefixtures("refused_connections")
@pytest.mark.filterwarnings(REFUSED)
def test_an_idle_worker_notices_that_kafka_is_gone(make_settings: SettingsFactory, tmp_path: Path) -> None:
    """Silence and an outage look alike to a poll; readiness tells them apart."""
    with EmbeddedKafka(run_dir=tmp_path / "own-kafka", say=lambda line: None) as broker:
        settings = make_settings(kafka={"bootstrap_servers": broker.address})
        with ThreadWorker(settings) as worker:
            eventually(lambda: worker.status("/readyz") == 200, "the worker is ready", 120)
            broker.kill()
            eventually(lambda: worker.status("/readyz") == 503, "the worker is not ready", 120)
            broker.restart()
            eventually(lambda: worker.status("/readyz") == 200, "the worker is ready again", 120)


def test_an_outage_beyond_its_bound_ends_the_worker(
    make_settings: SettingsFactory, own_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    """Exit code 3, and the setting that bounds it is named."""
    settings = make_settings(redis={"url": own_valkey.url}, worker={"port": 0, "retry_limit_seconds": 0.5})
    with ThreadWorker(settings) as worker:
        eventually(lambda: len(positions(settings)) == 2, "partitions are taken")
        own_valkey.kill()
        produce(settings.kafka.bootstrap_servers, settings.kafka.raw_topic, [(b"key", b"{}")])
        eventually(lambda: worker.exit_code is not None, "the worker gives up")
    assert worker.exit_code == 3
    assert "worker.retry_limit_seconds" in caplog.text


@pytest.mark.timeout(60)
def test_a_topic_made_anew_ends_the_worker_with_a_setting_to_mend(settings: Settings, kafka: EmbeddedKafka) -> None:
    """What was stored of another topic is not silently added to."""
    produce(kafka.address, settings.kafka.raw_topic, [(b"key", b"{}")] * 4)
    with ThreadWorker(settings):
        wait_until_applied(settings)
    renamed = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"raw_topic": settings.kafka.scored_topic})}
    )
    other = Worker(renamed, KeywordClassifier(), SystemClock())
    with pytest.raises(ConfigError, match=r"redis\.key_prefix"):
        other.run()
