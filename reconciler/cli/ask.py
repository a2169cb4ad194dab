"""``reconciler reconcile``, ``approve``, ``suspend`` and ``resume``: what people ask of the daemon, and wait for its answer."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.get import left_alone
from reconciler.cli.hand_in import answer, eventually, hand_in
from reconciler.cli.options import Number, Options, timeout_option
from reconciler.cli.wait import TIMED_OUT, judge, until_settled
from reconciler.cli.works import fetch_first

if TYPE_CHECKING:
    from reconciler.ports.books import Journal


@click.command(epilog="Example: reconciler reconcile web --wait")
@click.argument("stack", required=False)
@click.option("--wait", "waits", is_flag=True, help="Wait until it is Ready and Synced; exit codes as those of wait.")
@click.option("--force", is_flag=True, help="Try it again now, quarantine and pauses between attempts aside.")
@click.option(
    "--now", "past_windows", is_flag=True, help="Ask the registries now, and let begin what waits for a window."
)
@timeout_option
@click.pass_obj
def reconcile(
    options: Options, stack: str | None, waits: bool, force: bool, past_windows: bool, timeout_s: float
) -> int:
    """Ask the daemon to fetch and to look at one stack, or at all, now.

    It would do so by itself before long: this shortens the wait. A release that failed is in quarantine and is only
    tried again with --force. What waits for a window begins with --now; an approval and minAge are waited for all the
    same. A stack that was never looked at may be one that was pushed just now: the repository is fetched before it is
    called unknown. Without a daemon, `reconciler once` makes a pass.
    """
    from reconciler.model.record import RequestKind
    from reconciler.requests import FETCH, NOW

    layout = roots.layout_of(options.root)
    deadline = time.monotonic() + timeout_s
    if roots.daemon_of(layout) is None:
        forced = f" --force {stack}" if force and stack else ""
        raise Failure(f"no daemon runs for {layout.root}: start one with `reconciler run`, or make one pass with "
                      f"`reconciler once{forced}`")  # fmt: skip
    with roots.open_journal(layout) as journal:
        record = journal.stack(stack) if stack is not None else None
        if record is not None and (why := left_alone(record)):
            raise Failure(why)
        strangers = (stack,) if stack is not None and record is None else ()
        is_fetched = not (waits or strangers) or fetch_first(options, layout, strangers)
        if strangers and not is_fetched:
            raise Failure(f"{stack} is not known here, so nobody can say whether there is such a stack")
        names = (stack,) if stack is not None else tuple(record.name for record in journal.stacks())
        rows = []
        if stack is None:
            rows.append(journal.ask(RequestKind.RECONCILE, "", roots.who(), time.time(), force=force))
        if stack is not None or force or waits or past_windows:
            why = NOW if past_windows else FETCH
            rows += [
                journal.ask(RequestKind.RECONCILE, name, roots.who(), time.time(), force=force, reason=why)
                for name in names
            ]
        if not waits:
            output.note(f"asked; see how it goes with: reconciler events -w{f' {stack}' if stack else ''}")
            return 0
        if not _await_answers(journal, rows, deadline):
            output.complain("the time is over: the daemon has not answered yet; see reconciler get")
            return TIMED_OUT
        status = until_settled(journal, names, deadline, judge)
        return status if is_fetched else status or FAILED


def _await_answers(journal: Journal, rows: list[int], deadline: float) -> bool:
    """Whether passes that began after the requests have ended."""
    return eventually(lambda: all(answer(journal, row) for row in rows), deadline)


@click.command(
    short_help="Let a release begin that waits for it (approval: manual).", epilog="Example: reconciler approve web 12"
)
@click.argument("stack")
@click.argument("release", required=False, type=Number(1))
@click.pass_obj
def approve(options: Options, stack: str, release: int | None) -> None:
    """Let a release begin that waits for it (approval: manual): the one that get tells of, or RELEASE.

    `reconciler get STACK` says which one waits, and `reconciler diff STACK` what it would do. The approval is for that very
    release: another commit or image makes another one.
    """
    from reconciler.model.record import RequestKind

    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
        roots.check_release(journal, stack, release)
        last = max((event.id for event in journal.events(stack=stack)), default=0)

        def approved() -> str:
            told = journal.events(after=last, stack=stack)
            return next((event.message for event in told if event.reason == "Approved"), "")

        at_once = hand_in(
            options, layout, journal, lambda: bool(approved()), RequestKind.APPROVE, stack, release=release
        )
        output.line(f"{stack}: approved {approved()}")
        if at_once:
            output.note("no daemon runs: `reconciler once`, or the daemon's next start, does it")


@click.command(epilog='Example: reconciler suspend web --until 2h --reason "maintenance of the disk"')
@click.argument("stack")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--until", metavar="TIME|DURATION", help="When it ends by itself: 2h, or 2030-01-31T18:00 (host's time).")
@click.pass_obj
def suspend(options: Options, stack: str, reason: str, until: str | None) -> None:
    """Leave a stack alone: no release, no repair, until it is resumed.

    Its containers go on running as they are. A step that is under way is not interrupted.
    """
    from reconciler.model.record import RequestKind

    layout = roots.layout_of(options.root)
    ends = None if until is None else _moment(until, time.time())
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
        asked = time.time()

        def is_done() -> bool:
            record = journal.stack(stack)
            return record is not None and record.suspension is not None and record.suspension.since >= asked

        hand_in(options, layout, journal, is_done, RequestKind.SUSPEND, stack, reason=reason, until=ends)
        until_when = (
            f"until {output.local(ends)}" if ends is not None else f"until it is resumed: reconciler resume {stack}"
        )
        output.line(f"{stack} is suspended {until_when}")


@click.command(epilog="Example: reconciler resume web")
@click.argument("stack")
@click.pass_obj
def resume(options: Options, stack: str) -> None:
    """Look after a suspended stack again: it is made what Git says now."""
    from reconciler.model.record import RequestKind

    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)

        def is_done() -> bool:
            record = journal.stack(stack)
            return record is not None and record.suspension is None

        if is_done():
            raise Failure(f"{stack} is not suspended")
        at_once = hand_in(options, layout, journal, is_done, RequestKind.RESUME, stack)
        output.line(f"{stack} is resumed")
        if at_once:
            output.note("no daemon runs: `reconciler once`, or the daemon's next start, looks after it")


def _moment(text: str, now: float) -> float:
    """Seconds since the epoch. Raises Failure."""
    from reconciler.model.duration import parse_duration

    found = None
    with suppress(ValueError):
        found = now + parse_duration(text)
    if found is None:
        with suppress(ValueError):
            found = datetime.fromisoformat(text).timestamp()
    if found is None:
        raise Failure(f'--until "{text}": write a duration such as 2h, or a time such as 2030-01-31T18:00', WRONG_USE)
    if found <= now:
        raise Failure(f'--until "{text}": {output.local(found)} is over already', WRONG_USE)
    return found
