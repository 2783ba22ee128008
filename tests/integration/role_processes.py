"""A worker or an exporter as a process of its own, to be signalled, killed and listened to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from monitor.settings import Settings
from tests.settings_flags import flags_of

ROOT = Path(__file__).parents[2]


class ProcessRole:
    """A context manager that kills it in the end, if it still runs.

    Args:
        command: arguments of Python.
        settings: all settings; those given explicitly are passed on.
        log: file that its standard error is appended to.
    """

    def __init__(self, command: Sequence[str], settings: Settings, log: Path) -> None:
        argv = [sys.executable, *command, *flags_of(settings)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(argv, stdout=stream, stderr=stream, env=environment, cwd=log.parent)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it by SIGKILL, as a crash would."""
        self._process.kill()
        self._process.wait(timeout=10)

    def terminate(self) -> int:
        """Sends SIGTERM; returns the exit code."""
        return self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> int:
        """Sends a signal; returns the exit code."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        return self._process.wait(timeout=30)

    def said(self) -> str:
        """All that it and those before it in the same file have logged."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.kill()
