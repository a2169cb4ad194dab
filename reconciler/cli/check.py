"""``reconciler check``: is all there that the product needs on this host? Each finding says how to mend it. Only prints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options, as_json

if TYPE_CHECKING:
    from reconciler.preflight.finding import Finding

_MARKS = {"ok": ("ok  ", "green"), "warning": ("warn", "yellow"), "error": ("FAIL", "red")}


@click.command(epilog="Example: reconciler --root /srv/reconciler check -o json")
@as_json
@click.pass_obj
def check(options: Options, form: str | None) -> int:
    """Check whether this host has all that is needed, and say how to mend what is missing.

    Looks at the engine, Compose, Git, the root folder, the repository (by fetching it), the disk and the clock; then, for
    each stack, at its files, at what its stack.yaml requires, its ports, its domains and their certificates. Ends with 0
    when all can run, warnings or not, and with 1 otherwise. Containers are not touched.
    """
    from reconciler.cli.preflight import host_findings, stack_findings
    from reconciler.cli.wiring import opened

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=True)
    with opened(layout, log_level=level) as parts:
        findings: list[Finding] = []
        for finding in _printed(host_findings(parts), form):
            findings.append(finding)
        for finding in _printed(stack_findings(parts, findings), form):
            findings.append(finding)
    if form == "json":
        output.print_json([as_object(finding) for finding in findings])
    else:
        _sum_up(findings)
    return 0 if all(finding.ok for finding in findings) else FAILED


def _printed(findings: Iterable[Finding], form: str | None) -> Iterator[Finding]:
    """Each as soon as it is known: a look may take its time."""
    stack = ""
    for finding in findings:
        if form is None:
            if finding.stack != stack:
                stack = finding.stack
                output.heading(f"\n{stack}")
            show(finding)
        yield finding


def show(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    click.secho(mark, fg=colour, nl=False, color=False if output.no_colour() else None)
    output.line(f"  {finding.name:<10}  {finding.found}  (wanted: {finding.wanted})")
    if finding.mend:
        output.line("\n".join(f"      {line}" for line in f"to mend: {finding.mend}".splitlines()))


def _sum_up(findings: Sequence[Finding]) -> None:
    errors = sum(1 for finding in findings if not finding.ok)
    warnings = sum(1 for finding in findings if finding.ok and finding.mend)
    if errors:
        output.line(f"\n{_many(errors, 'error')}: mend what says FAIL, and check again")
    elif warnings:
        output.line(f"\n{_many(warnings, 'warning')}: it runs anyway")


def _many(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def as_object(finding: Finding) -> dict[str, object]:
    """The shape that programs rely on (docs/json-output.md)."""
    return {
        "name": finding.name,
        "stack": finding.stack,
        "ok": finding.ok,
        "level": str(finding.level),
        "found": finding.found,
        "wanted": finding.wanted,
        "mend": finding.mend,
    }
