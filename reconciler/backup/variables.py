"""The variables that stacks of this kind have always had, laid over what stack.yaml says. Pure.

``DB_BACKUP_FREQUENCY`` (30s, 15m, 12h, 1d), ``MAX_DB_BACKUPS`` and ``DB_BACKUPS_PATH`` win where they are set.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace

from reconciler.model.backup import BackupPlan, Keep
from reconciler.model.duration import parse_duration
from reconciler.model.schedule import Schedule

FREQUENCY, MOST, PATH = "DB_BACKUP_FREQUENCY", "MAX_DB_BACKUPS", "DB_BACKUPS_PATH"
_LEAST_S = 1.0


def with_variables(plan: BackupPlan, values: Mapping[str, str], data: str) -> tuple[BackupPlan, tuple[str, ...]]:
    """The plan as the host wants it, and what is wrong with the variables: such a one is left out. ``data``: the stack's
    data folder, which a relative path begins at, as it does in a Compose file."""
    problems = []
    frequency, most, path = (values.get(name, "").strip() for name in (FREQUENCY, MOST, PATH))
    if frequency:
        try:
            seconds = parse_duration(frequency)
            if seconds < _LEAST_S:
                raise ValueError("expected at least 1s")
            plan = replace(plan, schedule=Schedule(every_s=seconds, jitter_s=plan.schedule.jitter_s))
        except ValueError as error:
            problems.append(f"{FREQUENCY}={frequency}: {error}")
    if most:
        if most.isdecimal() and int(most) > 0:
            count = int(most)
            plan = replace(plan, keep=Keep(last=count), min_verified=min(plan.min_verified, count), at_most=True)
        else:
            problems.append(f"{MOST}={most}: expected a whole number from 1 on")
    if path:
        plan = replace(plan, folder=posixpath.normpath(posixpath.join(data, path)))
    return plan, tuple(problems)
