"""``reconciler backup``: make, list, prove and clear away backups. What changes anything is done by the daemon where one
runs, which holds the stack's turn, and else here under the root's lock.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.hand_in import answer, eventually, lock_unless_daemon
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.backup.entry import Backup
    from reconciler.backup.orders import Order
    from reconciler.backup.store import Store
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.layout import Layout
    from reconciler.ports import Journal

_FORM = click.option("-o", "--output", "form", type=click.Choice(["json"]), help="JSON for programs.")
_TITLES = ("NAME", "BACKUP", "MADE", "SIZE", "LEVEL", "STATE", "RELEASE", "PROBLEM")
_TIMEOUT = click.option(
    "--timeout", "timeout_s", default="1d", show_default=True, metavar="DURATION", help="How long to wait for the daemon.",
    callback=lambda ctx, param, text: _seconds(text),
)  # fmt: skip


@click.group(epilog="Example: reconciler backup list web")
def backup() -> None:
    """Make backups, see what they are worth, and prove them.

    What is backed up is declared under backups: in a stack's stack.yaml, and made by the daemon on its schedule. See
    docs/backups.md.
    """


@backup.command("run", epilog="Example: reconciler backup run shop db")
@click.argument("stack")
@click.argument("name", required=False)
@_TIMEOUT
@click.pass_obj
def run(options: Options, stack: str, name: str | None, timeout_s: float) -> int:
    """Back a stack up now: every backup that its stack.yaml declares, or the one called NAME.

    Ends with 0 when it is as good as its verify: asks for, with 1 when it failed.
    """
    from reconciler.backup.orders import Do, Order

    before = {found.name for found, _ in _backups(options, stack)}
    failed = _have_done(options, stack, Order(Do.RUN, name or ""), timeout_s)
    for found, _ in _backups(options, stack):
        if found.name not in before:
            output.line(f"{found.name}: {found.state}, {found.level.name}, {_size(found.size)}")
    return _end(failed)


@backup.command("list", epilog="Example: reconciler backup list shop -o json")
@click.argument("stack")
@_FORM
@click.pass_obj
def list_backups(options: Options, stack: str, form: str | None) -> None:
    """Show the backups of a stack, the newest first, and how far each was proven.

    LEVEL: L0 written without an error, L1 read to its end, L2 restored for a try, L3 with the same rows in every table.
    STATE: verified, sound (as good as was asked for, which was less), unproven or failed.
    """
    found = _backups(options, stack)
    if form == "json":
        output.print_json([as_object(backup, store) for backup, store in found])
        return
    if not found:
        output.note(f"{stack} has no backup yet")
        return
    output.print_table(_TITLES, [_row(backup) for backup, _ in found])


@backup.command("show", epilog="Example: reconciler backup show shop latest")
@click.argument("stack")
@click.argument("name")
@_FORM
@click.pass_obj
def show(options: Options, stack: str, name: str, form: str | None) -> None:
    """Show all that is known of one backup; NAME may be latest, the newest that is as good as was asked for."""
    backup, store = _find(options, stack, name)
    if form == "json":
        output.print_json([as_object(backup, store)])
        return
    for title, text in _details(backup, store):
        output.line(f"{title + ':':<10} {text}")
    if backup.counts:
        output.print_table(("TABLE", "ROWS"), [(table, str(rows)) for table, rows in sorted(backup.counts.items())])


@backup.command("verify", epilog="Example: reconciler backup verify shop latest")
@click.argument("stack")
@click.argument("name")
@_TIMEOUT
@click.pass_obj
def verify(options: Options, stack: str, name: str, timeout_s: float) -> int:
    """Prove a backup anew, from its first byte to the rows of its tables; NAME may be latest.

    Nothing of the stack is touched. Ends with 0 when it is as good as was asked for when it was made, else with 1.
    """
    from reconciler.backup.orders import Do, Order

    backup, _ = _find(options, stack, name)
    failed = _have_done(options, stack, Order(Do.VERIFY, backup.name), timeout_s)
    if not failed:
        found, _ = _find(options, stack, backup.name)
        output.line(f"{found.name}: {found.state}, reaches {found.level.name}")
    return _end(failed)


@backup.command("prune", epilog="Example: reconciler backup prune shop")
@click.argument("stack")
@_TIMEOUT
@click.pass_obj
def prune(options: Options, stack: str, timeout_s: float) -> int:
    """Remove the backups that keep: and minVerified: let go of, as happens after each backup."""
    from reconciler.backup.orders import Do, Order

    before = [found.name for found, _ in _backups(options, stack)]
    failed = _have_done(options, stack, Order(Do.PRUNE), timeout_s)
    left = {found.name for found, _ in _backups(options, stack)}
    for name in before:
        if name not in left:
            output.line(f"removed {name}")
    if not failed and set(before) == left:
        output.line("nothing to remove")
    return _end(failed)


@backup.command("restore", epilog="Example: reconciler backup restore shop latest --yes")
@click.argument("stack")
@click.argument("name", default="latest", metavar="[BACKUP|latest]")
@click.option(
    "--into", default="", metavar="NEWNAME", help="Into a new database of this name; nothing else is touched."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--drop-old", is_flag=True, help="Do not keep the database that is replaced; its safety backup stays.")
@_TIMEOUT
@click.pass_obj
def restore(options: Options, stack: str, name: str, into: str, yes: bool, drop_old: bool, timeout_s: float) -> int:
    """Restore a backup: in the place of the live database, or with --into beside it.

    First the live database is backed up. Then the backup is restored into a new database and its rows are counted, while
    everything goes on. Only then the services that depend on the server are stopped, the two databases change names in
    one transaction, and the services are started again. The database from before is kept as NAME_before_TIME until the
    next restore, or with --drop-old not at all. Whatever fails before the change of names leaves the live database alone.
    """
    from reconciler.backup.orders import Do, Order

    if into and drop_old:
        raise Failure("--into replaces no database, so there is none for --drop-old", WRONG_USE)
    found, _ = _find(options, stack, name)
    what = f"into the new database {into}" if into else f"in the place of the database {found.database}"
    output.note(f"{found.name}, made {output.local(found.created_at)}, {found.state}: {what} of {stack}")
    if not yes and not into:
        _confirm(f"Replace the database {found.database} of {stack}?")
    failed = _have_done(options, stack, Order(Do.RESTORE, found.name, into, drop_old), timeout_s)
    if not failed:
        output.line(_told_of(options, stack))
    return _end(failed)


def _confirm(question: str) -> None:
    import sys

    if not sys.stdin.isatty():
        raise Failure("this replaces a database, and nobody can be asked here; say --yes, or --into NEWNAME", WRONG_USE)
    click.confirm(question, abort=True)


def _told_of(options: Options, stack: str) -> str:
    """What the restore came to, as the event says it."""
    with roots.open_journal(roots.layout_of(options.root)) as journal:
        told = [event.message for event in journal.events(stack=stack) if event.reason == "Restored"]
    return told[-1] if told else "restored"


def as_object(backup: Backup, store: Store) -> dict[str, object]:
    """The shape that programs rely on (docs/json-output.md)."""
    return {
        "name": backup.name,
        "stack": backup.stack,
        "backup": backup.plan,
        "createdAt": output.utc(backup.created_at),
        "size": backup.size,
        "sha256": backup.sha256,
        "level": backup.level.name,
        "wanted": backup.wanted.name,
        "state": backup.state,
        "verifiedAt": output.utc(backup.verified_at),
        "release": backup.release,
        "revision": backup.revision,
        "server": backup.server,
        "rows": dict(backup.counts),
        "durationSeconds": dict(backup.durations_s),
        "problems": [{"level": found.level.name, "problem": found.problem} for found in backup.problems],
        "path": str(store.dump(backup.name)),
    }


def _have_done(options: Options, stack: str, order: Order, timeout_s: float) -> str:
    """What went wrong, "" if nothing did. Raises Failure where nobody did it."""
    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
    lock = lock_unless_daemon(layout)
    if lock is None:
        return _ask(layout, stack, order, timeout_s)
    with lock:
        return _do_here(options, layout, stack, order)


def _ask(layout: Layout, stack: str, order: Order, timeout_s: float) -> str:
    from reconciler.model.record import RequestKind

    with roots.open_journal(layout) as journal:
        row = journal.ask(RequestKind.BACKUP, stack, roots.who(), time.time(), reason=order.text())
        if not _is_answered(journal, row, timeout_s):
            raise Failure("the daemon has not answered yet; the request stays: see reconciler backup list and events")
        found = answer(journal, row)
    return "" if found == "ok" else found


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
        return backups.perform(wanted, order, roots.who())


def _work(host: Host, stack: str) -> Work:
    works = host.works()
    found = next((work for work in works if work.name == stack), None)
    if found is None:
        raise roots.unknown_stack(stack, [work.name for work in works])
    return found


def _backups(options: Options, stack: str) -> list[tuple[Backup, Store]]:
    """The newest first: of the root's folder, and of those where runs are known to have put some."""
    from pathlib import Path

    from reconciler.backup.store import Store, across

    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
        known = [Path(record.folder) for record in journal.backups.backups(stack) if record.folder]
    return across([Store(folder) for folder in (layout.backups_of(stack), *known)], stack)


