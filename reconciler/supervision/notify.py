"""Tells the supervisor how the daemon is, by the protocol of sd_notify(3): one datagram a word, and nothing is waited for.

A word that nobody takes is lost: a supervisor that is away is no reason for the daemon to fail.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, MutableMapping
from contextlib import suppress

from reconciler.ports.clock import Clock

_USEC = 1e6


class Supervisor:
    """``address``: of the datagram socket, "" for nobody. ``watchdog_s``: after which silence is taken for death, 0 for never."""

    def __init__(self, address: str, watchdog_s: float, clock: Clock) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._pause_s = watchdog_s / 2  # as sd_watchdog_enabled(3) asks for
        self._clock = clock
        self._next_ping = 0.0
        self._status = ""
        self._is_ready = False

    def beat(self, stacks: Collection[str], busy: Collection[str]) -> None:
        """The main loop has turned: only this says that the daemon is alive, so that one that hangs is started anew. A pass may
        take as long as it likes: it is no turn of the loop."""
        words = []
        if not self._is_ready:
            self._is_ready = True
            words.append("READY=1")
        if (status := status_of(stacks, busy)) != self._status:
            self._status = status
            words.append(f"STATUS={status}")
        if self._pause_s and self._clock.monotonic() >= self._next_ping:
            self._next_ping = self._clock.monotonic() + self._pause_s
            words.append("WATCHDOG=1")
        self._tell(words)

    def stopping(self, why: str) -> None:
        self._tell(["STOPPING=1", f"STATUS=leaving ({why}): the steps under way end first"])

    def _tell(self, words: Collection[str]) -> None:
        if not words or not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
            end.setblocking(False)
            end.sendto("\n".join(words).encode(), self._address)


def status_of(stacks: Collection[str], busy: Collection[str]) -> str:
    """For ``systemctl status``."""
    if busy:
        return f"at work on {', '.join(sorted(busy))}"
    if not stacks:
        return "no stack is known yet"
    return f"watching {len(stacks)} stack{'' if len(stacks) == 1 else 's'}"


def supervisor(environment: MutableMapping[str, str], clock: Clock) -> Supervisor:
    """The one that started this very process. Its variables are taken out: what we start must not speak for us."""
    address = environment.pop("NOTIFY_SOCKET", "")
    interval, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
    is_meant = process in ("", str(os.getpid()))
    watchdog_s = int(interval) / _USEC if is_meant and interval.isascii() and interval.isdigit() else 0.0
    return Supervisor(address if address.startswith(("/", "@")) else "", watchdog_s, clock)
