"""The machine's clock: the one place where processing time is read."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """Implements the Clock port."""

    def __init__(self) -> None:
        self._never = threading.Event()

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_seconds(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def wait_seconds(self, seconds: float) -> None:
        """Sleeps."""
        self._never.wait(seconds)
