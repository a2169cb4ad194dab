"""Moments in UTC, as people and programs read them. All are seconds since the epoch; nothing here knows what time it is."""

from __future__ import annotations

from datetime import UTC, datetime


def shown_moment(seconds: float) -> str:
    """For people: ``2026-01-31 14:05 UTC``."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso_moment(seconds: float | None) -> str | None:
    """For programs: ISO 8601 with milliseconds; None for none."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
