"""Where in a plan data are restored: after their own server runs as it is to, and before anything that uses it starts. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model.data import FIRST, DataChange
from reconciler.model.desired import Release, ServiceSpec
from reconciler.model.hook import BackupGate, Occasion, Phase
from reconciler.model.manifest import Manifest, Rollout
from reconciler.model.observed import Container, Observed
from reconciler.model.plan import (
    AwaitCompleted,
    AwaitHealthy,
    Cause,
    CauseKind,
    Existing,
    Plan,
    RecreateServices,
    RestoreData,
    StartContainer,
    Step,
)
from reconciler.planning.strategy import written_mounts
from reconciler.planning.walk import existing


def with_restores(
    found: Plan, release: Release, observed: Observed, rollout: Rollout, change: DataChange, *, forth: bool
) -> Plan:
    """``found``: towards ``release``. ``forth``: with what a person asked for on the way to it, and else with what undoes
    the change. What is of another release serves until the data change, and then stops for good."""
    backups = change.forth if forth else change.back
    if not backups:
        return found
    why = f"release {change.release} changed data, and failed"
    if forth:
        why = "recover asks for it" if change.release == FIRST else "rollback --restore-db asks for it"
    cause = Cause(CauseKind.DATA, why)
    serving = {backup.service for backup in backups}
    users = users_of(release, serving)
    towards, rest = found.steps[: found.proven_after], found.steps[found.proven_after :]
    at, stops = _place(towards, serving, users), tuple(_others(release, observed, serving))
    steps = (
        *towards[:at],
        *_first_healthy(towards, at, serving, cause),
        *(Step(RestoreData(backup.name, forth, stops), cause, backup.service) for backup in backups),
        *towards[at:],
        *_proofs(release, observed, rollout, users, cause),
    )
    return replace(found, steps=(*steps, *rest), proven_after=len(steps))


def users_of(release: Release, serving: set[str]) -> set[str]:
    """The services that depend on one of them, however far."""
    found: set[str] = set()
    while True:
        more = {
            spec.name
            for spec in release.services
            if spec.name not in found and any(need.service in serving | found for need in spec.depends_on)
        }
        if not more:
            return found - serving
        found |= more


def _place(towards: tuple[Step, ...], serving: set[str], users: set[str]) -> int:
    """Behind the last step that brings up what serves the data, as far as that comes before the first that brings up what
    uses it."""
    place = 0
    for index, step in enumerate(towards):
        about = set(step.action.services) if isinstance(step.action, RecreateServices) else {step.service}
        if not isinstance(step.action, StartContainer | RecreateServices | AwaitHealthy | AwaitCompleted):
            continue
        if about & users:
            return place
        if about & serving:
            place = index + 1
    return place


def _first_healthy(towards: tuple[Step, ...], at: int, serving: set[str], cause: Cause) -> Iterator[Step]:
    """What was only started before ``at`` answers nobody yet; where nothing else waits for it, its proof comes later."""
    done = {step.service for step in towards[:at] if isinstance(step.action, AwaitHealthy)}
    for step in towards[at:]:
        if isinstance(step.action, AwaitHealthy) and step.service in serving - done:
            done.add(step.service)
            yield Step(replace(step.action, soak_s=0.0, probe=None), cause, step.service)


def _others(release: Release, observed: Observed, serving: set[str]) -> Iterator[Existing]:
    for container in observed.containers:
        if container.running and container.service not in serving and not _is_of(container, release):
            yield existing(container)


def _proofs(release: Release, observed: Observed, rollout: Rollout, users: set[str], cause: Cause) -> Iterator[Step]:
    """What goes on running is stopped while the data change, and must be well afterwards."""
    for spec in release.services:
        kept = tuple(existing(found) for found in observed.of(spec.name) if found.running and _is_of(found, release))
        if spec.name in users and kept and not spec.job:
            within_s = rollout.of(spec.name).timeout_s
            assert within_s is not None
            yield Step(AwaitHealthy(spec.name, kept, within_s, 0.0), cause, spec.name)


def _is_of(container: Container, release: Release) -> bool:
    spec: ServiceSpec | None = release.service(container.service)
    return spec is not None and spec.digest == container.definition


def notes_on_data(manifest: Manifest, occasion: Occasion) -> Iterator[str]:
    """What the failing of a release means for its data, told before anything begins."""
    changing = [hook.name for hook in manifest.hooks if hook.changes_data and occasion in hook.on]
    if not changing:
        return
    names = ", ".join(changing)
    if occasion is Occasion.FIRST:
        yield f"{names} changes data, and before a first release there is no backup to go back to: what it did stays if it fails"
        return
    gates = [gate.backup for gate in gates_at(manifest, occasion)]
    if gates:
        yield (
            f"{names} changes data: if this release fails after that, {', '.join(gates)} is restored from the backup before "
            "it, and what was written since is lost"
        )


def volumes_left(previous: Release | None, release: Release) -> Iterator[str]:
    """Where a service begins on another volume or folder than the one it wrote to, such as a volume that was renamed: an empty
    one, as a rule, and nothing else would say so. And where it stays on one that cannot become what Git says."""
    for spec in release.services:
        before = previous.service(spec.name) if previous is not None else None
        if previous is None or before is None:
            continue
        held, now = _stores(previous, before), _stores(release, spec)
        for target in sorted(held.keys() & now.keys()):
            if held[target] != now[target]:
                yield (
                    f"{spec.name} has {now[target]} at {target} from now on; what {held[target]} holds is not "
                    "carried over, and stays there"
                )
    yield from _volumes_that_stay(previous, release)


def _stores(release: Release, spec: ServiceSpec) -> dict[str, str]:
    """What it writes to, by where it is mounted; a volume by the engine's name for it."""
    mounts = (mount for mount in spec.definition.get("volumes") or () if written_mounts({"volumes": [mount]}))
    return {str(mount["target"]): _store(release, mount) for mount in mounts}


def _store(release: Release, mount: Mapping[str, Any]) -> str:
    source = str(mount["source"])
    if mount["type"] != "volume":
        return source
    return f"volume {_declared(release).get(source, {}).get('name') or source}"


def _declared(release: Release) -> Mapping[str, Mapping[str, Any]]:
    return {key: own or {} for key, own in (release.model.get("volumes") or {}).items()}


def _volumes_that_stay(previous: Release | None, release: Release) -> Iterator[str]:
    """The engine can change none, and Compose makes one anew, without what it holds, only where a person says yes."""
    before = {own.get("name"): own for own in _declared(previous).values()} if previous is not None else {}
    for key, own in sorted(_declared(release).items()):
        known = before.get(own.get("name"))
        if known is None or own.get("external") or known.get("external") or _made_as(known) == _made_as(own):
            continue
        yield (
            f"volume {own.get('name')} stays as it was made, with its driver and options of before: no volume can be changed. For "
            f"one as Git says, give it another name (volumes.{key}.name), and carry over what this one holds"
        )


def _made_as(declared: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    return str(declared.get("driver") or "local"), declared.get("driver_opts") or {}


def gates_at(manifest: Manifest, occasion: Occasion) -> tuple[BackupGate, ...]:
    """The backups that a release passes by."""
    return tuple(
        hook.kind
        for hook in manifest.hooks
        if hook.phase is Phase.PRE_SYNC and occasion in hook.on and isinstance(hook.kind, BackupGate)
    )
