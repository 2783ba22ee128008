"""Roles as processes of their own whose Kafka or Redis is away when they start: watched, stopped, and ready once it comes."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.adapters.system_clock import SystemClock
from monitor.embedded.kafka import EmbeddedKafka
from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.valkey import EmbeddedValkey
from monitor.serving import ABANDON_SECONDS
from monitor.settings import Settings
from tests.integration.role_processes import ProcessRole
from tests.integration.workers import ProcessWorker
from tests.waiting import eventually
from tests.web import Reply, fetch

SECRET = "hidden"  # noqa: S105
SOON_SECONDS = 20.0  # Python and its libraries, on a busy machine
ENDED_SECONDS = ABANDON_SECONDS + 4.0  # and what Python itself takes, on a busy machine


class Waiting:
    """A role that is started, by its HTTP port.

    Args:
        role: `worker` or `exporter`.
        folder: for its log.
        sections: settings.
        program: of the worker.
    """

    def __init__(
        self, role: str, folder: Path, program: str = "worker_program.py", **sections: dict[str, object]
    ) -> None:
        (port,) = free_ports(1)
        settings = Settings.model_validate({role: {"port": port}, **sections})
        log = folder / f"{role}.log"
        self.process: ProcessRole = (
            ProcessWorker(settings, log, program=program)
            if role == "worker"
            else ProcessRole(["-m", "monitor", "exporter"], settings, log)
        )
        self._url = f"http://{LOOPBACK}:{port}"

    def get(self, path: str) -> Reply | None:
        """Its answer; None if nothing listens."""
        assert self.process.running, self.process.said()
        try:
            return fetch(self._url, path)
        except ConnectionRefusedError:
            return None

    def told(self, path: str) -> tuple[int, Any]:
        """Status and JSON body."""
        reply = self.get(path)
        return (0, {}) if reply is None else (reply.status, reply.json)

    def counted(self, name: str, **labels: str) -> float:
        """A sample of its /metrics."""
        reply = self.get("/metrics")
        assert reply is not None
        families = text_string_to_metric_families(reply.body.decode())
        samples = (sample for family in families for sample in family.samples)
        return sum(
            sample.value for sample in samples if sample.name == name and sample.labels.items() >= labels.items()
        )

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.__exit__()


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address that takes connections and never answers: the library itself hangs, and can't be told to stop."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield f"{LOOPBACK}:{server.getsockname()[1]}"


@pytest.fixture
def nobody() -> str:
    """An address that nobody listens at."""
    return f"{LOOPBACK}:{free_ports(1)[0]}"


def patient(address: str, **more: object) -> dict[str, object]:
    """The section of a Redis that is waited for as long as it takes; its password must not be told."""
    return {"url": f"redis://:{SECRET}@{address}/0", "connect_timeout_seconds": 600.0, **more}


def starting(service: str, address: str) -> dict[str, object]:
    """How a role is that waits for a service; the cause is in the library's words."""
    return {"status": "starting", "missing": [service.lower()], "why": f"{service} at {address} does not answer"}


def without_cause(told: tuple[int, Any]) -> tuple[int, Any]:
    """The same without the library's words."""
    status, body = told
    return status, body | {"why": str(body.get("why", "")).partition(":\x20")[0]}


def test_a_worker_answers_before_its_services_do_and_is_ready_once_they_come(
    tmp_path: Path, own_valkey: EmbeddedValkey
) -> None:
    """Alive, not ready and why; each try in vain is counted by its reason; nothing has to be restarted."""
    with EmbeddedKafka(run_dir=tmp_path / "own-kafka", say=lambda line: None) as broker:
        addresses = {"Redis": f"{LOOPBACK}:{own_valkey.port}", "Kafka": broker.address}
        broker.kill()
        own_valkey.kill()
        redis = {"url": own_valkey.url, "connect_timeout_seconds": 600.0}
        kafka = {"bootstrap_servers": broker.address, "connect_timeout_seconds": 600.0}
        with Waiting("worker", tmp_path, redis=redis, kafka=kafka) as worker:
            eventually(lambda: worker.told("/healthz")[0] == 200, "it is alive", SOON_SECONDS)
            assert_waits_and_counts(worker, starting("Redis", addresses["Redis"]), "redis_unreachable")
            own_valkey.restart()
            assert_waits_and_counts(worker, starting("Kafka", addresses["Kafka"]), "kafka_unavailable")
            broker.restart()
            eventually(lambda: worker.told("/readyz") == (200, {"status": "ready"}), "the worker is ready", 120)
            assert worker.told("/healthz") == (200, {"status": "ok"})
            assert worker.process.terminate() == 0, worker.process.said()


