"""Connects to Kafka: client options out of settings, reaching a broker at start-up, creating topics that are missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka import KafkaAdminClient
from kafka import errors as kafka_errors

from monitor.adapters.tls import client_context, distrust
from monitor.errors import ConfigError, TransientError
from monitor.ports import Clock
from monitor.settings import KafkaSettings

log = logging.getLogger(__name__)
C = TypeVar("C")

# Dead letters carry the bytes of the raw record and headers besides; the raw topic's limit is the broker's 1 MiB.
DEAD_TOPIC_BYTES = 2 * 1024 * 1024
_ATTEMPT_MS = 3000


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Options that every client shares. Raises ConfigError for a file of a certificate that can't be used."""
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        # The library dials a broker that was down again after up to 30 s, and learns of itself only every 5 minutes who leads
        # a partition: asked for offsets, the old leader is asked again and again.
        "reconnect_backoff_max_ms": 1_000,
        "metadata_max_age_ms": 5_000,
    }
    if settings.encrypted:
        options["ssl_context"] = client_context("kafka", settings)
    if settings.sasl_mechanism:
        _silence_wire()
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value() if settings.sasl_password else None
    return options


def connected(kind: Callable[..., C], **options: Any) -> C:
    """Returns a client of one of the library's kinds. One that can't be made leaves no thread and no socket behind.

    Raises:
        KafkaError: whatever the library raises.
    """
    made: list[Any] = []

    def noted(**config: Any) -> Any:
        made.append(kind.DEFAULT_CONFIG["kafka_client"](**config))  # type: ignore[attr-defined]
        return made[-1]

    try:
        return kind(**options, kafka_client=noted)
    except BaseException:
        # The library starts its thread before it dials, and leaves it to nobody when it dials in vain.
        for client in made:
            client._net.stop()
            client.close()
        raise


def wait_until_reachable(
    settings: KafkaSettings, clock: Clock, on_retry: Callable[[TransientError], object] = lambda exc: None
) -> KafkaAdminClient:
    """Returns an admin client, trying with growing pauses.

    Args:
        settings: the brokers.
        clock: waits; what that raises ends the waiting.
        on_retry: told of each try that was in vain, but for one that no other could help.

    Raises:
        ConfigError: no broker within `kafka.connect_timeout_seconds`, a certificate that is not accepted, or a user who is
            not; names address and setting.
    """
    options = client_options(settings)
    deadline = clock.monotonic_seconds() + settings.connect_timeout_seconds
    pause = 0.2
    while True:
        try:
            with _overheard() as cause:
                return connected(KafkaAdminClient, **options, bootstrap_timeout_ms=_ATTEMPT_MS)
        except (kafka_errors.KafkaConfigurationError, ValueError) as exc:
            raise ConfigError(f"[kafka] settings: {exc}") from exc
        except (kafka_errors.KafkaError, OSError) as exc:
            said = cause.said or f"{exc}"
            line = (
                f"Kafka at {settings.bootstrap_servers} (setting kafka.bootstrap_servers, "
                f"MONITOR_KAFKA__BOOTSTRAP_SERVERS) can't be reached: {said}"
            )
            if cause.to_mend:
                raise ConfigError(f"{line}; see {cause.to_mend}", reason=cause.reason) from exc
            on_retry(TransientError(said, reason="kafka_unavailable"))
            if clock.monotonic_seconds() + pause > deadline:
                raise ConfigError(
                    f"{line}; gave up after {settings.connect_timeout_seconds:g} s", reason="kafka"
                ) from exc
            log.warning("%s; trying again in %.1f s", line, pause)
            clock.wait_seconds(pause)
            pause = min(pause * 2, 5.0)


def _silence_wire() -> None:
    """Keeps passwords out of the log: at DEBUG the library writes down every request, the one that logs in included."""
    for name in ("kafka.net", "kafka.protocol"):
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.INFO:
            logger.setLevel(logging.INFO)


