"""What has to happen to one service's containers: which stay, which go, how many are made, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.manifest import Rollout, Strategy
from reconciler.model.observed import Container, Observed, Probe, State
from reconciler.model.plan import Cause, CauseKind
from reconciler.planning.changes import changes
from reconciler.planning.secrets import Mask
from reconciler.planning.strategy import Chosen, choose, joined_services, lenders, linked_services, lived_in

_GONE = (State.DEAD, State.REMOVING)


@dataclass(frozen=True, slots=True)
class Turnover:
    """``kept``: containers that are what the release wants, at most ``scale``. ``stale``: those that go. ``new``: how
    many are made. ``chosen``: how they are replaced, None where nothing is. ``unproven``: a pass that was cut short may have
    started what is kept, so that without a proof the release would count as applied. ``blind``: kept containers that look
    into a mounted folder which was deleted and is laid out anew, or live in a network that is gone.
    """

    spec: ServiceSpec
    kept: tuple[Container, ...]
    stale: tuple[Container, ...]
    new: int
    cause: Cause
    chosen: Chosen | None = None
    unproven: bool = False
    blind: tuple[Container, ...] = ()

    @property
    def serves(self) -> bool:
        """Every kept container is healthy; of a job: has ended well."""
        return all(_serves(container, self.spec.job) for container in self.kept)

    @property
    def ill(self) -> bool:
        """A kept container runs, and its healthcheck says no: nothing in a plan mends that."""
        return any(found.state is State.RUNNING and found.probe is Probe.UNHEALTHY for found in self.kept)

    @property
    def idle(self) -> tuple[Container, ...]:
        """Kept containers that must be started."""
        return tuple(container for container in self.kept if _must_start(container, self.spec.job))

    @property
    def replaces(self) -> bool:
        """A container that served is succeeded by another one."""
        return bool(self.stale) and bool(self.new or self.kept)

    @property
    def by_compose(self) -> bool:
        """Compose's own recreate does it."""
        return self.chosen is not None and self.chosen.strategy is Strategy.RECREATE and self.new > 0


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a turnover is decided from. ``previous``: the release that ran before, where it is known."""

    release: Release
    observed: Observed
    rollout: Rollout
    previous: Release | None
    mask: Mask


def turnovers(situation: Situation) -> tuple[Turnover, ...]:
    """One for every service of the release, in the release's order."""
    aside = situation.observed.aside
    found = {spec.name: _turnover(spec, situation) for spec in situation.release.services if spec.name not in aside}
    for name in _carried_along(found):
        found[name] = _recreated_with(found[name], situation)
    found |= {spec.name: _left(spec) for spec in situation.release.services if spec.name in aside}
    return tuple(found[spec.name] for spec in situation.release.services)


def _left(spec: ServiceSpec) -> Turnover:
    """Nothing of it is looked at: nothing happens to it."""
    return Turnover(spec, kept=(), stale=(), new=0, cause=Cause(CauseKind.UNFINISHED, ""))


def _turnover(spec: ServiceSpec, situation: Situation) -> Turnover:
    existing = situation.observed.of(spec.name)
    known = {container.id for container in situation.observed.containers}
    right = [container for container in existing if _is_right(container, spec, situation, known)]
    kept = tuple(sorted(right, key=_worth_keeping)[: spec.scale])
    stale = tuple(container for container in existing if container not in kept)
    new = spec.scale - len(kept)
    cause = _cause(spec, kept, stale, situation)
    chosen = _chosen(spec, stale, situation) if stale and spec.scale else None
    blind = {found: why for found in kept if (why := _why_blind(found, spec, situation.observed))}
    if blind and not cause.text:
        cause = Cause(CauseKind.DRIFT, next(iter(blind.values())))
    unproven = bool(kept) and situation.observed.unfinished and _is_news(spec, situation)
    if unproven and not cause.text:
        cause = Cause(CauseKind.UNFINISHED, "it was started and is not proven yet")
    return Turnover(spec, kept, stale, new, cause, chosen, unproven, tuple(blind))


def _why_blind(container: Container, spec: ServiceSpec, observed: Observed) -> str:
    """Why it must be started again to see what is there; "" if it need not."""
    if _mounts_what_is_gone(container, spec, observed):
        return f"what {container.name} mounts was deleted and is laid out anew"
    lender = _started_again_since(container, spec, observed)
    return f"{lender} was started again, and {container.name} lives on in what its process before had" if lender else ""


