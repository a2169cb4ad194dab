"""A release as JSON and back: what ``state/releases`` keeps, so that a rollback needs neither Git nor Compose's renderer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from reconciler.model.action import Action
from reconciler.model.backup import BackupPlan, Keep, MaxLoss, Verify
from reconciler.model.desired import (
    Condition,
    Dependency,
    Injection,
    LifecycleHook,
    NetworkSpec,
    Release,
    Seed,
    ServiceSpec,
)
from reconciler.model.environment import EnvironmentUse
from reconciler.model.errors import StalledError
from reconciler.model.hook import BackupGate, Exec, Hook, Http, Kind, Occasion, OnFailure, Phase, Require, Run, Script
from reconciler.model.manifest import (
    CertificateUse,
    DriftMode,
    HttpProbe,
    Manifest,
    Prune,
    Rollout,
    ServiceRollout,
    Strategy,
)
from reconciler.model.requires import Requires
from reconciler.model.schedule import Schedule
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.model.updates import Gate, ImagePolicy, Track, Updates, Window, WriteBack


def pack(release: Release, manifest: Manifest) -> dict[str, Any]:
    """JSON-able. ``model`` stands alone, because Compose reads it; the definitions in it are not written twice."""
    content = {field.name: getattr(release, field.name) for field in fields(release)}
    content["services"] = [_pack_service(spec) for spec in release.services]
    for key in ("networks", "objects", "seeds"):
        content[key] = [asdict(value) for value in content[key]]
    content["images"] = dict(release.images)
    content["variables"] = dict(release.variables)
    content["model"] = dict(release.model)
    content["manifest"] = _pack_manifest(manifest)
    return content


def _pack_manifest(manifest: Manifest) -> dict[str, Any]:
    content = _fields_of(manifest)
    services = {name: asdict(own) for name, own in manifest.rollout.services.items()}
    content["environment"] = {**_fields_of(manifest.environment), "generate": dict(manifest.environment.generate)}
    content["rollout"] = {**_fields_of(manifest.rollout), "services": services}
    content["prune"] = _fields_of(manifest.prune)
    content["certificates"] = [_fields_of(use) for use in manifest.certificates]
    content["backups"] = [asdict(plan) for plan in manifest.backups]
    content["hooks"] = [_pack_hook(hook) for hook in manifest.hooks]
    content["updates"] = _pack_updates(manifest.updates)
    content["requires"] = asdict(manifest.requires)
    content["actions"] = [asdict(action) for action in manifest.actions]
    return content


def _pack_updates(updates: Updates) -> dict[str, Any]:
    content = {**_fields_of(updates), "schedule": asdict(updates.schedule)}
    content["images"] = {name: asdict(policy) for name, policy in updates.images.items()}
    content["windows"] = [{**_fields_of(window), "gates": sorted(window.gates)} for window in updates.windows]
    content["write_back"] = asdict(updates.write_back) if updates.write_back else None
    return content


def _pack_hook(hook: Hook) -> dict[str, Any]:
    return {**_fields_of(hook), "on": sorted(hook.on), "kind": [type(hook.kind).__name__.lower(), asdict(hook.kind)]}


def unpack_manifest(content: Mapping[str, Any]) -> Manifest:
    """How the release was rolled out: it counts while ``stack.yaml`` cannot be read. Raises StalledError."""
    try:
        entry = content["manifest"]
        services = {name: _service_rollout(own) for name, own in entry["rollout"]["services"].items()}
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        values["environment"] = _environment(entry.get("environment"))
        values["rollout"] = Rollout(**{**entry["rollout"], "services": services})
        values["drift"] = DriftMode(entry["drift"])
        values["prune"] = Prune(**entry["prune"])
        values["certificates"] = tuple(_certificate(use) for use in entry.get("certificates", ()))
        values["backups"] = tuple(_backup(plan) for plan in entry.get("backups", ()))
        values["hooks"] = tuple(_hook(hook) for hook in entry.get("hooks", ()))
        values["updates"] = _updates(entry.get("updates"))
        values["requires"] = _requires(entry.get("requires", {}))
        values["actions"] = tuple(_action(action) for action in entry.get("actions", ()))
        return Manifest(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise StalledError(f"a kept release cannot be read: {error!r}", reason="ReleaseLost") from error


def _environment(entry: Mapping[str, Any] | None) -> EnvironmentUse:
    if entry is None:  # written before there was one
        return EnvironmentUse()
    return EnvironmentUse(entry["schema"], entry["generate"], tuple(entry["immutable"]))


def _service_rollout(own: Mapping[str, Any]) -> ServiceRollout:
    strategy = Strategy(own["strategy"]) if own["strategy"] else None
    probe = HttpProbe(**own["probe"]) if own.get("probe") else None
    return ServiceRollout(**{**own, "strategy": strategy, "probe": probe})


def _certificate(entry: Mapping[str, Any]) -> CertificateUse:
    return CertificateUse(**{**entry, "owner": tuple(entry["owner"]), "command": tuple(entry["command"])})


def _hook(entry: Mapping[str, Any]) -> Hook:
    return Hook(
        **{
            **entry,
            "phase": Phase(entry["phase"]),
            "on": frozenset(Occasion(occasion) for occasion in entry["on"]),
            "on_failure": OnFailure(entry["on_failure"]),
            "kind": _kind(*entry["kind"]),
        }
    )


def _action(entry: Mapping[str, Any]) -> Action:
    tuples = {key: tuple(entry.get(key, ())) for key in ("command", "variables", "check")}
    return Action(**{**entry, **tuples, "environment": tuple((name, value) for name, value in entry["environment"])})


def _kind(name: str, values: Mapping[str, Any]) -> Kind:
    if name == "script":
        return Script(values["path"], _entry(values["entry"]), tuple(values["arguments"]))
    if name == "http":
        return Http(**values)
    if name == "backupgate":
        return BackupGate(values["backup"], Require(values["require"]), values["max_age_s"])
    kind = Exec if name == "exec" else Run
    return kind(values["service"], tuple(values["command"]), values["user"])


def _backup(entry: Mapping[str, Any]) -> BackupPlan:
    parts = {
        "schedule": Schedule(**entry["schedule"]),
        "keep": Keep(**entry["keep"]),
        "verify": Verify(entry["verify"]),
        "max_loss": MaxLoss(**entry.get("max_loss", {})),
        "recipients": tuple(entry.get("recipients", ())),
    }
    return BackupPlan(**{**entry, **parts})


def _updates(entry: Mapping[str, Any] | None) -> Updates:
    if entry is None:  # written before there were any
        return Updates()
    images = {name: ImagePolicy(**{**own, "track": Track(own["track"])}) for name, own in entry["images"].items()}
    windows = ({**own, "gates": frozenset(Gate(name) for name in own["gates"])} for own in entry["windows"])
    parts = {
        "images": images,
        "schedule": Schedule(**entry["schedule"]),
        "windows": tuple(Window(**own) for own in windows),
        "write_back": WriteBack(**entry["write_back"]) if entry["write_back"] else None,
    }
    return Updates(**{**entry, **parts})


def _requires(entry: Mapping[str, Any]) -> Requires:
    return Requires(**{**entry, "reach": tuple(entry.get("reach", ()))})


def _pack_service(spec: ServiceSpec) -> dict[str, Any]:
    content = {field.name: getattr(spec, field.name) for field in fields(spec) if field.name != "definition"}
    for key in ("depends_on", "injections"):
        content[key] = [asdict(value) for value in content[key]]
    for key in ("post_start", "pre_stop"):
        content[key] = [{**_fields_of(hook), "environment": dict(hook.environment)} for hook in content[key]]
    return content


def _fields_of(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value)}


def unpack(content: Mapping[str, Any]) -> Release:
    """Raises StalledError if it is not what ``pack`` made."""
    try:
        model = content["model"]
        return Release(
            stack=content["stack"],
            revision=content["revision"],
            digest=content["digest"],
            services=tuple(_service(entry, model["services"][entry["name"]]) for entry in content["services"]),
            networks=tuple(NetworkSpec(**entry) for entry in content["networks"]),
            model=model,
            images=content["images"],
            objects=tuple(_entry(entry) for entry in content["objects"]),
            seeds=tuple(Seed(entry["path"], _entry(entry["entry"])) for entry in content["seeds"]),
            warnings=tuple(content["warnings"]),
            variables=content["variables"],
            number=content["number"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StalledError(f"a kept release cannot be read: {error!r}", reason="ReleaseLost") from error


def _service(entry: Mapping[str, Any], definition: Mapping[str, Any]) -> ServiceSpec:
    return ServiceSpec(
        **{
            **entry,
            "definition": definition,
            "depends_on": tuple(
                Dependency(**{**found, "condition": Condition(found["condition"])}) for found in entry["depends_on"]
            ),
            "injections": tuple(Injection(**found) for found in entry["injections"]),
            "post_start": _hooks(entry["post_start"]),
            "pre_stop": _hooks(entry["pre_stop"]),
        }
    )


def _hooks(entries: list[Mapping[str, Any]]) -> tuple[LifecycleHook, ...]:
    return tuple(LifecycleHook(**{**entry, "command": tuple(entry["command"])}) for entry in entries)


def _entry(entry: Mapping[str, Any]) -> TreeEntry:
    return TreeEntry(entry["path"], EntryKind(entry["kind"]), entry["object_id"])