def _find(options: Options, stack: str, name: str) -> tuple[Backup, Store]:
    from reconciler.backup.store import named

    found = named(_backups(options, stack), name)
    if found is None:
        raise Failure(f'{stack} has no backup "{name}"; see: reconciler backup list {stack}', WRONG_USE)
    return found


def _row(backup: Backup) -> tuple[str, ...]:
    return (
        backup.name,
        backup.plan,
        output.local(backup.created_at),
        _size(backup.size),
        backup.level.name if backup.level >= 0 else "-",
        backup.state,
        "-" if backup.release is None else str(backup.release),
        output.first_line(backup.why_not) if backup.problems else "",
    )


def _details(backup: Backup, store: Store) -> list[tuple[str, str]]:
    took = ", ".join(f"{step} {output.duration(seconds)}" for step, seconds in backup.durations_s.items())
    return [
        ("name", backup.name),
        ("file", str(store.dump(backup.name))),
        ("of", f"database {backup.database} of service {backup.service} ({backup.server or backup.engine})"),
        ("made", output.local(backup.created_at)),
        ("release", "-" if backup.release is None else f"{backup.release} ({output.short(backup.revision)})"),
        ("size", f"{_size(backup.size)}, sha256 {backup.sha256}"),
        ("level", f"{backup.level.name} of {backup.wanted.name}, {backup.state}"),
        ("verified", output.local(backup.verified_at) or "never"),
        ("took", took),
        ("problem", backup.why_not or "none"),
        *([("said", backup.complaint)] if backup.complaint else []),
    ]


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def _end(failed: str) -> int:
    if failed:
        output.complain(failed)
        return FAILED
    return 0


def _seconds(text: str) -> float:
    from reconciler.model.duration import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