def _started_again_since(container: Container, spec: ServiceSpec, observed: Observed) -> str:
    """The container whose namespaces it uses, where those are of its process before: it is itself, and yet another network."""
    hosts = (other for name in lived_in(spec.definition) for other in observed.of(name) if other.id in container.joins)
    late = (other.name for other in hosts if other.running and other.started_at > container.started_at)
    return next(late, "") if container.running else ""


def _mounts_what_is_gone(container: Container, spec: ServiceSpec, observed: Observed) -> bool:
    """A mount is of the folder that was there when the container started, not of what lies under its path later."""
    sources = (mount.get("source") for mount in spec.definition.get("volumes") or ())
    return container.running and any(
        container.started_at < observed.laid_out.get(source or "", 0.0) for source in sources
    )


def _chosen(spec: ServiceSpec, stale: tuple[Container, ...], situation: Situation) -> Chosen:
    linked_by = (other.name for other in situation.release.services if spec.name in linked_services(other.definition))
    return choose(spec, stale, situation.rollout.of(spec.name).strategy, tuple(linked_by))


def _is_news(spec: ServiceSpec, situation: Situation) -> bool:
    """Whether what the release wants of it is not what the last proven one wanted."""
    before = situation.previous
    known = before.service(spec.name) if before else None
    if before is None or known is None or known.digest != spec.digest:
        return True
    return before.images.get(spec.image) != situation.release.images.get(spec.image)


def _is_right(container: Container, spec: ServiceSpec, situation: Situation, known: set[str]) -> bool:
    if container.definition != spec.digest or container.state in _GONE:
        return False
    if _lost_what_it_joins(container, spec, situation, known) or _has_an_old_certificate(container, situation):
        return False
    if not _has_done_its_job(container, spec.job) and _lost_network(container, situation):
        return False
    wanted = wanted_image(spec, situation)
    return not wanted or container.image_id in (wanted, situation.release.images.get(spec.image))


def _lost_what_it_joins(container: Container, spec: ServiceSpec, situation: Situation, known: set[str]) -> bool:
    """While a container that is not the stack's own is away, a new one could not be started either."""
    there = situation.observed.lenders
    return any(joined not in known | there for joined in container.joins) and there.issuperset(lenders(spec.definition))


def _lost_network(container: Container, situation: Situation) -> bool:
    """Whether a network it was made on is there no more, so that it can neither be started nor connected again:
    ``docker network prune`` takes the networks of stopped containers."""
    there = {network.name for network in situation.observed.networks}
    lost = {network.name for network in situation.release.networks if not network.external} - there
    made = situation.observed.baselines.get(container.id, container.settings)
    holds = {endpoint.network for endpoint in container.settings.endpoints} if container.running else set()
    return any(endpoint.network in lost - holds for endpoint in made.endpoints)


def _has_an_old_certificate(container: Container, situation: Situation) -> bool:
    renewed_at = situation.observed.renewed.get(container.service, 0.0)
    return container.running and container.started_at < renewed_at


def wanted_image(spec: ServiceSpec, situation: Situation) -> str:
    """The id of the image its containers run; "" while it is not known (not pulled or built yet).

    What the release pinned counts as long as the engine holds it; after that, what the reference names.
    """
    pinned = situation.release.images.get(spec.image)
    if pinned and situation.observed.images.get(pinned) is not None:
        return pinned
    image = situation.observed.images.get(spec.image)
    return image.id if image else ""


def _worth_keeping(container: Container) -> tuple[bool, bool, int]:
    return (not container.is_healthy, not container.running, container.number)


def _serves(container: Container, job: bool) -> bool:
    return _has_done_its_job(container, job) if job else container.is_healthy


def _must_start(container: Container, job: bool) -> bool:
    return container.state in (State.CREATED, State.EXITED) and not _has_done_its_job(container, job)


def _has_done_its_job(container: Container, job: bool) -> bool:
    return job and container.state is State.EXITED and container.exit_code == 0


