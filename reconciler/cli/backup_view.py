"""How ``reconciler backup`` shows a backup: as an object for programs, a row of a table, or all that is known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.cli import output
from reconciler.model.duration import shown_duration
from reconciler.model.moment import iso_moment
from reconciler.model.size import shown_bytes

if TYPE_CHECKING:
    from reconciler.backup.entry import Backup
    from reconciler.backup.store import Store

TITLES = ("NAME", "BACKUP", "MADE", "SIZE", "LEVEL", "STATE", "RELEASE", "BEFORE", "PROBLEM")


def as_object(backup: Backup, store: Store) -> dict[str, object]:
    """The shape that programs rely on (docs/json-output.md)."""
    return {
        "name": backup.name,
        "stack": backup.stack,
        "backup": backup.plan,
        "createdAt": iso_moment(backup.created_at),
        "size": backup.size,
        "sha256": backup.sha256,
        "level": backup.level.name,
        "wanted": backup.wanted.name,
        "state": backup.state,
        "verifiedAt": iso_moment(backup.verified_at),
        "release": backup.release,
        "revision": backup.revision,
        "precedes": list(backup.precedes),
        "server": backup.server,
        "rows": dict(backup.counts),
        "durationSeconds": dict(backup.durations_s),
        "problems": [{"level": found.level.name, "problem": found.problem} for found in backup.problems],
        "path": str(store.dump(backup.name)),
    }


def row(backup: Backup) -> tuple[str, ...]:
    return (
        backup.name,
        backup.plan,
        output.local(backup.created_at),
        shown_bytes(backup.size),
        backup.level.name if backup.level >= 0 else "-",
        backup.state,
        "-" if backup.release is None else str(backup.release),
        _numbers(backup.precedes),
        output.first_line(backup.why_not) if backup.problems else "",
    )


def details(backup: Backup, store: Store) -> list[tuple[str, str]]:
    took = ", ".join(f"{step} {shown_duration(seconds)}" for step, seconds in backup.durations_s.items())
    return [
        ("name", backup.name),
        ("file", str(store.dump(backup.name))),
        ("of", f"database {backup.database} of service {backup.service} ({backup.server or backup.engine})"),
        ("made", output.local(backup.created_at)),
        ("release", "-" if backup.release is None else f"{backup.release} ({output.short(backup.revision)})"),
        ("before", f"release {_numbers(backup.precedes)}" if backup.precedes else "-"),
        ("size", f"{shown_bytes(backup.size)}, sha256 {backup.sha256}"),
        ("level", f"{backup.level.name} of {backup.wanted.name}, {backup.state}"),
        ("verified", output.local(backup.verified_at) or "never"),
        ("took", took),
        ("problem", backup.why_not or "none"),
        *([("said", backup.complaint)] if backup.complaint else []),
    ]


def _numbers(releases: tuple[int, ...]) -> str:
    return ", ".join(str(release) for release in releases) or "-"
