"""Child processes that are never left behind: each in its own session, its output in a log file, and under a watchdog.

Own sessions keep a terminal's Ctrl-C from the servers until the program stops them in order. A child runs only once the
watchdog knows it, so that there is no moment at which SIGKILL to this process would leave one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from monitor.errors import ConfigError, TransientError

_WATCHDOG_GRACE_SECONDS = 3.0
_TAIL_BYTES = 65_536
# The shell waits for a line before it becomes the program; if this process dies first, it reads the end and exits.
_GATE = 'read -r go && exec "$@" </dev/null'
_watchdog_pipes: set[int] = set()


def _close_watchdog_pipes() -> None:
    for pipe in _watchdog_pipes:
        os.close(pipe)
    _watchdog_pipes.clear()


# An exec closes the pipe by itself, but a bare fork (multiprocessing) would keep it open after this process's death.
os.register_at_fork(after_in_child=_close_watchdog_pipes)


class Watchdog:
    """This process's end of the watchdog, which runs from construction until `close`, or until this process's death.

    Args:
        run_dir: where the watchdog's log goes; made if absent.
    """

    def __init__(self, run_dir: Path) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        # Run as a file, isolated and without site packages: it starts in milliseconds and finds itself from anywhere.
        script = Path(__file__).with_name("watchdog.py")
        argv = [sys.executable, "-I", "-S", str(script), str(_WATCHDOG_GRACE_SECONDS)]
        read_end, self._pipe = os.pipe()
        _watchdog_pipes.add(self._pipe)
        self._lock = threading.Lock()
        try:
            with (run_dir / "watchdog.log").open("ab") as log:
                self._process = subprocess.Popen(
                    argv, stdin=read_end, stdout=log, stderr=log, cwd="/", start_new_session=True
                )
        except BaseException:
            self._close_pipe()
            raise
        finally:
            os.close(read_end)

    @property
    def pid(self) -> int:
        """The watchdog's process id."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """Has a process group ended when this process is gone.

        Raises:
            TransientError: the watchdog itself has died or was closed, so nothing may be started under it.
        """
        if not self._order(f"watch {group}\n"):
            raise TransientError("the watchdog process is gone; nothing is started without it", reason="watchdog")

    def forget(self, group: int) -> None:
        """Drops a group that has ended: its number may soon be somebody else's."""
        self._order(f"forget {group}\n")

    def close(self) -> None:
        """Lets the watchdog end what is still watched, and waits for it. May be called again."""
        self._close_pipe()
        try:
            self._process.wait(_WATCHDOG_GRACE_SECONDS + 2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _order(self, order: str) -> bool:
        with self._lock:
            if self._pipe not in _watchdog_pipes:
                return False
            try:
                os.write(self._pipe, order.encode("ascii"))
            except BrokenPipeError:
                return False
            return True

    def _close_pipe(self) -> None:
        with self._lock:
            if self._pipe in _watchdog_pipes:
                _watchdog_pipes.remove(self._pipe)
                os.close(self._pipe)
                # The number may be given out again, and must not be taken for this pipe then.
                self._pipe = -1


class ManagedProcess:
    """A child process together with its process group; made by `start_process`.

    The group lives no longer than its leader: what a process leaves behind is killed when its end is noticed.

    Attributes:
        name: what it is called in messages and in the name of its log file.
        pid: its process id, which is also its process group.
        log_path: the file that takes its output, earlier runs under the same name included.
    """

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log_path: Path, watchdog: Watchdog) -> None:
        self.name = name
        self.pid = popen.pid
        self.log_path = log_path
        self._popen = popen
        self._watchdog = watchdog
        self._log_start = log_path.stat().st_size
        self._lock = threading.Lock()
        self._settled = False

    def poll(self) -> int | None:
        """Its exit status (negative for a signal), or None while it runs."""
        status = self._popen.poll()
        if status is not None:
            self._settle()
        return status

    def wait(self, timeout_seconds: float) -> int | None:
        """Waits for it to end by itself; its exit status, or None if it still runs then."""
        try:
            self._popen.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None
        return self.poll()

    def terminate(self, grace_seconds: float = 5.0) -> None:
        """Sends SIGTERM, waits up to a grace, then kills what is left. Does nothing to a process that has ended."""
        if self.poll() is None:
            self._signal(signal.SIGTERM)
            if self.wait(grace_seconds) is None:
                self.kill()

    def kill(self) -> None:
        """Sends SIGKILL and waits for the end. Does nothing to a process that has ended."""
        if self.poll() is None:
            self._signal(signal.SIGKILL)
            self._popen.wait()
            self._settle()

    def log_tail(self, lines: int = 20) -> str:
        """The last lines that it wrote in this run."""
        with self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - _TAIL_BYTES))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _settle(self) -> None:
        with self._lock:
            if not self._settled:
                self._settled = True
                self._signal(signal.SIGKILL)
                self._watchdog.forget(self.pid)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # The group is empty; macOS says "not permitted" where all that is left of it is unreaped.
            return


def start_process(
    name: str,
    argv: Sequence[str],
    *,
    run_dir: Path,
    watchdog: Watchdog,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> ManagedProcess:
    """Starts a program in a session of its own, with no input and with its output appended to `run_dir/NAME.log`.

    Args:
        name: what it is called in messages; a file name.
        argv: the program (a path, or a name to look up on PATH) and its arguments.
        run_dir: where its log goes; made if absent.
        watchdog: ends it if this process dies.
        env: its whole environment; None for this process's.
        cwd: its working directory; None for this process's.

    Raises:
        ConfigError: there is no such program.
        TransientError: the watchdog is gone.
    """
    environment = dict(os.environ if env is None else env)
    program = shutil.which(argv[0], path=environment.get("PATH"))
    if program is None:
        raise ConfigError(f"{name} can't be started: there is no program {argv[0]!r}", reason="program_missing")
    run_dir.mkdir(parents=True, exist_ok=True)
    log_path = run_dir / f"{name}.log"
    argv_behind_gate = ["/bin/sh", "-c", _GATE, name, str(Path(program).absolute()), *argv[1:]]
    with log_path.open("ab") as log:
        popen = subprocess.Popen(
            argv_behind_gate,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=cwd,
            start_new_session=True,
        )
    process = ManagedProcess(name, popen, log_path, watchdog)
    with cast("IO[bytes]", popen.stdin) as gate:
        try:
            watchdog.watch(process.pid)
        except BaseException:
            process.kill()
            raise
        # If it has died already, its status says so to whoever polls it.
        with suppress(BrokenPipeError):
            gate.write(b"go\n")
    return process
