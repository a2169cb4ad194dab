"""What ``reconciler backup`` asks for, and who does it: the daemon where one runs, which holds the stack's turn, and else
this process under the root's lock. Finds the backups that are meant.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.hand_in import answer, eventually, lock_unless_daemon
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.backup.entry import Backup
    from reconciler.backup.orders import Order
    from reconciler.backup.store import Store
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.layout import Layout
    from reconciler.model.data import DataBackup
    from reconciler.ports.books import Journal


def have_done(options: Options, stack: str, order: Order, timeout_s: float) -> str:
    """What went wrong, "" if nothing did. Raises Failure where nobody did it."""
    from reconciler.backup.orders import Do

    layout = roots.layout_of(options.root)
    check_known(options, stack)
    if order.do is Do.RUN and order.name:
        _check_declared(options, layout, stack, order.name)
    lock = lock_unless_daemon(layout)
    if lock is None:
        return _ask(layout, stack, order, timeout_s)
    with lock:
        return _do_here(options, layout, stack, order)


def check_known(options: Options, stack: str) -> None:
    """Raises Failure."""
    if why := why_forgotten(options, stack):
        raise Failure(why, WRONG_USE)


def why_forgotten(options: Options, stack: str) -> str:
    """Of a stack that left, whose backups are kept: nobody knows any more how to restore them. "" of one that is known. Raises
    Failure where nothing of it is left either."""
    with roots.open_journal(roots.layout_of(options.root)) as journal:
        if journal.stack(stack) is not None:
            return ""
    folders = sorted({str(store.folder) for _, store in backups_of(options, stack)})
    return (
        f"{stack} is no stack of this host any more. Its backups are kept in {', '.join(folders)}; to make, prove or restore "
        f"one, bring the stack's folder back into Git, under the same name, and ask again when `reconciler get {stack}` "
        "shows it"
    )


def _check_declared(options: Options, layout: Layout, stack: str, name: str) -> None:
    """Raises Failure where the stack has no backup of that name."""
    from reconciler.cli.wiring import opened
    from reconciler.planning.nearest import did_you_mean

    with opened(layout, log_level=level_of(options, tells_itself=True)) as parts:
        names = [plan.name for plan in _work(parts.host(lambda _: None), stack).manifest.backups]
    if name not in names:
        near = did_you_mean(name, names) or f"; its stack.yaml declares: {', '.join(names) or 'none'}"
        raise Failure(f'{stack} has no backup "{name}"{near}', WRONG_USE)


def _ask(layout: Layout, stack: str, order: Order, timeout_s: float) -> str:
    from reconciler.model.record import RequestKind

    with roots.open_journal(layout) as journal:
        row = journal.ask(RequestKind.BACKUP, stack, roots.who(), time.time(), reason=order.text())
        if not _is_answered(journal, row, timeout_s):
            raise Failure("the daemon has not answered yet; the request stays: see reconciler backup list and events")
        found = answer(journal, row)
    return "" if found == "ok" else found


def data_before(options: Options, stack: str, target: int, *, force: bool) -> tuple[DataBackup, ...]:
    """What ``rollback --restore-db`` restores on the way to release ``target``. Raises Failure where there is none, or where
    it would lose more than may be lost and nobody insists."""
    from reconciler.backup.choosing import last_before
    from reconciler.cli.wiring import opened
    from reconciler.model.data import DataBackup
    from reconciler.planning.rollback import first_left

    layout = roots.layout_of(options.root)
    with opened(layout, log_level=level_of(options, tells_itself=True)) as parts:
        record, releases = parts.journal.stack(stack), parts.journal.releases(stack)
        left = None if record is None else first_left(record, releases, target)
        since = next((release.ended_at for release in releases if release.number == target), None) or 0.0
        found = (
            ()
            if left is None
            else last_before([b for b, _ in backups_of(options, stack)], left.number, left.created_at, since)
        )
        if left is None or not found:
            raise Failure(
                f"{stack} has no good backup of release {target}, from before release {left.number if left else target + 1}; see: reconciler "
                f"backup list {stack}. Without --restore-db the data stay as they are"
            )
        if not force:
            _refuse_loss(parts, stack, found)
    for backup in found:
        output.note(
            f"the data of {backup.name} are restored, made {output.local(backup.created_at)}, before release {left.number}"
        )
    return tuple(DataBackup(backup.name, backup.service) for backup in found)


def _refuse_loss(parts: Parts, stack: str, found: Sequence[Backup]) -> None:
    from reconciler.backup.loss import beyond
    from reconciler.model.errors import ReconcilerError

    work = _work(parts.host(lambda _: None), stack)
    wanted = parts.backups.wanted(stack, work.manifest.backups, work.variables)
    try:
        losses = parts.backups.losses(wanted, found)
    except ReconcilerError as error:
        raise Failure(f"what would be lost cannot be counted: {error}; --force goes back all the same") from error
    for backup, loss in losses:
        why = beyond(loss, wanted.plan(backup.plan).max_loss)
        if why:
            raise Failure(
                f"nothing was done: {backup.name} would be restored, but {why}; --force goes back all the same"
            )


def _is_answered(journal: Journal, row: int, timeout_s: float) -> bool:
    return eventually(lambda: bool(answer(journal, row)), time.monotonic() + timeout_s)


def _do_here(options: Options, layout: Layout, stack: str, order: Order) -> str:
    from reconciler.cli.signals import leaving_on_signals
    from reconciler.cli.wiring import opened

    level = level_of(options, tells_itself=True)
    with opened(layout, log_level=level, mend=True) as parts, leaving_on_signals(parts.leaving.ask):
        roots.make_folders(layout)
        backups, host = parts.backups, parts.host(output.progress)
        work = _work(host, stack)
        wanted = backups.wanted(stack, work.manifest.backups, work.variables, host.around(work))
        with host.turn(stack) as is_mine:
            if not is_mine:
                raise Failure(f"a variable of {stack} is being renewed just now; ask again when that is over")
            return backups.perform(wanted, order, roots.who())


def _work(host: Host, stack: str) -> Work:
    works = host.works()
    found = next((work for work in works if work.name == stack), None)
    if found is None:
        raise roots.unknown_stack(stack, [work.name for work in works])
    return found


def backups_of(options: Options, stack: str) -> list[tuple[Backup, Store]]:
    """The newest first: of the root's folder, and of those where runs are known to have put some. Raises Failure where there
    is none, and no such stack either: one that was forgotten left its backups."""
    from pathlib import Path

    from reconciler.backup.store import Store, across

    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        known = [Path(record.folder) for record in journal.backups.backups(stack) if record.folder]
        found = across([Store(folder) for folder in (layout.backups_of(stack), *known)], stack)
        if not found:
            roots.check_stack(journal, stack)
    return found


def find(options: Options, stack: str, name: str) -> tuple[Backup, Store]:
    from reconciler.backup.store import named

    found = named(backups_of(options, stack), name)
    if found is None:
        raise Failure(f'{stack} has no backup "{name}"; see: reconciler backup list {stack}', WRONG_USE)
    return found


def find_before(options: Options, stack: str, release: int) -> tuple[Backup, Store]:
    """The newest good one from before ``release``. Raises Failure where there is none, or there are several databases."""
    from reconciler.backup.choosing import last_before

    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
        roots.check_release(journal, stack, release)
        tried = [found for found in journal.releases(stack) if found.number == release]
    here = backups_of(options, stack)
    found = last_before([backup for backup, _ in here], release, tried[0].created_at)
    if not found:
        raise Failure(f"{stack} has no good backup from before release {release}; see: reconciler backup list {stack}")
    if len(found) > 1:
        names = ", ".join(backup.name for backup in found)
        raise Failure(
            f"{stack} has several databases, so there are several: {names}; restore one after the other", WRONG_USE
        )
    return next(pair for pair in here if pair[0] == found[0])
