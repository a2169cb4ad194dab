"""From a resolved service definition to what the product knows of a service, and to the identity of its containers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.desired import Condition, Dependency, Injection, LifecycleHook, ServiceSpec
from reconciler.model.duration import compose_seconds
from reconciler.planning.digest import digest_of

# A container is made without looking at these, so they are not part of what it was made from.
_NOT_OF_THE_CONTAINER = frozenset({"depends_on", "scale", "build", "pull_policy", "container_name"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The rest of the model that a service refers to. ``environment``: for configs and secrets given by variable."""

    networks: Mapping[str, Any]
    volumes: Mapping[str, Any]
    configs: Mapping[str, Any]
    secrets: Mapping[str, Any]
    environment: Mapping[str, str] = field(repr=False)

    def used_by(self, definition: Mapping[str, Any]) -> dict[str, Any]:
        """What of it a container of ``definition`` is made from."""
        return {
            "networks": {key: self.networks.get(key) for key in definition.get("networks") or {}},
            "volumes": {key: self.volumes.get(key) for key in _named_volumes(definition)},
            "configs": {key: self.configs.get(key) for key in _sources(definition, "configs")},
            "secrets": {key: self.secrets.get(key) for key in _sources(definition, "secrets")},
        }


def specify(
    name: str, definition: Mapping[str, Any], container_name: str | None, job: bool, around: Surroundings
) -> ServiceSpec:
    """``definition``: resolved, without our labels and without ``container_name``."""
    injections = _injections(definition, around)
    build = definition.get("build")
    return ServiceSpec(
        name=name,
        digest=_identity(definition, around, injections),
        image=definition.get("image", ""),
        definition=definition,
        scale=_scale(definition),
        container_name=container_name,
        depends_on=_dependencies(definition),
        job=job,
        healthcheck=((definition.get("healthcheck") or {}).get("test") or ["NONE"])[0] != "NONE",
        build_digest=digest_of(build) if build else None,
        pull_always=definition.get("pull_policy") == "always",
        stop_grace_s=compose_seconds(definition.get("stop_grace_period")),
        injections=injections,
        post_start=_lifecycle(definition, "post_start"),
        pre_stop=_lifecycle(definition, "pre_stop"),
    )


def _identity(definition: Mapping[str, Any], around: Surroundings, injections: tuple[Injection, ...]) -> str:
    made_from = {key: value for key, value in definition.items() if key not in _NOT_OF_THE_CONTAINER}
    made_from["deploy"] = {key: value for key, value in (definition.get("deploy") or {}).items() if key != "replicas"}
    injected = [(file.path, file.content, file.mode, file.uid, file.gid) for file in injections]
    return digest_of([made_from, around.used_by(definition), injected, definition.get("build")])


def _named_volumes(definition: Mapping[str, Any]) -> list[str]:
    mounts = definition.get("volumes") or ()
    return sorted(str(mount["source"]) for mount in mounts if mount.get("type") == "volume" and mount.get("source"))


def _sources(definition: Mapping[str, Any], kind: str) -> list[str]:
    return [str(entry["source"]) for entry in definition.get(kind) or () if entry.get("source")]


def _injections(definition: Mapping[str, Any], around: Surroundings) -> tuple[Injection, ...]:
    """Configs and secrets without a file, which Compose copies into the container instead of mounting them."""
    kinds = (("configs", "/", around.configs), ("secrets", "/run/secrets/", around.secrets))
    found = []
    for kind, folder, declared in kinds:
        for entry in definition.get(kind) or ():
            content = _content(declared.get(str(entry.get("source"))) or {}, around.environment)
            if content is not None:
                found.append(_injection(entry, folder, content))
    return tuple(found)


def _injection(entry: Mapping[str, Any], folder: str, content: str) -> Injection:
    target = str(entry.get("target") or entry.get("source"))
    mode = entry.get("mode")
    return Injection(
        path=target if target.startswith("/") else folder + target,
        content=content,
        mode=int(str(mode), 8) if isinstance(mode, str) else mode or 0o444,
        uid=_owner(entry.get("uid")),
        gid=_owner(entry.get("gid")),
    )


def _owner(value: object) -> int:
    """What is no number is refused by whoever can name the file that it stands in."""
    return int(str(value)) if str(value).isdecimal() else 0


def _content(declared: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    if declared.get("content") is not None:
        return str(declared["content"]).replace("$$", "$")
    if declared.get("environment"):
        return environment.get(str(declared["environment"]), "")
    return None


def _dependencies(definition: Mapping[str, Any]) -> tuple[Dependency, ...]:
    declared = definition.get("depends_on") or {}
    return tuple(
        Dependency(
            service=name,
            condition=Condition(value.get("condition", Condition.STARTED)),
            restart=bool(value.get("restart")),
            required=value.get("required", True) is not False,
        )
        for name, value in sorted(declared.items())
    )


def _lifecycle(definition: Mapping[str, Any], key: str) -> tuple[LifecycleHook, ...]:
    found = []
    for hook in definition.get(key) or ():
        command = hook.get("command") or ()
        words = (command,) if isinstance(command, str) else command
        found.append(
            LifecycleHook(
                command=tuple(str(word).replace("$$", "$") for word in words),
                user=str(hook.get("user") or ""),
                privileged=bool(hook.get("privileged")),
                working_dir=str(hook.get("working_dir") or ""),
                environment={k: str(v).replace("$$", "$") for k, v in (hook.get("environment") or {}).items()},
            )
        )
    return tuple(found)


def _scale(definition: Mapping[str, Any]) -> int:
    scale = definition.get("scale")
    if scale is None:
        scale = (definition.get("deploy") or {}).get("replicas")
    return 1 if scale is None else int(scale)
