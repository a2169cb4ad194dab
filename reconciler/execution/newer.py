"""Whether Git says something else by now than what a pass is about. Asked while a release is not getting healthy: the
commit that mends it must not wait until the broken one has used up its time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reconciler.execution.work import Work
from reconciler.model.manifest import Rollout
from reconciler.model.source import Revision


@dataclass(frozen=True, slots=True)
class Said:
    """``digest``: of the release. ``rollout``: how it is to be applied; more patience or another probe may be what mends it."""

    digest: str
    rollout: Rollout


class Newer:
    """``tip``: what was fetched last, cheap to ask; ``told_by``: what a revision says of a stack, None where it says
    nothing that could be applied. A commit that is about something else is no reason to give anything up."""

    def __init__(
        self, work: Work, tip: Callable[[], Revision | None], told_by: Callable[[str, Revision], Said | None]
    ) -> None:
        self._name = work.name
        self._revision = work.revision
        self._tip = tip
        self._told_by = told_by
        self._asked: dict[str, str] = {}

    def __call__(self) -> str:
        """Why nobody waits any more, "" where somebody does."""
        tip = self._tip()
        if tip is None or self._revision is None or tip.commit == self._revision.commit:
            return ""
        if tip.commit not in self._asked:
            self._asked[tip.commit] = self._compared(self._revision, tip)
        return self._asked[tip.commit]

    def _compared(self, revision: Revision, tip: Revision) -> str:
        before, now = self._told_by(self._name, revision), self._told_by(self._name, tip)
        if now is None or before == now:
            return ""
        return f"commit {tip.short} says something else"
