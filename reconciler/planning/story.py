"""A plan as an operator reads it at 3 a.m.: what, in which order, and why. Text only; colour is added elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from reconciler.model.duration import written_duration
from reconciler.model.plan import (
    Action,
    AwaitCompleted,
    AwaitHealthy,
    BuildImage,
    Cause,
    CauseKind,
    Change,
    CheckPorts,
    ConnectNetwork,
    CreateContainers,
    DisconnectNetwork,
    DrainContainer,
    DropUpstreams,
    ForgetNames,
    New,
    Plan,
    PullImage,
    RecreateServices,
    Ref,
    RemoveContainer,
    RemoveNetwork,
    RenameContainer,
    RestartContainer,
    RestoreData,
    RestoreObject,
    RunHook,
    ServicePlan,
    ShiftTraffic,
    StartContainer,
    StopContainer,
    TagImage,
    UnpauseContainer,
    UpdateResources,
)

_LONGEST_VALUE = 120


def tell(plan: Plan) -> tuple[str, ...]:
    """Lines: the services with their causes, then the numbered steps, then the notes."""
    lines = list(_services(plan))
    if plan.steps:
        lines += ["", "Steps, in this order:"]
        lines += list(_steps(plan))
    lines += [f"Note: {note}" for note in (*plan.costs, *plan.notes)]
    return tuple(lines)


def _services(plan: Plan) -> Iterator[str]:
    width = max((len(found.service) for found in plan.services), default=0)
    for found in plan.services:
        if found.verb == "none":
            continue
        yield f"{found.service:<{width}}  {_headline(found)}"
        for change in found.cause.changes:
            yield f"{'':<{width}}    {tell_change(change)}"
    untouched = [found.service for found in plan.services if found.verb == "none"]
    if untouched and plan.steps:
        yield f"{'':<{width}}  (no change: {', '.join(untouched)})"


def _headline(found: ServicePlan) -> str:
    cause = f"because {found.cause.text}" if found.cause.text else ""
    how = f", {found.strategy} ({found.strategy_reason})" if found.strategy else ""
    return f"{found.verb}{how} {cause}".rstrip()


def tell_change(change: Change) -> str:
    """``key: old -> new``; a secret's values are not in the plan at all."""
    if change.secret:
        return f"{change.key}: changed (secret, not shown)"
    if change.old is None:
        return f"{change.key}: added {_quoted(change.new)}"
    if change.new is None:
        return f"{change.key}: removed {_quoted(change.old)}"
    return f"{change.key}: {_quoted(change.old)} -> {_quoted(change.new)}"


def _quoted(value: str | None) -> str:
    text = str(value)
    return repr(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")


def _steps(plan: Plan) -> Iterator[str]:
    told = [describe(step.action) for step in plan.steps]
    width = min(max((len(text) for text in told), default=0), 72)
    for number, (step, text) in enumerate(zip(plan.steps, told, strict=True), 1):
        yield f"{number:>3}. {text:<{width}}  {_because(step.cause)}".rstrip()


def _because(cause: Cause) -> str:
    return f"[{cause.text}]" if cause.text else ""


def describe(action: Action) -> str:
    """One action in words; also what the journal keeps of it."""
    match action:
        case CheckPorts(ports):
            return f"check that nobody else holds {', '.join(ports)}"
        case BuildImage(service, image):
            return f"build image {image} for {service}"
        case PullImage(image):
            return f"pull image {image}"
        case TagImage(image, image_id):
            return f"tag image {image_id.removeprefix('sha256:')[:12]} as {image} again"
        case RestoreObject(path):
            return f"restore {path}"
        case CreateContainers(services, _):
            return f"make new containers for {', '.join(services)}"
        case RecreateServices(services, _):
            return f"let Compose recreate {', '.join(services)}"
        case StartContainer(ref):
            return f"start {name_of(ref)}"
        case UnpauseContainer(ref):
            return f"unpause {name_of(ref)}"
        case StopContainer(ref, at_once):
            return f"stop {name_of(ref)}" + (" at once" if at_once else "")
        case RestartContainer(ref):
            return f"restart {name_of(ref)}"
        case RemoveContainer(ref):
            return f"remove {name_of(ref)}, its volumes stay"
        case RenameContainer(ref, name):
            return f"rename {name_of(ref)} to {name}"
        case UpdateResources(ref, resources):
            return f"set {', '.join(f'{key}={value}' for key, value in resources)} on {name_of(ref)}"
        case ConnectNetwork(ref, endpoint):
            return f"connect {name_of(ref)} to network {endpoint.network}"
        case DisconnectNetwork(ref, network):
            return f"disconnect {name_of(ref)} from network {network}"
        case ForgetNames(storage, names):
            return f"take {', '.join(names)} out of {storage}"
        case ShiftTraffic(service, refs):
            return f"send what is for {service} to {', '.join(map(name_of, refs)) or 'whoever has its name'}"
        case DrainContainer(ref, within_s):
            return f"let {name_of(ref)} end what is under way ({written_duration(within_s)} at most)"
        case DropUpstreams(services):
            return f"tell the proxies no more of {', '.join(services)}"
        case RunHook(phase, name):
            return f"run {phase} hook {name}"
        case RestoreData(backup, _, stops):
            stopped = ", ".join(ref.name for ref in stops)
            return f"restore the data of {backup}" + (f", and stop {stopped} for it" if stopped else "")
        case RemoveNetwork(_, name):
            return f"remove network {name}"
        case AwaitHealthy(service, _, within_s, soak_s, probe):
            soak = f", and for {written_duration(soak_s)} more" if soak_s else ""
            answers = f" and answers {probe}" if probe else ""
            return f"wait until {service} is healthy{answers} (within {written_duration(within_s)}){soak}"
        case AwaitCompleted(service, _, within_s):
            return f"wait until {service} has ended with exit status 0 (within {written_duration(within_s)})"
        case _:
            assert_never(action)


def name_of(ref: Ref) -> str:
    if isinstance(ref, New):
        return f"{ref.service}'s new container" + (f" {ref.index + 1}" if ref.index else "")
    return ref.name


def causes_of(found: Plan) -> str:
    """What somebody changed, in one line; what is done, where nobody did."""
    told = dict.fromkeys(step.cause.text for step in found.steps if step.cause.kind is CauseKind.DRIFT)
    return "; ".join(told) or "; ".join(dict.fromkeys(describe(step.action) for step in found.steps))
