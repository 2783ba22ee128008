"""A worker that starts while a real broker dies under it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from monitor.adapters import kafka_connection
from monitor.adapters.system_clock import SystemClock
from monitor.app import Worker
from monitor.embedded.kafka import EmbeddedKafka
from monitor.errors import TransientError
from monitor.settings import KafkaSettings
from monitor.starting import Starting
from tests.conftest import SettingsFactory
from tests.integration.workers import ThreadWorker, wait_until_applied
from tests.keyword_classifier import KeywordClassifier
from tests.waiting import eventually

pytestmark = [
    pytest.mark.usefixtures("refused_connections"),
    # kafka-python leaves the socket of a connection that is refused to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedKafka:
    """A broker of the test's own that is killed right before topics are asked for the first time."""
    broker = EmbeddedKafka(run_dir=tmp_path / "own-kafka", say=lambda line: None)
    ensure_topics = kafka_connection.ensure_topics
    killed: list[bool] = []

    def ensured(admin: KafkaAdminClient, settings: KafkaSettings) -> None:
        if not killed:
            broker.kill()
            killed.append(True)
        ensure_topics(admin, settings)

    monkeypatch.setattr(kafka_connection, "ensure_topics", ensured)
    return broker


class Mender(Starting):
    """Who waits by it finds the broker up again."""

    def __init__(self, broker: EmbeddedKafka) -> None:
        super().__init__(SystemClock())
        self._broker = broker

    def wait_seconds(self, seconds: float) -> None:
        """Brings it back."""
        self._broker.start()


def test_a_broker_that_dies_after_its_first_answer_is_waited_for(
    make_settings: SettingsFactory, dying: EmbeddedKafka, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts that; start-up goes on where it was; the worker is as ready as any."""
    with dying:
        settings = make_settings(kafka={"bootstrap_servers": dying.address})
        with ThreadWorker(settings, starting=Mender(dying)) as worker:
            assert worker.metric("sentiment_retries_total", reason="kafka_unavailable") >= 1
            eventually(lambda: worker.status("/readyz") == 200, "the worker is ready", 120)
            wait_until_applied(settings)
    assert "start-up waits: Kafka" in caplog.text
    assert worker.exit_code == 0


def test_a_broker_that_stays_away_ends_start_up_as_an_outage(
    make_settings: SettingsFactory, dying: EmbeddedKafka, caplog: pytest.LogCaptureFixture
) -> None:
    """TransientError, which is exit 3, after the setting that bounds any outage, and not before."""
    with dying:
        settings = make_settings(kafka={"bootstrap_servers": dying.address}, worker={"retry_limit_seconds": 1.0})
        with pytest.raises(TransientError, match="Kafka"):
            Worker(settings, KeywordClassifier(), SystemClock())
    assert "start-up waits: Kafka" in caplog.text
    assert "worker.retry_limit_seconds" in caplog.text