def test_an_exporter_answers_before_redis_does_and_is_ready_once_it_comes(
    tmp_path: Path, own_valkey: EmbeddedValkey
) -> None:
    """Alive, not ready and why; each try in vain is a reading that failed; nothing has to be restarted."""
    own_valkey.kill()
    waits = starting("Redis", f"{LOOPBACK}:{own_valkey.port}")
    failed = "sentiment_exporter_refresh_errors_total"
    redis = {"url": own_valkey.url, "connect_timeout_seconds": 600.0}
    with Waiting("exporter", tmp_path, redis=redis) as exporter:
        eventually(lambda: exporter.told("/healthz")[0] == 200, "it is alive", SOON_SECONDS)
        eventually(lambda: without_cause(exporter.told("/readyz")) == (503, waits), "no Redis", SOON_SECONDS)
        assert without_cause(exporter.told("/healthz")) == (200, waits)
        assert exporter.told("/api/status")[0] == 503
        count = exporter.counted(failed)
        eventually(lambda: exporter.counted(failed) > count + 1, "it is counted")
        own_valkey.restart()
        eventually(lambda: exporter.told("/readyz") == (200, {"status": "ready"}), "the exporter is ready")
        assert exporter.told("/healthz") == (200, {"status": "ok"})
        assert exporter.told("/api/status")[0] == 200
        assert exporter.process.terminate() == 0, exporter.process.said()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("role", ["worker", "exporter"])
def test_a_signal_ends_a_role_that_waits(role: str, number: signal.Signals, nobody: str, tmp_path: Path) -> None:
    """Exit code 0 in time, and neither log nor HTTP tell the password."""
    with Waiting(role, tmp_path, redis=patient(nobody)) as waiting:
        eventually(lambda: "trying again" in waiting.process.said(), "it waits", SOON_SECONDS)
        told = waiting.told("/readyz")
        assert without_cause(told) == (503, starting("Redis", nobody))
        assert_ends_in_time(waiting, number)
        assert "stopped while it was starting" in waiting.process.said()
        assert "took too long" not in waiting.process.said()
    assert SECRET not in f"{told} {waiting.process.said()}"


@pytest.mark.parametrize("role", ["worker", "exporter"])
def test_a_signal_ends_a_role_whose_service_hangs(role: str, deaf: str, tmp_path: Path) -> None:
    """The library waits for an answer that doesn't come: the process ends at the bound all the same."""
    with Waiting(role, tmp_path, redis=patient(deaf)) as waiting:
        asked = {"status": "starting", "missing": ["redis"]}
        eventually(lambda: waiting.told("/healthz")[1].items() >= asked.items(), "it is asked", SOON_SECONDS)
        assert_ends_in_time(waiting, signal.SIGTERM)


def test_a_signal_ends_a_worker_whose_broker_hangs(deaf: str, own_valkey: EmbeddedValkey, tmp_path: Path) -> None:
    """The same where Redis has answered."""
    kafka: dict[str, object] = {"bootstrap_servers": deaf, "connect_timeout_seconds": 600.0}
    with Waiting("worker", tmp_path, redis={"url": own_valkey.url}, kafka=kafka) as worker:
        waits = starting("Kafka", deaf)
        eventually(lambda: without_cause(worker.told("/readyz")) == (503, waits), "the broker is asked", SOON_SECONDS)
        assert worker.counted("sentiment_retries_total", reason="kafka_unavailable") >= 1
        assert_ends_in_time(worker, signal.SIGTERM)


