"""Which release a stack goes to now, and in which spirit: to apply it, or to keep what is applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.model.desired import Release
from reconciler.model.record import PassGoal

UNRENDERED = "what Git says cannot be rendered"


@dataclass(frozen=True, slots=True)
class Goal:
    """``blocked``: why ``release`` is not what Git says, "" where it is."""

    kind: PassGoal
    release: Release
    blocked: str = ""

    @property
    def is_what_git_says_unknown(self) -> bool:
        return self.blocked == UNRENDERED


@dataclass(frozen=True, slots=True)
class Candidates:
    """``rendered``: what Git says, None while it cannot be rendered. ``applied``: the last release that was proven.
    ``wanted``: one that a person asked to go back to. ``quarantined``: why, by release digest. ``waiting`` and
    ``wanted_waits``: why ``rendered`` and ``wanted`` are not tried just now, "" where they may be.
    """

    rendered: Release | None
    applied: Release | None
    wanted: Release | None
    quarantined: Mapping[str, str]
    waiting: str = ""
    wanted_waits: str = ""


def choose_goal(found: Candidates) -> Goal | None:
    """None where there is nothing to go to: no release was ever proven, and what Git says cannot be tried now."""
    why = why_not(found)
    if found.rendered is not None and not why:
        return _towards(found.rendered, found.applied)
    if found.wanted is None or found.wanted.digest in found.quarantined:
        return _keep(found.applied, why)
    goal = _towards(found.wanted, found.applied, why)
    return _keep(found.applied, found.wanted_waits) if found.wanted_waits and goal.kind is PassGoal.APPLY else goal


def why_not(found: Candidates) -> str:
    """Why what Git says is not gone to now, "" where it is."""
    if found.rendered is None:
        return UNRENDERED
    waiting = "" if _is(found.rendered, found.applied) else found.waiting
    return found.quarantined.get(found.rendered.digest, waiting)


def _towards(release: Release, applied: Release | None, why: str = "") -> Goal:
    if applied is not None and _is(release, applied):
        return Goal(PassGoal.REPAIR, applied, why)
    return Goal(PassGoal.APPLY, release, why)


def _is(release: Release, applied: Release | None) -> bool:
    return applied is not None and applied.digest == release.digest


def _keep(applied: Release | None, why: str) -> Goal | None:
    return None if applied is None else Goal(PassGoal.REPAIR, applied, why)
