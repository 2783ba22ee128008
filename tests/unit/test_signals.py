"""Laws of stopping on a signal: the handler waits for nothing, and the process ends in time whatever hangs."""

from __future__ import annotations

import threading

import pytest

from monitor import serving

WAIT_SECONDS = 10.0


class LockedRole:
    """Stops once it has its lock.

    Args:
        drain_seconds: how long it says that stopping may take.
    """

    def __init__(self, drain_seconds: float) -> None:
        self.drain_seconds = drain_seconds
        self.lock, self.stopped = threading.Lock(), threading.Event()

    def stop(self) -> None:
        """Waits for the lock."""
        with self.lock:
            self.stopped.set()


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set in place of ending the process."""
    exited = threading.Event()
    monkeypatch.setattr(serving, "exit_now", lambda code, why: exited.set())
    return exited


def interrupted(signals: serving.Signals, role: LockedRole) -> threading.Thread:
    """A thread that hears a signal while it holds the lock that stopping needs."""

    def hear() -> None:
        with role.lock:
            signals.received()

    thread = threading.Thread(target=hear, daemon=True)
    thread.start()
    return thread


def test_a_signal_that_comes_in_the_middle_of_anything_waits_for_nothing(exits: threading.Event) -> None:
    """The interrupted thread goes on, though it holds what stopping needs; then the role is told."""
    role = LockedRole(60.0)
    signals = serving.Signals(role)
    thread = interrupted(signals, role)
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    assert role.stopped.wait(WAIT_SECONDS)
    signals.over()
    assert not exits.is_set()


def test_the_bound_runs_before_the_role_is_told(exits: threading.Event) -> None:
    """The process ends in time even if telling it hangs."""
    role = LockedRole(0.01 - serving.ABANDON_SECONDS)
    signals = serving.Signals(role)
    with role.lock:
        threading.Thread(target=signals.received, daemon=True).start()
        assert exits.wait(WAIT_SECONDS)
        assert not role.stopped.is_set()
    signals.over()


def test_a_later_signal_never_puts_the_end_off(exits: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever presses Ctrl-C again and again waits no longer than one who pressed it once."""
    monkeypatch.setattr(serving, "ABANDON_SECONDS", 60.0)
    role = LockedRole(0.5 - 60.0)
    signals = serving.Signals(role)
    signals.received()
    assert role.stopped.wait(WAIT_SECONDS)
    signals.received()
    assert exits.wait(WAIT_SECONDS)
    signals.over()
