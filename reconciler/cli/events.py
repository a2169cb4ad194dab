"""``reconciler events``: what people should know of what happened, and with ``-w`` as it happens."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.options import Number, Options
from reconciler.model.moment import iso_moment

if TYPE_CHECKING:
    from reconciler.model.record import EventRecord
    from reconciler.ports.books import Journal

_LOOK_EVERY_S = 0.2
_BEFORE_WATCHING = 10  # as many are shown first, for context, when watching begins


@click.command(
    short_help="Show what happened, the newest last: releases, drift, failures, requests.",
    epilog="Example: reconciler events web -w",
)
@click.argument("stack", required=False)
@click.option("-w", "--watch", is_flag=True, help="Go on and print what happens, until Ctrl-C.")
@click.option("--since", type=Number(0), metavar="ID", help="Only events after the one with this id.")
@click.option(
    "-o", "--output", "form", type=click.Choice(["json"]), help="JSON for programs; with -w one object a line."
)
@click.pass_obj
def events(options: Options, stack: str | None, watch: bool, since: int | None, form: str | None) -> None:
    """Show what happened, the newest last: releases, drift, failures, requests, trouble with the repository.

    The newest 1000 are shown. Events of the host itself, such as a repository that does not answer, have no stack.
    """
    with roots.open_journal(roots.layout_of(options.root)) as journal:
        if stack is not None:
            roots.check_stack(journal, stack)
        if watch:
            _watch(journal, stack, since, form)
            return
        found = journal.events(after=since or 0, stack=stack)
        if form == "json":
            output.print_json([_object(event) for event in found])
        elif found:
            _show(found)
        else:
            output.note("nothing happened yet" if since is None else f"nothing happened after event {since}")


def _watch(journal: Journal, stack: str | None, since: int | None, form: str | None) -> None:
    limit = _BEFORE_WATCHING if since is None else 1000
    found, seen = journal.events(after=since or 0, stack=stack, limit=limit), None
    last = since or 0
    while True:
        for event in found:
            last = event.id
            _tell(event, form)
        version = journal.version()
        while version == seen:
            time.sleep(_LOOK_EVERY_S)
            version = journal.version()
        # The version is read before the rows, so that what is written in between is found the next time.
        seen, found = version, journal.events(after=last, stack=stack)


def _tell(event: EventRecord, form: str | None) -> None:
    if form == "json":
        click.echo(json.dumps(_object(event), ensure_ascii=False))
        return
    colour = {"error": "red"}.get(event.severity)
    reason = click.style(event.reason, fg=colour) if not output.no_colour() else event.reason
    place = f"{event.stack}: " if event.stack else ""
    click.echo(f"{output.local(event.at)}  {place}{reason}: {output.printable(_indented(event.message))}")


def _indented(message: str) -> str:
    return message.strip().replace("\n", "\n    ")


def _show(found: tuple[EventRecord, ...]) -> None:
    titles = ("ID", "WHEN", "STACK", "SEVERITY", "REASON", "MESSAGE")
    output.print_table(titles, [_row(event) for event in found])


def _row(event: EventRecord) -> tuple[str, ...]:
    return (
        *(str(event.id), output.local(event.at), event.stack or "-", event.severity, event.reason),
        event.message.strip(),
    )


def _object(event: EventRecord) -> dict[str, object]:
    return {
        "id": event.id,
        "at": iso_moment(event.at),
        "stack": event.stack,
        "severity": event.severity,
        "reason": event.reason,
        "message": event.message,
        "revision": event.revision,
    }
