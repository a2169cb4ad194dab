"""Answers which backups may go. Pure: removes nothing.

What is kept is counted in sound backups only, so that a row of failed ones never pushes a good one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from reconciler.backup.entry import Backup
from reconciler.model.backup import Keep

_FAILED_KEPT = 1  # the newest, to look into; a dump that fails every hour must not fill the disk


def may_go(
    backups: Sequence[Backup], keep: Keep, min_verified: int, pinned: frozenset[int] = frozenset()
) -> list[Backup]:
    """Of one plan's backups those that are not kept for any reason, the oldest first. ``pinned``: releases that may be
    rolled back to, or are tried; of each the newest backup of it stays, and the newest that was made before it.

    Nothing goes unless the newest of all is sound: what is old is all there is until the new one is proven.
    """
    newest_first = sorted(backups, key=_age)
    if not newest_first or not newest_first[0].sound:
        return []
    sound = [backup for backup in newest_first if backup.sound]
    kept = {backup.name for backup in sound[: max(keep.last, 1)]}
    kept |= {backup.name for backup in [found for found in sound if found.verified][:min_verified]}
    kept |= _last_of(sound, keep.daily, lambda at: at.strftime("%Y-%m-%d"))
    kept |= _last_of(sound, keep.weekly, lambda at: at.strftime("%G-%V"))
    kept |= _last_of(sound, keep.monthly, lambda at: at.strftime("%Y-%m"))
    kept |= _of_releases(sound, pinned)
    kept |= {backup.name for backup in newest_first if not backup.sound and _is_newer(backup, sound)}
    return [backup for backup in reversed(newest_first) if backup.name not in kept]


def failed_that_may_go(backups: Sequence[Backup]) -> list[Backup]:
    """Of those that were found bad all but the newest: they may go at any time, for nothing can be restored from them."""
    bad = [backup for backup in sorted(backups, key=_age) if not backup.sound]
    return list(reversed(bad[_FAILED_KEPT:]))


def _age(backup: Backup) -> tuple[float, str]:
    return (-backup.created_at, backup.name)


def _last_of(newest_first: Iterable[Backup], count: int, period: Callable[[datetime], str]) -> set[str]:
    """Of each of the newest ``count`` periods that have any, the newest."""
    found: dict[str, str] = {}
    for backup in newest_first:
        if len(found) < count or period(_moment(backup)) in found:
            found.setdefault(period(_moment(backup)), backup.name)
    return set(found.values())


def _moment(backup: Backup) -> datetime:
    return datetime.fromtimestamp(backup.created_at, UTC)


def _of_releases(newest_first: Iterable[Backup], pinned: frozenset[int]) -> set[str]:
    found: dict[int, str] = {}
    before: dict[int, str] = {}
    for backup in newest_first:
        if backup.release is not None and backup.release in pinned:
            found.setdefault(backup.release, backup.name)
        for release in pinned.intersection(backup.precedes):
            before.setdefault(release, backup.name)
    return {*found.values(), *before.values()}


def _is_newer(backup: Backup, sound: Sequence[Backup]) -> bool:
    return backup.created_at > sound[0].created_at
