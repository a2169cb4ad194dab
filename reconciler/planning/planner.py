"""desired + observed -> plan. No I/O, no clock, no log: what it wants said is a cause or a note of the plan.

The planner takes the host as it is, half-done swaps included: ending one, undoing one, mending drift and rolling a
whole stack back are the same function with another release to go to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from reconciler.model.desired import LABEL_BUILD, Release
from reconciler.model.errors import StalledError
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Container, Observed
from reconciler.model.plan import (
    BuildImage,
    Cause,
    CauseKind,
    CheckPorts,
    CreateContainers,
    Plan,
    PullImage,
    RemoveContainer,
    RemoveNetwork,
    RestoreObject,
    ServicePlan,
    Step,
    StopContainer,
    TagImage,
)
from reconciler.planning.data import volumes_left
from reconciler.planning.drift import drift_steps
from reconciler.planning.handover import leaving
from reconciler.planning.images import room_for
from reconciler.planning.names import rename_steps
from reconciler.planning.order import with_dependents
from reconciler.planning.prune import Pruning, container_steps, network_steps, pruning, removed_containers
from reconciler.planning.rollout import removal_steps, rollout_steps
from reconciler.planning.secrets import Mask
from reconciler.planning.strategy import fixed_ports
from reconciler.planning.takeover import takeover_notes, takeover_steps
from reconciler.planning.traffic import (
    dropping_steps,
    led_services,
    opening_steps,
    settling_steps,
    traffic_costs,
)
from reconciler.planning.turnover import Situation, Turnover, turnovers
from reconciler.planning.walk import Told, existing, stopped_by


def plan(
    release: Release,
    observed: Observed,
    manifest: Manifest,
    previous: Release | None = None,
    mask: Mask | None = None,
) -> Plan:
    """Every step from ``observed`` to ``release``, in order; empty if there is nothing to do.

    ``previous`` is what ran before, for the causes. Raises StalledError if containers that are not
    ours stand in the way.
    """
    _refuse_foreign(release, observed)
    observed = replace(observed, aside=with_dependents(observed.aside, release.services))
    changed_networks = tuple(_changed_networks(release, observed))
    downs = _downs(changed_networks, observed)
    standing = _without(observed, downs)
    situation = Situation(release, standing, manifest.rollout, previous, mask or Mask())
    found = tuple(_explained(turnover, downs, changed_networks) for turnover in turnovers(situation))
    pruned = pruning(release, standing, manifest.prune)
    outgoing, led = leaving(found, chain(*pruned.removed.values()), previous), led_services(release)
    opening = tuple(opening_steps(found, standing, led))
    rollout = rollout_steps(found, manifest.rollout, outgoing, Told(led, observed.unled))
    towards = (
        *opening,
        *_restore_steps(observed),
        *_image_steps(found, situation),
        *_port_steps(found, observed),
        *_down_steps(downs, changed_networks),
        *_create_steps(found, standing),
        *_drift_steps(found, observed),
        *takeover_steps(found, observed, manifest.rollout),
        *rollout,
    )
    steps = (
        *towards,
        *settling_steps(found, standing, led, (*opening, *rollout)),
        *removal_steps(found),
        *container_steps(pruned.removed, stopped_by(rollout)),
        *rename_steps(found, release.stack),
        *network_steps(release, standing, pruned.stays),
        *dropping_steps(observed, pruned.stays, rollout),
    )
    return Plan(
        stack=release.stack,
        release=release.digest,
        steps=steps,
        services=(*(_told(turnover, steps) for turnover in found), *_told_removed(release, observed, pruned)),
        notes=(
            *pruned.notes,
            *takeover_notes(observed),
            *release.warnings,
        ),
        proven_after=len(towards),
        costs=(*traffic_costs(found, release, manifest.rollout, led), *volumes_left(previous, release)),
    )


def needs_images(found: Plan) -> bool:
    """Whether the plan fetches or builds images: what follows is planned anew once they are known."""
    return any(isinstance(step.action, PullImage | BuildImage) for step in found.steps)


def _refuse_foreign(release: Release, observed: Observed) -> None:
    if not observed.foreign:
        return
    names = ", ".join(sorted(container.name for container in observed.foreign))
    raise StalledError(
        f"a Compose project named {release.stack} is there already and is not ours: {names}. "
        f"Take it down (docker compose -p {release.stack} down, without -v) or give the stack another name",
        reason="NotOurs",
    )


def _changed_networks(release: Release, observed: Observed) -> Iterator[tuple[str, str]]:
    """Id and name of each network that must be made anew: a network cannot be changed."""
    wanted = {network.name: network for network in release.networks if not network.external}
    for network in observed.networks:
        if network.owned and network.name in wanted and network.definition != wanted[network.name].digest:
            yield network.id, network.name


def _downs(changed_networks: tuple[tuple[str, str], ...], observed: Observed) -> tuple[Container, ...]:
    """Our containers on such a network: they go before it does."""
    names = {name for _, name in changed_networks}
    return tuple(
        container
        for container in observed.containers
        if any(endpoint.network in names for endpoint in container.settings.endpoints)
    )


def _without(observed: Observed, downs: tuple[Container, ...]) -> Observed:
    return replace(observed, containers=tuple(found for found in observed.containers if found not in downs))


def _explained(
    turnover: Turnover, downs: tuple[Container, ...], changed_networks: tuple[tuple[str, str], ...]
) -> Turnover:
    if not any(container.service == turnover.spec.name for container in downs):
        return turnover
    names = ", ".join(name for _, name in changed_networks)
    return replace(turnover, cause=Cause(CauseKind.CHANGED, f"network {names} changed and is made anew"))


def _restore_steps(observed: Observed) -> Iterator[Step]:
    for path in observed.touched:
        yield Step(RestoreObject(path), Cause(CauseKind.DRIFT, "its content is not what Git holds"))


def _image_steps(found: tuple[Turnover, ...], situation: Situation) -> Iterator[Step]:
    """Every image is here and inspected before anything stops."""
    told: set[str] = set()
    for turnover in found:
        spec = turnover.spec
        if spec.image in told or spec.name in situation.observed.aside:
            continue
        step = _image_step(turnover, situation)
        if step:
            told.add(spec.image)
            yield step


def _image_step(turnover: Turnover, situation: Situation) -> Step | None:
    spec = turnover.spec
    image = situation.observed.images.get(spec.image)
    pinned = situation.release.images.get(spec.image)
    if pinned and image is not None and image.id != pinned and situation.observed.images.get(pinned):
        cause = Cause(CauseKind.DRIFT, f"{spec.image} names {image.id[7:19]} now, the release runs {pinned[7:19]}")
        return Step(TagImage(spec.image, pinned), cause, spec.name)
    by_digest = "@" in spec.image  # such a name cannot be given: only a pull brings it, once a container is made of it
    if pinned and image is None and situation.observed.images.get(pinned) and not by_digest:
        return Step(TagImage(spec.image, pinned), Cause(CauseKind.DRIFT, f"{spec.image} was untagged"), spec.name)
    if not turnover.new and not (spec.pull_always and not pinned):
        return None
    if spec.build_digest is not None:
        if image is not None and image.labels.get(LABEL_BUILD) == spec.build_digest:
            return None
        return Step(BuildImage(spec.name, spec.image), turnover.cause, spec.name)
    if image is None:
        return Step(
            PullImage(spec.image, _room(turnover, situation)),
            Cause(turnover.cause.kind, "the engine does not hold it"),
            spec.name,
        )
    if spec.pull_always and not pinned:
        pull = PullImage(spec.image, _room(turnover, situation))
        return Step(pull, Cause(CauseKind.IMAGE, "pull_policy: always"), spec.name)
    return None


def _room(turnover: Turnover, situation: Situation) -> int:
    """A new version is taken to be as large as the one that runs."""
    return room_for(situation.observed.images.get(container.image_id) for container in turnover.stale)


def _port_steps(found: tuple[Turnover, ...], observed: Observed) -> Iterator[Step]:
    """Ports that are new to the stack are tried before anything stops: service by service, since one that cannot have its
    port is no reason why another one is not mended."""
    ours = {_port_key(port) for container in observed.containers for port in container.ports}
    for turnover in found:
        wanted = {
            port for port in fixed_ports(turnover.spec.definition) if "-" not in port and _port_key(port) not in ours
        }
        if turnover.new and wanted:
            cause = Cause(CauseKind.CREATED, "nobody else may hold them when they are needed")
            yield Step(CheckPorts(tuple(sorted(wanted))), cause, turnover.spec.name)


def _port_key(port: str) -> str:
    return port.rpartition(":")[2]


def _down_steps(downs: tuple[Container, ...], changed_networks: tuple[tuple[str, str], ...]) -> Iterator[Step]:
    """A container on several of them goes down with the first."""
    standing = list(downs)
    for identity, name in changed_networks:
        cause = Cause(CauseKind.CHANGED, f"network {name} changed, and a network can only be made anew")
        attached = [found for found in standing if any(end.network == name for end in found.settings.endpoints)]
        standing = [found for found in standing if found not in attached]
        for container in attached:
            if container.running:
                yield Step(StopContainer(existing(container)), cause, container.service)
        for container in attached:
            yield Step(RemoveContainer(existing(container)), cause, container.service)
        yield Step(RemoveNetwork(identity, name), cause)


def _create_steps(found: tuple[Turnover, ...], standing: Observed) -> Iterator[Step]:
    """One ``compose create`` for everything that is made beside what is there."""
    made = tuple(turnover for turnover in found if turnover.new and not turnover.by_compose)
    if not made:
        return
    totals = tuple(
        (turnover.spec.name, len(standing.of(turnover.spec.name)) + (turnover.new if turnover in made else 0))
        for turnover in found
    )
    names = tuple(turnover.spec.name for turnover in made)
    yield Step(CreateContainers(names, totals), made[0].cause, names[0] if len(names) == 1 else "")


def _drift_steps(found: tuple[Turnover, ...], observed: Observed) -> Iterator[Step]:
    for turnover in found:
        for container in turnover.kept:
            yield from drift_steps(container, observed.baselines.get(container.id))


def _told(turnover: Turnover, steps: tuple[Step, ...]) -> ServicePlan:
    name = turnover.spec.name
    mine = [step for step in steps if step.service == name or _makes(step, name)]
    if not mine:
        return ServicePlan(name, "none", Cause(CauseKind.UNFINISHED, ""))
    if turnover.new and (turnover.stale or "made anew" in turnover.cause.text):
        verb = "replace"
    elif turnover.new:
        verb = "create"
    elif turnover.stale:
        verb = "scale" if turnover.cause.kind is CauseKind.SCALE else "finish"
    else:
        verb = "repair"
    if verb == "repair" and turnover.cause.kind is CauseKind.UNFINISHED:
        return ServicePlan(name, "finish" if turnover.cause.text else verb, mine[0].cause)
    if turnover.chosen is None or verb in ("create", "repair"):
        return ServicePlan(name, verb, turnover.cause)
    return ServicePlan(name, verb, turnover.cause, turnover.chosen.strategy, turnover.chosen.reason)


def _makes(step: Step, service: str) -> bool:
    return isinstance(step.action, CreateContainers) and service in step.action.services


def _told_removed(release: Release, observed: Observed, pruned: Pruning) -> Iterator[ServicePlan]:
    cause = Cause(CauseKind.REMOVED, "it is no longer in the release")
    for service in removed_containers(release, observed):
        if service not in pruned.stays:
            yield ServicePlan(service, "remove", cause)
