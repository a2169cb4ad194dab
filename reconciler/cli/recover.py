"""``reconciler recover``: a host that was lost is made again from its repository, ``certs/``, ``env/`` and ``backups/``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options
from reconciler.layout import Layout

if TYPE_CHECKING:
    from reconciler.backup.entry import Backup
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.model.observed import Container

_TITLES = ("STACK", "DATA", "BACKUP", "MADE", "STATE")


@click.command(
    short_help="Make this host's stacks again on a new machine, with the data of their backups.",
    epilog="Example: reconciler recover --source ssh://git@git.example.com/ops/config.git --path desired_state",
)
@click.option("--source", "url", metavar="URL", help="The Git repository, where the root has no host.yaml any more.")
@click.option("--branch", default="main", show_default=True, help="The branch to follow, with --source.")
@click.option("--path", "folder", default="", help="The folder in the repository that holds the stacks, with --source.")
@click.option("--empty", multiple=True, metavar="STACK", help="Let this stack begin without the data it backs up.")
@click.pass_obj
def recover(options: Options, url: str | None, branch: str, folder: str, empty: tuple[str, ...]) -> int:
    """Make this host's stacks again on a new machine, with the data of their newest good backups.

    Wants certs/, env/ and backups/ of the lost host in the root folder; everything else comes from the repository. In the
    first release of each stack its database starts, the backup is restored and its rows are counted, and only then
    the services that use it start: nobody is ever served empty tables. Ends with 0 when every stack is Ready. What was cut
    short goes on when this is called again.
    """
    from reconciler.adapters.root_lock import RootLock
    from reconciler.cli.once import pass_over_all
    from reconciler.cli.wiring import opened

    began = time.monotonic()
    if not _is_root(Layout(options.root), url, branch, folder):
        return FAILED
    layout = roots.layout_of(options.root)
    with RootLock(layout.lock), opened(layout, log_level=level_of(options, tells_itself=True), mend=True) as parts:
        roots.make_folders(layout)
        _ask_for_data(parts, frozenset(empty))
        status = pass_over_all(parts, frozenset())
    if not status:
        output.line(f"\nrecovered in {time.monotonic() - began:.0f} s; from here on: reconciler run")
    return status


def _is_root(layout: Layout, url: str | None, branch: str, folder: str) -> bool:
    """Makes one where ``url`` is said; not where host.yaml says another source. Raises Failure."""
    from reconciler.cli.setup.root_folder import make
    from reconciler.cli.setup.source import SourceWanted

    roots.check_owner(layout)
    if url:
        return not make(layout, SourceWanted(url, branch, folder).absolute(), asks=False)
    if layout.root.is_dir() and not layout.settings.exists():
        raise Failure(
            f"{layout.root} has no host.yaml: put the lost host's there, or say which repository it followed: "
            "reconciler recover --source URL --path FOLDER",
            WRONG_USE,
        )
    return True


def _ask_for_data(parts: Parts, empty: frozenset[str]) -> None:
    """Each stack that backs something up begins with its newest good backup. Raises Failure, before anything is made,
    where one has none, or is there already."""
    from reconciler.model.data import FIRST, DataBackup, DataChange

    parts.source.fetch()
    works = parts.host(output.progress).works()
    _check_names(empty, works)
    there = parts.engine.containers()
    chosen = [(work, _backups(parts, work)) for work in works if _begins(parts, work, there)]
    lost = [
        f"{work.name}: no good backup of {plan.name}"
        for work, found in chosen
        for plan in work.manifest.backups
        if work.name not in empty and plan.name not in {backup.plan for backup in found}
    ]
    if lost:
        told = "\n".join(f"  {line}" for line in lost)
        raise Failure(
            f"nothing was done, because data would be missing:\n{told}\n"
            "Put the lost host's backups into backups/STACK/ (their .dump and .json files), or let a stack begin without its "
            "data: --empty STACK"
        )
    rows = [(work.name, backup) for work, found in chosen if work.name not in empty for backup in found]
    if rows:
        output.print_table(_TITLES, [_row(stack, backup) for stack, backup in rows])
    for work, found in chosen:
        if found and work.name not in empty:
            data = tuple(DataBackup(backup.name, backup.service) for backup in found)
            parts.journal.data.save_data_change(DataChange(work.name, FIRST, forth=data))


def _begins(parts: Parts, work: Work, there: tuple[Container, ...]) -> bool:
    """Whether it backs something up and was never here. What was begun by an earlier call goes on as it was asked for."""
    from reconciler.model.data import FIRST

    if not work.manifest.backups or work.gone or work.problems:
        return False
    change = parts.journal.data.data_change(work.name)
    if change is not None and change.release == FIRST:
        return False
    record = parts.journal.stack(work.name)
    if record is not None and record.applied_release is not None:
        output.note(f"{work.name} is here already, in release {record.applied_release}: its data stay as they are")
        return False
    if any(container.stack == work.name for container in there):
        raise Failure(
            f"nothing was done: containers of {work.name} are on this machine, with data of their own maybe. If they are to "
            f"stay, `reconciler once` takes them as they are; else remove them first: docker compose -p {work.name} down"
        )
    return True


def _backups(parts: Parts, work: Work) -> tuple[Backup, ...]:
    return parts.backups.newest_sound(parts.backups.wanted(work.name, work.manifest.backups, work.variables))


def _check_names(empty: frozenset[str], works: tuple[Work, ...]) -> None:
    names = [work.name for work in works]
    for name in sorted(empty - frozenset(names)):
        raise roots.unknown_stack(name, names)


def _row(stack: str, backup: Backup) -> tuple[str, ...]:
    return stack, backup.plan, backup.name, output.local(backup.created_at), backup.state
