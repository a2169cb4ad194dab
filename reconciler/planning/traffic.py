"""What a plan tells the proxies before the first start and after the last stop, and what it says to people of that."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from reconciler.model.desired import Release
from reconciler.model.manifest import Rollout, Strategy
from reconciler.model.observed import Observed
from reconciler.model.plan import Cause, CauseKind, DropUpstreams, ShiftTraffic, Step
from reconciler.planning.proxies import Proxy, proxies_of
from reconciler.planning.turnover import Turnover
from reconciler.planning.upstreams import is_led


def led_services(release: Release) -> frozenset[str]:
    return frozenset(spec.name for spec in release.services if is_led(spec, release.stack))


def opening_steps(found: tuple[Turnover, ...], observed: Observed, led: frozenset[str]) -> Iterator[Step]:
    """Of a service that nothing serves yet, the proxies know where it will be, before it is there."""
    for turnover in found:
        name = turnover.spec.name
        starts = turnover.new or turnover.idle
        if name in led & observed.astray and starts and not any(other.running for other in observed.of(name)):
            yield Step(ShiftTraffic(name), Cause(turnover.cause.kind, "the proxies know of it when it starts"), name)


def settling_steps(
    found: tuple[Turnover, ...], observed: Observed, led: frozenset[str], before: tuple[Step, ...]
) -> Iterator[Step]:
    """Back to the service's name, by which it is found after a restart of the host as well, whoever is there to help."""
    told = {step.action.service: step.action for step in before if isinstance(step.action, ShiftTraffic)}
    for turnover in found:
        name = turnover.spec.name
        if name not in led or name in observed.aside:
            continue
        if name in told and told[name].refs:
            yield Step(ShiftTraffic(name), Cause(CauseKind.PROVEN, "only its new containers have it now"), name)
        elif name not in told and name in observed.astray:
            kind = CauseKind.UNFINISHED if observed.unfinished else CauseKind.DRIFT
            yield Step(ShiftTraffic(name), Cause(kind, "the proxies' file says something else"), name)


def dropping_steps(observed: Observed, stays: Collection[str], before: tuple[Step, ...]) -> Iterator[Step]:
    """``stays``: services that are left running although the release does not have them."""
    done = {name for step in before if isinstance(step.action, DropUpstreams) for name in step.action.services}
    dropped = observed.unled - frozenset(stays) - done
    if dropped:
        cause = Cause(CauseKind.REMOVED, "nothing of the release leads there")
        yield Step(DropUpstreams(tuple(sorted(dropped))), cause)


def traffic_costs(
    found: tuple[Turnover, ...], release: Release, rollout: Rollout, led: frozenset[str]
) -> Iterator[str]:
    """Where a swap may lose requests, and why."""
    proxies = {proxy.front.service: proxy for proxy in proxies_of(release, "")}
    for turnover in found:
        name, chosen = turnover.spec.name, turnover.chosen
        if chosen is None or not turnover.replaces or not any(container.running for container in turnover.stale):
            continue
        if name in proxies and chosen.strategy is not Strategy.START_FIRST:
            yield _gap(proxies[name])
        elif chosen.strategy is Strategy.START_FIRST and not (
            name in led or turnover.spec.job or rollout.says_how_to_drain(name)
        ):
            yield _loss(turnover)


def _gap(proxy: Proxy) -> str:
    ports = ", ".join(str(host) for _, host in proxy.front.published)
    where = f" on port {ports}" if ports else ""
    return (
        f"{proxy.front.service} is the proxy: nobody answers{where} from when it is stopped until its successor has started "
        "and read its configuration, which is a second or two"
    )


def _loss(turnover: Turnover) -> str:
    name = turnover.spec.name
    why = turnover.spec.unled or "no Traefik that reads ${RECONCILER_TRAEFIK_DIR} leads to it"
    return (
        f"the swap of {name} may lose requests that are under way when its old container is stopped ({why}); "
        f"rollout.services.{name}.drain in stack.yaml lets them finish first"
    )
