"""Laws that need real programs of this machine, Git above all, but no engine. No law depends on the one before it."""

from __future__ import annotations

from tests.quiet import quiet_logging, untimed

__all__ = ["quiet_logging"]

untimed()
