"""The watchdog: a tiny process that ends the servers when the process that started them is gone, also by SIGKILL.

It reads orders, "watch GROUP" or "forget GROUP" a line, from a pipe that only its parent holds open for writing. At the
end of that stream it sends SIGTERM to each process group still watched and, after a grace, SIGKILL. It is run as a file
by a bare interpreter and imports the standard library alone.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

_POLL_SECONDS = 0.05


def read_groups(orders: Iterable[bytes]) -> set[int]:
    """Follows orders until the stream ends; returns the process groups that are watched then."""
    groups: set[int] = set()
    for order in orders:
        word, _, group = order.decode("ascii").strip().partition(" ")
        if word == "watch":
            groups.add(int(group))
        elif word == "forget":
            groups.discard(int(group))
    return groups


def end_groups(groups: Iterable[int], grace_seconds: float) -> None:
    """Sends SIGTERM to process groups, waits for them up to a grace, and sends SIGKILL to those that stay."""
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace_seconds
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Signals a group; False if it has no process of ours any more."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    """Runs the watchdog on standard input; the first argument is the grace in seconds."""
    # Only the end of the stream ends the watchdog: a signal meant for the whole program must not take it first.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    end_groups(read_groups(sys.stdin.buffer), float(sys.argv[1]))


if __name__ == "__main__":
    main()
