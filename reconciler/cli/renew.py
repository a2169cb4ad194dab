"""``reconciler action`` of one that renews a variable: asks for the new value, has it brought into use, and writes it down.

In this order: the stack's turn, so that no pass and no backup works on it meanwhile; the new value on the disk; the command;
the stack's file. Killed anywhere, the same command goes on with the same value.
"""

from __future__ import annotations

import secrets
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.action_output import Collected, code_of, ended_object
from reconciler.cli.errors import FAILED, WRONG_USE, Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reconciler.cli.wiring import Parts
    from reconciler.execution.renewing import Renewing
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.model.action import Action, ActionEnd
    from reconciler.model.renewal import Renewal, Verdict
    from reconciler.planning.renewal import Situation
    from reconciler.planning.secrets import Mask

_TURN_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.1
_BYTES = 32
_LONGEST = 4096


def renewed(parts: Parts, work: Work, chosen: Action, *, source: str, form: str | None) -> int:
    """``source`` of the new value: "" made at random, "ask" typed, "stdin" read."""
    from reconciler.cli.rooms.actions import renewing

    room = renewing(parts)
    given = "" if room.pending(work.name) is not None else _given(chosen, source)
    with _turn(room, parts, work.name):
        return _in_turn(parts, room, work.name, chosen, given, source, form)


def _given(chosen: Action, source: str) -> str:
    """What a person says; "" where nobody is asked. Not held against anything yet."""
    if source == "stdin":
        return _read()
    if source != "ask":
        return ""
    from reconciler.cli.setup import asking

    if not asking.can_ask():
        raise Failure("--ask needs a terminal; --stdin reads the new value as one line", WRONG_USE)
    if not (found := asking.secret(f"the new {chosen.renews}")):
        raise Failure("nothing was typed, so nothing was changed", WRONG_USE)
    return found


def _read() -> str:
    try:
        found = sys.stdin.buffer.read(_LONGEST).decode()
    except UnicodeDecodeError as error:
        raise Failure("standard input holds no text", WRONG_USE) from error
    if not (found := found.removesuffix("\n").removesuffix("\r")):
        raise Failure("standard input is empty; it should hold the new value as one line", WRONG_USE)
    return found


@contextmanager
def _turn(room: Renewing, parts: Parts, stack: str) -> Iterator[None]:
    """While a pass or a backup is under way it is waited for a little; a rollout takes longer, and is left alone."""
    deadline = time.monotonic() + _TURN_WITHIN_S
    while True:
        with room.turn(stack) as is_mine:
            if is_mine:
                yield
                return
        if parts.leaving() or time.monotonic() > deadline:
            raise Failure(
                f"{stack} is being worked on: a release is rolled out, a backup made, or another variable renewed. Nothing was "
                f"changed; ask again when that is over: reconciler wait {stack}"
            )
        time.sleep(_LOOK_EVERY_S)


def _in_turn(
    parts: Parts, room: Renewing, stack: str, chosen: Action, given: str, source: str, form: str | None
) -> int:
    """With the stack as it is now: a pass may have changed it since it was looked at last."""
    host = parts.host(lambda _: None)
    work = next(work for work in host.works() if work.name == stack)
    pending = room.pending(stack)
    if pending is None:
        if source and not given:
            raise Failure("another renewal ended just now, so nothing was asked; ask again")
        pending = _begun(parts, host, work, chosen, given)
    elif pending.variable != chosen.renews:
        raise Failure(f"another variable comes first: {_what_to_do(pending)}")
    elif given or source:
        raise Failure(f"the new value is there already, and goes on without {'--' + source}: {_what_to_do(pending)}")
    elif room.finish(pending, work.manifest, lambda: host.release(work).digest):
        return _told(parts, chosen, work)
    return _carried_out(parts, room, host, work, chosen, pending, form)


def _what_to_do(pending: Renewal) -> str:
    from reconciler.planning.renewal import cut_short

    return cut_short(pending)


def _begun(parts: Parts, host: Host, work: Work, chosen: Action, given: str) -> Renewal:
    """Not yet on the disk. Raises Failure with why it may not begin."""
    from reconciler.cli.rooms.actions import asked, runs
    from reconciler.model.renewal import Renewal
    from reconciler.planning.renewal import why_not

    situation = _situation(parts, host, work, chosen.renews)
    if why := why_not(work.name, chosen.renews, situation):
        raise Failure(f"nothing was changed: {why}")
    runs(parts).container(asked(parts, work, chosen, roots.who()))
    value = given or secrets.token_hex(work.manifest.environment.generate.get(chosen.renews, _BYTES))
    if why := _wrong(parts, work, chosen.renews, value, situation.environment.value(chosen.renews)):
        raise Failure(f"nothing was changed: the new {chosen.renews} cannot be that: {why}", WRONG_USE)
    return Renewal(work.name, chosen.renews, chosen.name, value, roots.who(), parts.clock.now())


