"""Looks at the operating system and the network: disk, clock, who listens, who answers. Judges nothing."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.certs.probing import addresses_of, is_own_address, trusting_anybody
from reconciler.preflight.domains import asked_name, is_reserved, is_this_machine
from reconciler.preflight.facts import Disk, DomainSeen

_ANSWER_S = 3.0
_TIMEX_BYTES = 512  # more than struct timex has anywhere
_NOT_KEPT = 5  # TIME_ERROR: the state of a clock that nobody keeps (adjtimex(2))
_LISTENS = "0A"
_INODE = re.compile(r"socket:\[(\d+)\]")


def disk(path: Path) -> Disk:
    """Of the nearest folder that is there. Raises OSError."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    found = shutil.disk_usage(there)
    return Disk(str(path), found.free, found.total)


def clock_is_kept() -> bool | None:
    import ctypes  # here, since the daemon never asks

    with suppress(OSError, AttributeError):
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
        return None if state < 0 else bool(state != _NOT_KEPT)
    return None


def time_told_by(url: str) -> float | None:
    """What the server of an https address says the time is. Its certificate is not looked at, since a wrong clock would refuse
    it: what is told is worth a hint, no more. None where nothing is told."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        return None
    connection = http.client.HTTPSConnection(
        parts.hostname, parts.port or 443, timeout=_ANSWER_S, context=trusting_anybody()
    )
    try:
        connection.request("HEAD", "/")
        told = connection.getresponse().getheader("Date")
        return parsedate_to_datetime(told).timestamp() if told else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def domain(name: str, own: Iterable[str]) -> DomainSeen:
    """``own``: addresses that lead to this host although no interface has them."""
    if is_reserved(name) or is_this_machine(name):
        return DomainSeen(name, ())
    found = tuple(sorted(addresses_of(asked_name(name))))
    here = frozenset(address for address in found if address in frozenset(own) or is_own_address(address))
    return DomainSeen(name, found, here)


def why_unreachable(host: str, port: int, within_s: float = _ANSWER_S) -> str:
    """ "" where somebody takes the connection, which is closed at once."""
    try:
        socket.create_connection((host, port), timeout=within_s).close()
    except TimeoutError:
        return f"no answer within {within_s:g} s"
    except socket.gaierror:
        return f"{host} does not resolve"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def listener(port: str) -> str:
    """The program that listens on ``address:number/protocol``, as ``name (pid 12)``; "" where this user may not see it."""
    number, _, protocol = port.rpartition(":")[2].partition("/")
    sockets = _sockets(int(number), protocol or "tcp")
    for process in Path("/proc").iterdir() if sockets else ():
        if process.name.isdigit() and sockets & _held_by(process):
            with suppress(OSError):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return ""


def _sockets(number: int, protocol: str) -> frozenset[str]:
    found = set()
    for table in (protocol, f"{protocol}6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if int(words[1].rpartition(":")[2], 16) == number and (protocol == "udp" or words[3] == _LISTENS):
                    found.add(words[9])
    return frozenset(found)


def _held_by(process: Path) -> frozenset[str]:
    held = set()
    with suppress(OSError):
        for descriptor in os.scandir(process / "fd"):
            with suppress(OSError):
                if match := _INODE.fullmatch(os.readlink(descriptor.path)):
                    held.add(match[1])
    return frozenset(held)


def now() -> float:
    return time.time()
