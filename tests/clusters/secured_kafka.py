"""A real Kafka that also listens with TLS and passwords: SASL_SSL (PLAIN and SCRAM-SHA-256), and SSL for client certificates.

`user` may log in by PLAIN and `scram_user` by SCRAM, each with `password`. Its certificate names 127.0.0.1 alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from monitor.embedded.kafka import EmbeddedKafka
from monitor.embedded.ports import LOOPBACK
from tests.clusters.certificates import Certificates


class SecuredKafka(EmbeddedKafka):
    """One node. Args: see EmbeddedKafka; and what it shows to its clients."""

    user, scram_user, password = "worker", "scram-worker", "s3cret-of-w0rker"
    # For clients without security, the controller, SASL_SSL and SSL.
    port_count = 4
    format_arguments = ("--add-scram", f"SCRAM-SHA-256=[name={scram_user},password={password}]")

    def __init__(
        self, run_dir: Path, certificates: Certificates, say: Callable[[str], None] = lambda line: None
    ) -> None:
        super().__init__(run_dir=run_dir, say=say)
        self._certificates = certificates

    @property
    def sasl_port(self) -> int:
        """Where SASL_SSL is spoken."""
        assert self._ports is not None
        return self._ports[2]

    @property
    def ssl_port(self) -> int:
        """Where clients need a certificate."""
        assert self._ports is not None
        return self._ports[3]

    def _settings(self, ports: tuple[int, ...]) -> dict[str, str]:
        settings = super()._settings(ports)
        secured = f"SASL_SSL://{LOOPBACK}:{ports[2]},SSL://{LOOPBACK}:{ports[3]}"
        module = "org.apache.kafka.common.security"
        return settings | {
            "listeners": f"{settings['listeners']},{secured}",
            "advertised.listeners": f"{settings['advertised.listeners']},{secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._certificates.server,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._certificates.cafile,
            "listener.name.ssl.ssl.client.auth": "required",
            "listener.name.sasl_ssl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'{module}.plain.PlainLoginModule required user_{self.user}="{self.password}";'
            ),
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": f"{module}.scram.ScramLoginModule required;",
        }
