"""The embedded servers themselves: they come up, keep what they acknowledged, and never outlive their parent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

import monitor
from monitor.embedded import loopback_server
from monitor.embedded.kafka import KAFKA_HOME_VARIABLE
from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.services import EmbeddedServices
from monitor.embedded.valkey import EmbeddedValkey
from monitor.errors import ConfigError

TOPIC = "embedded.test"
PARENT = """\
import json, sys, time
from pathlib import Path
from monitor.embedded.services import EmbeddedServices

services = EmbeddedServices(run_dir=Path(sys.argv[1]), say=lambda line: None)
services.start()
pids = [process.pid for process in services.processes] + [services.watchdog.pid]
Path(sys.argv[2]).write_text(json.dumps(pids))
while True:
    time.sleep(60)
"""


def silent(_: str) -> None:
    """Takes what would be said."""


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run directory, with a name that needs care."""
    return tmp_path_factory.mktemp("run") / "数据, first run"


@pytest.fixture(scope="module")
def services(run_dir: Path) -> Iterator[EmbeddedServices]:
    """Kafka and Valkey for all tests of this module, with a topic."""
    with EmbeddedServices(run_dir=run_dir, say=silent) as services:
        admin = KafkaAdminClient(bootstrap_servers=services.kafka_address)
        admin.create_topics({TOPIC: {"num_partitions": 1, "replication_factor": 1}})
        admin.close()
        yield services


def wait_until(predicate: Callable[[], object], description: str, timeout_seconds: float = 60.0) -> None:
    """Waits for a predicate to hold; fails with its description if it doesn't in time."""
    deadline = time.monotonic() + timeout_seconds
    while not predicate():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_seconds} s: {description}")
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def produce(address: str, value: bytes) -> None:
    """Sends a message and waits until the broker has acknowledged it."""
    producer = KafkaProducer(bootstrap_servers=address)
    producer.send(TOPIC, value).get(30)
    producer.close()


def consumed(address: str) -> list[bytes]:
    """What the topic holds from its beginning, once it holds something."""
    consumer = KafkaConsumer(
        TOPIC, bootstrap_servers=address, auto_offset_reset="earliest", enable_auto_commit=False, group_id=None
    )
    values: list[bytes] = []

    def poll() -> list[bytes]:
        for records in consumer.poll(timeout_ms=500).values():
            values.extend(record.value for record in records)
        return values

    wait_until(poll, f"{TOPIC} has a message")
    consumer.close()
    return values


def test_kafka_keeps_a_message_over_sigkill(services: EmbeddedServices) -> None:
    """What was acknowledged is consumed before and after a crash, at the same address."""
    address = services.kafka_address
    produce(address, b"before")
    assert consumed(address) == [b"before"]
    killed = services.kafka.pid
    services.kafka.kill()
    assert gone(killed)
    services.kafka.restart()
    assert services.kafka_address == address
    assert services.kafka.pid != killed
    assert consumed(address) == [b"before"]


def test_valkey_keeps_a_write_over_sigkill(services: EmbeddedServices) -> None:
    """What was acknowledged is there after a crash, at the same URL."""
    url = services.redis_url
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")
    services.valkey.kill()
    services.valkey.restart()
    assert services.redis_url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("key") == b"value"


def test_valkey_refuses_writes_above_its_bound_and_evicts_nothing(services: EmbeddedServices) -> None:
    """Evicting a bucket would be a silent loss, so that is not its policy."""
    with redis.Redis.from_url(services.redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_port_that_was_taken_meanwhile_is_chosen_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that loses its port between choosing and binding comes up on another."""
    choices: list[int] = []

    def first_a_taken_one(count: int) -> tuple[int, ...]:
        ports = free_ports(count) if choices else (taken.getsockname()[1],)
        choices.extend(ports)
        return ports

    monkeypatch.setattr(loopback_server, "free_ports", first_a_taken_one)
    with socket.create_server((LOOPBACK, 0)) as taken, EmbeddedValkey(tmp_path, silent) as valkey:
        assert [valkey.port] == choices[1:]


def test_servers_listen_on_loopback_alone(services: EmbeddedServices) -> None:
    """Each listening socket of either server is bound to 127.0.0.1."""
    links = [
        str(entry.readlink())
        for process in services.processes
        for entry in Path(f"/proc/{process.pid}/fd").iterdir()
        if entry.is_symlink()
    ]
    inodes = {link.removeprefix("socket:[").removesuffix("]") for link in links if link.startswith("socket:[")}
    listening = [
        fields[1].split(":")[0]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for fields in map(str.split, Path(table).read_text().splitlines()[1:])
        if fields[3] == "0A" and fields[9] in inodes
    ]
    assert len(listening) == 3
    # 127.0.0.1 as IPv4 and as IPv6 that carries IPv4, in the byte order of the table.
    assert set(listening) <= {"0100007F", "0000000000000000FFFF00000100007F"}


def test_run_directory_is_used_again(services: EmbeddedServices, run_dir: Path) -> None:
    """Servers that are started anew where others ran find what those kept."""
    produce(services.kafka_address, b"last")
    kept = consumed(services.kafka_address)
    services.stop()
    services.stop()
    with EmbeddedServices(run_dir=run_dir, say=silent) as again:
        assert consumed(again.kafka_address) == kept
        pids = [process.pid for process in again.processes]
    assert all(gone(pid) for pid in pids)


def test_a_start_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka can't run, and Valkey beside it came up: both are gone where the error arrives."""
    monkeypatch.setenv(KAFKA_HOME_VARIABLE, str(tmp_path))
    services = EmbeddedServices(run_dir=tmp_path / "run", say=silent)
    with pytest.raises(ConfigError, match=KAFKA_HOME_VARIABLE), services:
        pass
    assert all(gone(pid) for pid in (services.valkey.pid, services.watchdog.pid))


def test_parent_that_is_sigkilled_leaves_no_server(tmp_path: Path) -> None:
    """Kafka, Valkey and the watchdog are gone soon after their parent, which could do nothing about it."""
    pids_file = tmp_path / "pids.json"
    environment = {**os.environ, "PYTHONPATH": str(Path(monitor.__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "run"), str(pids_file)], env=environment)
    try:
        wait_until(lambda: pids_file.exists() or parent.poll() is not None, "the servers are up", 120)
        pids: list[int] = json.loads(pids_file.read_text())
        assert len(pids) == 3
        assert not any(gone(pid) for pid in pids)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: all(gone(pid) for pid in pids), "no server is left", 15)
