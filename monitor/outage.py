"""How long an outage lasts and when to try again: pauses grow exponentially to a cap, each drawn anew from zero on.

Start-up waits by the same rule as a worker that runs. "Full jitter", so that workers that lost the same Redis don't come
back at the same moment; the scheme is of the AWS Architecture Blog, "Exponential Backoff and Jitter" (2015).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from monitor.errors import TransientError
from monitor.ports import Clock

log = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 10.0


class Outage:
    """One that is on, or none.

    Args:
        clock: the time.
        limit_seconds: how long one may last.
        longest_seconds: cap of a pause.
        draw: uniform in [0, 1); tests give their own.
    """

    def __init__(
        self,
        clock: Clock,
        limit_seconds: float,
        longest_seconds: float = LONGEST_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._clock, self._limit_seconds, self._longest_seconds, self._draw = (
            clock,
            limit_seconds,
            longest_seconds,
            draw,
        )
        self._since: float | None = None
        self._tries = 0
        self.cause: TransientError | None = None

    @property
    def lasted_seconds(self) -> float:
        """How long it has lasted; 0 without one."""
        return 0.0 if self._since is None else self._clock.monotonic_seconds() - self._since

    @property
    def too_long(self) -> bool:
        """Whether it has lasted longer than it may."""
        return self.lasted_seconds > self._limit_seconds

    def failed(self, cause: TransientError) -> float:
        """Notes a failure; returns the seconds to pause before the next try."""
        if self._since is None:
            self._since = self._clock.monotonic_seconds()
        self.cause = cause
        bound = min(self._longest_seconds, FIRST_SECONDS * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return bound * self._draw()

    def over(self) -> None:
        """Everything works again."""
        self._since, self._tries, self.cause = None, 0, None


def outlast(
    step: Callable[[], T], outage: Outage, clock: Clock, on_retry: Callable[[TransientError], object] = lambda exc: None
) -> T:
    """Does a step of start-up, again after a pause while what it needs is away; returns what it returns.

    Args:
        step: what is to be done.
        outage: how long it may last.
        clock: waits; what that raises ends the waiting.
        on_retry: told of each failure before the pause.

    Raises:
        TransientError: the step's, when it has been away for longer than an outage may last.
    """
    while True:
        try:
            done = step()
        except TransientError as exc:
            pause = outage.failed(exc)
            on_retry(exc)
            if outage.too_long:
                log.error("giving up after %.0f s (worker.retry_limit_seconds)", outage.lasted_seconds)
                raise
            log.warning("start-up waits: %s; trying again in %.1f s", exc, pause)
            clock.wait_seconds(pause)
        else:
            outage.over()
            return done
