"""A client of a Redis Cluster that connects at its first command, and finds its way after any failover.

The library's own client already talks to the cluster while it is made, so that an outage at start-up couldn't be waited
for; and once none of the nodes that it has learned of answers, it never asks those that it was given again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import ClusterError, RedisClusterException
from redis.retry import Retry

log = logging.getLogger(__name__)
# What the library trips over, instead of an error of its own, when an answer names a node that it hasn't heard of yet.
_TRIPPED = (AttributeError, KeyError, IndexError)


class LazyCluster(RedisCluster):
    """A RedisCluster for several threads.

    Args:
        nodes: hosts and ports to start from; asked again when no other node can be reached.
        options: of the library, for connections.
    """

    def __init__(self, nodes: Sequence[tuple[str, int]], options: dict[str, Any]) -> None:
        # None of the attributes that the library's constructor makes are there until the first command.
        self._first_nodes = tuple(nodes)
        self._options = options
        self._gate = threading.RLock()
        self._joined = False
        self._joining = False
        self._tripped = False

    def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        """Sends a command to the node that serves its keys, and follows where that sends it.

        Raises:
            redis.RedisError, redis.exceptions.RedisClusterException: as the library does.
        """
        self._join()
        with self._learning():
            return super().execute_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def read_all(self, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
        """Sends commands that only read, all at once, each to its node; returns their answers in order.

        Raises:
            redis.RedisError, redis.exceptions.RedisClusterException: the first error among the answers.
        """
        self._join()
        with self._learning(), super().pipeline() as pipe:  # type: ignore[no-untyped-call]
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = pipe.execute()
            return answers

    def close(self) -> None:
        """Closes all connections. A later command opens them again."""
        self._leave()

    @contextmanager
    def _learning(self) -> Iterator[None]:
        """Starts anew from the nodes of the settings after what shows that those that are known will not do."""
        try:
            yield
        except RedisClusterException:
            self._leave()
            raise
        except _TRIPPED as exc:
            self._leave()
            if not self._tripped:  # once: a mistake in a program would hide behind it for ever
                self._tripped = True
                log.warning(
                    "the library stumbled over an answer of the Redis Cluster, or a program over it", exc_info=exc
                )
            raise ClusterError("the cluster named a node that is not known yet") from exc

    def _join(self) -> None:
        if self._joined:
            return
        with self._gate:
            # The library's constructor sends commands by way of `execute_command`.
            if self._joined or self._joining:
                return
            self._joining = True
            try:
                super().__init__(
                    startup_nodes=[ClusterNode(host, port) for host, port in self._first_nodes],  # type: ignore[no-untyped-call]
                    # Retries are the pipeline's: it alone knows what may be sent again.
                    retry=Retry(NoBackoff(), 0),
                    # One slot that moved tells that others have, too.
                    reinitialize_steps=1,
                    **self._options,
                )
                self._joined = True
            finally:
                self._joining = False

    def _leave(self) -> None:
        with self._gate:
            if self._joined:
                self._joined = False
                super().close()
