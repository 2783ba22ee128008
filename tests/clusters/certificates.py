"""Certificates for one test session: an authority, what it issues, and another authority that nobody trusts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from monitor.embedded.ports import LOOPBACK

KEY_PASSWORD = "k3y-passw0rd"  # noqa: S105 - of a key that lives as long as its test


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of PEM files.

    Attributes:
        cafile: the authority.
        foreign_cafile: another one.
        server: certificate chain and key (PKCS 8) of a server that is called 127.0.0.1 and nothing else.
        certfile: a client's certificate.
        keyfile: its key, encrypted with KEY_PASSWORD.
        foreign_client: certificate and key of a client from the other authority.
    """

    cafile: str
    foreign_cafile: str
    server: str
    certfile: str
    keyfile: str
    foreign_client: str


def make_certificates(folder: Path) -> Certificates:
    """Writes them into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    ours, foreign = trustme.CA(), trustme.CA()
    server, client = ours.issue_cert(LOOPBACK), ours.issue_cert("worker@monitor.example")
    other = foreign.issue_cert("worker@monitor.example")

    def written(name: str, *parts: bytes) -> str:
        path = folder / name
        path.write_bytes(b"".join(parts))
        return str(path)

    return Certificates(
        cafile=written("ca.pem", ours.cert_pem.bytes()),
        foreign_cafile=written("foreign-ca.pem", foreign.cert_pem.bytes()),
        server=written("server.pem", _key(server), _chain(server)),
        certfile=written("client.pem", _chain(client)),
        keyfile=written("client.key", _key(client, KEY_PASSWORD)),
        foreign_client=written("foreign-client.pem", _key(other), _chain(other)),
    )


def _chain(cert: trustme.LeafCert) -> bytes:
    return b"".join(part.bytes() for part in cert.cert_chain_pems)


def _key(cert: trustme.LeafCert, password: str = "") -> bytes:
    """The key in PKCS 8, the one form that Kafka reads."""
    key = serialization.load_pem_private_key(cert.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
