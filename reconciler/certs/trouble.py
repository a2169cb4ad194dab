"""Tells people once that the certificates cannot be looked after, such as while certs/ cannot be read, and once that they can
be again. What was served goes on being served meanwhile."""

from __future__ import annotations

from reconciler.certs.standing import lasting
from reconciler.host_news import tell_of_host
from reconciler.model.errors import ReconcilerError
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock

_LASTS = 2  # passes in a row; what is over by then is nobody's trouble


class Trouble:
    """Not for several threads at once."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._in_a_row = 0
        self._told: str | None = None  # None: not known yet in this process

    def failed(self, error: ReconcilerError) -> None:
        self._in_a_row += 1
        message = f"certificates are not looked after, and what was served is served: {error}"
        if self._in_a_row >= _LASTS and message != self._last() and self._tell("error", "CertificatesFailed", message):
            self._told = message

    def over(self) -> None:
        self._in_a_row = 0
        if self._last() and self._tell("info", "CertificatesMended", "certificates are looked after again"):
            self._told = ""

    def _last(self) -> str:
        """What was told, also by a process before this one, and is not over; "" for nothing."""
        if self._told is None:
            found = lasting(self._journal.events(stack=""))
            self._told = found.message if found is not None else ""
        return self._told

    def _tell(self, severity: str, reason: str, message: str) -> bool:
        return tell_of_host(self._journal, self._clock, severity, reason, message)
