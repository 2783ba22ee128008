"""A real Kafka with TLS and passwords: what is right lets records through, what is wrong is named and no secret shown."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from monitor.adapters import kafka_connection
from monitor.errors import ConfigError
from monitor.settings import KafkaSettings
from tests.clusters.certificates import KEY_PASSWORD, Certificates, make_certificates
from tests.clusters.secured_kafka import SecuredKafka
from tests.fakes import ManualClock

USER, SCRAM_USER, PASSWORD = SecuredKafka.user, SecuredKafka.scram_user, SecuredKafka.password


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What servers and clients show each other."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[SecuredKafka]:
    """A Kafka with all listeners."""
    with SecuredKafka(tmp_path_factory.mktemp("secured"), certificates) as server:
        yield server


def sasl(server: SecuredKafka, certificates: Certificates, **keys: object) -> KafkaSettings:
    """Settings that let a PLAIN user in, unless told otherwise."""
    section: Mapping[str, object] = {
        "bootstrap_servers": f"127.0.0.1:{server.sasl_port}",
        "security_protocol": "SASL_SSL",
        "ssl_cafile": certificates.cafile,
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
        "connect_timeout_seconds": 1.0,
        "partitions": 1,
    }
    return KafkaSettings.model_validate({**section, **keys})


def ssl(server: SecuredKafka, certificates: Certificates, **keys: object) -> KafkaSettings:
    """Settings that let a client with a certificate in, unless told otherwise."""
    section: Mapping[str, object] = {
        "bootstrap_servers": f"127.0.0.1:{server.ssl_port}",
        "security_protocol": "SSL",
        "ssl_cafile": certificates.cafile,
        "ssl_certfile": certificates.certfile,
        "ssl_keyfile": certificates.keyfile,
        "ssl_keyfile_password": KEY_PASSWORD,
        "connect_timeout_seconds": 1.0,
        "partitions": 1,
    }
    return KafkaSettings.model_validate({**section, **keys})


def goes_through(settings: KafkaSettings, name: str) -> bool:
    """Whether a record comes back, through topics that were created, as a worker would."""
    settings = settings.model_copy(
        update={"raw_topic": f"{name}.raw", "scored_topic": f"{name}.scored", "dead_topic": f"{name}.dead"}
    )
    admin = kafka_connection.wait_until_reachable(settings, ManualClock())
    kafka_connection.ensure_topics(admin, settings)
    admin.close()
    options = kafka_connection.client_options(settings)
    producer = KafkaProducer(**options)
    producer.send(settings.raw_topic, b"hello").get(timeout=30)
    producer.close()
    consumer = KafkaConsumer(settings.raw_topic, auto_offset_reset="earliest", consumer_timeout_ms=30_000, **options)
    record = next(consumer)
    consumer.close()
    return bool(record.value == b"hello")


@pytest.mark.parametrize(("mechanism", "user"), [("PLAIN", USER), ("SCRAM-SHA-256", SCRAM_USER)])
def test_a_user_with_the_right_password_is_let_in(
    server: SecuredKafka,
    certificates: Certificates,
    name: str,
    mechanism: str,
    user: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By either mechanism, over TLS; and whatever the library logs, it is not the password."""
    caplog.set_level(logging.DEBUG)
    assert goes_through(sasl(server, certificates, sasl_mechanism=mechanism, sasl_username=user), name)
    assert PASSWORD not in caplog.text


def test_a_client_with_a_certificate_is_let_in(server: SecuredKafka, certificates: Certificates, name: str) -> None:
    """Its key may be encrypted."""
    assert goes_through(ssl(server, certificates), name)


def test_the_name_in_the_certificate_may_be_left_unchecked(
    server: SecuredKafka, certificates: Certificates, name: str
) -> None:
    """For brokers that are dialled by another name than they have."""
    address = f"localhost:{server.sasl_port}"
    assert goes_through(sasl(server, certificates, bootstrap_servers=address, ssl_check_hostname=False), name)


