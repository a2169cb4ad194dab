"""``reconciler diff``: what a pass would do, in which order, and why. Prints the very plan that a pass makes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import told
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, as_json, at_revision

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.execution.work import Work
    from reconciler.host import Host
    from reconciler.model.plan import Plan
    from reconciler.model.updates import ImageRecord

NO_DIFFERENCES = 0
DIFFERENCES = 1
ERROR = 2

_ONLY_TOLD = "a pass only reports this: drift: warn in stack.yaml"


@dataclass(frozen=True, slots=True)
class _Found:
    """``error``: why there is no plan, "" if there is one. ``asides``: why a pass would not do it now."""

    work: Work
    plan: Plan | None = None
    error: str = ""
    asides: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        return self.plan is not None and not self.plan.empty


@click.command(epilog="Example: reconciler diff web --revision feature/new-image")
@click.argument("stack", required=False)
@at_revision
@click.option(
    "--no-fetch",
    is_flag=True,
    help="Compare with what was fetched last, without asking the repository or any registry.",
)
@as_json
@click.pass_obj
def diff(options: Options, stack: str | None, revision: str | None, no_fetch: bool, form: str | None) -> int:
    """Show what would happen to one stack, or to all, and why; nothing is changed.

    Registries are asked for newer images of the stacks that track any, unless --no-fetch or --revision is there.
    Ends with 0 where nothing would happen, with 1 where something would, with 2 where a stack could not be looked at.
    Works beside a running daemon.
    """
    from reconciler.cli.rooms.updates import look_ahead
    from reconciler.cli.wiring import opened
    from reconciler.cli.works import find_works
    from reconciler.model.errors import ReconcilerError
    from reconciler.updates.preview import Preview

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=True)
    with opened(layout, log_level=level) as parts:
        parts.ahead = Preview(parts.journal.updates)
        host = parts.host(lambda _: None)
        try:
            works = find_works(parts, host, stack, revision, fetch=not no_fetch)
        except ReconcilerError as error:
            output.complain(f"error: {told(error)}")
            return ERROR
        images = () if no_fetch or revision is not None else look_ahead(parts, [work.name for work in works])
        found = [_with_images(_look(parts, host, work), images) for work in works]
    if form == "json":
        output.print_json([_object(one) for one in found])
    else:
        _print(found)
    if any(one.error for one in found):
        return ERROR
    return DIFFERENCES if any(one.differs for one in found) else NO_DIFFERENCES


def _look(parts: Parts, host: Host, work: Work) -> _Found:
    from reconciler.model.errors import ReconcilerError

    if work.gone:
        aside = f"{work.gone_because}; what runs goes on running until it is removed by hand"
        return _Found(work, asides=(aside,))
    try:
        found = host.diff(work)
        only_told = (_ONLY_TOLD,) if host.is_only_told(work, found) else ()
        return _Found(work, found, asides=(*_asides(parts, host, work), *only_told))
    except ReconcilerError as error:
        return _Found(work, error=work.mask.clean(told(error)))


def _with_images(one: _Found, images: Iterable[tuple[ImageRecord, ImageRecord | None]]) -> _Found:
    """What is newer in a registry than what is known here, and what could not be asked for."""
    told = [_image_told(now, known) for now, known in images if now.stack == one.work.name]
    return replace(one, asides=(*one.asides, *(text for text in told if text)))


def _image_told(now: ImageRecord, known: ImageRecord | None) -> str:
    if now.problem:
        return f"the image of {now.service} could not be looked for: {now.problem}"
    if known is None or known.reference == now.reference:
        return ""
    return f"the image of {now.service} goes from {known.reference} to {now.reference} when it is looked for next"


def _asides(parts: Parts, host: Host, work: Work) -> tuple[str, ...]:
    record = parts.journal.stack(work.name)
    asides = []
    if record is not None and record.suspension is not None:
        asides.append(f"{work.name} is suspended by {record.suspension.who}: see reconciler resume")
    if record is not None and record.ready.reason.startswith("WaitsFor"):
        asides.append(record.ready.message)
    number, _, why = host.quarantine_of(work).partition(" is quarantined: ")
    if why:
        asides.append(
            f"{number} is quarantined, so it is only tried again with --force, or when Git says something else: "
            f"{output.first_line(why)}"
        )
    return tuple(asides)


def _print(found: list[_Found]) -> None:
    for number, one in enumerate(found):
        if number:
            output.line("")
        _print_one(one)


def _print_one(one: _Found) -> None:
    from reconciler.planning.story import tell

    revision = one.work.revision
    at = f" at {revision.short} ({revision.subject})" if revision is not None else ""
    if one.error:
        output.heading(f"{one.work.name}{at}: cannot be looked at")
        output.line(one.error)
    elif one.differs and one.plan is not None:
        output.heading(f"{one.work.name}{at}")
        for line in tell(one.plan):
            output.line(line)
    else:
        output.heading(f"{one.work.name}{at}: no differences")
        for note in (*one.plan.costs, *one.plan.notes) if one.plan is not None else ():
            output.line(f"Note: {note}")
    for aside in one.asides:
        output.line(f"Note: {aside}")
    if one.work.manifest.overlays and not one.work.gone:
        output.line(f"Note: rendered from {', '.join(one.work.manifest.rendered_from)}")


def _object(one: _Found) -> dict[str, object]:
    from reconciler.planning.story import describe

    plan, revision = one.plan, one.work.revision
    return {
        "stack": one.work.name,
        "revision": revision.commit if revision is not None else "",
        "renderedFrom": list(one.work.manifest.rendered_from),
        "differs": one.differs,
        "error": one.error,
        "services": [
            {
                "service": service.service,
                "verb": service.verb,
                "strategy": service.strategy.value if service.strategy is not None else None,
                "strategyReason": service.strategy_reason,
                "cause": service.cause.text,
                "changes": [
                    {"key": change.key, "old": change.old, "new": change.new, "secret": change.secret}
                    for change in service.cause.changes
                ],
            }
            for service in (plan.services if plan is not None else ())
        ],
        "steps": [
            {"number": number, "service": step.service, "text": describe(step.action), "cause": step.cause.text}
            for number, step in enumerate(plan.steps if plan is not None else (), 1)
        ],
        "notes": [*((*plan.costs, *plan.notes) if plan is not None else ()), *one.asides],
    }
