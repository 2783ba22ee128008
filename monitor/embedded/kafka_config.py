"""The configuration of the embedded Kafka: one node that is broker and controller, on loopback, modest in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Bare names: the broker runs in its own folder, so that no character of that folder's path needs escaping here.
DATA_DIR = "data"
LOG4J_FILE = "log4j2.properties"

# Everything goes to standard output, which is the log file. At INFO a start prints a thousand lines of settings.
LOG4J_PROPERTIES = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSS} %-5p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
logger.groups.name = org.apache.kafka.coordinator.group.GroupMetadataManager
logger.groups.level = info
"""


def server_properties(ports: Sequence[int], extra: Mapping[str, str | int]) -> dict[str, str]:
    """The broker's settings.

    Args:
        ports: the port for clients and the one for the controller.
        extra: settings to add or replace.
    """
    broker_port, controller_port = ports
    settings: dict[str, str | int] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker_port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker_port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": DATA_DIR,
        "auto.create.topics.enable": "false",
        # One node: an internal topic can't have the three replicas that it asks for by default.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # A consumer that joins an empty group need not wait for others.
        "group.initial.rebalance.delay.ms": 0,
        # After SIGKILL the controller waits for the old session to run out: 1.5 s instead of 9 s.
        "broker.session.timeout.ms": 1500,
        "broker.heartbeat.interval.ms": 300,
        # There is no other node to hand leadership to.
        "controlled.shutdown.enable": "false",
        # Threads and buffers for one machine's load; the cleaner alone would take 128 MB of heap.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "log.cleaner.dedupe.buffer.size": 8 * 1024 * 1024,
    }
    return {key: str(value) for key, value in {**settings, **extra}.items()}


def properties_text(settings: Mapping[str, str]) -> str:
    """A Java properties file, in ASCII: keys and values escaped as `java.util.Properties.load` reads them."""
    return "".join(f"{_escaped(key, ' :=#!')}={_escaped(value, '')}\n" for key, value in settings.items())


def _escaped(text: str, special: str) -> str:
    named = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    out = []
    for index, char in enumerate(text):
        if char in named:
            out.append(named[char])
        elif char in special or (index == 0 and char == " "):
            out.append(f"\\{char}")
        elif char.isascii():
            out.append(char)
        else:
            units = char.encode("utf-16-be")
            out.append("".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)))
    return "".join(out)