class _Cause(logging.Handler):
    """Why connections fail: the library raises a timeout alone, and tells the cause to its log.

    Attributes:
        said: what it said last.
        to_mend: the settings to look at if trying again is of no use, else "".
        reason: the ConfigError's.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = self.to_mend = self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps words, not errors: those would keep sockets open."""
        for exc in record.args if isinstance(record.args, tuple) else ():
            if isinstance(exc, kafka_errors.AuthorizationError | kafka_errors.SaslAuthenticationFailedError):
                self._keep(f"{exc}", "kafka.sasl_username and kafka.sasl_password", "kafka_auth")
            elif isinstance(exc, kafka_errors.UnsupportedSaslMechanismError):
                self._keep(f"{exc}", "kafka.sasl_mechanism", "kafka_auth")
            elif isinstance(exc, Exception) and (why := distrust(exc)):
                self._keep(why, "kafka.security_protocol and the keys kafka.ssl_...", "kafka_tls")
            elif isinstance(exc, Exception) and not self.to_mend:
                self.said = f"{exc}"

    def _keep(self, said: str, to_mend: str, reason: str) -> None:
        self.said, self.to_mend, self.reason = said, to_mend, reason


@contextmanager
def _overheard() -> Iterator[_Cause]:
    """Listens to the library's log, which is kept quiet meanwhile: our own line says it once, with the setting's name."""
    cause, quiet = _Cause(), logging.getLogger("kafka")
    level, propagate = quiet.level, quiet.propagate
    quiet.setLevel(logging.WARNING)
    quiet.propagate = False
    quiet.addHandler(cause)
    try:
        yield cause
    finally:
        quiet.removeHandler(cause)
        quiet.propagate = propagate
        quiet.setLevel(level)


def ensure_topics(admin: KafkaAdminClient, settings: KafkaSettings) -> None:
    """Creates the three topics where they are missing, if `kafka.create_topics` says so.

    Raises:
        ConfigError: one is missing and may not be created, or not as the settings want it.
        TransientError: the broker is away; what was created stays so, and asking again goes on from there.
    """
    wanted: dict[str, dict[str, str]] = {
        # The broker's clock, not a producer's: it bounds what a document may claim about when it could be known.
        settings.raw_topic: {"message.timestamp.type": "LogAppendTime"},
        settings.scored_topic: {},
        settings.dead_topic: {"max.message.bytes": str(DEAD_TOPIC_BYTES)},
    }
    with translated():
        existing = set(admin.list_topics())
    missing = [topic for topic in wanted if topic not in existing]
    if missing and not settings.create_topics:
        raise ConfigError(f"Kafka has no topic {', '.join(missing)}; create them, or set kafka.create_topics = true")
    for topic in missing:
        spec = {
            "num_partitions": settings.partitions,
            "replication_factor": settings.replication_factor,
            "configs": wanted[topic],
        }
        try:
            admin.create_topics({topic: spec}, wait_for_metadata=True)
            log.info("created topic %s with %d partitions", topic, settings.partitions)
        except kafka_errors.TopicAlreadyExistsError:
            log.debug("topic %s was created by somebody else meanwhile", topic)
        except kafka_errors.KafkaError as exc:
            if exc.retriable:
                raise TransientError(f"Kafka: topic {topic}: {exc}", reason="kafka_unavailable") from exc
            raise ConfigError(f"topic {topic} could not be created: {exc}") from exc


@contextmanager
def translated() -> Iterator[None]:
    """Turns the library's errors into TransientError, with a bounded reason."""
    try:
        yield
    except (kafka_errors.AuthorizationError, kafka_errors.SaslAuthenticationFailedError) as exc:
        raise ConfigError(f"Kafka refuses access: {exc}", reason="kafka_auth") from exc
    except (kafka_errors.KafkaError, OSError) as exc:
        raise TransientError(f"Kafka: {exc}", reason="kafka_unavailable") from exc
