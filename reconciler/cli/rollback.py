"""``reconciler rollback``: back to an earlier release, with the data from before it if that is wished, and until it is done."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.get import is_suspended, left_alone
from reconciler.cli.hand_in import hand_in
from reconciler.cli.options import Number, Options, timeout_option
from reconciler.cli.wait import Verdict, until_settled

if TYPE_CHECKING:
    from reconciler.model.data import DataBackup
    from reconciler.model.record import StackRecord
    from reconciler.ports.books import Journal


@click.command(epilog='Example: reconciler rollback web 4 --reason "login is broken"')
@click.argument("stack")
@click.argument("release", required=False, type=Number(1))
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--restore-db", is_flag=True, help="With the data from before the release that is left.")
@click.option("--force", is_flag=True, help="Of --restore-db: also where more is lost than maxLoss allows.")
@click.option("--wait", "waits", is_flag=True, help="Wait until it is done; exit codes as those of wait.")
@timeout_option
@click.pass_obj
def rollback(
    options: Options,
    stack: str,
    release: int | None,
    reason: str,
    restore_db: bool,
    force: bool,
    waits: bool,
    timeout_s: float,
) -> int:
    """Go back to an earlier release of a stack: to the one before, or to RELEASE.

    A release that is being applied is given up; the one before is then the one that served until now.
    What is left is put in quarantine, so that it does not come back by itself; a new commit, or `reconcile --force`,
    ends that. `reconciler history STACK` lists what can be gone back to.

    The data stay as they are, unless --restore-db: then the backup from before the release that is left is restored on the
    way: what is left stops when the data change, and the live database is backed up before. It is refused where rows came
    or went since, or the backup is older, than the backup's maxLoss allows; --force goes back all the same.
    """
    from reconciler.model.record import RequestKind

    if force and not restore_db:
        raise Failure("--force is about what --restore-db loses; a rollback without it loses nothing", WRONG_USE)
    layout = roots.layout_of(options.root)
    deadline = time.monotonic() + timeout_s
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
        roots.check_release(journal, stack, release)
        data = _data(options, journal, stack, release, force=force) if restore_db else ()
        last = max((event.id for event in journal.events(stack=stack)), default=0)

        def is_done() -> bool:
            return any(event.reason == "RollbackAsked" for event in journal.events(after=last, stack=stack))

        at_once = hand_in(
            options, layout, journal, is_done, RequestKind.ROLLBACK, stack, release=release, reason=reason, data=data
        )
        target = _target(journal, stack)
        output.line(f"{stack} goes back to release {target}")
        if (record := journal.stack(stack)) and (why := left_alone(record)):
            output.note(why)
        if at_once:
            output.note("no daemon runs: `reconciler once`, or the daemon's next start, does it")
            return FAILED if waits else 0
        return _await_release(journal, stack, target, deadline) if waits else 0


def _data(
    options: Options, journal: Journal, stack: str, release: int | None, *, force: bool
) -> tuple[DataBackup, ...]:
    """Raises Failure, also where there is no such release."""
    from reconciler.adapters.release_store import ReleaseFiles
    from reconciler.cli.backup_orders import data_before
    from reconciler.planning.rollback import being_applied, target_of

    record, releases = journal.stack(stack), journal.releases(stack)
    assert record is not None, "the stack was checked"
    if trying := being_applied(record, releases):
        raise Failure(f"release {trying} of {stack} is being applied; ask for the data again when that is over")
    kept = ReleaseFiles(roots.layout_of(options.root).root).numbers(stack)
    target, problem = target_of(record, releases, release, journal.marks.marks(stack), kept)
    if target is None:
        raise Failure(problem)
    return data_before(options, stack, target, force=force)


def _target(journal: Journal, stack: str) -> int | None:
    record = journal.stack(stack)
    return None if record is None else record.wanted_release


def _await_release(journal: Journal, stack: str, target: int | None, deadline: float) -> int:
    from reconciler.model.record import Health

    def judged(record: StackRecord, under_way: bool) -> Verdict:
        if is_suspended(record) and not under_way:
            return Verdict.FAILED
        if record.applied_release == target and record.health is Health.HEALTHY and not under_way:
            return Verdict.READY
        is_over = record.wanted_release != target and record.applied_release != target
        return Verdict.FAILED if is_over and not under_way else Verdict.WORKING

    return until_settled(journal, (stack,), deadline, judged)
