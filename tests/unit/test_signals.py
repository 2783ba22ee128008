"""Laws of stopping on a signal: the handler waits for nothing, and the process ends in time whatever hangs."""

from __future__ import annotations

import threading

import pytest

from monitor import app

WAIT_SECONDS = 10.0


class LockedRole:
    """Stops once it has its lock."""

    def __init__(self) -> None:
        self.lock, self.stopped = threading.Lock(), threading.Event()

    def stop(self) -> None:
        """Waits for the lock."""
        with self.lock:
            self.stopped.set()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set in place of ending the process."""
    exited = threading.Event()
    monkeypatch.setattr(app, "_exit_now", lambda code, why: exited.set())
    return exited


def interrupted(signals: app._Signals, role: LockedRole) -> threading.Thread:
    """A thread that hears a signal while it holds the lock that stopping needs."""

    def hear() -> None:
        with role.lock:
            signals.received()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    return thread


def test_a_signal_that_comes_in_the_middle_of_anything_waits_for_nothing(exits: threading.Event) -> None:
    """The interrupted thread goes on, though it holds what stopping needs; then the role is told."""
    role = LockedRole()
    signals = app._Signals(role, 60.0)
    thread = interrupted(signals, role)
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    assert role.stopped.wait(WAIT_SECONDS)
    signals.over()
    assert not exits.is_set()


def test_the_bound_runs_before_the_role_is_told(exits: threading.Event) -> None:
    """The process ends in time even if telling it hangs."""
    role = LockedRole()
    signals = app._Signals(role, 0.01 - app._ABANDON_SECONDS)
    with role.lock:
        threading.Thread(target=signals.received, daemon=True).start()
        assert exits.wait(WAIT_SECONDS)
        assert not role.stopped.is_set()
    signals.over()
