"""Connects to Redis, with its failures as errors of the monitor's own; never shows the address's user or password."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitor.errors import ConfigError, TransientError
from monitor.ports import Clock
from monitor.settings import RedisSettings

log = logging.getLogger(__name__)
# What a server answers when it takes no writes for now: a full disk, a replica, a failover, a cluster in parts, a script
# that hangs. The library has classes for some and strips their word from the text; of others only the word is left.
_NO_WRITES = ("MISCONF", "NOREPLICAS", "BUSY")
_NO_WRITES_ERRORS = (
    redis.exceptions.ReadOnlyError,
    redis.exceptions.MasterDownError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)


def connect(settings: RedisSettings) -> redis.Redis:
    """Returns a client; nothing is sent yet. Raises ConfigError for an address that can't be read."""
    try:
        # Retries are the pipeline's: it alone knows what may be sent again.
        return redis.Redis.from_url(
            settings.url.get_secret_value(),
            socket_timeout=10.0,
            socket_connect_timeout=3.0,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=30,
        )
    except ValueError:
        # What the library says may quote a part of the password, so it is not passed on.
        raise ConfigError(
            "redis.url: no address that can be read; expected redis://[[user]:password@]host[:port][/database], with "
            "special characters of user and password percent-encoded"
        ) from None


def wait_until_reachable(client: redis.Redis, settings: RedisSettings, clock: Clock) -> None:
    """Pings with growing pauses.

    Raises:
        ConfigError: not reachable within `redis.connect_timeout_seconds`; names address and setting.
    """
    deadline = clock.monotonic_seconds() + settings.connect_timeout_seconds
    pause = 0.2
    while True:
        try:
            with translated():
                client.ping()
            return
        except TransientError as exc:
            line = f"Redis at {address_of(settings)} (setting redis.url, MONITOR_REDIS__URL) can't be reached: {exc}"
            if clock.monotonic_seconds() + pause > deadline:
                raise ConfigError(
                    f"{line}; gave up after {settings.connect_timeout_seconds:g} s", reason="redis"
                ) from exc
            log.warning("%s; trying again in %.1f s", line, pause)
            clock.wait_seconds(pause)
            pause = min(pause * 2, 5.0)


def address_of(settings: RedisSettings) -> str:
    """Host and port, without user and password."""
    parts = urlsplit(settings.url.get_secret_value())
    return f"{parts.hostname or '?'}:{parts.port or 6379}"


@contextmanager
def translated() -> Iterator[None]:
    """Turns the library's errors into TransientError, with a bounded reason."""
    try:
        yield
    except (redis.exceptions.AuthenticationError, redis.exceptions.NoPermissionError) as exc:
        raise ConfigError(f"redis.url: the server refuses its user or password: {exc}", reason="redis_auth") from exc
    except redis.exceptions.OutOfMemoryError as exc:
        raise TransientError(f"Redis is out of memory: {exc}", reason="redis_memory") from exc
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError) as exc:
        raise TransientError(f"{exc}", reason="redis_unreachable") from exc
    except _NO_WRITES_ERRORS as exc:
        raise TransientError(f"Redis does not take writes: {exc}", reason="redis_readonly") from exc
    except redis.exceptions.ResponseError as exc:
        if "OOM" in str(exc):
            raise TransientError(f"Redis is out of memory: {exc}", reason="redis_memory") from exc
        if any(word in str(exc) for word in _NO_WRITES):
            raise TransientError(f"Redis does not take writes: {exc}", reason="redis_readonly") from exc
        raise


def script(name: str) -> str:
    """Reads one of the Lua scripts beside this module."""
    return resources.files("monitor.adapters").joinpath(f"redis_scripts/{name}.lua").read_text(encoding="utf-8")
