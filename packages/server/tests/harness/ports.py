"""Ports for servers that tests start, and start again."""

import random
import socket
from contextlib import suppress

#: Below those that the system lends to outgoing connections: one of these could have a port while its server is down.
_RANGE = (10_000, 32_000)


def free_ports(number: int) -> list[int]:
    """Free a moment ago: whoever binds them first has them."""
    found: list[int] = []
    while len(found) < number:
        port = random.SystemRandom().randrange(*_RANGE)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


def free_port() -> int:
    (port,) = free_ports(1)
    return port
