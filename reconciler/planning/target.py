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
    ``wanted``: one that a person asked to go back to. ``quarantined``: why, by release digest. ``waiting``: why
    ``rendered`` is not tried just now, "" where it may be.
    """

    rendered: Release | None
    applied: Release | None
    wanted: Release | None
    quarantined: Mapping[str, str]
    waiting: str = ""


def choose_goal(found: Candidates) -> Goal | None:
    """None where there is nothing to go to: no release was ever proven, and what Git says cannot be tried now."""
    rendered, applied = found.rendered, found.applied
    if rendered is None:
        return _keep(applied, UNRENDERED)
    if rendered.digest in found.quarantined:
        if found.wanted is not None and found.wanted.digest not in found.quarantined:
            return _go_back(found.wanted, applied, found.quarantined[rendered.digest])
        return _keep(applied, found.quarantined[rendered.digest])
    if applied is not None and applied.digest == rendered.digest:
        return Goal(PassGoal.REPAIR, applied)
    if found.waiting:
        return _keep(applied, found.waiting)
    return Goal(PassGoal.APPLY, rendered)


def why_not(found: Candidates) -> str:
    """Why what Git says is not gone to now, "" where it is."""
    if found.rendered is None:
        return UNRENDERED
    return found.quarantined.get(found.rendered.digest, found.waiting)


def _go_back(wanted: Release, applied: Release | None, why: str) -> Goal:
    if applied is not None and applied.digest == wanted.digest:
        return Goal(PassGoal.REPAIR, applied, why)
    return Goal(PassGoal.APPLY, wanted, why)


def _keep(applied: Release | None, why: str) -> Goal | None:
    return None if applied is None else Goal(PassGoal.REPAIR, applied, why)
