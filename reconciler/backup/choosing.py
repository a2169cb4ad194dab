"""Which of a stack's backups is meant: by its name, by what it comes before. Pure: reads none and restores none."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.backup.entry import Backup


def last_before(
    newest_first: Iterable[Backup], release: int, tried_at: float | None, since: float = 0.0
) -> tuple[Backup, ...]:
    """Of each plan the newest sound one that was made before ``release``, by plan: one that lets it pass, or else one from
    before ``tried_at``, when it was first tried (seconds since the epoch; None: not known). ``since``: when the one that is
    to have the data was proven; what is older holds what another one knew, or is of a life before state.db was lost. One of
    what a restore replaced is never meant."""
    found: dict[str, Backup] = {}
    sound = [one for one in newest_first if one.sound and not one.before_restore and one.created_at >= since]
    for backup in (
        *(one for one in sound if release in one.precedes),
        *(one for one in sound if _is_older(one, tried_at)),
    ):
        found.setdefault(backup.plan, backup)
    return tuple(found[plan] for plan in sorted(found))


def newest_sound(newest_first: Iterable[Backup]) -> tuple[Backup, ...]:
    """Of each plan the newest sound one, by plan."""
    found: dict[str, Backup] = {}
    for backup in newest_first:
        if backup.sound:
            found.setdefault(backup.plan, backup)
    return tuple(found[plan] for plan in sorted(found))


def gone_through(newest_first: Iterable[Backup], release: int) -> tuple[Backup, ...]:
    """Of each plan the newest sound one that ``release`` passed a gate by, by plan."""
    return last_before(newest_first, release, None)


def _is_older(backup: Backup, moment: float | None) -> bool:
    return moment is not None and backup.created_at < moment
