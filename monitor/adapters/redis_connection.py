"""Connects to Redis, with its failures as errors of the monitor's own; never shows the address's user or password."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitor.adapters.redis_address import cluster_options, nodes_of, single_url, tls_options
from monitor.adapters.redis_cluster import LazyCluster
from monitor.adapters.tls import distrust
from monitor.errors import ConfigError, TransientError
from monitor.ports import Clock
from monitor.settings import RedisSettings

log = logging.getLogger(__name__)

Client: TypeAlias = redis.Redis | LazyCluster

# What a server answers when it takes no writes for now: a full disk, a replica, a script that hangs. The library has
# classes for some and strips their word from the text; of others only the word is left.
_NO_WRITES = ("MISCONF", "NOREPLICAS", "BUSY")
_NO_WRITES_ERRORS = (redis.exceptions.ReadOnlyError, redis.exceptions.MasterDownError)
# A failover or a move of slots that is going on. "non local key": a script met it half-way.
_CLUSTER_ERRORS = (redis.exceptions.ClusterError, redis.exceptions.TryAgainError, redis.exceptions.SlotNotCoveredError)
_CLUSTER_WORDS = ("non local key", "not covered", "could not agree", "No targets were found")
_ELSEWHERE = (redis.exceptions.AskError, redis.exceptions.ClusterCrossSlotError)
_USER = re.compile(r"\b[Uu]ser \S+ has no")  # how a server names it
_IS_CLUSTER = "redis.url names a node of a Redis Cluster, but redis.cluster is false: set it to true"
_SAME_EVERYWHERE: dict[str, Any] = {
    "socket_timeout": 10.0,
    "socket_connect_timeout": 3.0,
    "health_check_interval": 30,
    # The library's default depends on its version; all that we ask has the same answers in this one.
    "protocol": 2,
}


def connect(settings: RedisSettings) -> Client:
    """Returns a client; nothing is sent yet.

    Raises:
        ConfigError: an address that can't be read or doesn't fit `redis.cluster`, or a file of a certificate.
    """
    if settings.cluster:
        return LazyCluster(nodes_of(settings), {**_SAME_EVERYWHERE, **cluster_options(settings)})
    # Retries are the pipeline's: it alone knows what may be sent again.
    return redis.Redis.from_url(
        single_url(settings), retry=Retry(NoBackoff(), 0), **_SAME_EVERYWHERE, **tls_options(settings)
    )


def wait_until_reachable(
    client: Client,
    settings: RedisSettings,
    clock: Clock,
    on_retry: Callable[[TransientError], object] = lambda exc: None,
) -> None:
    """Pings with growing pauses.

    Args:
        client: the connection.
        settings: its address, for errors, and how long to try.
        clock: waits; what that raises ends the waiting.
        on_retry: told of each try that was in vain, but for one that no other could help.

    Raises:
        ConfigError: not reachable within `redis.connect_timeout_seconds`, a certificate that is not accepted, a cluster
            where `redis.cluster` says there is none, or the other way round; names address and setting.
    """
    deadline = clock.monotonic_seconds() + settings.connect_timeout_seconds
    pause = 0.2
    while True:
        try:
            ping(client)
            _check_mode(client)
            return
        except TransientError as exc:
            line = f"Redis at {address_of(settings)} (setting redis.url, MONITOR_REDIS__URL) can't be reached: {exc}"
            if why := distrust(exc):
                raise ConfigError(f"{line}: {why}; see redis.ssl_cafile", reason="redis_tls") from exc
            on_retry(exc)
            if clock.monotonic_seconds() + pause > deadline:
                raise ConfigError(
                    f"{line}; gave up after {settings.connect_timeout_seconds:g} s", reason="redis"
                ) from exc
            log.warning("%s; trying again in %.1f s", line, pause)
            clock.wait_seconds(pause)
            pause = min(pause * 2, 5.0)


def ping(client: Client) -> None:
    """Raises TransientError if the server, or a master of the cluster, doesn't answer."""
    with translated():
        if isinstance(client, LazyCluster):
            # A replica that is away is no outage.
            client.ping(target_nodes=redis.RedisCluster.PRIMARIES)
        else:
            client.ping()


def address_of(settings: RedisSettings) -> str:
    """Hosts and ports, without user and password."""
    return ", ".join(f"{host}:{port}" for host, port in nodes_of(settings))


def read_all(client: Client, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
    """Sends commands that only read, all at once, and returns their answers in order.

    Raises:
        redis.RedisError: the first error among the answers.
    """
    if isinstance(client, LazyCluster):
        return client.read_all(commands)
    pipe = client.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)  # type: ignore[no-untyped-call]
    answers: list[Any] = pipe.execute()
    return answers