def _carried_along(found: dict[str, Turnover]) -> set[str]:
    """Services that Compose must recreate because what they live in, or what lives in them, is replaced."""
    lives_in = {name: set(joined_services(turnover.spec.definition)) for name, turnover in found.items()}
    replaced = {name for name, turnover in found.items() if turnover.stale and turnover.new}
    hosts = {host for hosts in lives_in.values() for host in hosts}
    carried: set[str] = replaced & hosts
    while True:
        more = {name for name, into in lives_in.items() if into & carried} - carried
        if not more:
            return carried
        carried |= more


def _recreated_with(turnover: Turnover, situation: Situation) -> Turnover:
    """The same turnover, done by Compose's own recreate: nothing is kept beside the new one, and what is new is not made
    before what it lives in."""
    existing = turnover.kept + turnover.stale
    host = ", ".join(joined_services(turnover.spec.definition))
    reason = f"it lives in the namespaces or volumes of {host}" if host else "other services live in its namespaces"
    cause = turnover.cause
    if turnover.kept and not turnover.stale:
        cause = Cause(CauseKind.DEPENDENCY, f"{host} is replaced, and {turnover.spec.name} lives in its namespaces")
    return replace(
        turnover,
        kept=(),
        stale=existing,
        new=turnover.spec.scale,
        cause=cause,
        chosen=Chosen(Strategy.RECREATE, reason),
    )


def _cause(spec: ServiceSpec, kept: tuple[Container, ...], stale: tuple[Container, ...], situation: Situation) -> Cause:
    before = situation.previous.service(spec.name) if situation.previous else None
    outdated = [container for container in stale if container.definition != spec.digest]
    if not kept and not stale:
        if before is not None and not before.scale and spec.scale:
            return Cause(CauseKind.SCALE, f"0 containers, {spec.scale} wanted")
        if before is not None and before.digest == spec.digest:
            return Cause(CauseKind.DRIFT, "its container is gone")
        return Cause(CauseKind.CREATED, "it is new")
    if outdated:
        return _outdated(spec, before, kept, situation)
    if any(_has_an_old_certificate(container, situation) for container in stale):
        return Cause(CauseKind.CERTIFICATE, "the certificate that it reads when it starts is a new one")
    reimaged = [container for container in stale if container.image_id != wanted_image(spec, situation)]
    if reimaged:
        return Cause(
            CauseKind.IMAGE,
            f"{spec.image} is {_short(wanted_image(spec, situation))}, "
            f"{reimaged[0].name} runs {_short(reimaged[0].image_id)}",
        )
    if len(kept) < spec.scale and stale:
        return Cause(CauseKind.DRIFT, f"{stale[0].name} cannot run again")
    return _about_scale_or_drift(spec, kept, stale, before)


def _outdated(
    spec: ServiceSpec, before: ServiceSpec | None, kept: tuple[Container, ...], situation: Situation
) -> Cause:
    if before is not None and before.digest != spec.digest:
        return Cause(
            CauseKind.CHANGED,
            "its definition changed",
            changes(spec.name, situation.previous, situation.release, situation.mask),
        )
    if len(kept) == spec.scale:
        return Cause(CauseKind.UNFINISHED, "a container of another release was left over")
    return Cause(CauseKind.CHANGED, "its containers are of another release")


def _about_scale_or_drift(
    spec: ServiceSpec, kept: tuple[Container, ...], stale: tuple[Container, ...], before: ServiceSpec | None
) -> Cause:
    if stale:
        return Cause(CauseKind.SCALE, f"{len(kept) + len(stale)} containers, {spec.scale} wanted")
    if len(kept) < spec.scale:
        if before is not None and before.scale == spec.scale:
            return Cause(CauseKind.DRIFT, f"{len(kept)} of {spec.scale} containers are there")
        return Cause(CauseKind.SCALE, f"{len(kept)} containers, {spec.scale} wanted")
    idle = [container for container in kept if _must_start(container, spec.job)]
    if idle:
        return Cause(CauseKind.DRIFT, _stopped(idle[0]))
    return Cause(CauseKind.UNFINISHED, "")


def _stopped(container: Container) -> str:
    if container.state is State.CREATED:
        return f"{container.name} was made but not started"
    return f"{container.name} was stopped (exit status {container.exit_code})"


def _short(image_id: str) -> str:
    return image_id.removeprefix("sha256:")[:12] or "not here yet"
