"""The workers of a kill test: processes that are killed, frozen, added and removed, and started anew where one ended.

A worker that ends by itself, or with another status than it should, is remembered with the end of its log.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from monitor.adapters.system_clock import SystemClock
from monitor.app import EXIT_OUTAGE
from monitor.embedded.processes import ManagedProcess, Watchdog, start_process
from monitor.settings import Settings
from tests.settings_flags import flags_of

ROOT = Path(__file__).parents[2]
FENCED = ROOT / "tests" / "worker_program.py"
UNFENCED = ROOT / "tests" / "chaos" / "unfenced_worker.py"
FORGETFUL = ROOT / "tests" / "chaos" / "forgetful_worker.py"
GENEROUS = ROOT / "tests" / "chaos" / "generous_worker.py"
_LEAVE_SECONDS = 60.0
# A worker that is told to stop before it listens to signals ends by the signal.
_ORDERLY = {0, -signal.SIGTERM}
_REFUSED = re.compile(r"refused \((\w+)\)")
_RETRIED = "trying again in"


@dataclass(slots=True)
class Member:
    """A worker that is meant to run.

    Attributes:
        wakes_at: when it is thawed, on the monotonic clock; None while it is not frozen.
    """

    process: ManagedProcess
    wakes_at: float | None = None


class Fleet:
    """Workers of one group; a context manager that ends all of them.

    Args:
        settings: all settings; those given explicitly are passed on.
        folder: for their logs.
        watchdog: ends them if this process dies.
        program: what is run, see `FENCED`, `UNFENCED`, `FORGETFUL` and `GENEROUS`.
        seconds_per_text: how slow their classifier is.

    Attributes:
        surprises: what ended in another way than it should.
        gave_up: how many said at their start that a server was away, and ended with the status that says so.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        watchdog: Watchdog,
        program: Path,
        seconds_per_text: float,
    ) -> None:
        self.surprises: list[str] = []
        self.gave_up = 0
        self._arguments = [str(program), str(seconds_per_text), *flags_of(settings)]
        self._folder, self._watchdog = folder, watchdog
        self._clock = SystemClock()
        self._members: list[Member] = []
        self._leaving: list[tuple[ManagedProcess, float]] = []
        self._count = 0

    @property
    def awake(self) -> list[Member]:
        """Those that run and are not frozen."""
        return [member for member in self._members if member.wakes_at is None]

    @property
    def size(self) -> int:
        """How many are meant to run, frozen ones included."""
        return len(self._members)

    def add(self) -> str:
        """Starts one; returns its name."""
        self._count += 1
        name = f"worker-{self._count}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, *self._arguments]
        process = start_process(name, argv, run_dir=self._folder, watchdog=self._watchdog, env=environment)
        self._members.append(Member(process))
        return name

    def kill(self, member: Member) -> str:
        """SIGKILL, as a crash would, and another in its place; says which."""
        self._members.remove(member)
        member.process.kill()
        return f"{member.process.name} killed, {self.add()} in its place"

    def freeze(self, member: Member, seconds: float) -> str:
        """SIGSTOP for a while: what it holds, it still believes to hold when it wakes up."""
        os.kill(member.process.pid, signal.SIGSTOP)
        member.wakes_at = self._clock.monotonic_seconds() + seconds
        return f"{member.process.name} frozen for {seconds:.1f} s"

    def remove(self, member: Member) -> str:
        """SIGTERM; `tend` looks after its end."""
        self._members.remove(member)
        os.kill(member.process.pid, signal.SIGTERM)
        self._leaving.append((member.process, self._clock.monotonic_seconds() + _LEAVE_SECONDS))
        return f"{member.process.name} told to stop"

    def tend(self, everyone: bool = False) -> None:
        """Thaws those whose time has come (or everyone), and replaces those that ended by themselves."""
        now = self._clock.monotonic_seconds()
        for member in self._members:
            if member.wakes_at is not None and (everyone or now >= member.wakes_at):
                os.kill(member.process.pid, signal.SIGCONT)
                member.wakes_at = None
        for member in [member for member in self._members if member.process.poll() is not None]:
            self._members.remove(member)
            self._note(member.process, "by itself")
            self.add()
        for leaving in list(self._leaving):
            self._see_off(*leaving, now)

    def dismiss(self) -> None:
        """Tells all to stop and waits for their end."""
        self.tend(everyone=True)
        for member in list(self._members):
            self.remove(member)
        while self._leaving:
            self.tend()
            self._clock.wait_seconds(0.05)

    def logged(self) -> Counter[str]:
        """What all of them logged: refusals by result as `refused_<result>`, and `retries`."""
        found: Counter[str] = Counter()
        for path in self._folder.glob("worker-*.log"):
            text = path.read_text(encoding="utf-8", errors="replace")
            found.update(f"refused_{result}" for result in _REFUSED.findall(text))
            found["retries"] += text.count(_RETRIED)
        return found

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*(member.process for member in self._members), *(process for process, _ in self._leaving)]:
            process.kill()

    def _see_off(self, process: ManagedProcess, deadline: float, now: float) -> None:
        status = process.poll()
        if status is None and now <= deadline:
            return
        self._leaving.remove((process, deadline))
        if status is None:
            self._note(process, f"did not stop within {_LEAVE_SECONDS:.0f} s and was killed")
            process.kill()
        elif status not in _ORDERLY:
            self._note(process, "when it was told to stop")

    def _note(self, process: ManagedProcess, what: str) -> None:
        if process.poll() == EXIT_OUTAGE:
            self.gave_up += 1
            return
        self.surprises.append(f"{process.name}: status {process.poll()} {what}\n{process.log_tail(12)}")
