"""What commands that look at the repository have in common: the stacks as a revision has them. Writes nothing but what is
fetched, and caches, in ``state/``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import output, roots
from reconciler.cli.errors import WRONG_USE, Failure

if TYPE_CHECKING:
    from reconciler.cli.options import Options
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.layout import Layout
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


def fetch_first(options: Options, layout: Layout, strangers: Sequence[str] = ()) -> bool:
    """Whether it could be done. What was committed before this command was typed is what is waited for, so it must be here
    before the pass. Raises Failure for one of ``strangers``, which nobody looked at yet, that is not in the repository
    either: no pass will ever bring it."""
    from reconciler.cli.logs import level_of
    from reconciler.cli.wiring import opened
    from reconciler.model.errors import ReconcilerError

    with opened(layout, log_level=level_of(options, tells_itself=True)) as parts:
        try:
            parts.source.fetch()
        except ReconcilerError as error:
            output.complain(f"the repository could not be fetched: {error}")
            if strangers and error.reason == "RepositoryEmpty":
                raise roots.unknown_stack(strangers[0], [record.name for record in parts.journal.stacks()]) from error
            return False
        for name in strangers:
            find_works(parts, parts.host(lambda _: None), name, None, fetch=False)
    return True


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
