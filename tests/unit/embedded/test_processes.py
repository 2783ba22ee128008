"""Child processes and their watchdog: what was started is ended, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import monitor
from monitor.embedded.processes import ManagedProcess, Watchdog, start_process
from monitor.embedded.watchdog import read_groups
from monitor.errors import ConfigError, TransientError

Start = Callable[[str], ManagedProcess]
FORKING = """\
import os, sys, time
from pathlib import Path
from monitor.embedded.processes import Watchdog

watchdog = Watchdog(Path(sys.argv[1]))
read_end, write_end = os.pipe()
child = os.fork()
if child == 0:
    os.close(write_end)
    os.read(read_end, 1)
    os._exit(0)
began = time.monotonic()
watchdog.close()
print(time.monotonic() - began)
os.close(write_end)
os.waitpid(child, 0)
"""


@pytest.fixture
def watchdog(tmp_path: Path) -> Iterator[Watchdog]:
    """A watchdog that ends with the test."""
    watchdog = Watchdog(tmp_path)
    yield watchdog
    watchdog.close()


@pytest.fixture
def start(tmp_path: Path, watchdog: Watchdog) -> Iterator[Start]:
    """Starts a shell script; what still runs at the end is killed."""
    started: list[ManagedProcess] = []

    def start_script(script: str) -> ManagedProcess:
        started.append(start_process("script", ["/bin/sh", "-c", script], run_dir=tmp_path, watchdog=watchdog))
        return started[-1]

    yield start_script
    for process in started:
        process.kill()


def wait_until(predicate: Callable[[], object], description: str, timeout_seconds: float = 10.0) -> None:
    """Waits for a predicate to hold; fails with its description if it doesn't in time."""
    deadline = time.monotonic() + timeout_seconds
    while not predicate():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_seconds} s: {description}")
        time.sleep(0.01)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_orders_say_which_groups_are_watched_at_the_end() -> None:
    """A group that was forgotten is not ended, and one that was watched again is."""
    assert read_groups([b"watch 1\n", b"watch 2\n", b"forget 1\n", b"watch 3\n", b"forget 3\n", b"watch 3\n"]) == {2, 3}


def test_output_goes_to_the_log_and_the_tail_is_of_this_run(start: Start) -> None:
    """Both streams are in the log; a second run adds to the file, and its tail has its own lines alone."""
    start("echo one; echo two >&2; echo three").wait(10)
    second = start("echo four; echo five")
    assert second.wait(10) == 0
    assert second.log_path.read_text().splitlines() == ["one", "two", "three", "four", "five"]
    assert second.log_tail() == "four\nfive"
    assert second.log_tail(1) == "five"


def test_exit_status_is_told(start: Start) -> None:
    """`poll` is None while a process runs, then its status, negative for a signal."""
    failing = start("exit 7")
    assert failing.wait(10) == 7
    sleeping = start("sleep 60")
    assert sleeping.poll() is None
    sleeping.kill()
    assert sleeping.poll() == -9


def test_process_has_no_input(start: Start) -> None:
    """Reading ends at once, so that nothing waits for a terminal."""
    assert start("cat").wait(10) == 0


def test_arguments_arrive_as_they_are(tmp_path: Path, watchdog: Watchdog) -> None:
    """No shell reads them: spaces, quotes and dollars are kept."""
    words = ["a b", "$HOME", "'\"", "*", ""]
    argv = [sys.executable, "-S", "-c", "import sys; print(sys.argv[1:])", *words]
    process = start_process("words", argv, run_dir=tmp_path, watchdog=watchdog)
    assert process.wait(10) == 0
    assert process.log_tail() == str(words)


def test_process_has_its_own_session(start: Start) -> None:
    """Ctrl-C in this terminal reaches neither a started process nor the watchdog."""
    process = start("sleep 60")
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getsid(0)


def test_watchdog_has_its_own_session(watchdog: Watchdog) -> None:
    """Ctrl-C in this terminal does not reach the watchdog."""
    assert os.getsid(watchdog.pid) == watchdog.pid != os.getsid(0)


def test_terminate_lets_a_process_end_in_order(start: Start) -> None:
    """SIGTERM comes first, and the process may clean up."""
    process = start("trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    wait_until(lambda: process.log_tail() == "ready", "the script has set its trap")
    process.terminate(10)
    assert (process.poll(), process.log_tail(1)) == (0, "cleaned")


def test_terminate_kills_what_ignores_it(start: Start) -> None:
    """After the grace comes SIGKILL."""
    process = start("trap '' TERM; echo ready; while :; do sleep 0.05; done")
    wait_until(lambda: process.log_tail() == "ready", "the script ignores SIGTERM")
    process.terminate(0.1)
    assert process.poll() == -9


def test_what_a_process_leaves_behind_ends_with_it(start: Start) -> None:
    """A grandchild is killed once the end of its parent is noticed."""
    process = start("sleep 60 & echo $!")
    assert process.wait(10) == 0
    wait_until(lambda: gone(int(process.log_tail())), "the grandchild is gone")


def test_ended_process_can_be_ended_again(start: Start) -> None:
    """Ending it twice is no error, and the first status stays."""
    process = start("exit 3")
    process.wait(10)
    process.terminate()
    process.kill()
    assert process.poll() == 3


def test_program_that_is_missing_is_named(tmp_path: Path, watchdog: Watchdog) -> None:
    """Nothing is started, and the error says what can't be."""
    with pytest.raises(ConfigError, match="no-such-program"):
        start_process("x", ["no-such-program"], run_dir=tmp_path, watchdog=watchdog)


def test_closing_the_watchdog_ends_what_runs(tmp_path: Path) -> None:
    """What closing does is what the death of this process does: the pipe ends, and then the processes."""
    watchdog = Watchdog(tmp_path)
    process = start_process("sleeper", ["/bin/sh", "-c", "sleep 60"], run_dir=tmp_path, watchdog=watchdog)
    watchdog.close()
    assert process.wait(10) == -15


def test_nothing_starts_under_a_watchdog_that_is_gone(tmp_path: Path) -> None:
    """The program doesn't run even for a moment."""
    watchdog = Watchdog(tmp_path)
    watchdog.close()
    mark = tmp_path / "ran"
    with pytest.raises(TransientError, match="watchdog"):
        start_process("x", ["/bin/sh", "-c", f"echo > {mark}"], run_dir=tmp_path, watchdog=watchdog)
    assert not mark.exists()


def test_forked_child_does_not_keep_the_watchdog_waiting(tmp_path: Path) -> None:
    """A bare fork closes its copy of the pipe: the watchdog ends although the child lives on."""
    # In an interpreter of its own, since this one may have threads, and then a fork is not to be trusted.
    argv = [sys.executable, "-c", FORKING, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(monitor.__file__).parents[1])}
    ran = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    # `close` kills a watchdog that has not ended after 5 s.
    assert float(ran.stdout) < 4.0
