"""``reconciler once``: one pass over every stack, in the foreground, telling what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reconciler.cli import get as status
from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, INTERRUPTED, Failure, told
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.host import Host
    from reconciler.model.record import StackRecord
    from reconciler.requests import Desk


@click.command(epilog="Example: reconciler once --force web")
@click.option("--force", multiple=True, metavar="STACK", help="Try this stack's release again, quarantined or not.")
@click.pass_obj
def once(options: Options, force: tuple[str, ...]) -> int:
    """Fetch, make one pass over every stack, and say what is done as it is done.

    Does what was asked for while no daemon ran, too. Ends with 0 when every stack is Ready and the repository could be
    fetched, with 1 otherwise. Ctrl-C lets the step under way end; the next pass goes on from there.
    """
    from reconciler.adapters.root_lock import RootLock
    from reconciler.cli.wiring import opened

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=True)
    with RootLock(layout.lock), opened(layout, log_level=level, mend=True) as parts:
        assert parts.settings  # what is wrong with them is said before anything is made
        roots.make_folders(layout)
        return pass_over_all(parts, frozenset(force))


def pass_over_all(parts: Parts, forced: frozenset[str], *, says_what_is_due: bool = True) -> int:
    from reconciler.certs.trouble import Trouble
    from reconciler.certs.vigil import Vigil
    from reconciler.cli.signals import leaving_on_signals
    from reconciler.cli.works import note_nothing_here
    from reconciler.model.record import Truth
    from reconciler.requests import Desk

    host = parts.host(output.progress)
    desk = Desk(parts.journal, parts.clock, host.kept)
    with leaving_on_signals(parts.leaving.ask):
        is_fetched = _fetch(parts, host, desk)
        asked = desk.handle()
        for request in asked:
            desk.looked(request.stack)  # before any pass
        vigil = Vigil(parts.certificates, parts.clock, Trouble(parts.journal, parts.clock))
        parts.lookout.turn()
        vigil.turn()  # before any service starts that reads a certificate
        names = [work.name for work in host.works()]
        for name in forced - frozenset(names):
            raise roots.unknown_stack(name, names)
        records = _reconcile(parts, host, forced | {request.stack for request in asked if request.force})
        vigil.stacks_changed()
        vigil.settle()
    for record in records:
        desk.answer(record.name, record)
    if not records:
        note_nothing_here(parts, parts.source.tip())
    _show(records)
    if says_what_is_due:
        _say_what_is_due(parts, host)
    is_ready = all(record.ready.status is Truth.TRUE for record in records)
    return 0 if is_fetched and is_ready else FAILED


def _say_what_is_due(parts: Parts, host: Host) -> None:
    """One pass makes none: it would take as long as the biggest database, and restore it for a try."""
    works = [work for work in host.works() if work.manifest.backups and not work.gone]
    if not works:
        return
    backups = parts.backups
    due = backups.look(backups.wanted(work.name, work.manifest.backups, work.variables) for work in works).due
    for name in sorted(due):
        output.note(f"{name}: a backup is due, and `once` makes none: reconciler backup run {name}")


def _fetch(parts: Parts, host: Host, desk: Desk) -> bool:
    """Whether the source answered. If not, what was fetched before is what counts."""
    from reconciler.model.errors import ReconcilerError

    try:
        revision = host.fetch()
    except ReconcilerError as error:
        desk.could_not_fetch(error)
        tip = parts.source.tip()
        goes_on = f"; going on with {tip.short}" if tip else ""
        output.note(f"the repository could not be fetched: {told(error)}{goes_on}")
        return False
    desk.fetched()
    output.progress(f"fetched {revision.short}: {revision.subject}")
    return True


def _reconcile(parts: Parts, host: Host, forced: frozenset[str]) -> tuple[StackRecord, ...]:
    from reconciler.model.errors import ReconcilerError

    try:
        return host.reconcile_all(forced)
    except ReconcilerError as error:
        if parts.leaving.why:
            raise Failure(
                f"interrupted by {parts.leaving.why} between two steps; the next pass goes on from there", INTERRUPTED
            ) from error
        raise


def _show(records: tuple[StackRecord, ...]) -> None:
    status.show(records)
    for record in records:
        if "\n" in record.ready.message.strip():
            output.line(f"\n{record.name}: {record.ready.reason}: {record.ready.message.strip()}")
