"""Whether this host and its stacks are fit to run, as ``reconciler check`` finds it, told shortly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reconciler.cli import output

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.preflight.finding import Finding


def is_host_fit(parts: Parts) -> bool:
    from reconciler.cli.preflight import host_findings

    return _are_well(tuple(host_findings(parts)))


def are_stacks_fit(parts: Parts) -> bool:
    from reconciler.cli.preflight import stack_findings

    return _are_well(tuple(stack_findings(parts, ())))


def _are_well(findings: Sequence[Finding]) -> bool:
    """What is well takes one line together."""
    from reconciler.cli.check import show

    well = [finding.name for finding in findings if not finding.mend]
    if well:
        output.line(f"ok    {', '.join(well)}")
    stack = ""
    for finding in findings:
        if finding.mend:
            if finding.stack != stack:
                stack = finding.stack
                output.heading(stack)
            show(finding)
    are_well = all(finding.ok for finding in findings)
    if not are_well:
        output.complain("mend what says FAIL, and call this again: what is there is kept")
    return are_well
