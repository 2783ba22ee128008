"""Starts worker and exporter as processes of their own, and asks them over HTTP how they are, as anyone would."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from prometheus_client.parser import text_string_to_metric_families

from monitor.embedded.ports import LOOPBACK, free_ports
from monitor.embedded.processes import ManagedProcess, Watchdog, start_process
from monitor.errors import TransientError
from monitor.ports import Clock

_TIMEOUT_SECONDS = 10.0


class Role:
    """A running `monitor worker` or `monitor exporter`.

    Args:
        name: `worker` or `exporter`.
        arguments: further arguments of the command.
        run_dir: where its log goes.
        watchdog: ends it if this process dies.
    """

    def __init__(self, name: str, arguments: list[str], run_dir: Path, watchdog: Watchdog) -> None:
        (port,) = free_ports(1)
        self.name = name
        self.url = f"http://{LOOPBACK}:{port}"
        argv = [sys.executable, "-m", "monitor", name, *arguments, "--set", f"{name}.port={port}"]
        # The model comes with the program; nothing may reach for a hub.
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
        self.process: ManagedProcess = start_process(name, argv, run_dir=run_dir, watchdog=watchdog, env=env)

    def get(self, path: str, **query: object) -> Any:
        """Asks for JSON. Raises TransientError while there is no answer."""
        return json.loads(self._read(f"{path}?{urlencode(query)}" if query else path))

    def metrics(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """The role's /metrics: samples by name."""
        found: dict[str, list[tuple[dict[str, str], float]]] = {}
        for family in text_string_to_metric_families(self._read("/metrics").decode()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append((sample.labels, sample.value))
        return found

    def wait_until(self, path: str, clock: Clock, seconds: float, on_wait: Callable[[], None]) -> None:
        """Waits until `path` answers 200. Raises TransientError if the process ends or the time is up."""
        deadline = clock.monotonic_seconds() + seconds
        while True:
            try:
                self._read(path)
                return
            except TransientError as exc:
                self.check()
                if clock.monotonic_seconds() > deadline:
                    raise TransientError(
                        f"{self.name} was not ready after {seconds:.0f} s: {exc}; its log ends:\n{self.process.log_tail()}",
                        reason="not_ready",
                    ) from exc
            on_wait()
            clock.wait_seconds(0.2)

    def check(self) -> None:
        """Raises TransientError if the process has ended."""
        status = self.process.poll()
        if status is not None:
            raise TransientError(
                f"{self.name} ended with status {status}; its log ends:\n{self.process.log_tail()}", reason="role_ended"
            )

    def _read(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(self.url + path, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - our own address
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as exc:
            raise TransientError(
                f"{path}: {exc.code} {exc.read()[:200].decode(errors='replace')}", reason="http"
            ) from exc
        except OSError as exc:
            raise TransientError(f"{path}: {exc}", reason="http") from exc
