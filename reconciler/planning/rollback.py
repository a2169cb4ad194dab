"""Where a person goes back to, and what is left on the way. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.environment import Mark
from reconciler.model.record import Outcome, ReleaseRecord, StackRecord
from reconciler.planning.renewal import renewed_since


def target_of(
    record: StackRecord, releases: Sequence[ReleaseRecord], asked: int | None, marks: Sequence[Mark] = ()
) -> tuple[int | None, str]:
    """The release to go to, and why that cannot be, "" where it can. ``asked``: None for the one before. ``marks``: what is
    remembered of the stack's variables: a release from before one was renewed has a value that lets nobody in."""
    current, known = record.applied_release, {release.number: release for release in releases}
    proven = [
        number
        for number, release in known.items()
        if release.outcome is Outcome.APPLIED and not release.quarantined and number != current
    ]
    target = asked if asked is not None else max(proven, default=None)
    if target is None or target not in known:
        return None, f"{record.name} has no release {target or 'to go back to'}; see: reconciler history {record.name}"
    if target == current:
        return None, f"release {target} is what runs"
    if known[target].outcome is not Outcome.APPLIED:
        return None, f"release {target} was never proven; see: reconciler history {record.name}"
    if renewed := renewed_since(tuple(marks), target):
        return None, (
            f"release {target} was made before {renewed} was renewed, and would run with the old value, which is in use "
            "nowhere any more. Revert the commits in Git instead: what they bring back runs with the new one"
        )
    return target, ""


def first_left(record: StackRecord, releases: Sequence[ReleaseRecord], target: int) -> ReleaseRecord | None:
    """Of the releases that were applied since ``target`` last was, the first: the data from before it are those that
    ``target`` knew. None where nothing is left."""
    known = {release.number: release for release in releases}
    since = known[target].ended_at or 0.0
    left = [
        release
        for release in releases
        if release.outcome is Outcome.APPLIED and release.number != target and (release.ended_at or 0.0) > since
    ]
    return min(left, key=lambda release: release.ended_at or 0.0, default=known.get(record.applied_release or 0))
