"""Serves a role from its first second to its last: HTTP, signals, exit code. What it starts with can be watched and stopped.

A role ends for three reasons: a signal (exit 0), a setting that can't work (exit 2), an outage longer than its bound
(exit 3). Nothing is lost in either case: what was not applied is read again.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Protocol

from monitor.adapters.http_server import Handler, HttpServer
from monitor.errors import ConfigError
from monitor.starting import StoppedError

log = logging.getLogger(__name__)

EXIT_OK, EXIT_CONFIG, EXIT_OUTAGE = 0, 2, 3
ABANDON_SECONDS = 3.0


class Stoppable(Protocol):
    """What a signal stops."""

    @property
    def drain_seconds(self) -> float:
        """How long finishing what is on its way may take, if it is told to stop now; 0 while it starts."""

    def stop(self) -> None:
        """Lets it finish what is on its way, or gives up its start; a second call hurries it. From any thread."""


class Role(Stoppable, Protocol):
    """What is served. It answers HTTP before it has started."""

    def routes(self) -> dict[str, Handler]:
        """Handlers by path."""

    def start(self) -> Callable[[], int | None]:
        """Waits for what it needs; returns what works until it is stopped, and returns its exit code then (None is 0).

        Raises:
            StoppedError: it was told to stop.
            ConfigError: a setting can't work, or something can't be reached in the time that start-up has for it.
            TransientError: an outage that began in mid-start lasted too long.
        """


def serve(role: Role, host: str, port: int, setting: str) -> int:
    """Serves a role until it ends; returns the exit code.

    Args:
        role: what is served.
        host: address to listen on.
        port: port to listen on.
        setting: name of the setting that gives the port.

    Raises:
        ConfigError: the port is taken, or as `Role.start`.
        TransientError: as `Role.start`.
    """
    server = HttpServer(host, port, setting, role.routes())
    server.start()
    log.info("listening on %s", server.url)
    signals = Signals(role)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signals.received)
    try:
        work = role.start()
        return _finished(work)
    except StoppedError:
        log.info("stopped while it was starting; nothing had been read")
        return EXIT_OK
    finally:
        server.stop()
        signals.over()


def _finished(work: Callable[[], int | None]) -> int:
    try:
        return work() or EXIT_OK
    except ConfigError as exc:
        log.error("%s", exc)
        return EXIT_CONFIG


class Signals:
    """What a signal does: the first one lets the role stop, a second one hurries it; neither waits for ever.

    The process ends at the bound even if a library hangs: everything that was not applied is read again.
    """

    def __init__(self, role: Stoppable) -> None:
        self._role = role
        self._heard: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._attend, name="signals", daemon=True)
        self._thread.start()

    def received(self, *_: object) -> None:
        """The handler. It runs in the middle of whatever the main thread does, with the locks that it holds."""
        self._heard.put(True)  # needs none

    def over(self) -> None:
        """No signal matters any more."""
        self._heard.put(False)
        self._thread.join(ABANDON_SECONDS)

    def _attend(self) -> None:
        bounds: list[threading.Timer] = []
        while self._heard.get():
            seconds = ABANDON_SECONDS + (0.0 if bounds else self._role.drain_seconds)
            bounds.append(threading.Timer(seconds, exit_now, (EXIT_OK, "stopping took too long")))
            bounds[-1].daemon = True
            bounds[-1].start()
            self._role.stop()
        for bound in bounds:  # a later signal never puts an earlier bound off
            bound.cancel()


def exit_now(code: int, why: str) -> None:
    """Ends the process without waiting for anything."""
    log.warning("the process ends at once: %s; nothing is lost", why)
    logging.shutdown()
    os._exit(code)
