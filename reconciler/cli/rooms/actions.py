"""How the actions' room is made of a root's parts, and what ends the renewal of a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.actions.runs import ActionRuns, Asked
    from reconciler.adapters.renewal_files import RenewalFiles
    from reconciler.cli.wiring import Parts
    from reconciler.execution.renewing import Renewing
    from reconciler.execution.work import Work
    from reconciler.layout import Layout
    from reconciler.model.action import Action


def runs(parts: Parts) -> ActionRuns:
    from reconciler.actions.runs import ActionRuns

    return ActionRuns(parts.layout.root, parts.engine, parts.journal, parts.clock)


def asked(parts: Parts, work: Work, action: Action, who: str, words: tuple[str, ...] = ()) -> Asked:
    from reconciler.actions.runs import Asked

    record = parts.journal.stack(work.name)
    number = record.applied_release if record else None
    applied = None if number is None else parts.shelf.load(work.name, number)
    return Asked(work.name, action, applied, work.variables, words, who)


def renewal_files(layout: Layout) -> RenewalFiles:
    from reconciler.adapters.renewal_files import RenewalFiles

    return RenewalFiles(layout.env, layout.env_staging, layout.turns)


def renewing(parts: Parts) -> Renewing:
    from reconciler.execution.renewing import Renewing

    journal = parts.journal
    return Renewing(renewal_files(parts.layout), parts.environment, journal.marks, journal, parts.clock)
