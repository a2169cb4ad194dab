"""Back to what was there before a release that had no predecessor. Where there is one, going back is planning towards it."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.desired import Release, ServiceSpec, nothing_of
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Observed
from reconciler.model.plan import Cause, CauseKind, Plan, StartContainer, Step, StopContainer
from reconciler.planning.planner import plan
from reconciler.planning.walk import existing


def without_what_came(before: Observed, now: Observed, manifest: Manifest) -> Plan:
    """As a rule nothing was there. But where the record of what ran was lost, what ran is there: it stays, and serves
    again."""
    known = {container.id for container in before.containers}
    networks = {network.id for network in before.networks}
    came = replace(
        now,
        containers=tuple(found for found in now.containers if found.id not in known),
        networks=tuple(found for found in now.networks if found.id not in networks),
        unproven=frozenset(found.service for found in now.containers),
        unled=now.unled - {container.service for container in before.containers},
    )
    found = plan(nothing_of(now.stack), came, manifest)
    return replace(found, steps=(*found.steps, *_starts(before, now)))


def stood_before(now: Observed, tried: tuple[Release, ...], since: float) -> Observed:
    """What was there at first, told after a kill, when nobody remembers it: all but what is of the releases that were tried
    and never proven, and was not started before ``since`` (seconds since the epoch), when the first pass began."""
    definitions = {spec.digest for release in tried for spec in release.services}
    stood = tuple(
        found for found in now.containers if found.definition not in definitions or 0.0 < found.started_at < since
    )
    return replace(now, containers=stood, networks=now.networks if stood else ())


def as_it_ran(before: Observed, now: Observed, spec: ServiceSpec) -> tuple[Step, ...]:
    """A repair has no release to go back to: what it stopped of a service, and nothing could succeed, runs again."""
    ran = {found.id for found in before.of(spec.name) if found.running}
    stopped = [found for found in now.of(spec.name) if found.id in ran and not found.running]
    if spec.job or not stopped:
        return ()
    cause = Cause(CauseKind.UNFINISHED, "it ran before the repair that failed")
    came = [found for found in now.of(spec.name) if found.id not in ran and found.running]
    stops = [Step(StopContainer(existing(container)), cause, spec.name) for container in came]
    return (*stops, *(Step(StartContainer(existing(container)), cause, spec.name) for container in stopped))


def _starts(before: Observed, now: Observed) -> tuple[Step, ...]:
    ran = {container.id for container in before.containers if container.running}
    cause = Cause(CauseKind.UNFINISHED, "it ran before the release that failed")
    return tuple(
        Step(StartContainer(existing(container)), cause, container.service)
        for container in now.containers
        if container.id in ran and not container.running
    )
