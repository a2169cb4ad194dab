"""Has whatever holds a variable's old value take the new one, and finds out which of the two is in use afterwards. Writes
nothing down: what is pending is known before, what came of it is told after.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from reconciler.actions.runs import ActionRuns, Asked, Hearing
from reconciler.model.action import ActionEnd
from reconciler.model.renewal import Verdict
from reconciler.planning.renewal import verdict_of


@dataclass(frozen=True, slots=True)
class Values:
    old: str = field(repr=False)
    new: str = field(repr=False)


def bring(runs: ActionRuns, asked: Asked, values: Values, hearing: Hearing) -> tuple[ActionEnd, Verdict]:
    """Both values are read as a line with its end, so that half of one is known to be half. Raises StalledError where no
    container runs to run it in, EngineUnavailableError."""
    end = runs.run(replace(asked, given=_line(values.new)), hearing)
    if not asked.action.check or hearing.stop():
        return end, verdict_of(end.status, None, None)
    takes_new = _takes(runs, asked, values.new, hearing)
    takes_old = None if end.worked and takes_new else _takes(runs, asked, values.old, hearing)
    return end, verdict_of(end.status, takes_new, takes_old)


def _takes(runs: ActionRuns, asked: Asked, value: str, hearing: Hearing) -> bool | None:
    """None where the check could not be run to its end."""
    status = runs.tell(asked, asked.action.check, _line(value), hearing.stop)
    return None if status is None or status > _ITS_OWN else status == 0


_ITS_OWN = 124  # above it: of docker exec, of a shell that finds no such command, of a signal


def _line(value: str) -> bytes:
    return f"{value}\n".encode()
