"""``reconciler adopt``: a stack takes over from a Compose project that was brought up by hand, and may be sent back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, INTERRUPTED, WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options
from reconciler.model.duration import shown_duration

if TYPE_CHECKING:
    from reconciler.adoption.book import Record
    from reconciler.cli.adoption.plan import Asked, Planned
    from reconciler.cli.wiring import Leaving
    from reconciler.layout import Layout


@click.command(epilog="Example: reconciler adopt /opt/upsignon-docker --dry-run")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--stack", default="", metavar="NAME", help="The stack that takes over, where there are several.")
@click.option("--project", default="", metavar="NAME", help="The Compose project, where several were made from DIR.")
@click.option("--dry-run", is_flag=True, help="Show the plan, and do nothing.")
@click.option("--yes", is_flag=True, help="Ask nothing: also the lines of cron go.")
@click.option("--without-dump", is_flag=True, help="Make no backup of the databases before the change of hands.")
@click.option("--undo", is_flag=True, help="Send the stack back: the old project serves as before.")
@click.option("--confirm", "confirms", is_flag=True, help="It is well so: remove the old containers. Ends the undoing.")
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="JSON for programs; with --dry-run.")
@click.pass_obj
def adopt(
    options: Options,
    folder: Path | None,
    stack: str,
    project: str,
    dry_run: bool,
    yes: bool,
    without_dump: bool,
    undo: bool,
    confirms: bool,
    form: str | None,
) -> int:
    """Let a stack of the repository take over from the Compose project in DIR, with its data.

    Shows first what would happen. Variables, certificates and dumps are copied, the database's volume is kept, and the old
    containers are stopped and kept, too, until `adopt --confirm`; until then `adopt --undo` starts them again. If the
    stack does not become Ready, that happens by itself. See docs/adopt.md.
    """
    from reconciler.cli.adoption.plan import Asked

    layout = roots.layout_of(options.root)
    _check_words(folder, dry_run, undo, confirms, form)
    level = level_of(options, tells_itself=True)
    if confirms:
        return _confirm(layout, level, yes)
    if undo:
        return _undo(layout, level, yes)
    assert folder is not None, "the words were checked"
    asked = Asked(folder, stack, project)
    if dry_run:
        return _show(layout, asked, level, form, dumps=not without_dump)
    return _adopt(layout, asked, level, yes=yes, dumps=not without_dump)


def _check_words(folder: Path | None, dry_run: bool, undo: bool, confirms: bool, form: str | None) -> None:
    if sum((undo, confirms, folder is not None)) != 1:
        raise Failure("say one of: adopt DIR, adopt --undo, adopt --confirm", WRONG_USE)
    if dry_run and folder is None:
        raise Failure("--dry-run is for adopt DIR", WRONG_USE)
    if form and not dry_run:
        raise Failure("-o json is for the plan: adopt DIR --dry-run -o json", WRONG_USE)


def _show(layout: Layout, asked: Asked, level: int, form: str | None, *, dumps: bool) -> int:
    from reconciler.cli.adopt_view import as_object, tell
    from reconciler.cli.adoption.plan import plan

    planned = plan(layout, asked, level)
    if form == "json":
        output.print_json([as_object(planned.adoption)])
    else:
        tell(planned.adoption, dumps=dumps and planned.has_dumps)
    return FAILED if planned.adoption.refusals else 0


def _adopt(layout: Layout, asked: Asked, level: int, *, yes: bool, dumps: bool) -> int:
    from reconciler.adoption.book import Phase
    from reconciler.cli.adoption.handover import adopter, book_of
    from reconciler.cli.adoption.plan import plan

    with _alone(layout) as leaving:
        record = book_of(layout).read()
        if record is not None:
            _check_same(record, asked)
            if record.phase is not Phase.TAKING:
                output.progress("going on with the adoption that was cut short")
                with adopter(layout, record.adoption.stack, level, leaving, dumps=dumps) as doer:
                    return _adopted(doer.go_on(record))
            with adopter(layout, record.adoption.stack, level, leaving) as doer:
                doer.undo(record)
        planned = plan(layout, asked, level)
        _agree(planned, yes, dumps)
        with adopter(layout, planned.adoption.stack, level, leaving, dumps=dumps) as doer:
            return _adopted(doer.adopt(planned.adoption, planned.texts))


def _check_same(record: Record, asked: Asked) -> None:
    """Raises Failure where the adoption under way is another one, or is past going on."""
    import os

    from reconciler.adoption.book import Phase

    adoption = record.adoption
    whose = f"{adoption.folder} as {adoption.stack}"
    if record.phase in (Phase.UNDOING, Phase.CONFIRMING):
        word = "--undo" if record.phase is Phase.UNDOING else "--confirm"
        raise Failure(f"the adoption of {whose} was being ended, and has not come to its end: reconciler adopt {word}")
    if record.phase is Phase.ADOPTED:
        raise Failure(f"{whose} is adopted, and neither confirmed nor undone: reconciler adopt --confirm, or --undo")
    if os.path.realpath(asked.folder) != adoption.folder or asked.stack not in ("", adoption.stack):
        raise Failure(
            f"the adoption of {whose} was cut short: adopt that folder again to go on, or: reconciler adopt --undo"
        )


def _agree(planned: Planned, yes: bool, dumps: bool) -> None:
    """Raises Failure where it must not be, or nobody agrees."""
    from reconciler.cli.adopt_view import tell

    adoption = planned.adoption
    tell(adoption, dumps=dumps and planned.has_dumps)
    if adoption.refusals:
        raise Failure("nothing was done: mend what is refused above, and try again")
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(
            "nobody can be asked here, and nothing was done; say --yes, or --dry-run to see the plan", WRONG_USE
        )
    if adoption.cron and not click.confirm(f"Take {_these(len(adoption.cron))} out of cron?"):
        raise Failure("nothing was done: cron would bring the old containers up again, on the same database")
    if not click.confirm("Adopt it now?"):
        raise Failure("nothing was done")


def _these(count: int) -> str:
    return "this line" if count == 1 else f"these {count} lines"


def _adopted(record: Record) -> int:
    adoption = record.adoption
    output.line(f"{adoption.stack} is Ready; nothing answered for {shown_duration(record.gap_s)} at most")
    output.line(
        "The old containers are stopped and kept. When all is well: reconciler adopt --confirm; else: reconciler adopt --undo.\n"
        f"Call no docker compose in {adoption.folder} any more: it would start the old database beside the new one"
    )
    return 0


def _undo(layout: Layout, level: int, yes: bool) -> int:
    from reconciler.cli.adoption.handover import adopter

    with _alone(layout) as leaving:
        record = _record(layout, "undone")
        adoption = record.adoption
        question = f"Take {adoption.stack} down, and start the old project {adoption.project} again?"
        _ask(question, yes)
        with adopter(layout, adoption.stack, level, leaving) as doer:
            for word in doer.undo(record):
                output.note(word)
    output.line(f"the old project {adoption.project} serves as before; {adoption.stack} is suspended")
    return 0


def _confirm(layout: Layout, level: int, yes: bool) -> int:
    from reconciler.cli.adoption.handover import adopter
    from reconciler.cli.hand_in import lock_unless_daemon
    from reconciler.cli.wiring import Leaving

    lock = lock_unless_daemon(layout)
    try:
        record = _record(layout, "confirmed")
        adoption = record.adoption
        _check_ready(layout, adoption.stack)
        names = ", ".join(container.aside or container.name for container in adoption.containers)
        _ask(f"Remove {names}? After that the adoption cannot be undone.", yes)
        with adopter(layout, adoption.stack, level, Leaving(), mend=lock is not None) as doer:
            for gone in doer.confirm(record):
                output.line(f"removed {gone}")
    finally:
        if lock is not None:
            lock.release()
    output.line(
        f"{adoption.stack} is adopted for good. Volumes were kept, and {adoption.folder}, which is used no longer"
    )
    return 0


def _check_ready(layout: Layout, stack: str) -> None:
    from reconciler.model.record import Truth

    with roots.open_journal(layout) as journal:
        record = journal.stack(stack)
    if record is None or record.ready.status is not Truth.TRUE:
        raise Failure(f"{stack} is not Ready now, see reconciler get {stack}; the old containers stay until it is")


def _record(layout: Layout, what: str) -> Record:
    from reconciler.cli.adoption.handover import book_of

    record = book_of(layout).read()
    if record is None:
        raise Failure(f"no adoption is under way, so there is nothing to be {what}")
    return record


def _ask(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure("nobody can be asked here, and nothing was done; say --yes", WRONG_USE)
    if not click.confirm(question):
        raise Failure("nothing was done")


@contextmanager
def _alone(layout: Layout) -> Iterator[Leaving]:
    """With the root's lock. Raises Failure where a daemon holds it, and where the process was asked to leave."""
    from reconciler.cli.hand_in import lock_unless_daemon
    from reconciler.cli.signals import leaving_on_signals
    from reconciler.cli.wiring import Leaving
    from reconciler.model.errors import ReconcilerError

    lock = lock_unless_daemon(layout)
    if lock is None:
        raise Failure(
            f"a daemon runs for {layout.root}, and would work on the stack meanwhile: stop it (systemctl stop reconciler), "
            "try again, and start it afterwards"
        )
    leaving = Leaving()
    with lock, leaving_on_signals(leaving.ask):
        roots.make_folders(layout)
        try:
            yield leaving
        except ReconcilerError as error:
            if error.reason != "Interrupted":
                raise
            raise Failure(
                f"{error} between two steps; call it again to go on, or: reconciler adopt --undo", INTERRUPTED
            ) from error
