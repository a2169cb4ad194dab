"""Tells people what concerns the host itself and no one stack, where it can be written down."""

from __future__ import annotations

import structlog

from reconciler.model.errors import ReconcilerError
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock

log = structlog.get_logger()


def tell_of_host(journal: Journal, clock: Clock, severity: str, reason: str, message: str) -> bool:
    """Whether it was written down: on a full disk it cannot be, which must end nothing else, and whoever tells it tells it again
    as soon as there is room."""
    try:
        journal.tell("", severity, reason, message, "", clock.now())
    except ReconcilerError as error:
        log.error("not_written_down", reason=error.reason, error=str(error))
        return False
    return True
