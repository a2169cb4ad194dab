"""``reconciler history``: the releases of a stack, and on demand every step of its last passes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.history_objects import pass_object, release_object, took
from reconciler.cli.history_release import Told, as_object, show
from reconciler.cli.options import Options, as_json
from reconciler.model.duration import shown_duration

if TYPE_CHECKING:
    from reconciler.adapters.journal import SqliteJournal
    from reconciler.model.hook import HookRecord
    from reconciler.model.record import PassRecord, ReleaseRecord, StackRecord, StepRecord

_PASSES = 20
_HOOK_LINES = 20


@click.command(epilog="Example: reconciler history web 7")
@click.argument("stack")
@click.argument("release", type=int, required=False)
@as_json
@click.option("--steps", is_flag=True, help=f"The last {_PASSES} passes instead, with every step that was taken.")
@click.pass_obj
def history(options: Options, stack: str, release: int | None, form: str | None, steps: bool) -> None:
    """Show the releases of a stack, the newest first; or all that is known of one RELEASE.

    The release that runs is marked with *. A quarantined release is not tried again by itself; why it is in
    quarantine stands below it. Any release that was applied can be gone back to with `reconciler rollback`.
    """
    if steps and release is not None:
        raise click.UsageError("--steps shows the last passes over the stack; for one release, leave it out")
    layout = roots.layout_of(options.root)
    with roots.open_journal(layout) as journal:
        roots.check_stack(journal, stack)
        record = journal.stack(stack)
        assert record is not None
        if release is not None:
            _show_one(Told(layout, journal, record, release), journal, form)
        elif steps:
            _show_passes(journal, stack, form)
        else:
            _show_releases(record, tuple(reversed(journal.releases(stack))), form)


def _show_one(told: Told, journal: SqliteJournal, form: str | None) -> None:
    if form == "json":
        output.print_json([as_object(told, journal)])
    else:
        show(told)


def _show_releases(record: StackRecord, releases: tuple[ReleaseRecord, ...], form: str | None) -> None:
    if form == "json":
        output.print_json([release_object(record, release) for release in releases])
        return
    if not releases:
        output.note(f"{record.name} has no release yet; see: reconciler get {record.name}")
        return
    titles = ("RELEASE", "REVISION", "OUTCOME", "WHEN", "TOOK", "ASKED BY", "SUBJECT")
    output.print_table(titles, [_row(record, release) for release in releases])
    for release in releases:
        if release.quarantined:
            output.line(f"release {release.number} is quarantined: {output.first_line(release.quarantined)}")


def _row(record: StackRecord, release: ReleaseRecord) -> tuple[str, ...]:
    return (
        f"{release.number}{' *' if release.number == record.applied_release else ''}",
        output.short(release.revision) or "-",
        release.outcome.value + (", quarantined" if release.quarantined else ""),
        output.local(release.created_at),
        took(release.created_at, release.ended_at),
        release.asked_by or "-",
        release.subject or "-",
    )


def _show_passes(journal: SqliteJournal, stack: str, form: str | None) -> None:
    passes, ran = journal.passes(stack, _PASSES), journal.hooks.hooks(stack)
    if form == "json":
        output.print_json([pass_object(found, journal.steps(found.id), _of(found, ran)) for found in passes])
        return
    if not passes:
        output.note(f"no pass over {stack} had anything to do yet")
    for found in passes:
        _show_pass(found, journal.steps(found.id), _of(found, ran))


def _of(found: PassRecord, ran: tuple[HookRecord, ...]) -> list[HookRecord]:
    return [record for record in ran if record.pass_id == found.id]


def _show_pass(found: PassRecord, steps: tuple[StepRecord, ...], ran: list[HookRecord]) -> None:
    release = f"release {found.release}" if found.release is not None else "nothing"
    output.heading(f"pass {found.id}: {found.goal.value} {release}, {_outcome(found)}, {output.local(found.began_at)}")
    for step in steps:
        output.line(f"{step.index:>4}. {step.state.value:<8} {took(step.began_at, step.ended_at):>6}  {step.text}")
        if step.error:
            output.line("\n".join(f"        {line}" for line in step.error.splitlines()))
    for record in ran:
        _show_hook(record)


def _show_hook(record: HookRecord) -> None:
    code = "" if record.exit_code is None else f", exit status {record.exit_code}"
    output.line(
        f"hook {record.phase} {record.name}: {record.state}{code}, {took(record.began_at, record.ended_at)}, attempt {record.attempt}"
    )
    lines = record.output.splitlines()
    if len(lines) > _HOOK_LINES:
        output.line(f"      | (the last {_HOOK_LINES} of {len(lines)} lines; all of them with -o json)")
    for line in lines[-_HOOK_LINES:]:
        output.line(f"      | {line}")


def _outcome(found: PassRecord) -> str:
    if found.ended_at is None:
        return f"under way or cut short, begun {output.ago(found.began_at, time.time())}"
    return f"{found.outcome} after {shown_duration(found.ended_at - found.began_at)}"
