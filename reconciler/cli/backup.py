"""``reconciler backup``: make, list, prove, restore and clear away backups."""

from __future__ import annotations

import click

from reconciler.cli import output, roots
from reconciler.cli.backup_choice import can_ask, choose, choose_place, confirm
from reconciler.cli.backup_orders import backups_of, check_known, find, find_before, have_done, why_forgotten
from reconciler.cli.backup_view import TITLES, as_object, details, row
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.options import Duration, Options, as_json
from reconciler.model.size import shown_bytes

_TIMEOUT = click.option(
    "--timeout",
    "timeout_s",
    type=Duration(),
    default="1d",
    show_default=True,
    metavar="DURATION",
    help="How long to wait for the daemon.",
)


@click.group(epilog="Example: reconciler backup list web")
def backup() -> None:
    """Make backups, see what they are worth, and prove them.

    What is backed up is declared under backups: in a stack's stack.yaml, and made by the daemon on its schedule. See
    docs/backups.md.
    """


@backup.command("run", short_help="Back a stack up now.", epilog="Example: reconciler backup run shop db")
@click.argument("stack")
@click.argument("name", required=False)
@_TIMEOUT
@click.pass_obj
def run(options: Options, stack: str, name: str | None, timeout_s: float) -> int:
    """Back a stack up now: every backup that its stack.yaml declares, or the one called NAME.

    Ends with 0 when it is as good as its verify: asks for, with 1 when it failed.
    """
    from reconciler.backup.orders import Do, Order

    before = {found.name for found, _ in backups_of(options, stack)}
    failed = have_done(options, stack, Order(Do.RUN, name or ""), timeout_s)
    for found, _ in backups_of(options, stack):
        if found.name not in before:
            output.line(f"{found.name}: {found.state}, {found.level.name}, {shown_bytes(found.size)}")
    return _end(failed)


@backup.command(
    "list",
    short_help="Show a stack's backups, and how far each was proven.",
    epilog="Example: reconciler backup list shop -o json",
)
@click.argument("stack")
@as_json
@click.pass_obj
def list_backups(options: Options, stack: str, form: str | None) -> None:
    """Show the backups of a stack, the newest first, and how far each was proven.

    LEVEL: L0 written without an error, L1 read to its end, L2 restored for a try, L3 with the same rows in every table.
    STATE: verified, sound (as good as was asked for, which was less), unproven or failed.
    """
    found = backups_of(options, stack)
    if form == "json":
        output.print_json([as_object(backup, store) for backup, store in found])
        return
    if not found:
        output.note(f"{stack} has no backup yet")
        return
    output.print_table(TITLES, [row(backup) for backup, _ in found])
    if note := why_forgotten(options, stack):
        output.note(note)


@backup.command(
    "show", short_help="Show all that is known of one backup.", epilog="Example: reconciler backup show shop latest"
)
@click.argument("stack")
@click.argument("name")
@as_json
@click.pass_obj
def show(options: Options, stack: str, name: str, form: str | None) -> None:
    """Show all that is known of one backup; NAME may be latest, the newest that is as good as was asked for."""
    backup, store = find(options, stack, name)
    if form == "json":
        output.print_json([as_object(backup, store)])
        return
    for title, text in details(backup, store):
        output.line(f"{title + ':':<10} {text}")
    if backup.counts:
        output.print_table(("TABLE", "ROWS"), [(table, str(rows)) for table, rows in sorted(backup.counts.items())])


@backup.command(
    "verify",
    short_help="Prove a backup anew, from its first byte to its rows.",
    epilog="Example: reconciler backup verify shop latest",
)
@click.argument("stack")
@click.argument("name")
@_TIMEOUT
@click.pass_obj
def verify(options: Options, stack: str, name: str, timeout_s: float) -> int:
    """Prove a backup anew, from its first byte to the rows of its tables; NAME may be latest.

    Nothing of the stack is touched. Ends with 0 when it is as good as was asked for when it was made, else with 1.
    """
    from reconciler.backup.orders import Do, Order

    backup, _ = find(options, stack, name)
    failed = have_done(options, stack, Order(Do.VERIFY, backup.name), timeout_s)
    if not failed:
        found, _ = find(options, stack, backup.name)
        output.line(f"{found.name}: {found.state}, reaches {found.level.name}")
    return _end(failed)


