"""Tells which of this host's ports somebody holds, by trying to take them for a moment."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping, Sequence

# What tells nothing about others: a port that only root may take, an address family that this host does not speak.
_SAYS_NOTHING = (errno.EACCES, errno.EPERM, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT)


class HostPorts:
    """Implements ``Ports``. An address that is not of this host counts as taken: no container could be bound to it.

    ``environment``: where ``DOCKER_HOST`` is read; None for this process's. Of an engine that is reached through a network
    nothing is known: its ports are another machine's, or may be (``127.0.0.1`` may be the mouth of a tunnel).
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        engine = (os.environ if environment is None else environment).get("DOCKER_HOST", "")
        self._are_the_engines = engine.startswith("unix:") or not engine

    def taken(self, ports: Sequence[str]) -> tuple[str, ...]:
        if not self._are_the_engines:
            return ()
        return tuple(port for port in ports if not _can_be_bound(port))


def _can_be_bound(port: str) -> bool:
    place, _, protocol = port.partition("/")
    address, _, number = place.rpartition(":")
    address = address.strip("[]") or "0.0.0.0"
    kind = {"tcp": socket.SOCK_STREAM, "": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}.get(protocol)
    if kind is None:
        return True  # SCTP: nothing that would tell.
    try:
        _bind(socket.AF_INET6 if ":" in address else socket.AF_INET, kind, address, int(number))
    except OSError as error:
        return error.errno in _SAYS_NOTHING
    return True


def _bind(family: socket.AddressFamily, kind: socket.SocketKind, address: str, number: int) -> None:
    with socket.socket(family, kind) as attempt:
        if family == socket.AF_INET6:
            attempt.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            # Connections that just ended linger in TIME_WAIT and would look like a holder. For UDP it would hide one.
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        attempt.bind((address, number))
        if kind == socket.SOCK_STREAM:
            attempt.listen(1)
