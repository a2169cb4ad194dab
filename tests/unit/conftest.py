"""No law depends on the one before it, and none starts a program."""

from __future__ import annotations

from tests.quiet import quiet_logging, untimed

__all__ = ["quiet_logging"]

untimed()
