"""What is said of a stack after a pass: sync, health, and the one condition Ready."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.desired import Release
from reconciler.model.observed import Observed
from reconciler.model.record import Health, Ready, StackRecord, Sync, Truth
from reconciler.planning.gate import Hold
from reconciler.planning.health import service_health, stack_health
from reconciler.planning.target import Goal


def settled(
    record: StackRecord, goal: Goal, observed: Observed, revision: str, notes: tuple[str, ...] = ()
) -> StackRecord:
    """Nothing is left to do for ``goal``. ``revision``: what Git says, "" if unknown. ``notes``: the plan's, so that
    what was declined is not only known to who asks for a diff."""
    health = stack_health(goal.release, observed)
    if goal.blocked:
        sync = Sync.UNKNOWN if goal.is_what_git_says_unknown else Sync.OUT_OF_SYNC
        return replace(record, sync=sync, health=health)
    return replace(
        record,
        sync=Sync.SYNCED,
        health=health,
        ready=_noted(ready_of(goal.release, observed), notes),
        attempted_revision=revision or record.attempted_revision,
        applied_revision=revision or record.applied_revision,
        attempted_release=goal.release.number,
        applied_release=goal.release.number,
    )


def _noted(ready: Ready, notes: tuple[str, ...]) -> Ready:
    return replace(ready, message="; ".join((ready.message, *notes)))


def still_told(ready: Ready, why: str) -> bool:
    """Whether ``ready``, of an earlier pass, is about ``why``: it then says more of it, such as what serves now."""
    core = why.partition(" is quarantined: ")[2] or why
    return ready.status is Truth.FALSE and core in ready.message


def held(hold: Hold) -> Ready:
    """All is as it is meant to be: what is newer is to wait. Only an image that nobody can find, and a host
    that is not fit for the first release, keep a stack from it."""
    if hold.reason == "ImageUnknown":
        return Ready(Truth.FALSE if ": " in hold.message else Truth.UNKNOWN, hold.reason, hold.message)
    if hold.reason == "PreflightFailed":
        return Ready(Truth.FALSE, hold.reason, f"{hold.message}. It is looked at again by itself")
    return Ready(Truth.TRUE, hold.reason, f"a newer release is known: {hold.message}")


def ready_of(release: Release, observed: Observed) -> Ready:
    """From health alone: what ``release`` wants is there; how is it doing?"""
    healths = {spec.name: service_health(spec, observed) for spec in release.services}
    ill = [name for name, health in healths.items() if health in (Health.DEGRADED, Health.MISSING)]
    if ill:
        told = ", ".join(f"{name} is {healths[name].lower()}" for name in ill)
        return Ready(Truth.FALSE, "Degraded", f"release {release.number}: {told}")
    coming = [name for name, health in healths.items() if health is Health.PROGRESSING]
    if coming:
        return Ready(Truth.UNKNOWN, "Progressing", f"release {release.number}: {', '.join(coming)} not healthy yet")
    return Ready(Truth.TRUE, "ReconciliationSucceeded", f"release {release.number} is healthy")


def went_back(goal: Goal, observed: Observed) -> Ready:
    """A person asked for this release rather than Git's: it is what is wanted, so its health is what counts."""
    ready = ready_of(goal.release, observed)
    if ready.status is not Truth.TRUE:
        return ready
    return Ready(Truth.TRUE, "RolledBack", f"{ready.message}; {goal.blocked}")