def _situation(parts: Parts, host: Host, work: Work, variable: str) -> Situation:
    from reconciler.cli.adoption.handover import book_of
    from reconciler.model.errors import InvalidInputError, StalledError
    from reconciler.planning.renewal import Situation

    record, problem, rendered = parts.journal.stack(work.name), "", ""
    number = record.applied_release if record else None
    applied = None if number is None else parts.shelf.load(work.name, number)
    try:
        rendered = host.release(work).digest
    except (InvalidInputError, StalledError) as error:
        problem = str(error)
    change, adoption = parts.journal.data.data_change(work.name), book_of(parts.layout).read()
    return Situation(
        record=record,
        environment=parts.desire.environments.of(work.manifest, work.revision).environment,
        rendered=rendered,
        applied=applied.digest if applied else "",
        problem=problem,
        rolls=next((mark.rolls for mark in parts.journal.marks.marks(work.name) if mark.name == variable), ""),
        open_pass=parts.journal.open_pass(work.name),
        owes_data=change is not None and bool(change.back),
        is_undoable=adoption is not None and adoption.adoption.stack == work.name,
    )


def _wrong(parts: Parts, work: Work, variable: str, value: str, old: str) -> str:
    """Why ``value`` cannot be the variable's, "" where it can: it would be too late to find that out afterwards."""
    from reconciler.declared.environment.values import wrong_value
    from reconciler.model.errors import InvalidInputError
    from reconciler.planning.dotenv_writing import with_variables
    from reconciler.planning.renewal import wrong_new_value

    if why := wrong_new_value(value, old):
        return why
    schema = parts.desire.environments.of(work.manifest, work.revision).schema
    rule = schema.variables.get(variable) if schema is not None else None
    if rule is not None and (why := wrong_value(rule, value)):
        return why
    try:
        with_variables(parts.environment.read(work.name) or b"", f"env/{work.name}.env", {variable: value})
    except InvalidInputError as error:
        return str(error)
    return ""


def _carried_out(
    parts: Parts, room: Renewing, host: Host, work: Work, chosen: Action, pending: Renewal, form: str | None
) -> int:
    from reconciler.actions.renewing import Values, bring
    from reconciler.actions.runs import Hearing
    from reconciler.cli.rooms.actions import asked, runs
    from reconciler.model.renewal import Verdict

    out, errors = Collected(), Collected()
    old = parts.desire.environments.of(work.manifest, work.revision).environment.value(chosen.renews)
    question = asked(parts, work, chosen, roots.who())
    room.begin(pending)
    end, verdict = bring(runs(parts), question, Values(old, pending.value), Hearing(out, errors, parts.leaving))
    if verdict is Verdict.OLD:
        room.forget(work.name)
    mask = _mask(work, pending)
    _pass_on(chosen, work, end, verdict, (mask.clean(out.text), mask.clean(errors.text)), form)
    if verdict is not Verdict.NEW:
        raise Failure(_why(chosen, pending, end, verdict), code_of(end) or FAILED)
    room.write(pending, work.manifest, lambda: host.release(work).digest)
    return _told(parts, chosen, work)


def _mask(work: Work, pending: Renewal) -> Mask:
    from reconciler.planning.secrets import mask_of

    return work.mask.with_all([mask_of({pending.variable: pending.value}, {pending.variable})])


def _pass_on(
    chosen: Action, work: Work, end: ActionEnd, verdict: Verdict, said: tuple[str, str], form: str | None
) -> None:
    """What a command says that did its work is of no use: psql asks for the password twice, for example."""
    from reconciler.actions.runs import fault_of
    from reconciler.model.renewal import Verdict

    if form:
        found = ended_object(work.name, chosen, end, fault_of(end, chosen), *said)
        output.print_json([{**found, "inUse": verdict.value}])
    elif verdict is not Verdict.NEW:
        for text in said:
            if text.strip():
                output.complain(output.printable(text.rstrip("\n")))


def _why(chosen: Action, pending: Renewal, end: ActionEnd, verdict: Verdict) -> str:
    from reconciler.actions.runs import fault_of
    from reconciler.model.renewal import Verdict

    fault = fault_of(end, chosen) or "its check does not find the new value in use"
    if verdict is Verdict.OLD:
        return f"{chosen.name}: {fault}; the old {chosen.renews} is still in use, and nothing was changed"
    return f"{chosen.name}: {fault}. {_what_to_do(pending)}"


def _told(parts: Parts, chosen: Action, work: Work) -> int:
    output.note(f"{chosen.renews} is a new one, in env/{work.name}.env, too")
    if roots.daemon_of(parts.layout) is not None:
        output.note(
            f"the services that use it are rolled now; to wait for that: reconciler reconcile {work.name} --wait"
        )
    else:
        output.note(
            "no daemon runs: `reconciler once` rolls the services that use it; do that now, for they have the old one"
        )
    return 0
