"""How a service and a stack are doing, from one look."""

from __future__ import annotations

from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.observed import Container, Observed, Probe, State
from reconciler.model.record import Health

_WORST_LAST = (
    Health.HEALTHY,
    Health.SUSPENDED,
    Health.PROGRESSING,
    Health.MISSING,
    Health.DEGRADED,
    Health.UNKNOWN,
)


def container_health(container: Container, job: bool) -> Health:
    """One container's; a job is healthy once it has ended with exit status 0."""
    if job:
        return _job_health(container)
    if container.state is not State.RUNNING:
        return Health.DEGRADED
    if container.probe is Probe.UNHEALTHY:
        return Health.DEGRADED
    if container.probe is Probe.STARTING:
        return Health.PROGRESSING
    return Health.HEALTHY


def _job_health(container: Container) -> Health:
    if container.state is State.EXITED:
        return Health.HEALTHY if container.exit_code == 0 else Health.DEGRADED
    if container.state in (State.RUNNING, State.CREATED):
        return Health.PROGRESSING
    return Health.DEGRADED


def service_health(spec: ServiceSpec, observed: Observed) -> Health:
    """The worst of the containers that are of this definition; MISSING if there are fewer than wanted."""
    mine = [c for c in observed.of(spec.name) if c.definition == spec.digest]
    if len(mine) < spec.scale:
        return Health.MISSING
    return worst([container_health(container, spec.job) for container in mine])


def stack_health(release: Release, observed: Observed) -> Health:
    """The worst of its services; HEALTHY if it has none."""
    return worst([service_health(spec, observed) for spec in release.services])


def worst(healths: list[Health]) -> Health:
    return max(healths, key=_WORST_LAST.index, default=Health.HEALTHY)
