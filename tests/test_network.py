"""The network is closed to tests; this machine is open."""

from __future__ import annotations

import socket

import pytest


@pytest.mark.parametrize("host", ["192.0.2.1", "198.51.100.7"])
def test_an_address_elsewhere_is_refused(host: str) -> None:
    with socket.socket() as client, pytest.raises(RuntimeError, match=host):
        client.connect((host, 80))


def test_a_name_elsewhere_is_not_looked_up() -> None:
    with pytest.raises(RuntimeError, match=r"crm\.example"):
        socket.create_connection(("crm.example", 443), timeout=1)


def test_the_loopback_address_is_open() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()[:2], timeout=5) as client,
        listening.accept()[0] as accepted,
    ):
        accepted.sendall(b"here")
        assert client.recv(4) == b"here"
