"""What ``diff`` and ``build`` have in common: the stacks as a revision has them. Writes nothing but caches in ``state/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.errors import WRONG_USE, Failure

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.model.source import Revision


def find_works(parts: Parts, host: Host, stack: str | None, name: str | None, *, fetch: bool) -> Sequence[Work]:
    """Of ``stack``, or of all, at the revision that ``name`` means, or at the newest. Raises Failure and what the source
    raises for a revision that is not there."""
    revision = _revision(parts, host, name, fetch=fetch)
    works = host.works(revision)
    for warning in parts.desire.stacks(revision).warnings:
        output.note(f"{warning}")
    if stack is None:
        if not works:
            note_nothing_here(parts, revision)
        return works
    found = [work for work in works if work.name == stack]
    if not found and (why := parts.desire.stacks(revision).elsewhere.get(stack)):
        raise Failure(f"{stack} is not for this host: {why}", WRONG_USE)
    if not found:
        raise roots.unknown_stack(stack, [work.name for work in works])
    return found


def note_nothing_here(parts: Parts, revision: Revision | None) -> None:
    """What is in the repository all the same, and why it is not for this host."""
    output.note("the repository holds no stack for this host: see source.path and stacks: in host.yaml")
    for name, why in parts.desire.stacks(revision).elsewhere.items() if revision is not None else ():
        output.note(f"  {name}: {why}")


def _revision(parts: Parts, host: Host, name: str | None, *, fetch: bool) -> Revision:
    from reconciler.model.errors import ReconcilerError

    tip = parts.source.tip()
    if fetch or tip is None:
        try:
            tip = host.fetch()
        except ReconcilerError as error:
            if tip is None:
                raise
            output.note(f"the repository could not be fetched, so this is about {tip.short}: {error}")
    if name is not None:
        return parts.source.revision(name)
    if tip is None:
        raise Failure("the repository was never fetched")
    return tip
