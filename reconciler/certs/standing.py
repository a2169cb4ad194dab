"""Which trouble with looking after the certificates is not over, as the events tell it. Pure, and light to load: every `get`
asks."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.record import EventRecord

_FAILED, _MENDED = "CertificatesFailed", "CertificatesMended"


def lasting(events: Iterable[EventRecord]) -> EventRecord | None:
    """The one that tells of a trouble that is not over. ``events``: oldest first."""
    found = None
    for event in events:
        if event.reason in (_FAILED, _MENDED):
            found = event if event.reason == _FAILED else None
    return found
