"""``reconciler action``: the commands that a stack declares for people, listed and run. ``run_first_actions`` is what
``init`` ends with.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.action_output import Collected, Passed, as_object, code_of, ended_object, valid_until
from reconciler.cli.errors import FAILED, WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, as_json
from reconciler.cli.renew import renewed
from reconciler.model.duration import written_duration

if TYPE_CHECKING:
    from reconciler.actions.runs import Hearing
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.model.action import Action, ActionEnd


@click.command(
    short_help="List the actions of a stack, or run one of them.",
    epilog="Example: reconciler action upsignon admin-link",
)
@click.argument("stack")
@click.argument("name", required=False)
@click.argument("words", nargs=-1, metavar="[ARG]...")
@click.option("--ask", is_flag=True, help="Of one that renews a variable: ask for the new value, twice.")
@click.option(
    "--stdin", "reads", is_flag=True, help="Of the same: read the new value from standard input, as one line."
)
@as_json
@click.pass_obj
def action(
    options: Options, stack: str, name: str | None, words: tuple[str, ...], ask: bool, reads: bool, form: str | None
) -> int:
    """List the actions of a stack, or run the one called NAME, with each ARG added to its command.

    What it prints goes to standard output as it comes, and is kept nowhere; who ran it, and how it ended, is in `events`.
    Works beside a running daemon and without one. An ARG that begins with - needs -- before it. Ends with 0 when the
    command did, with 1 when it did not or no container runs that it could be run in, with 3 when it took too long.

    One that renews a variable has it changed where it is used and in env/STACK.env together: to a new random value, or to
    one that is typed. The services that use it are rolled afterwards. Cut short, it is run again and goes on.
    """
    from reconciler.cli.signals import leaving_on_signals
    from reconciler.cli.wiring import opened

    with opened(roots.layout_of(options.root), log_level=level_of(options, tells_itself=True)) as parts:
        work = _work(parts, stack)
        if name is None:
            _list(work, form)
            return 0
        chosen = _named(work, name)
        source = _source(chosen, words, ask=ask, reads=reads)
        with leaving_on_signals(parts.leaving.ask):
            if chosen.renews:
                return renewed(parts, work, chosen, source=source, form=form)
            return _shown_as_json(parts, work, chosen, words) if form else _shown(parts, work, chosen, words)


def _source(chosen: Action, words: tuple[str, ...], *, ask: bool, reads: bool) -> str:
    """Of the new value."""
    from reconciler.planning.renewal import refused_words

    if (ask or reads) and not chosen.renews:
        raise Failure(f"{chosen.name} renews no variable, so there is no new value to give it", WRONG_USE)
    if ask and reads:
        raise Failure("--ask and --stdin exclude each other", WRONG_USE)
    if chosen.renews:
        for why in refused_words(chosen, words):
            raise Failure(why, WRONG_USE)
    return "ask" if ask else "stdin" if reads else ""


def run_first_actions(options: Options, stacks: Collection[str]) -> bool:
    """Run every action of ``stacks`` that says ``atInit``, and show what each prints. Whether all worked; what
    did not is told. For the end of ``init``, when the stacks are Ready."""
    from reconciler.cli.signals import leaving_on_signals
    from reconciler.cli.wiring import opened

    codes = []
    with opened(roots.layout_of(options.root), log_level=level_of(options, tells_itself=True)) as parts:
        for work in parts.host(lambda _: None).works():
            for chosen in work.manifest.actions if work.name in stacks else ():
                if chosen.at_init:
                    with leaving_on_signals(parts.leaving.ask):
                        codes.append(_told(parts, work, chosen))
    return not any(codes)


def _told(parts: Parts, work: Work, chosen: Action) -> int:
    """One that fails keeps the next one from nothing."""
    from reconciler.model.errors import ReconcilerError

    again = f"again with: reconciler action {work.name} {chosen.name}"
    output.heading(f"{work.name}: {chosen.description or chosen.name} ({again})")
    try:
        return _shown(parts, work, chosen, ())
    except (Failure, ReconcilerError) as error:
        output.complain(f"{chosen.name}: {error}")
        return FAILED


def _work(parts: Parts, stack: str) -> Work:
    works = parts.host(lambda _: None).works()
    found = next((work for work in works if work.name == stack), None)
    if found is None:
        raise roots.unknown_stack(stack, [work.name for work in works])
    return found


def _named(work: Work, name: str) -> Action:
    from reconciler.planning.actions import action_named
    from reconciler.planning.nearest import did_you_mean

    found = action_named(work.manifest, name)
    if found is None:
        hint = did_you_mean(name, [action.name for action in work.manifest.actions])
        raise Failure(f'{work.name} has no action "{name}"{hint}; see: reconciler action {work.name}', WRONG_USE)
    return found


def _list(work: Work, form: str | None) -> None:
    if form:
        output.print_json([as_object(action) for action in work.manifest.actions])
        return
    if not work.manifest.actions:
        output.note(f"{work.name} declares no action; see docs/actions.md")
        return
    rows = [
        (action.name, action.service, written_duration(action.valid_for_s) if action.valid_for_s else "", _does(action))
        for action in work.manifest.actions
    ]
    output.print_table(("ACTION", "SERVICE", "VALID FOR", "DOES"), rows)


def _does(action: Action) -> str:
    import shlex

    does = action.description or shlex.join(action.command)
    return f"{does} (renews {action.renews})" if action.renews else does


def _shown(parts: Parts, work: Work, chosen: Action, words: tuple[str, ...]) -> int:
    from reconciler.actions.runs import Hearing, fault_of

    end = _run(parts, work, chosen, words, Hearing(Passed(sys.stdout), Passed(sys.stderr), parts.leaving))
    if end.worked:
        if chosen.valid_for_s is not None:
            output.note(valid_until(end, chosen.valid_for_s))
        return 0
    raise Failure(f"{chosen.name}: {fault_of(end, chosen)}", code_of(end))


def _shown_as_json(parts: Parts, work: Work, chosen: Action, words: tuple[str, ...]) -> int:
    from reconciler.actions.runs import Hearing, fault_of

    out, errors = Collected(), Collected()
    end = _run(parts, work, chosen, words, Hearing(out, errors, parts.leaving))
    output.print_json([ended_object(work.name, chosen, end, fault_of(end, chosen), out.text, errors.text)])
    return code_of(end)


def _run(parts: Parts, work: Work, chosen: Action, words: tuple[str, ...], hearing: Hearing) -> ActionEnd:
    from reconciler.cli.rooms.actions import asked, runs

    return runs(parts).run(asked(parts, work, chosen, roots.who(), words), hearing)
