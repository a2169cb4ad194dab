"""``reconciler history STACK RELEASE``: all that is known of one release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.history_objects import hook_object, pass_object, release_object, took
from reconciler.model.errors import ReconcilerError

if TYPE_CHECKING:
    from reconciler.adapters.journal import SqliteJournal
    from reconciler.backup.entry import Backup
    from reconciler.layout import Layout
    from reconciler.model.desired import Release
    from reconciler.model.hook import HookRecord
    from reconciler.model.record import PassRecord, ReleaseRecord, StackRecord
    from reconciler.planning.past import ServiceChanges

_PASSES = 200  # as many as the journal keeps


class Told:
    """What is known of a release. ``changed`` is None where its model, or that of the one before, is no longer kept."""

    def __init__(self, layout: Layout, journal: SqliteJournal, record: StackRecord, number: int) -> None:
        self.record = record
        roots.check_release(journal, record.name, number)
        releases = {release.number: release for release in journal.releases(record.name)}
        self.release: ReleaseRecord = releases[number]
        self.before = _applied_before(releases, number)
        self.passes: list[PassRecord] = [
            found for found in reversed(journal.passes(record.name, _PASSES)) if found.release == number
        ]
        self.hooks: list[HookRecord] = [ran for ran in journal.hooks.hooks(record.name) if ran.release == number]
        self.backups = _backups_before(journal, record.name, number)
        self.changed = _changed(layout, record.name, number, self.before)


def _applied_before(releases: dict[int, ReleaseRecord], number: int) -> int | None:
    from reconciler.model.record import Outcome

    earlier = [one.number for one in releases.values() if one.number < number and one.outcome is Outcome.APPLIED]
    return max(earlier, default=None)


def _changed(layout: Layout, stack: str, number: int, before: int | None) -> tuple[ServiceChanges, ...] | None:
    from reconciler.planning.past import between

    new = _kept(layout, stack, number)
    old = _kept(layout, stack, before) if before is not None else None
    if new is None or (before is not None and old is None):
        return None
    return between(old, new)


def _kept(layout: Layout, stack: str, number: int) -> Release | None:
    from reconciler.adapters.release_store import ReleaseFiles
    from reconciler.planning.archive import unpack

    try:
        return unpack(ReleaseFiles(layout.root).load(stack, number))
    except ReconcilerError:
        return None


def _backups_before(journal: SqliteJournal, stack: str, number: int) -> list[Backup]:
    from reconciler.backup.store import Store

    folders = {record.folder for record in journal.backups.backups(stack) if record.folder}
    return [
        backup for folder in sorted(folders) for backup in Store(Path(folder)).all(stack) if number in backup.precedes
    ]


def as_object(told: Told, journal: SqliteJournal) -> dict[str, object]:
    changed = told.changed
    return {
        **release_object(told.record, told.release),
        "follows": told.before,
        "changes": None if changed is None else [_change_object(one) for one in changed],
        "hooks": [hook_object(ran) for ran in told.hooks],
        "backups": [{"name": one.name, "backup": one.plan, "level": one.level.name} for one in told.backups],
        "passes": [pass_object(found, journal.steps(found.id), []) for found in told.passes],
    }


def _change_object(one: ServiceChanges) -> dict[str, object]:
    images = dict(zip(("old", "new"), one.images, strict=True)) if one.images else None
    return {"service": one.service, "verb": one.verb, "keys": list(one.keys), "image": images}


def show(told: Told) -> None:
    release = told.release
    current = ", it runs" if release.number == told.record.applied_release else ""
    output.heading(f"release {release.number} of {release.stack}: {release.outcome.value}{current}")
    for title, text in _facts(told):
        output.line(f"  {title:<10} {text}")
    for title, lines in (
        ("Changed", _changed_lines(told)),
        ("Images", [f"{name}  {image_id}" for name, image_id in sorted(release.images.items())]),
        ("Hooks", [f"{ran.phase} {ran.name}: {ran.state}, {took(ran.began_at, ran.ended_at)}" for ran in told.hooks]),
        ("Backups made before it", [f"{one.name}, proven to {one.level.name}" for one in told.backups]),
        ("Passes", [_pass_line(found) for found in told.passes]),
    ):
        if lines:
            output.line(f"{title}:")
        for line in lines:
            output.line(f"  {line}")


def _facts(told: Told) -> Iterator[tuple[str, str]]:
    release = told.release
    yield "commit", f"{output.short(release.revision) or '-'}  {release.subject}".rstrip()
    yield "asked by", release.asked_by or "-"
    yield "begun", f"{output.local(release.created_at)}, took {took(release.created_at, release.ended_at)}"
    if told.before is not None:
        yield "follows", f"release {told.before}"
    if release.quarantined:
        yield "quarantine", release.quarantined.replace("\n", f"\n  {'':<10} ")


def _changed_lines(told: Told) -> list[str]:
    if told.changed is None:
        return ["not known any more: only the models of the releases that can be gone back to are kept"]
    return [_changed_line(one) for one in told.changed]


def _changed_line(one: ServiceChanges) -> str:
    parts = [*([f"image {one.images[0]} -> {one.images[1]}"] if one.images else [])]
    parts += [key for key in one.keys if key != "image"]
    return f"{one.service} {one.verb}" + (f": {', '.join(parts)}" if parts else "")


def _pass_line(found: PassRecord) -> str:
    return f"pass {found.id}, {found.goal}: {found.outcome or 'cut short'}, {took(found.began_at, found.ended_at)}"
