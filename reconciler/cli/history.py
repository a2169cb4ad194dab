"""``reconciler history``: the releases of a stack, and on demand every step of its last passes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.adapters.journal import SqliteJournal
    from reconciler.model.hook import HookRecord
    from reconciler.model.record import PassRecord, ReleaseRecord, StackRecord, StepRecord

_PASSES = 20
_HOOK_LINES = 20


@click.command(epilog="Example: reconciler history web --steps")
@click.argument("stack")
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="JSON for programs.")
@click.option("--steps", is_flag=True, help=f"The last {_PASSES} passes instead, with every step that was taken.")
@click.pass_obj
def history(options: Options, stack: str, form: str | None, steps: bool) -> None:
    """Show the releases of a stack, the newest first.

    The release that runs is marked with *. A quarantined release is not tried again by itself; why it is in
    quarantine stands below it. Any release that was applied can be gone back to with `reconciler rollback`.
    """
    with roots.open_journal(roots.layout_of(options.root)) as journal:
        roots.check_stack(journal, stack)
        record = journal.stack(stack)
        assert record is not None
        if steps:
            _show_passes(journal, stack, form)
        else:
            _show_releases(record, tuple(reversed(journal.releases(stack))), form)


def _show_releases(record: StackRecord, releases: tuple[ReleaseRecord, ...], form: str | None) -> None:
    if form == "json":
        output.print_json([_release_object(record, release) for release in releases])
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
    took = "" if release.ended_at is None else output.duration(release.ended_at - release.created_at)
    return (
        f"{release.number}{' *' if release.number == record.applied_release else ''}",
        output.short(release.revision) or "-",
        release.outcome.value + (", quarantined" if release.quarantined else ""),
        output.local(release.created_at),
        took or "-",
        release.asked_by or "-",
        release.subject or "-",
    )


def _release_object(record: StackRecord, release: ReleaseRecord) -> dict[str, object]:
    return {
        "number": release.number,
        "revision": release.revision,
        "subject": release.subject,
        "outcome": release.outcome.value,
        "quarantined": release.quarantined,
        "current": release.number == record.applied_release,
        "createdAt": output.utc(release.created_at),
        "endedAt": output.utc(release.ended_at),
        "durationSeconds": None if release.ended_at is None else round(release.ended_at - release.created_at, 3),
        "askedBy": release.asked_by,
        "digest": release.digest,
        "images": dict(release.images),
    }


def _show_passes(journal: SqliteJournal, stack: str, form: str | None) -> None:
    passes, ran = journal.passes(stack, _PASSES), journal.hooks.hooks(stack)
    if form == "json":
        output.print_json([_pass_object(found, journal.steps(found.id), _of(found, ran)) for found in passes])
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
        took = output.duration(step.ended_at - step.began_at) if step.ended_at is not None else "-"
        output.line(f"{step.index:>4}. {step.state.value:<8} {took:>6}  {step.text}")
        if step.error:
            output.line("\n".join(f"        {line}" for line in step.error.splitlines()))
    for record in ran:
        _show_hook(record)


def _show_hook(record: HookRecord) -> None:
    took = output.duration(record.ended_at - record.began_at) if record.ended_at is not None else "-"
    code = "" if record.exit_code is None else f", exit status {record.exit_code}"
    output.line(f"hook {record.phase} {record.name}: {record.state}{code}, {took}, attempt {record.attempt}")
    lines = record.output.splitlines()
    if len(lines) > _HOOK_LINES:
        output.line(f"      | (the last {_HOOK_LINES} of {len(lines)} lines; all of them with -o json)")
    for line in lines[-_HOOK_LINES:]:
        output.line(f"      | {line}")


def _outcome(found: PassRecord) -> str:
    if found.ended_at is None:
        return f"under way or cut short, begun {output.ago(found.began_at, time.time())}"
    return f"{found.outcome} after {output.duration(found.ended_at - found.began_at)}"


def _pass_object(found: PassRecord, steps: tuple[StepRecord, ...], ran: list[HookRecord]) -> dict[str, object]:
    return {
        "id": found.id,
        "goal": found.goal.value,
        "release": found.release,
        "outcome": found.outcome,
        "beganAt": output.utc(found.began_at),
        "endedAt": output.utc(found.ended_at),
        "steps": [
            {
                "number": step.index,
                "service": step.service,
                "text": step.text,
                "state": step.state.value,
                "error": step.error,
                "beganAt": output.utc(step.began_at),
                "endedAt": output.utc(step.ended_at),
            }
            for step in steps
        ],
        "hooks": [_hook_object(record) for record in ran],
    }


def _hook_object(record: HookRecord) -> dict[str, object]:
    return {
        "phase": record.phase.value,
        "name": record.name,
        "release": record.release,
        "attempt": record.attempt,
        "state": record.state.value,
        "exitCode": record.exit_code,
        "output": record.output,
        "beganAt": output.utc(record.began_at),
        "endedAt": output.utc(record.ended_at),
        "durationSeconds": None if record.ended_at is None else round(record.ended_at - record.began_at, 3),
    }