def test_a_worker_that_loads_its_models_answers_and_can_be_stopped(nobody: str, tmp_path: Path) -> None:
    """It says so; loading for longer than a round may take is called stuck, and watched as such."""
    loading = {"status": "starting", "missing": ["model"], "why": "the models are being loaded"}
    kafka: dict[str, object] = {"max_poll_interval_seconds": 10.0}
    with Waiting("worker", tmp_path, "loading_worker_program.py", redis=patient(nobody), kafka=kafka) as worker:
        eventually(lambda: worker.told("/healthz") == (200, loading), "it is alive", SOON_SECONDS)
        assert worker.told("/readyz") == (503, loading)
        assert worker.counted("sentiment_stuck_seconds") == 0
        eventually(lambda: worker.told("/healthz")[0] == 503, "it is stuck")
        status, told = worker.told("/healthz")
        assert (status, told["status"]) == (503, "stuck")
        assert min(told["seconds"], worker.counted("sentiment_stuck_seconds")) >= 10
        assert_ends_in_time(worker, signal.SIGTERM)


@pytest.mark.parametrize("role", ["worker", "exporter"])
def test_a_wrong_setting_ends_a_role_at_once(role: str, nobody: str, tmp_path: Path) -> None:
    """Exit code 2 and a line that names it, though something else is away and would be waited for."""
    wrong: dict[str, object] = {"ssl_cafile": str(tmp_path / "missing.pem"), "url": f"rediss://{nobody}/0"}
    with Waiting(role, tmp_path, redis=patient(nobody) | wrong) as waiting:
        assert waiting.process.wait() == 2
    assert waiting.process.said().splitlines()[-1].startswith("monitor: redis.ssl_cafile")


def test_a_wrong_setting_of_kafka_is_said_though_redis_is_away(nobody: str, tmp_path: Path) -> None:
    """Nobody waits for the one to be told about the other."""
    kafka: dict[str, object] = {"security_protocol": "SSL", "ssl_cafile": str(tmp_path / "missing.pem")}
    with Waiting("worker", tmp_path, redis=patient(nobody), kafka=kafka) as worker:
        assert worker.process.wait() == 2
    assert worker.process.said().splitlines()[-1].startswith("monitor: kafka.ssl_cafile")


@pytest.mark.parametrize("role", ["worker", "exporter"])
def test_a_service_that_stays_away_ends_a_role_with_its_name(role: str, nobody: str, tmp_path: Path) -> None:
    """Exit code 2 after the time that start-up has; the last line names address and setting, and no password."""
    with Waiting(role, tmp_path, redis=patient(nobody, connect_timeout_seconds=1.0)) as waiting:
        assert waiting.process.wait() == 2
    said = waiting.process.said()
    assert said.splitlines()[-1].startswith(f"monitor: Redis at {nobody} (setting redis.url, MONITOR_REDIS__URL)")
    assert "Traceback" not in said
    assert SECRET not in said


def assert_waits_and_counts(worker: Waiting, waits: dict[str, object], reason: str) -> None:
    """Alive, not ready, both say why, and each try is counted."""
    eventually(lambda: without_cause(worker.told("/readyz")) == (503, waits), f"{waits}", SOON_SECONDS)
    assert without_cause(worker.told("/healthz")) == (200, waits)
    count = worker.counted("sentiment_retries_total", reason=reason)
    eventually(lambda: worker.counted("sentiment_retries_total", reason=reason) > count + 1, "it is counted")
    assert worker.counted("sentiment_worker_ready") == 0


def assert_ends_in_time(waiting: Waiting, number: signal.Signals) -> None:
    """Exit code 0 within the bound."""
    clock = SystemClock()
    began = clock.monotonic_seconds()
    assert waiting.process.signal(number) == 0, waiting.process.said()
    assert clock.monotonic_seconds() - began < ENDED_SECONDS
