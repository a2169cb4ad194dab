"""Whether what is pending may begin now, and if not, when it may. A pure function of the moment, the rules and what is
pending: it gates beginnings only, so nothing that has begun is ever interrupted by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from reconciler.model.desired import Release
from reconciler.model.plan import Plan
from reconciler.model.record import Ready
from reconciler.model.schedule import Schedule
from reconciler.model.updates import Gate, Updates, Window
from reconciler.planning.schedule import last_slot, next_slot
from reconciler.planning.takeover import is_about_certificates

_MOST_STEPS = 400  # from one edge of a window to the next: of daily ones, more than half a year
_NEVER = float("inf")
_APPROVE = re.compile(r"reconciler approve \S+ (\d+)")


@dataclass(frozen=True, slots=True)
class Pending:
    """Something that is to begin. ``since``: when it came to be, seconds since the epoch; None where its age is no matter.
    ``number``: of the release. ``past_windows``: a person asked for it by hand."""

    gate: Gate
    since: float | None = None
    number: int | None = None
    needs_approval: bool = False
    past_windows: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Why it does not begin now. ``until``: seconds since the epoch when that is over; infinity where only a person ends it."""

    reason: str
    message: str
    until: float


def hold_of(pending: Pending, updates: Updates, stack: str, now: float) -> Hold | None:
    """None: it may begin."""
    holds = tuple(_holds(pending, updates, stack, now))
    if not holds:
        return None
    return Hold(holds[0].reason, "; ".join(hold.message for hold in holds), max(hold.until for hold in holds))


def awaited_release(ready: Ready) -> int | None:
    """The release that ``hold_of`` said is to be approved."""
    found = _APPROVE.search(ready.message) if ready.reason == "WaitsForApproval" else None
    return int(found[1]) if found else None


def gate_of_release(wanted: Release, before: Release) -> Gate:
    """Another image or another build is a release; all else is configuration."""
    known = {spec.name: (spec.image, spec.build_digest) for spec in before.services}
    is_release = any(known.get(spec.name) != (spec.image, spec.build_digest) for spec in wanted.services)
    return Gate.RELEASE if is_release else Gate.CONFIG


def gate_of_repair(found: Plan) -> Gate:
    return Gate.CERTS if is_about_certificates(found) else Gate.SELF_HEAL


def opens_at(windows: Iterable[Window], gate: Gate, now: float) -> float:
    """When ``gate`` may begin: ``now`` where it is open, infinity where it never will be."""
    mine = [window for window in windows if gate in window.gates]
    allowing, denying = [w for w in mine if w.allow], [w for w in mine if not w.allow]
    moment = now
    for _ in range(_MOST_STEPS):
        closed_until = max((_ends(window, moment) for window in denying), default=0.0)
        if closed_until > moment:
            moment = closed_until
        elif allowing and not any(_ends(window, moment) > moment for window in allowing):
            moment = min(next_slot(_schedule(window), 0.0, moment) for window in allowing)
        else:
            return moment
        if moment == _NEVER:
            break
    return _NEVER


def _holds(pending: Pending, updates: Updates, stack: str, now: float) -> Iterator[Hold]:
    if pending.needs_approval:
        which = f" {pending.number}" if pending.number is not None else ""
        yield Hold(
            "WaitsForApproval", f"it waits for somebody to approve it: reconciler approve {stack}{which}", _NEVER
        )
    if pending.since is not None and pending.since + updates.min_age_s > now:
        until = pending.since + updates.min_age_s
        yield Hold("WaitsForAge", f"it is old enough (minAge) at {_told(until, updates.schedule.timezone)}", until)
    if pending.past_windows:
        return
    opening = opens_at(updates.windows, pending.gate, now)
    if opening > now:
        yield Hold("WaitsForWindow", _window_told(pending.gate, updates, stack, opening), opening)


def _window_told(gate: Gate, updates: Updates, stack: str, opening: float) -> str:
    by_hand = f"or past it by hand: reconciler reconcile {stack} --now"
    if opening == _NEVER:
        return f"no window for {gate} will ever open; mend updates.windows, {by_hand}"
    timezone = next(window.timezone for window in updates.windows if gate in window.gates)
    return f"its window ({gate}) opens at {_told(opening, timezone)}, {by_hand}"


def _ends(window: Window, at: float) -> float:
    """When the window that opened last before ``at`` closes."""
    begun = last_slot(_schedule(window), at)
    return 0.0 if begun is None else begun + window.duration_s


def _schedule(window: Window) -> Schedule:
    return Schedule(cron=window.cron, timezone=window.timezone)


def _told(at: float, timezone: str) -> str:
    zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    return datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M %Z")
