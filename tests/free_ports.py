"""Ports for scenarios that run side by side. Knows nothing of what listens on them."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Iterator

_FIRST, _EACH = 20_000, 1_500  # below net.ipv4.ip_local_port_range, so that no outgoing connection takes one meanwhile
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_TURN = itertools.count(random.randrange(_EACH))


def free_port() -> int:
    """One that nobody holds at this moment, and that is given to nobody else before long."""
    return next(port for port in _ports() if _is_free(port))


def free_range(count: int) -> str:
    """``count`` ports in a row, as Compose writes them."""
    first = next(port for port in _ports() if all(_is_free(port + more) for more in range(count)))
    for _ in range(count - 1):
        next(_TURN)
    return f"{first}-{first + count - 1}"


def _ports() -> Iterator[int]:
    return (_FIRST + _WORKER * _EACH + turn % _EACH for turn in _TURN)


def _is_free(port: int) -> bool:
    try:
        with socket.socket(type=socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("", port))
            udp.bind(("", port))
    except OSError:
        return False
    return True
