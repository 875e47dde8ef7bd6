"""Free ports of this machine."""

from __future__ import annotations

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
BETWEEN_NODES: Final = "127.0.0.2"
"""Where the laboratory's Asterisks call each other: by it they know a call of one another."""


def free_port(kind: socket.SocketKind, host: str = LOOPBACK) -> int:
    """A port nobody listens on now. It is not reserved: use it at once."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def free_tcp_port() -> int:
    return free_port(socket.SOCK_STREAM)


def free_udp_port(host: str = LOOPBACK) -> int:
    return free_port(socket.SOCK_DGRAM, host)


def udp_port_taken(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
