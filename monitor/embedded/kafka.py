"""A real Apache Kafka: one KRaft node on loopback, on a packaged Java and on jars whose sums were checked.

Its storage is formatted once; ports, cluster id and data survive `restart`, data and cluster id also a new object on
the same run directory. KAFKA_HOME, an unpacked distribution, takes the place of the jars.
"""

from __future__ import annotations

import base64
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from monitor.embedded.jars import kafka_jars
from monitor.embedded.java import find_java, java_environment
from monitor.embedded.kafka_config import DATA_DIR, LOG4J_FILE, LOG4J_PROPERTIES, properties_text, server_properties
from monitor.embedded.loopback_server import LoopbackServer
from monitor.embedded.ports import LOOPBACK, accepts_connections, free_ports
from monitor.embedded.processes import ManagedProcess, Watchdog
from monitor.errors import ConfigError

KAFKA_HOME_VARIABLE = "KAFKA_HOME"
_FORMAT_SECONDS = 60.0
_ANSWER_MS = 3_000
_SERVER_FILE = "server.properties"
_TEMPORARY_DIR = "tmp"
_JVM_OPTIONS = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # The first compiler alone: up sooner and smaller, and the Python clients are slower than it anyway.
    "-XX:TieredStopAtLevel=1",
    # No file in the machine's /tmp, neither statistics nor the unpacked libraries that SIGKILL would leave there.
    "-XX:-UsePerfData",
    f"-Djava.io.tmpdir={_TEMPORARY_DIR}",
    f"-Dlog4j2.configurationFile={LOG4J_FILE}",
)


class EmbeddedKafka(LoopbackServer):
    """One Kafka node.

    Args:
        run_dir: where its configuration, data (`kafka/`) and log (`kafka.log`) live.
        cache_dir: where the jars are kept; None for the user's cache.
        say: told in a line what goes on.
        properties: broker settings to add or replace, such as {"message.max.bytes": 2_000_000}.
        cluster_id: the id that its storage is formatted with, where several nodes are one cluster; "" for a random one.
        watchdog: the watchdog to run under; None for one of its own.

    Attributes:
        format_arguments: what its storage is formatted with besides, such as SCRAM users.
    """

    name = "Kafka"
    port_count = 2
    start_seconds = 90.0
    stop_seconds = 10.0
    format_arguments: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        run_dir: Path,
        say: Callable[[str], None],
        cache_dir: Path | None = None,
        properties: Mapping[str, str | int] | None = None,
        cluster_id: str = "",
        watchdog: Watchdog | None = None,
    ) -> None:
        super().__init__(run_dir=run_dir, say=say, watchdog=watchdog)
        self._cache_dir = cache_dir
        self._properties = dict(properties or {})
        self._class_path = ""
        self._cluster_id = cluster_id

    @property
    def address(self) -> str:
        """What clients bootstrap from: host:port."""
        return f"{LOOPBACK}:{self.port}"

    def _prepare(self) -> None:
        self._class_path = self._find_class_path()
        shutil.rmtree(self._home / _TEMPORARY_DIR, ignore_errors=True)
        (self._home / _TEMPORARY_DIR).mkdir(exist_ok=True)
        (self._home / LOG4J_FILE).write_text(LOG4J_PROPERTIES, encoding="ascii")
        formatted = _cluster_id_in(self._home / DATA_DIR)
        self._cluster_id = formatted or self._cluster_id or new_cluster_id()
        if not formatted:
            self._format()

    def _launch(self, ports: tuple[int, ...]) -> ManagedProcess:
        self._write_properties(ports)
        return self._run_java("kafka", ["kafka.Kafka", _SERVER_FILE])

    def _answers(self, port: int) -> bool:
        if not accepts_connections(port):
            return False
        try:
            client = KafkaAdminClient(
                bootstrap_servers=f"{LOOPBACK}:{port}", bootstrap_timeout_ms=_ANSWER_MS, request_timeout_ms=_ANSWER_MS
            )
            try:
                cluster = client.describe_cluster()
            finally:
                client.close()
        except KafkaError:
            return False
        # Somebody else's Kafka may have taken the port. A broker that is fenced may not lead partitions yet; in a cluster
        # the other nodes are listed as well.
        ready = {broker["port"] for broker in cluster["brokers"] if not broker.get("is_fenced")}
        return cluster["cluster_id"] == self._cluster_id and port in ready

    def _find_class_path(self) -> str:
        home = os.environ.get(KAFKA_HOME_VARIABLE)
        if not home:
            return os.pathsep.join(str(jar.absolute()) for jar in kafka_jars(cache_dir=self._cache_dir, say=self._say))
        libs = Path(home).absolute() / "libs"
        if not any(libs.glob("kafka_2.13-*.jar")):
            raise ConfigError(
                f"{KAFKA_HOME_VARIABLE} is {home}, but {libs} has no kafka_2.13-*.jar: name an unpacked Apache Kafka 4"
                " or unset it",
                reason="kafka_home",
            )
        self._say(f"Kafka: from {KAFKA_HOME_VARIABLE}={home}")
        return str(libs / "*")

    def _format(self) -> None:
        # The ports written here are replaced before the broker starts; the storage doesn't keep them.
        self._write_properties(free_ports(self.port_count))
        tool = ["kafka.tools.StorageTool", "format", "-t", self._cluster_id, "-c", _SERVER_FILE, *self.format_arguments]
        process = self._run_java("kafka-format", tool)
        try:
            status = process.wait(_FORMAT_SECONDS)
        finally:
            process.kill()
        if status != 0:
            raise ConfigError(
                f"Kafka's storage in {self._home} could not be formatted (status {status})\n"
                f"the last lines of {process.log_path}:\n{process.log_tail()}",
                reason="kafka_format",
            )

    def _write_properties(self, ports: tuple[int, ...]) -> None:
        (self._home / _SERVER_FILE).write_text(properties_text(self._settings(ports)), encoding="ascii")

    def _settings(self, ports: tuple[int, ...]) -> dict[str, str]:
        """The broker's settings on these ports."""
        return server_properties(ports[:2], self._properties)

    def _run_java(self, name: str, arguments: list[str]) -> ManagedProcess:
        argv = [find_java(), *_JVM_OPTIONS, *arguments]
        return self._run(name, argv, java_environment(os.environ, self._class_path))


def _cluster_id_in(data_dir: Path) -> str:
    """The cluster id of formatted storage, or "". The tool writes this file last."""
    try:
        text = (data_dir / "meta.properties").read_text(encoding="ascii")
    except FileNotFoundError:
        return ""
    entries = dict(line.partition("=")[::2] for line in text.splitlines())
    return entries.get("cluster.id", "")


def new_cluster_id() -> str:
    """A random id in Kafka's form: 16 bytes in URL-safe base64 without padding."""
    # A leading dash would read as an option on the tool's command line.
    while (text := base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")).startswith("-"):
        pass
    return text
