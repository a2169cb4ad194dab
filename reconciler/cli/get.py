"""``reconciler get``: the status of the stacks as the last passes left it. Reads the journal and nothing else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.certificate_view import say_trouble, say_which_need_somebody
from reconciler.cli.options import Options
from reconciler.model.moment import iso_moment
from reconciler.model.source import OF_THE_SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reconciler.layout import Layout
    from reconciler.model.backup import BackupRecord
    from reconciler.model.record import EventRecord, StackRecord
    from reconciler.model.updates import ImageRecord
    from reconciler.ports.books import Journal


_OF_CERTIFICATES = ("Certificate", "Domain", "Order", "Acme")
_TITLES = ("STACK", "SYNC", "HEALTH", "READY", "REASON", "RELEASE", "REVISION", "MESSAGE")
_WIDE_TITLES = (*_TITLES[:6], "APPLIED", "ATTEMPTED", "CHANGED", "BACKUP", "MESSAGE")


@click.command(epilog="Example: reconciler get web -o json")
@click.argument("stack", required=False)
@click.option("-o", "--output", "form", type=click.Choice(["wide", "json"]), help="More columns, or JSON for programs.")
@click.pass_obj
def get(options: Options, stack: str | None, form: str | None) -> None:
    """Show the status of every stack, or of one.

    SYNC says whether what runs is what Git says, HEALTH whether it works, READY whether all is well, and REASON why
    not. The notes below the table say whether a daemon runs, and whether the repository could be reached.
    """
    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        if stack is not None:
            roots.check_stack(journal, stack)
        records = tuple(found for found in journal.stacks() if stack in (None, found.name))
        backups, images = journal.backups.backups(), journal.updates.images()
        if form == "json":
            output.print_json([as_object(record, backups, images) for record in records])
            return
        show(records, wide=form == "wide", backups=backups)
        if stack is not None:
            _show_message(records[0])
            _show_backups(_of(records[0], backups))
        for text in (*_failed_backups(records, backups), *_told_of_images(records, images)):
            output.note(text)
        for text in _renewals(layout, records):
            output.note(text)
        _say_what_matters(layout, journal, is_empty=not records)
        say_trouble(journal)
        say_which_need_somebody(journal.certificates.certificates())


def as_object(
    record: StackRecord, backups: Sequence[BackupRecord] = (), images: Sequence[ImageRecord] = ()
) -> dict[str, object]:
    """The shape that programs rely on (docs/json-output.md)."""
    return {
        "name": record.name,
        "sync": record.sync.value,
        "health": record.health.value,
        "ready": record.ready.status.value,
        "reason": record.ready.reason,
        "message": record.ready.message,
        "attemptedRevision": record.attempted_revision,
        "appliedRevision": record.applied_revision,
        "release": record.applied_release,
        "suspended": is_suspended(record),
        "lastVerifiedBackup": iso_moment(_last_verified(record, backups)),
        "backupProblem": "; ".join(f"{found.plan}: {found.failed}" for found in _of(record, backups) if found.failed),
        "images": [
            {
                "service": found.service,
                "image": found.reference,
                "takenAt": iso_moment(found.taken_at or None),
                "lookedAt": iso_moment(found.looked_at or None),
                "problem": found.problem,
                "waitsFor": found.waits_for,
                "waitsUntil": iso_moment(found.waits_until or None),
            }
            for found in images
            if found.stack == record.name
        ],
    }


def _of(record: StackRecord, backups: Sequence[BackupRecord]) -> list[BackupRecord]:
    return [found for found in backups if found.stack == record.name]


def _last_verified(record: StackRecord, backups: Sequence[BackupRecord]) -> float | None:
    """Of several backups the one that is oldest counts, and one that has none."""
    moments = [found.verified_at for found in _of(record, backups)]
    known = [moment for moment in moments if moment is not None]
    return min(known) if known and len(known) == len(moments) else None


def _failed_backups(records: Sequence[StackRecord], backups: Sequence[BackupRecord]) -> Iterator[str]:
    for record in records:
        for found in _of(record, backups):
            if found.failed:
                when = output.ago(found.ended_at or found.began_at, time.time())
                verified = output.ago(found.verified_at, time.time()) if found.verified_at else "never"
                yield (
                    f"{record.name}: the backup {found.plan} failed {when}: {output.first_line(found.failed)}; "
                    f"last verified: {verified}"
                )


def _renewals(layout: Layout, records: Sequence[StackRecord]) -> Iterator[str]:
    """Those that are not over, where no pass has said so yet."""
    from reconciler.cli.rooms.actions import renewal_files
    from reconciler.model.errors import ReconcilerError
    from reconciler.planning.renewal import cut_short

    files = renewal_files(layout)
    for record in records:
        try:
            pending = files.pending(record.name)
        except ReconcilerError as error:
            yield f"{record.name}: {error}"
            continue
        if pending is not None and record.ready.reason != "RenewalCutShort":
            yield f"{record.name}: {cut_short(pending)}"


def _told_of_images(records: Sequence[StackRecord], images: Sequence[ImageRecord]) -> Iterator[str]:
    names = {record.name for record in records}
    for found in images:
        if found.waits_for and found.stack in names:
            when = output.local(found.waits_until)
            yield f"{found.stack}: {found.service} goes to {found.waits_for} at {when}, when it is old enough (minAge)"
        if found.problem and found.stack in names:
            kept = f"{found.reference} stays" if found.digest else "nothing is known of it yet"
            yield (
                f"{found.stack}: {found.service}'s image could not be looked for {output.ago(found.looked_at, time.time())}: "
                f"{output.first_line(found.problem)}; {kept}, tried again at {output.local(found.retry_at)}"
            )


def is_suspended(record: StackRecord) -> bool:
    suspension = record.suspension
    return suspension is not None and (suspension.until is None or suspension.until > time.time())


def show(records: tuple[StackRecord, ...], *, wide: bool = False, backups: Sequence[BackupRecord] = ()) -> None:
    """A table; nothing where there is no stack."""
    if not records:
        return
    if wide:
        output.print_table(_WIDE_TITLES, [_wide_row(record, _last_verified(record, backups)) for record in records])
    else:
        output.print_table(_TITLES, [_row(record) for record in records])


def _row(record: StackRecord) -> tuple[str, ...]:
    return (
        *(record.name, record.sync.value, record.health.value, record.ready.status.value, record.ready.reason),
        *(_release(record), output.short(record.applied_revision) or "-"),
        output.first_line(_message(record)),
    )


def _wide_row(record: StackRecord, verified_at: float | None) -> tuple[str, ...]:
    return (
        *(record.name, record.sync.value, record.health.value, record.ready.status.value, record.ready.reason),
        *(_release(record), output.short(record.applied_revision) or "-"),
        output.short(record.attempted_revision) or "-",
        output.ago(record.updated_at, time.time()) if record.updated_at else "-",
        output.ago(verified_at, time.time()) if verified_at else "-",
        output.first_line(_message(record)),
    )


def _release(record: StackRecord) -> str:
    return "-" if record.applied_release is None else str(record.applied_release)


def suspended_by(record: StackRecord) -> str:
    """Who suspended it, until when and why; "" where nobody did."""
    suspension = record.suspension
    if suspension is None or not is_suspended(record):
        return ""
    until = f" until {output.local(suspension.until)}" if suspension.until is not None else ""
    why = f": {suspension.reason}" if suspension.reason else ""
    return f"suspended by {suspension.who}{until}{why}"


def left_alone(record: StackRecord) -> str:
    """That, and how it ends; "" where it is not suspended."""
    why = suspended_by(record)
    return f"{record.name} is {why}; nothing is done until: reconciler resume {record.name}" if why else ""


def _message(record: StackRecord) -> str:
    return "; ".join(text for text in (suspended_by(record), record.ready.message) if text)


def _show_message(record: StackRecord) -> None:
    """Of one stack all that is known: the last lines of a failing container's log are in it."""
    if "\n" in record.ready.message.strip():
        output.line(f"\n{record.ready.reason}: {record.ready.message.strip()}")