@backup.command(
    "prune", short_help="Remove the backups that need not be kept.", epilog="Example: reconciler backup prune shop"
)
@click.argument("stack")
@_TIMEOUT
@click.pass_obj
def prune(options: Options, stack: str, timeout_s: float) -> int:
    """Remove the backups that keep: and minVerified: let go of, as happens after each backup."""
    from reconciler.backup.orders import Do, Order

    before = [found.name for found, _ in backups_of(options, stack)]
    failed = have_done(options, stack, Order(Do.PRUNE), timeout_s)
    left = {found.name for found, _ in backups_of(options, stack)}
    for name in before:
        if name not in left:
            output.line(f"removed {name}")
    if not failed and set(before) == left:
        output.line("nothing to remove")
    return _end(failed)


@backup.command(
    "restore",
    short_help="Restore a backup: in place, or with --into beside it.",
    epilog="Example: reconciler backup restore shop latest --yes",
)
@click.argument("stack")
@click.argument("name", required=False, metavar="[BACKUP|latest]")
@click.option(
    "--before",
    type=click.IntRange(min=1),
    metavar="RELEASE",
    help="The newest good one from before this release was tried.",
)
@click.option(
    "--into", default="", metavar="NEWNAME", help="Into a new database of this name; nothing else is touched."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--drop-old", is_flag=True, help="Do not keep the database that is replaced; its safety backup stays.")
@_TIMEOUT
@click.pass_obj
def restore(
    options: Options,
    stack: str,
    name: str | None,
    before: int | None,
    into: str,
    yes: bool,
    drop_old: bool,
    timeout_s: float,
) -> int:
    """Restore a backup, the newest good one if none is named: in the place of the live database, or with --into beside it.
    At a terminal, where none is named, it asks which one and where to.

    First the live database is backed up. Then the backup is restored into a new database and its rows are counted, while
    everything goes on. Only then the services that depend on the server are stopped, the two databases change names in
    one transaction, and the services are started again. The database from before is kept as NAME_before_TIME until the
    next restore, or with --drop-old not at all. Whatever fails before the change of names leaves the live database alone.
    """
    from reconciler.backup.orders import Do, Order

    if into and drop_old:
        raise Failure("--into replaces no database, so there is none for --drop-old", WRONG_USE)
    if name and before is not None:
        raise Failure("--before says which backup is meant; take it or the name out", WRONG_USE)
    check_known(options, stack)
    if not (name or before or into or yes) and can_ask():
        chosen = choose([found for found, _ in backups_of(options, stack)])
        name, into = chosen.name, choose_place(chosen, f"the database {chosen.database} of {stack}")
    found, _ = find(options, stack, name or "latest") if before is None else find_before(options, stack, before)
    what = f"into the new database {into}" if into else f"in the place of the database {found.database}"
    output.note(f"{found.name}, made {output.local(found.created_at)}, {found.state}: {what} of {stack}")
    if not yes and not into:
        confirm(f"Replace the database {found.database} of {stack}?")
    failed = have_done(options, stack, Order(Do.RESTORE, found.name, into, drop_old), timeout_s)
    if not failed:
        output.line(_told_of(options, stack))
    return _end(failed)


def _told_of(options: Options, stack: str) -> str:
    """What the restore came to, as the event says it."""
    with roots.open_journal(roots.layout_of(options.root)) as journal:
        told = [event.message for event in journal.events(stack=stack) if event.reason == "Restored"]
    return told[-1] if told else "restored"


def _end(failed: str) -> int:
    if failed:
        output.complain(failed)
        return FAILED
    return 0
