"""Answers which slot of a schedule it is time for. Pure: looks at no clock.

A slot is the moment something is due, in seconds since the epoch. Only the newest slot that is over ever counts, so of
many that were missed one is made up.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from reconciler.model.schedule import Schedule

_NEVER = float("inf")


def due_slot(schedule: Schedule, offset_s: float, last: float | None, now: float) -> float | None:
    """The slot to run for at ``now``, None if there is nothing to do. ``last``: the slot that was run for last.

    A clock that is set back runs nothing twice: the slot it was run for is still the next one. Where ``last`` lies beyond
    even that, the clock was wrong when it was written down, and it does not count.
    """
    current = last_slot(schedule, now - offset_s)
    if current is None:
        return None
    if last is None or last < current:
        return current
    return current if last > next_slot(schedule, 0.0, now - offset_s) else None


def next_slot(schedule: Schedule, offset_s: float, now: float) -> float:
    """When the next one after ``now`` begins; infinity if none does."""
    at = now - offset_s
    if schedule.every_s:
        return (at // schedule.every_s + 1) * schedule.every_s + offset_s
    if not schedule.cron:
        return _NEVER
    found = next(CronSim(schedule.cron, _local(schedule, at)), None)
    return _NEVER if found is None else found.timestamp() + offset_s


def offset_of(schedule: Schedule, *names: str) -> float:
    """Where in the jitter this host begins, always the same for the same ``names``."""
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    return schedule.jitter_s * int.from_bytes(digest[:4]) / 2**32


def last_slot(schedule: Schedule, at: float) -> float | None:
    """The newest slot that is not after ``at``."""
    if schedule.every_s:
        return at // schedule.every_s * schedule.every_s
    if not schedule.cron:
        return None
    # Cron counts minutes, and a search back begins before the minute that it is given.
    found = next(CronSim(schedule.cron, _local(schedule, at // 60 * 60 + 60), reverse=True), None)
    return None if found is None else found.timestamp()


def _local(schedule: Schedule, at: float) -> datetime:
    # A host without time zone data knows UTC all the same.
    zone = UTC if schedule.timezone == "UTC" else ZoneInfo(schedule.timezone)
    return datetime.fromtimestamp(at, zone)