def _show_backups(backups: Sequence[BackupRecord]) -> None:
    for found in backups:
        when = output.ago(found.verified_at, time.time()) if found.verified_at else "never"
        output.line(f"Backup {found.plan}: last verified {when}")


def _say_what_matters(layout: Layout, journal: Journal, *, is_empty: bool) -> None:
    holder = roots.daemon_of(layout)
    if roots.is_full(layout):
        output.note(
            f"the disk that holds {layout.root} is full, so nothing that happened since is written down; what runs goes on "
            "running. Free some space"
        )
    if is_empty:
        output.note("no stack is known yet: the first pass has not ended, or the repository holds none")
    trouble = _last_trouble(journal)
    if trouble is not None:
        output.note(f"{output.ago(trouble.at, time.time())}: {trouble.reason}: {trouble.message}")
    if holder is None:
        output.note("no daemon runs: start one with `reconciler run`, or make one pass with `reconciler once`")
    elif holder.pid:
        output.note(f"the daemon runs: process {holder.pid}, since {output.local(holder.since)}")
    else:
        output.note("the daemon is just starting")


def _last_trouble(journal: Journal) -> EventRecord | None:
    """What went wrong with the host itself since the repository last answered."""
    trouble = None
    for event in journal.events(stack=""):
        if event.reason == "Fetched":
            trouble = None
        elif event.severity == "error" and (
            event.reason in OF_THE_SOURCE or not event.reason.startswith(_OF_CERTIFICATES)
        ):
            trouble = event
    return trouble
