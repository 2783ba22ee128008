"""What the address of Redis says: hosts, user, password and TLS, as options of the client library; shows no secret."""

from __future__ import annotations

from typing import Any

from redis.connection import parse_url

from monitor.adapters.tls import client_context, key_password
from monitor.errors import ConfigError
from monitor.settings import RedisSettings

_PORT = 6379


def nodes_of(settings: RedisSettings) -> list[tuple[str, int]]:
    """Hosts and ports, in the order given. Raises ConfigError for an address that can't be read."""
    return [(options.get("host", "localhost"), options.get("port", _PORT)) for options in _parsed(settings)]


def single_url(settings: RedisSettings) -> str:
    """The address of one server. Raises ConfigError if it can't be read or names several."""
    if len(_parsed(settings)) > 1:
        raise ConfigError("redis.url: several hosts are the nodes of a cluster: set redis.cluster = true, or name one")
    return settings.url.get_secret_value()


def cluster_options(settings: RedisSettings) -> dict[str, Any]:
    """What a cluster's client needs besides the nodes. Raises ConfigError for what a cluster hasn't got."""
    options = _parsed(settings)[0]
    if options.get("path"):
        raise ConfigError("redis.url: a cluster has no unix socket; expected redis://host:port[,host:port...]")
    if options.get("db", 0) != 0:
        raise ConfigError("redis.url: a cluster has no databases but 0; leave the number away")
    encrypted = options.pop("connection_class", None) is not None
    kept = {name: value for name, value in options.items() if name not in ("host", "port", "db")}
    return {**kept, **({"ssl": True, **tls_options(settings)} if encrypted else {})}


def tls_options(settings: RedisSettings) -> dict[str, Any]:
    """The certificates, as options of the library; none without TLS.

    Raises:
        ConfigError: a file is missing or no certificate or key, or the key's password is wrong; names the setting.
    """
    if not settings.encrypted:
        return {}
    client_context("redis", settings)  # the library reads the files with each connection; here, what is wrong is said
    return {
        "ssl_ca_certs": settings.ssl_cafile,
        "ssl_certfile": settings.ssl_certfile,
        "ssl_keyfile": settings.ssl_keyfile,
        "ssl_password": key_password(settings),
        "ssl_check_hostname": settings.ssl_check_hostname,
    }


def _parsed(settings: RedisSettings) -> list[dict[str, Any]]:
    """The library's reading of the address, once for each host."""
    scheme, separator, rest = settings.url.get_secret_value().partition("://")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    credentials, at, hosts = rest[:end].rpartition("@")
    if scheme == "unix":
        credentials, at, hosts = "", "", rest[:end]
    addresses = [f"{scheme}{separator}{credentials}{at}{host.strip()}{rest[end:]}" for host in hosts.split(",")]
    try:
        return [parse_url(address) for address in addresses]  # type: ignore[no-untyped-call]
    except ValueError:
        # What the library says may quote a part of the password, so it is not passed on.
        raise ConfigError(
            "redis.url: no address that can be read; expected redis://[[user]:password@]host[:port][,host:port...]"
            "[/database], with special characters of user and password percent-encoded"
        ) from None
