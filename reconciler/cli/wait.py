"""``reconciler wait``, and the waiting of the commands that take ``--wait``: reads the journal until stacks are settled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.get import is_suspended, left_alone
from reconciler.cli.options import Options, timeout_option
from reconciler.cli.works import fetch_first

if TYPE_CHECKING:
    from reconciler.model.record import StackRecord
    from reconciler.ports.books import Journal

READY = 0
TIMED_OUT = 3
NOT_READY = 4

_LOOK_EVERY_S = 0.1


class Verdict(Enum):
    READY = "is ready"
    WORKING = "is not ready yet"
    FAILED = "is not ready, and nothing is under way"


Judge = Callable[["StackRecord", bool], Verdict]  # a record, and whether a pass over the stack is under way


@click.command(epilog="Example: reconciler wait web database --timeout 2m")
@click.argument("stacks", nargs=-1, metavar="[STACK]...")
@timeout_option
@click.pass_obj
def wait(options: Options, stacks: tuple[str, ...], timeout_s: float) -> int:
    """Wait until the given stacks, or all, are Ready and Synced.

    Ends with 0 when they are, with 3 when the time is over, and with 4 as soon as one of them has failed, or is suspended,
    and nothing is under way that could mend it. Judges what the last passes found: to wait for a commit of just now, use
    `reconciler reconcile --wait`, which has it fetched first.

    A stack that was never looked at may be one that was pushed just now: the repository is fetched, and one that is not
    there either is no stack, which ends it with 2 at once. Where it cannot be fetched, it is waited for.
    """
    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        if roots.daemon_of(layout) is None:
            output.note("no daemon runs, so nothing will change by itself: start one with `reconciler run`")
        if strangers := [name for name in stacks if journal.stack(name) is None]:
            fetch_first(options, layout, strangers)
        return until_settled(journal, stacks, time.monotonic() + timeout_s, judge)


def judge(record: StackRecord, under_way: bool) -> Verdict:
    """What Git says is there, or what a person asked to go back to, and works. Of a suspended stack nobody knows, and none
    has been looked at since it was resumed until the next pass has."""
    from reconciler.model.record import Health, Sync, Truth

    if is_suspended(record) and not under_way:
        return Verdict.FAILED
    if record.health is Health.SUSPENDED:
        return Verdict.WORKING
    is_wanted = record.sync is Sync.SYNCED or record.ready.reason == "RolledBack"
    if record.ready.status is Truth.TRUE and is_wanted:
        return Verdict.READY
    if under_way or record.ready.status is not Truth.FALSE or record.ready.reason == "DependencyNotReady":
        return Verdict.WORKING
    return Verdict.FAILED


def until_settled(journal: Journal, names: Sequence[str], deadline: float, judged: Judge) -> int:
    """``names``: none for all that are known. Says on the way what has changed, and at the end why it is not ready."""
    told: dict[str, str] = {}
    seen = None
    while True:
        version = journal.version()
        if version != seen:
            seen = version
            verdicts = _verdicts(journal, names, judged)
            _tell_news(journal, verdicts, told)
            if verdicts and all(verdict is Verdict.READY for verdict in verdicts.values()):
                return READY
            failed = [name for name, verdict in verdicts.items() if verdict is Verdict.FAILED]
            if failed:
                _tell_failures(journal, failed)
                return NOT_READY
        if time.monotonic() >= deadline:
            _tell_what_is_missing(journal, verdicts)
            return TIMED_OUT
        time.sleep(_LOOK_EVERY_S)


def _verdicts(journal: Journal, names: Sequence[str], judged: Judge) -> dict[str, Verdict]:
    records = {record.name: record for record in journal.stacks()}
    wanted = names or tuple(records)
    return {
        name: judged(records[name], journal.open_pass(name) is not None) if name in records else Verdict.WORKING
        for name in wanted
    }


def _tell_news(journal: Journal, verdicts: dict[str, Verdict], told: dict[str, str]) -> None:
    for name, verdict in verdicts.items():
        record = journal.stack(name)
        if verdict is Verdict.FAILED:
            continue  # said at the end, whole
        if record is None:
            text = "is not known yet"
        elif verdict is Verdict.READY:
            text = f"is ready: {output.first_line(record.ready.message)}"
        else:
            text = f"{record.ready.reason}: {output.first_line(record.ready.message)}"
        if told.get(name) != text:
            told[name] = text
            output.note(f"{name} {text}" if text.startswith("is ") else f"{name}: {text}")


def _tell_failures(journal: Journal, names: Sequence[str]) -> None:
    for name in names:
        record = journal.stack(name)
        if record is not None and (why := left_alone(record)):
            output.complain(why)
        elif record is not None:
            output.complain(f"{name} failed: {record.ready.reason}: {record.ready.message}")


def _tell_what_is_missing(journal: Journal, verdicts: dict[str, Verdict]) -> None:
    known = [record.name for record in journal.stacks()]
    missing = [name for name, verdict in verdicts.items() if verdict is not Verdict.READY]
    if not verdicts:
        output.complain("the time is over, and no stack is known yet")
    for name in missing:
        if name not in known:
            output.complain(f"the time is over: {roots.unknown_stack(name, known)}")
        else:
            output.complain(f"the time is over, and {name} is not ready: see reconciler get {name}")
