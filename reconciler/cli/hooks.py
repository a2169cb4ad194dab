"""``reconciler hooks``: what a stack declares to be run around its releases, and how each would run. Runs none of them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, as_json, at_revision, no_fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.hooks.rehearsing import Rehearsal
    from reconciler.host import Host
    from reconciler.model.hook import Hook


@click.group(epilog="Example: reconciler hooks list web")
def hooks() -> None:
    """What runs around a release: list, run."""


@hooks.command(
    "list",
    short_help="Show the hooks of a stack, in the order in which they run.",
    epilog="Example: reconciler hooks list web",
)
@click.argument("stack")
@at_revision
@no_fetch
@as_json
@click.pass_obj
def list_hooks(options: Options, stack: str, revision: str | None, no_fetch: bool, form: str | None) -> None:
    """Show the hooks of a stack, by phase, in the order in which they run."""
    from reconciler.cli.wiring import opened

    with opened(roots.layout_of(options.root), log_level=level_of(options, tells_itself=True)) as parts:
        _, work = _find(parts, stack, revision, fetch=not no_fetch)
        found = sorted(work.manifest.hooks, key=lambda hook: (_place(hook), hook.name))
    if form == "json":
        output.print_json([_object(hook) for hook in found])
    elif not found:
        output.note(f"{stack} declares no hook; see docs/hooks.md")
    else:
        output.print_table(("PHASE", "HOOK", "ON", "DOES", "TIMEOUT", "ON FAILURE"), [_row(hook) for hook in found])


@hooks.command(
    "run",
    short_help="Show how a hook would run: its command and environment.",
    epilog="Example: reconciler hooks run web smoke",
)
@click.argument("stack")
@click.argument("name")
@at_revision
@no_fetch
@as_json
@click.pass_obj
def run_hook(options: Options, stack: str, name: str, revision: str | None, no_fetch: bool, form: str | None) -> None:
    """Show how a hook would run for what Git says now: its command and its environment. Nothing is run.

    A hook gates a release, so it runs within one only: there it is journalled, runs once, and its failing means something.
    """
    from reconciler.cli.wiring import opened
    from reconciler.hooks.rehearsing import rehearse
    from reconciler.planning.nearest import did_you_mean

    layout = roots.layout_of(options.root)
    with opened(layout, log_level=level_of(options, tells_itself=True)) as parts:
        host, work = _find(parts, stack, revision, fetch=not no_fetch)
        found = [hook for hook in work.manifest.hooks if hook.name == name]
        if not found:
            names = {hook.name for hook in work.manifest.hooks}
            raise Failure(
                f'{stack} has no hook "{name}"{did_you_mean(name, names)}; see: reconciler hooks list {stack}',
                WRONG_USE,
            )
        attempt = host.attempt(work)
        shown = [rehearse(hook, attempt, work.variables, parts.hooks) for hook in found]
    if form == "json":
        output.print_json([_rehearsal_object(one, work) for one in shown])
    else:
        _print(shown, work)


def _find(parts: Parts, stack: str, revision: str | None, *, fetch: bool) -> tuple[Host, Work]:
    from reconciler.cli.works import find_works
    from reconciler.model.errors import InvalidInputError

    host = parts.host(lambda _: None)
    (work,) = find_works(parts, host, stack, revision, fetch=fetch)
    if work.problems:
        raise InvalidInputError(work.problems)
    return host, work


def _place(hook: Hook) -> int:
    from reconciler.model.hook import Phase

    return list(Phase).index(hook.phase)


def _row(hook: Hook) -> tuple[str, ...]:
    from reconciler.planning.hooks import told

    occasions = " ".join(_occasions(hook))
    return (hook.phase, hook.name, occasions, told(hook.kind), f"{hook.timeout_s:g}s", hook.on_failure)


def _occasions(hook: Hook) -> list[str]:
    from reconciler.model.hook import Occasion, occasions_of

    return [occasion.value for occasion in Occasion if occasion in hook.on & occasions_of(hook.phase)]


def _object(hook: Hook) -> dict[str, object]:
    from reconciler.planning.hooks import kind_of, told

    return {
        "phase": hook.phase.value,
        "name": hook.name,
        "on": _occasions(hook),
        "kind": kind_of(hook.kind),
        "does": told(hook.kind),
        "timeoutSeconds": hook.timeout_s,
        "onFailure": hook.on_failure.value,
        "changesData": hook.changes_data,
    }


def _print(shown: Sequence[Rehearsal], work: Work) -> None:
    for number, one in enumerate(shown):
        if number:
            output.line("")
        output.heading(f"{one.hook.phase} {one.hook.name}, on {one.attempt.occasion} (nothing is run)")
        if not one.runs:
            output.line(f"Note: it would not run, since it is for {' '.join(_occasions(one.hook))} only")
        output.line(work.mask.clean(shlex.join(one.command)))
        for name, value in one.environment.items():
            output.line(f"  {name}={work.mask.clean(value)}")


def _rehearsal_object(one: Rehearsal, work: Work) -> dict[str, object]:
    return {
        "phase": one.hook.phase.value,
        "name": one.hook.name,
        "on": one.attempt.occasion.value,
        "runs": one.runs,
        "command": [work.mask.clean(word) for word in one.command],
        "environment": {name: work.mask.clean(value) for name, value in one.environment.items()},
    }
