"""The end of the first hour: the stacks are made Ready, their first backups made, and what is meant for people is printed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.logs import level_of
from reconciler.model.size import shown_bytes

if TYPE_CHECKING:
    from reconciler.cli.options import Options
    from reconciler.layout import Layout
    from reconciler.model.backup import BackupRecord
    from reconciler.supervision.unit import Unit

_DAY_S = 86400.0
_ORDERED_WITHIN_S = 60.0
_COMING = frozenset({"ordering", "checking"})


def start(options: Options, layout: Layout, unit: Unit | None, stacks: Sequence[str], timeout_s: float) -> int:
    """``stacks``: their names. ``unit``: the service to start; without one, and without a daemon that runs, the first passes
    are made here. The exit code."""
    code = _make_ready(options, layout, unit, stacks, timeout_s)
    if code:
        return code
    _show_first_hooks(layout, stacks)
    is_backed_up = _back_up(options, layout, stacks, timeout_s)
    _show_certificates(layout)
    from reconciler.cli.action import run_first_actions

    have_run = run_first_actions(options, stacks)
    return 0 if is_backed_up and have_run else 1


def _make_ready(options: Options, layout: Layout, unit: Unit | None, stacks: Sequence[str], timeout_s: float) -> int:
    from reconciler.cli import wait
    from reconciler.supervision import systemd

    output.heading("\nStarting")
    if unit is not None:
        systemd.start(unit)
        output.line(f"{unit.name} runs: systemctl status {unit.name}, journalctl -u {unit.name}")
    elif roots.daemon_of(layout) is None:
        return _once(options, layout)
    with roots.open_journal(layout) as journal:
        return wait.until_settled(journal, stacks, time.monotonic() + timeout_s, wait.judge)


def _once(options: Options, layout: Layout) -> int:
    from reconciler.adapters.root_lock import RootLock
    from reconciler.cli.once import pass_over_all
    from reconciler.cli.wiring import opened

    level = level_of(options, tells_itself=True)
    with RootLock(layout.lock), opened(layout, log_level=level, mend=True) as parts:
        return pass_over_all(parts, frozenset(), says_what_is_due=False)


def _show_certificates(layout: Layout) -> None:
    """Once those that are ordered are there; a CA that takes longer is not waited for, and no reason to fail."""
    from reconciler.cli.hand_in import eventually

    with roots.open_journal(layout) as journal:
        book = journal.certificates
        if roots.daemon_of(layout) is not None:
            deadline = time.monotonic() + _ORDERED_WITHIN_S
            eventually(lambda: not any(found.state in _COMING for found in book.certificates()), deadline)
        found = book.certificates()
    if found:
        output.heading("\nCertificates")
    for record in found:
        issuer = f"by {record.issuer}, " if record.issuer else ""
        until = f", {issuer}until {output.local(record.not_after)}" if record.not_after else ""
        output.line(f"{', '.join(record.domains) or record.name}: {record.state}{until}")
        if record.message:
            output.line(f"  {record.message}")


def _show_first_hooks(layout: Layout, stacks: Sequence[str]) -> None:
    """What the hooks of a first release said: it may be the only time that it is said."""
    with roots.open_journal(layout) as journal:
        for stack in stacks:
            record = journal.stack(stack)
            for hook in journal.hooks.hooks(stack):
                if record is not None and hook.release == record.applied_release and hook.output.strip():
                    output.heading(f"\n{stack}: the hook {hook.phase}/{hook.name} said")
                    output.line(hook.output.rstrip())


def _back_up(options: Options, layout: Layout, stacks: Sequence[str], timeout_s: float) -> bool:
    """The first backup of each stack that declares some, unless there is one. Whether each is as good as it should be."""
    from reconciler.cli.backup_orders import backups_of

    failures = []
    for stack in _backed_up(options, layout, stacks):
        output.heading(f"\n{stack}: backup")
        if roots.daemon_of(layout) is not None:
            failures.append(_await_backup(layout, stack, time.monotonic() + timeout_s))
        elif not backups_of(options, stack):
            failures.append(_back_up_here(options, stack))
        for found, _ in backups_of(options, stack)[-1:]:
            output.line(f"{found.name}: {found.state}, {found.level.name}, {shown_bytes(found.size)}")
    for failure in filter(None, failures):
        output.complain(failure)
    return not any(failures)


def _back_up_here(options: Options, stack: str) -> str:
    """What went wrong, "" if nothing did."""
    from reconciler.backup.orders import Do, Order
    from reconciler.cli.backup_orders import have_done

    return have_done(options, stack, Order(Do.RUN), _DAY_S)


def _await_backup(layout: Layout, stack: str, deadline: float) -> str:
    """A daemon makes it by itself, since it is due. What went wrong, "" if nothing did."""
    from reconciler.cli.hand_in import eventually

    with roots.open_journal(layout) as journal:
        if not eventually(lambda: _have_ended(journal.backups.backups(stack)), deadline):
            return f"{stack} has no backup yet; see: reconciler backup list {stack}, and reconciler events"
        return "; ".join(run.failed for run in journal.backups.backups(stack) if run.failed)


def _have_ended(runs: Sequence[BackupRecord]) -> bool:
    return bool(runs) and all(run.ended_at for run in runs)


def _backed_up(options: Options, layout: Layout, stacks: Sequence[str]) -> tuple[str, ...]:
    from reconciler.cli.wiring import opened

    with opened(layout, log_level=level_of(options, tells_itself=True)) as parts:
        works = parts.host(lambda _: None).works()
        return tuple(work.name for work in works if work.name in stacks and work.manifest.backups)