class Script:
    """One of the Lua scripts beside this module; sent whole only to a server that hasn't got it.

    Args:
        client: the connection.
        name: the file's name without its end.
    """

    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        path = resources.files("monitor.adapters").joinpath(f"redis_scripts/{name}.lua")
        self._text = path.read_text(encoding="utf-8")
        self._digest = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str], args: Sequence[str | int | bytes]) -> Any:
        """Runs it where its keys are, in a cluster all in one slot; raises redis.RedisError."""
        try:
            return self._client.evalsha(self._digest, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            # A restart or a failover empties the memory for scripts. EVAL asks one node alone, and fills it again.
            return self._client.eval(self._text, len(keys), *keys, *args)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the library's errors into TransientError, with a bounded reason, or ConfigError."""
    try:
        yield
    except redis.exceptions.RedisError as exc:
        if error := _translation(exc):
            raise error from exc
        raise
    except redis.exceptions.RedisClusterException as exc:
        if error := _cluster_translation(exc):
            raise error from exc
        raise
    except OSError as exc:
        raise TransientError(f"{exc}", reason="redis_unreachable") from exc


def _translation(exc: Exception) -> Exception | None:
    """The error to raise in place of one of the library's; None if it is not foreseen."""
    errors, words = redis.exceptions, str(exc)
    if isinstance(exc, errors.NoPermissionError) or "ACL failure in script" in words:
        nameless = _USER.sub("it has no", words)
        return ConfigError(f"redis.url: its user may not do what the monitor needs: {nameless}", reason="redis_auth")
    if isinstance(exc, errors.AuthenticationError):
        return ConfigError(f"redis.url: the server refuses its user or password: {exc}", reason="redis_auth")
    if isinstance(exc, errors.ConnectionError | errors.TimeoutError):
        return TransientError(f"{exc}", reason="redis_unreachable")
    if isinstance(exc, errors.OutOfMemoryError) or "OOM" in words:
        return TransientError(f"Redis is out of memory: {exc}", reason="redis_memory")
    if isinstance(exc, _NO_WRITES_ERRORS) or any(word in words for word in _NO_WRITES):
        return TransientError(f"Redis does not take writes: {exc}", reason="redis_readonly")
    if isinstance(exc, _CLUSTER_ERRORS) or any(word in words for word in _CLUSTER_WORDS):
        return TransientError(f"the Redis Cluster is changing: {exc}", reason="redis_cluster")
    if isinstance(exc, _ELSEWHERE) or words.startswith(("MOVED ", "ASK ")):  # without a class in older libraries
        return ConfigError(f"{_IS_CLUSTER}: it answers {exc}", reason="redis_cluster_mode")
    return None


def _cluster_translation(exc: Exception) -> Exception | None:
    """The same for what the library raises of a cluster as a whole."""
    behind = exc.__cause__ or exc.__context__
    while behind is not None:
        if isinstance(behind, redis.exceptions.ResponseError) and "cluster support disabled" in str(behind):
            return ConfigError(
                "redis.cluster is true, but redis.url names a server that is no cluster: set it to false, or name nodes "
                "of a cluster",
                reason="redis_cluster_mode",
            )
        if isinstance(behind, redis.exceptions.RedisError) and (found := _translation(behind)):
            return found
        behind = behind.__cause__ or behind.__context__
    words = str(exc)
    if isinstance(exc, _CLUSTER_ERRORS) or any(word in words for word in _CLUSTER_WORDS):
        return TransientError(f"the Redis Cluster is changing: {exc}", reason="redis_cluster")
    if "cannot be connected" in words:
        return TransientError(f"{exc}", reason="redis_unreachable")
    return None


def _check_mode(client: Client) -> None:
    """Raises ConfigError if a client of one server has come upon something else."""
    if isinstance(client, LazyCluster):
        return
    try:
        with translated():
            answer: Any = client.execute_command("HELLO")  # type: ignore[no-untyped-call]
    except redis.exceptions.ResponseError:
        return  # an old server or a proxy doesn't know it; what it is shows by its answers
    words = answer if isinstance(answer, list) else [part for pair in answer.items() for part in pair]
    mode = dict(zip(words[::2], words[1::2], strict=False)).get(b"mode", b"")
    if mode == b"cluster":
        raise ConfigError(_IS_CLUSTER, reason="redis_cluster_mode")
    if mode == b"sentinel":
        raise ConfigError("redis.url names a Sentinel; name the server that it watches", reason="redis_cluster_mode")
