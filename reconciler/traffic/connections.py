"""Who is connected to a container, as the kernel tells it in ``/proc/<pid>/net``: of the container's own network alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_UNDER_WAY = ("01", "03")  # ESTABLISHED, and SYN_RECV: about to be
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Connection:
    """``port``: the container's. ``peer``: the other end's address."""

    port: int
    peer: str


def connections_of(pid: int, proc: Path = _PROC) -> tuple[Connection, ...] | None:
    """Those that others hold to the process's network; None where that cannot be seen."""
    if pid <= 0:
        return ()
    found: list[Connection] = []
    seen = False
    for name in ("tcp", "tcp6"):
        try:
            lines = (proc / str(pid) / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        seen = True
        found.extend(_connections(lines))
    return tuple(found) if seen else None


def _connections(lines: list[str]) -> Iterator[Connection]:
    for line in lines:
        _, local, remote, state, *_ = line.split()
        peer = address_of(remote.partition(":")[0])
        if state in _UNDER_WAY and not peer.is_loopback:
            yield Connection(int(local.partition(":")[2], 16), str(peer))


def address_of(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The kernel writes each four bytes as one number of this machine's (little-endian) order."""
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    if len(raw) == 4:
        return ipaddress.IPv4Address(raw)
    whole = ipaddress.IPv6Address(raw)
    return whole.ipv4_mapped or whole
