"""A role that is starting: what it waits for and why, and that it was told to stop meanwhile.

One thread starts the role and waits by this; others ask what it waits for, or tell it to stop.
"""

from __future__ import annotations

import threading

from monitor.errors import TransientError
from monitor.ports import Clock


class StoppedError(Exception):
    """The role was told to stop before it had started."""


class Starting:
    """Implements Clock, for whatever waits while a role starts: a wait ends when the role is told to stop.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stop = threading.Event()
        self._service = ""
        self._told = ("", "")  # replaced whole, since other threads read it

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Ends the wait that is on, or the next step before it begins."""
        self._stop.set()

    def told(self) -> dict[str, object]:
        """What is `missing` and `why`, in words without secrets: anyone who reaches the HTTP port may read them."""
        missing, why = self._told
        return {"missing": [missing], "why": why}

    def begin(self, missing: str, why: str) -> None:
        """Notes the step that begins. Raises StoppedError if the role was told to stop."""
        self._told = missing, why
        if self._stop.is_set():
            raise StoppedError

    def ask(self, missing: str, service: str) -> None:
        """The same where the step is to reach a service, named with its address."""
        self._service = service
        self.begin(missing, f"{service} has not answered yet")

    def failed(self, cause: TransientError) -> str:
        """Notes that the service was asked in vain; returns why, as it is told from now on."""
        why = f"{self._service} does not answer: {cause}"
        self._told = self._told[0], why
        return why

    def now_ms(self) -> int:
        """See Clock."""
        return self._clock.now_ms()

    def monotonic_seconds(self) -> float:
        """See Clock."""
        return self._clock.monotonic_seconds()

    def wait_seconds(self, seconds: float) -> None:
        """See Clock. Raises StoppedError as soon as the role is told to stop."""
        if self._stop.wait(seconds):
            raise StoppedError
