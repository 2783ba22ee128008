"""Free loopback ports."""

from __future__ import annotations

import socket

from monitor.embedded.ports import LOOPBACK, accepts_connections, free_ports


def test_ports_of_one_call_are_distinct_and_can_be_bound() -> None:
    """Each of them can be listened on, all at once."""
    ports = free_ports(20)
    listeners = [socket.create_server((LOOPBACK, port)) for port in ports]
    for listener in listeners:
        listener.close()
    assert len(set(ports)) == 20


def test_ports_lie_where_no_client_gets_one() -> None:
    """A port for outgoing connections is never among them: the system binds such ones from its own range."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        given_by_the_system = listener.getsockname()[1]
    assert all(port < given_by_the_system for port in free_ports(20))


def test_port_accepts_connections_while_something_listens() -> None:
    """True while a server listens there, false afterwards."""
    (port,) = free_ports(1)
    with socket.create_server((LOOPBACK, port)):
        assert accepts_connections(port)
    assert not accepts_connections(port)