@pytest.mark.parametrize(
    ("keys", "said", "reason"),
    [
        ({"sasl_password": f"wrong-{PASSWORD}"}, r"kafka\.sasl_username and kafka\.sasl_password", "kafka_auth"),
        ({"sasl_username": "nobody"}, r"kafka\.sasl_username and kafka\.sasl_password", "kafka_auth"),
        (
            {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": SCRAM_USER, "sasl_password": f"wrong-{PASSWORD}"},
            r"kafka\.sasl_username and kafka\.sasl_password",
            "kafka_auth",
        ),
        ({"sasl_mechanism": "SCRAM-SHA-512"}, r"kafka\.sasl_mechanism", "kafka_auth"),
        ({"ssl_cafile": "{foreign_cafile}"}, r"certificate is not accepted.*kafka\.ssl_", "kafka_tls"),
        ({"ssl_cafile": None}, r"certificate is not accepted.*kafka\.ssl_", "kafka_tls"),
        ({"bootstrap_servers": "localhost:{port}"}, r"certificate is not accepted: Hostname mismatch", "kafka_tls"),
    ],
    ids=[
        "a wrong password",
        "a user who is not known",
        "a wrong SCRAM password",
        "a mechanism that is not offered",
        "another authority",
        "the system's authorities",
        "another host name",
    ],
)
@pytest.mark.usefixtures("refused_connections")
def test_what_is_wrong_is_named_at_once_and_no_secret_is_shown(
    server: SecuredKafka,
    certificates: Certificates,
    keys: Mapping[str, str | None],
    said: str,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """ConfigError that says which setting to mend, long before an outage is given up."""
    caplog.set_level(logging.DEBUG)
    filled = {
        key: value and value.format(foreign_cafile=certificates.foreign_cafile, port=server.sasl_port)
        for key, value in keys.items()
    }
    clock = ManualClock()
    before = clock.monotonic_seconds()
    with pytest.raises(ConfigError, match=said) as caught:
        kafka_connection.wait_until_reachable(sasl(server, certificates, connect_timeout_seconds=600, **filled), clock)
    assert caught.value.reason == reason
    assert clock.monotonic_seconds() - before < 60  # a busy broker may not answer the first time
    assert PASSWORD not in caplog.text + "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("own", ["none", "foreign"])
@pytest.mark.usefixtures("refused_connections")
def test_a_client_whose_certificate_is_not_wanted_is_told_so(
    server: SecuredKafka, certificates: Certificates, own: str
) -> None:
    """Without one, or with that of another authority."""
    certfile = certificates.foreign_client if own == "foreign" else None
    settings = ssl(server, certificates, ssl_certfile=certfile, ssl_keyfile=None, ssl_keyfile_password=None)
    with pytest.raises(ConfigError, match=r"TLS failed: .*certificate.*kafka\.ssl_"):
        kafka_connection.wait_until_reachable(settings, ManualClock())


@pytest.mark.usefixtures("refused_connections")
def test_an_unencrypted_client_at_an_encrypted_port_is_told_the_address(
    server: SecuredKafka,
) -> None:
    """The broker says nothing; the error names what was dialled."""
    settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{server.sasl_port}", connect_timeout_seconds=1)
    with pytest.raises(ConfigError, match=rf"Kafka at 127\.0\.0\.1:{server.sasl_port} .*can't be reached"):
        kafka_connection.wait_until_reachable(settings, ManualClock())


def test_files_of_certificates_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    """ConfigError that names the key and the file, and not the password of the key."""
    certificates = make_certificates(tmp_path)
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    good = {
        "ssl_cafile": certificates.cafile,
        "ssl_certfile": certificates.certfile,
        "ssl_keyfile": certificates.keyfile,
    }
    for wrong, said in (
        ({"ssl_cafile": str(tmp_path / "none.pem")}, r"kafka\.ssl_cafile: .*none\.pem can't be read"),
        ({"ssl_cafile": str(broken)}, r"kafka\.ssl_cafile: .*broken\.pem has no certificate"),
        ({"ssl_certfile": str(tmp_path / "none.pem")}, r"kafka\.ssl_certfile: .*none\.pem can't be read"),
        ({"ssl_keyfile": certificates.foreign_client}, r"can't be used together"),
        ({"ssl_keyfile_password": f"wrong-{KEY_PASSWORD}"}, r"kafka\.ssl_keyfile_password is not the key's"),
        ({"ssl_keyfile_password": None}, r"kafka\.ssl_keyfile_password is not the key's"),
    ):
        section = {"security_protocol": "SSL", "ssl_keyfile_password": KEY_PASSWORD, **good, **wrong}
        with pytest.raises(ConfigError, match=said) as caught:
            kafka_connection.client_options(KafkaSettings.model_validate(section))
        assert KEY_PASSWORD not in "".join(traceback.format_exception(caught.value))
