"""Free loopback ports for servers that this process starts.

A port is free when it is chosen, not reserved: whoever binds it later must be ready to choose again.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOWEST_PORT = 15_000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
# Linux starts its range for outgoing connections here unless told otherwise; macOS starts at 49,152.
_EPHEMERAL_LOWEST_PORT = 32_768
_LEAST_ROOM = 1_000
_TRIES = 200


def free_ports(count: int) -> tuple[int, ...]:
    """Chooses distinct TCP ports of 127.0.0.1 that nothing listens on.

    They lie below the range of outgoing connections where that leaves room. Inside it, a client that keeps dialling a
    server that is down is sooner or later given the server's own port as its source, connects to itself, and thereby
    keeps the server from coming back.

    Args:
        count: how many ports.

    Raises:
        OSError: there aren't so many.
    """
    room = _ephemeral_lowest_port() - _LOWEST_PORT
    below = [_LOWEST_PORT + secrets.randbelow(room) for _ in range(_TRIES)] if room >= _LEAST_ROOM else []
    ports: list[int] = []
    with ExitStack() as held:
        for candidate in (*below, *[0] * count):
            if len(ports) == count:
                break
            port = _bind(held, candidate)
            ports.extend([] if port is None else [port])
    if len(ports) < count:
        raise OSError(f"no {count} free TCP ports on {LOOPBACK}")
    return tuple(ports)


def accepts_connections(port: int) -> bool:
    """Whether something listens on this port of 127.0.0.1."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def _bind(held: ExitStack, port: int) -> int | None:
    """Binds a port (0 for any) until `held` is left, so that one call can't choose it twice; None if it is taken."""
    listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        return None
    bound: int = listener.getsockname()[1]
    return bound


def _ephemeral_lowest_port() -> int:
    try:
        return min(_EPHEMERAL_LOWEST_PORT, int(_EPHEMERAL_RANGE.read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_LOWEST_PORT
