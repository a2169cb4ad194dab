"""Where a person goes back to, and what is left on the way. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from reconciler.model.environment import Mark
from reconciler.model.record import Outcome, ReleaseRecord, StackRecord
from reconciler.planning.renewal import renewed_since


def target_of(
    record: StackRecord,
    releases: Sequence[ReleaseRecord],
    asked: int | None,
    marks: Sequence[Mark] = (),
    kept: Collection[int] | None = None,
) -> tuple[int | None, str]:
    """The release to go to, and why that cannot be, "" where it can. ``asked``: None for the one before; while a release is
    being applied that is the one that served until then. ``marks``: what is remembered of the stack's variables: a release
    from before one was renewed has a value that lets nobody in. ``kept``: those whose models are there, None for all."""
    name, current, known = record.name, record.applied_release, {release.number: release for release in releases}
    trying = being_applied(record, releases)
    if trying is not None and (asked == trying or (asked is None and record.wanted_release == trying)):
        return None, f"{name} goes to release {trying} just now; see: reconciler get {name}"
    target = asked or (_one_before(record, releases, kept) if trying is None else current)
    if target is None or target not in known:
        return None, f"{name} has no release {target or 'to go back to'}; see: reconciler history {name}"
    gives_up_another = record.wanted_release not in (None, current)  # one that could not be gone to yet
    if target == current and trying is None and not gives_up_another:
        return None, f"release {target} is what runs"
    if known[target].outcome is not Outcome.APPLIED:
        return None, f"release {target} was never proven; see: reconciler history {name}"
    if kept is not None and target not in kept:
        return None, (
            f"release {target} is not kept any more; those that are: {', '.join(map(str, sorted(kept)))}. "
            "Revert the commits in Git instead"
        )
    if renewed := renewed_since(tuple(marks), target):
        return None, (
            f"release {target} was made before {renewed} was renewed, and would run with the old value, which is in use "
            "nowhere any more. Revert the commits in Git instead: what they bring back runs with the new one"
        )
    return target, ""


def being_applied(record: StackRecord, releases: Sequence[ReleaseRecord]) -> int | None:
    """The release that was begun, and of which it is not known yet how it ends."""
    tried = (found for found in releases if found.number == record.attempted_release != record.applied_release)
    return next((found.number for found in tried if found.outcome is Outcome.PENDING), None)


def newest_applied(releases: Sequence[ReleaseRecord]) -> list[ReleaseRecord]:
    """Those that were proven, the one that was last first: one that was gone back to is newer than what was left."""
    applied = (release for release in releases if release.outcome is Outcome.APPLIED)
    return sorted(applied, key=lambda release: (release.ended_at or 0.0, release.number), reverse=True)


def _one_before(record: StackRecord, releases: Sequence[ReleaseRecord], kept: Collection[int] | None) -> int | None:
    """The one that ran before; for who went back already, by whatever number, one that is older still."""
    current = record.applied_release
    below = current if record.wanted_release == current else None
    for release in newest_applied(releases):
        is_before = release.number != current and (below is None or release.number < below)
        if is_before and not release.quarantined and (kept is None or release.number in kept):
            return release.number
    return None


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
