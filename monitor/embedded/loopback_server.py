"""What Kafka and Valkey have in common: a server process on loopback ports, from its start to its end.

`start` returns once a client gets real answers; ports are chosen at the first start and kept from then on, and so is
the data. A port that somebody took between choosing and binding is chosen again.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from monitor.embedded.ports import free_ports
from monitor.embedded.processes import ManagedProcess, Watchdog, start_process
from monitor.embedded.started import Started
from monitor.errors import ConfigError, TransientError

_PORT_TRIES = 4
_POLL_SECONDS = 0.05
# A process that is just ending may still hold a kept port, or the lock on a data directory that is used again.
_TRY_AGAIN_AFTER = ("Address already in use", "Failed to acquire lock")
_TRY_AGAIN_SECONDS = 1.0


class _TryAgainError(Exception):
    """The server ended because something it needs was still taken."""


class LoopbackServer(Started):
    """One server process.

    Args:
        run_dir: where its configuration, data and log live.
        say: told in a line what goes on; may be called from the thread that starts the server.
        watchdog: the watchdog to run under; None for one of its own.

    Attributes:
        name: what it is called in messages; in lower case, its folder and its log in the run directory.
        port_count: how many ports it listens on. The first is the one for clients.
        start_seconds: how long a start may take.
        stop_seconds: how long it may take to end after SIGTERM.
    """

    name: ClassVar[str]
    port_count: ClassVar[int]
    start_seconds: ClassVar[float]
    stop_seconds: ClassVar[float]

    def __init__(self, *, run_dir: Path, say: Callable[[str], None], watchdog: Watchdog | None) -> None:
        self._run_dir = run_dir.absolute()
        self._home = self._run_dir / self.name.lower()
        self._say = say
        self._watchdog = watchdog
        self._owns_watchdog = watchdog is None
        self._ports: tuple[int, ...] | None = None
        self._process: ManagedProcess | None = None

    @property
    def port(self) -> int:
        """The port for clients; chosen by the first `start`."""
        if self._ports is None:
            raise RuntimeError(f"{self.name} has no port before it is started")
        return self._ports[0]

    @property
    def process(self) -> ManagedProcess:
        """The process of the last start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process

    @property
    def pid(self) -> int:
        """The process id of the last start."""
        return self.process.pid

    def start(self) -> None:
        """Starts the server and returns once a client can use it. Does nothing if it runs.

        Raises:
            ConfigError: it can't run here; the message ends with the last lines of its log.
            TransientError: it did not come up in time, or its ports stay taken.
        """
        if self._process is not None and self._process.poll() is None:
            return
        began = time.monotonic()
        self._home.mkdir(parents=True, exist_ok=True)
        self._prepare()
        self._start_on_free_ports()
        self._say(f"{self.name}: up on 127.0.0.1:{self.port} after {time.monotonic() - began:.1f} s")

    def stop(self) -> None:
        """Ends the server in order (SIGTERM, then SIGKILL), and its own watchdog. May be called again."""
        if self._process is not None:
            self._process.terminate(self.stop_seconds)
        if self._owns_watchdog and self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    def kill(self) -> None:
        """Ends the server by SIGKILL, as a crash would."""
        self.process.kill()

    def restart(self) -> None:
        """Starts it again on the same ports and data, after stopping it if it runs. Raises what `start` raises."""
        if self._process is not None:
            self._process.terminate(self.stop_seconds)
        self.start()

    @abstractmethod
    def _prepare(self) -> None:
        """Gets ready what doesn't depend on the ports. Its folder exists."""

    @abstractmethod
    def _launch(self, ports: tuple[int, ...]) -> ManagedProcess:
        """Starts the process, with `_run`; doesn't wait for it."""

    @abstractmethod
    def _answers(self, port: int) -> bool:
        """Whether a client gets answers on a port, and from the process of this start."""

    def _run(self, name: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> ManagedProcess:
        """Starts a program in the server's folder, under the watchdog."""
        if self._watchdog is None:
            self._watchdog = Watchdog(self._run_dir)
        return start_process(name, argv, run_dir=self._run_dir, watchdog=self._watchdog, env=env, cwd=self._home)

    def _start_on_free_ports(self) -> None:
        for _ in range(_PORT_TRIES):
            ports = self._ports or free_ports(self.port_count)
            self._process = self._launch(ports)
            try:
                self._await_answer(self._process, ports[0])
            except _TryAgainError:
                time.sleep(_TRY_AGAIN_SECONDS)
            except BaseException:
                self._process.kill()
                raise
            else:
                self._ports = ports
                return
        raise TransientError(
            f"{self.name} found its ports or its data taken {_PORT_TRIES} times in a row\n{self._evidence()}",
            reason="embedded_start",
        )

    def _await_answer(self, process: ManagedProcess, port: int) -> None:
        deadline = time.monotonic() + self.start_seconds
        while process.poll() is None:
            if self._answers(port):
                return
            if time.monotonic() > deadline:
                raise TransientError(
                    f"{self.name} did not answer within {self.start_seconds:.0f} s\n{self._evidence()}",
                    reason="embedded_start",
                )
            time.sleep(_POLL_SECONDS)
        written = process.log_tail(500)
        if any(phrase in written for phrase in _TRY_AGAIN_AFTER):
            raise _TryAgainError
        raise ConfigError(
            f"{self.name} ended with status {process.poll()} while starting\n{self._evidence()}",
            reason="embedded_start",
        )

    def _evidence(self) -> str:
        return f"the last lines of {self.process.log_path}:\n{self.process.log_tail(20)}"
