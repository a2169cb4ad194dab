"""From what Compose rendered to a release: paths made immutable, names made free, identity made certain.

Compose has interpolated, merged and validated already. Here, and only here, its model is changed (DESIGN, decisions 2
and 3): what Git tracks is mounted from ``state/objects``, what it does not track from ``data/``; ``container_name`` is
taken out and remembered, so that two containers can stand side by side; our labels are put in.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from reconciler.model.desired import (
    LABEL_BUILD,
    LABEL_DEFINITION,
    LABEL_ROOT,
    LABEL_STACK,
    Condition,
    Dependency,
    Injection,
    LifecycleHook,
    NetworkSpec,
    Release,
    Seed,
    ServiceSpec,
)
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import Manifest
from reconciler.model.source import EntryKind, TreeEntry
from reconciler.planning.digest import digest_of
from reconciler.planning.durations import compose_seconds
from reconciler.planning.links import follow

# A container is made without looking at these, so they are not part of what it was made from.
_NOT_OF_THE_CONTAINER = frozenset(
    {"depends_on", "scale", "build", "pull_policy", "profiles", "container_name", "develop"}
)
# Rendered into other keys already; their paths would point into a checkout that does not last.
_SPENT_KEYS = ("profiles", "env_file", "label_file", "develop")
_OPEN_FOLDERS = ("state/traefik", "data", "certs", "backups")


@dataclass(frozen=True, slots=True)
class Place:
    """Where things lie while a stack is rendered. Absolute paths without a trailing slash.

    ``entries``: the revision's tree by path; ``object_path``: where an entry's immutable copy lies (no I/O).
    """

    root: str
    root_id: str
    checkout: str
    revision: str
    entries: Mapping[str, TreeEntry]
    object_path: Callable[[TreeEntry], str]
    target_of: Callable[[TreeEntry], str]  # the text of a symbolic link
    source_path: str = ""  # the folder of the repository that holds the stacks


@dataclass
class _Gathered:
    """What the walk over the model finds on its way."""

    problems: list[Problem] = field(default_factory=list)
    objects: dict[str, TreeEntry] = field(default_factory=dict)
    seeds: dict[str, Seed] = field(default_factory=dict)


def resolve(model: Mapping[str, Any], manifest: Manifest, place: Place, environment: Mapping[str, str]) -> Release:
    """The release that ``model`` (``docker compose config --format json``) makes of a stack.

    ``environment``: what interpolation saw; secrets and configs given by variable are copied from it.
    Raises InvalidInputError with every path that leads out of the repository.
    """
    gathered = _Gathered()
    paths = _Paths(manifest, place, gathered)
    networks = _networks(model, manifest.name, place.root_id)
    files = {kind: _files(model, kind, paths) for kind in ("configs", "secrets")}
    services: dict[str, Any] = {}
    specs: list[ServiceSpec] = []
    volumes = dict(model.get("volumes") or {})
    for name, rendered in sorted((model.get("services") or {}).items()):
        definition, spec = _service(name, rendered, manifest, place, paths, networks, volumes, files, environment)
        services[name] = definition
        specs.append(spec)
    _check_rollout(manifest, specs, gathered)
    if gathered.problems:
        raise InvalidInputError(tuple(gathered.problems))
    resolved = {**model, "name": manifest.name, "services": services, "networks": networks, **_present(files)}
    return Release(
        stack=manifest.name,
        revision=place.revision,
        digest=_release_digest(specs, networks, volumes),
        services=tuple(specs),
        networks=_network_specs(networks),
        model={key: value for key, value in resolved.items() if not key.startswith("x-")},
        objects=tuple(gathered.objects[path] for path in sorted(gathered.objects)),
        seeds=tuple(gathered.seeds[path] for path in sorted(gathered.seeds)),
    )


def _present(files: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return {kind: found for kind, found in files.items() if found}


def _release_digest(specs: list[ServiceSpec], networks: Mapping[str, Any], volumes: Mapping[str, Any]) -> str:
    services = [
        (spec.name, spec.digest, spec.scale, spec.container_name, spec.job, sorted(map(repr, spec.depends_on)))
        for spec in specs
    ]
    return digest_of([services, networks, volumes])


class _Paths:
    """The one place that decides where a path of the repository lies on the host."""

    def __init__(self, manifest: Manifest, place: Place, gathered: _Gathered) -> None:
        self._manifest = manifest
        self._place = place
        self._gathered = gathered

    def rewrite(self, path: str, key: str) -> str:
        """``path`` as Compose resolved it, to an object, to host data, or unchanged where it is the host's own."""
        inside = self._inside_checkout(path)
        if inside is None:
            self._refuse_escape(path, key)
            return path
        trail = follow(self._place.entries, self._place.target_of, inside)
        if trail.fault:
            self._problem(key, f"{trail.path} {trail.fault}; mount what it should point to instead")
            return path
        entry = self._place.entries.get(trail.path)
        if entry is None:
            return self._data_path(inside)
        if entry.kind is EntryKind.SUBMODULE:
            self._problem(key, f"{inside} is a Git submodule, which is not fetched; copy its files into the repository")
            return path
        if self._is_declared_data(inside):
            target = self._data_path(inside)
            self._gathered.seeds[target] = Seed(target, entry)
            return target
        self._gathered.objects[entry.path] = entry
        return self._place.object_path(entry)

    def context(self, path: str, key: str) -> str:
        """A build context: it must be tracked, because what is built must be what Git holds."""
        inside = self._inside_checkout(path)
        if inside is None or self._place.entries.get(inside) is not None:
            return self.rewrite(path, key)
        self._problem(key, f"the build context {inside or '.'} is not in Git; commit it")
        return path

    def _inside_checkout(self, path: str) -> str | None:
        path = posixpath.normpath(path)
        if path == self._place.checkout:
            return ""
        return path.removeprefix(self._place.checkout + "/") if path.startswith(self._place.checkout + "/") else None

    def _refuse_escape(self, path: str, key: str) -> None:
        """A relative path that leaves the repository ends up beside the checkout, inside our own root."""
        root = self._place.root
        if not posixpath.normpath(path).startswith(root + "/"):
            return
        if any(path == f"{root}/{folder}" or path.startswith(f"{root}/{folder}/") for folder in _OPEN_FOLDERS):
            return
        self._problem(key, "leads out of the repository; keep it inside, or write an absolute path of the host")

    def _is_declared_data(self, inside: str) -> bool:
        folder = self._manifest.folder
        for declared in self._manifest.data_paths:
            path = posixpath.normpath(posixpath.join(folder, declared))
            if inside == path or inside.startswith(path + "/"):
                return True
        return False

    def _data_path(self, inside: str) -> str:
        """``data/<stack>/...`` for what lies in the stack's folder, ``data/...`` for what stacks share beside it."""
        folder = self._manifest.folder
        if not folder or inside == folder or inside.startswith(folder + "/"):
            relative = posixpath.join(self._manifest.name, inside[len(folder) :].lstrip("/"))
        else:
            relative = inside.removeprefix(self._place.source_path).lstrip("/")
        return posixpath.normpath(posixpath.join(self._place.root, "data", relative))

    def _problem(self, key: str, message: str) -> None:
        file = posixpath.join(self._manifest.folder, self._manifest.compose_files[0])
        self._gathered.problems.append(Problem(file=file, line=0, key=key, message=message))


def _networks(model: Mapping[str, Any], stack: str, root_id: str) -> dict[str, Any]:
    """Top-level networks with our labels; external ones as they are."""
    found: dict[str, Any] = {}
    for key, value in (model.get("networks") or {}).items():
        definition = dict(value or {})
        if not definition.get("external"):
            labels = dict(definition.get("labels") or {})
            own = {LABEL_ROOT: root_id, LABEL_STACK: stack, LABEL_DEFINITION: digest_of(definition)}
            definition["labels"] = {**labels, **own}
        found[key] = definition
    return found


def _network_specs(networks: Mapping[str, Any]) -> tuple[NetworkSpec, ...]:
    return tuple(
        NetworkSpec(
            key=key,
            name=definition.get("name", key),
            digest=(definition.get("labels") or {}).get(LABEL_DEFINITION, ""),
            external=bool(definition.get("external")),
        )
        for key, definition in sorted(networks.items())
    )


def _files(model: Mapping[str, Any], kind: str, paths: _Paths) -> dict[str, Any]:
    """Top-level ``configs`` and ``secrets`` with the paths of their files rewritten."""
    found: dict[str, Any] = {}
    for key, value in (model.get(kind) or {}).items():
        definition = dict(value or {})
        if definition.get("file"):
            definition["file"] = paths.rewrite(definition["file"], f"{kind}.{key}.file")
        found[key] = definition
    return found


def _service(
    name: str,
    rendered: Mapping[str, Any],
    manifest: Manifest,
    place: Place,
    paths: _Paths,
    networks: Mapping[str, Any],
    volumes: Mapping[str, Any],
    files: Mapping[str, Mapping[str, Any]],
    environment: Mapping[str, str],
) -> tuple[dict[str, Any], ServiceSpec]:
    definition = {key: value for key, value in rendered.items() if key not in _SPENT_KEYS}
    container_name = definition.pop("container_name", None)
    definition["volumes"] = [_mount(mount, name, paths) for mount in definition.get("volumes") or ()]
    if not definition["volumes"]:
        del definition["volumes"]
    build_digest = None
    if definition.get("build"):
        definition.setdefault("image", f"{manifest.name}-{name}")
        definition["build"], build_digest = _build(definition["build"], name, paths)
    injections = _injections(definition, files, environment)
    used = {
        "networks": {key: networks.get(key) for key in definition.get("networks") or {}},
        "volumes": {key: volumes.get(key) for key in _named_volumes(definition)},
        "configs": _used_files(definition, files, "configs"),
        "secrets": _used_files(definition, files, "secrets"),
        "injected": [(file.path, file.content, file.mode, file.uid, file.gid) for file in injections],
        "build": build_digest,
    }
    made_from = {key: value for key, value in definition.items() if key not in _NOT_OF_THE_CONTAINER}
    made_from["deploy"] = _without(definition.get("deploy"), "replicas")
    digest = digest_of([made_from, used])
    own = {LABEL_ROOT: place.root_id, LABEL_STACK: manifest.name, LABEL_DEFINITION: digest}
    definition["labels"] = {**(definition.get("labels") or {}), **own}
    own_rollout = manifest.rollout.of(name)
    spec = ServiceSpec(
        name=name,
        digest=digest,
        image=definition.get("image", ""),
        definition=definition,
        scale=_scale(definition),
        container_name=container_name,
        depends_on=_dependencies(definition),
        job=bool(own_rollout.job),
        healthcheck=bool((definition.get("healthcheck") or {}).get("test")),
        build_digest=build_digest,
        pull_always=definition.get("pull_policy") == "always",
        stop_grace_s=compose_seconds(definition.get("stop_grace_period")),
        injections=injections,
        post_start=_lifecycle(definition, "post_start"),
        pre_stop=_lifecycle(definition, "pre_stop"),
    )
    return definition, spec


def mark_jobs(release: Release, manifest: Manifest) -> Release:
    """Services that somebody waits to see completed are jobs, unless ``stack.yaml`` says otherwise."""
    awaited = {
        dependency.service
        for spec in release.services
        for dependency in spec.depends_on
        if dependency.condition is Condition.COMPLETED
    }
    services = tuple(
        replace(spec, job=True) if spec.name in awaited and manifest.rollout.of(spec.name).job is None else spec
        for spec in release.services
    )
    return replace(release, services=services)


def _mount(mount: Mapping[str, Any], service: str, paths: _Paths) -> Mapping[str, Any]:
    if mount.get("type") != "bind" or not mount.get("source"):
        return mount
    return {**mount, "source": paths.rewrite(mount["source"], f"services.{service}.volumes")}


def _build(build: Mapping[str, Any], service: str, paths: _Paths) -> tuple[dict[str, Any], str]:
    """The build section with its contexts rewritten and its digest as a label of the image."""
    found = dict(build)
    if str(found.get("context", "")).startswith("/"):
        found["context"] = paths.context(found["context"], f"services.{service}.build.context")
    extra = found.get("additional_contexts")
    if extra:
        found["additional_contexts"] = {
            key: paths.context(value, f"services.{service}.build.additional_contexts.{key}")
            if str(value).startswith("/")
            else value
            for key, value in extra.items()
        }
    digest = digest_of(found)
    found["labels"] = {**(found.get("labels") or {}), LABEL_BUILD: digest}
    return found, digest


def _named_volumes(definition: Mapping[str, Any]) -> list[str]:
    mounts = definition.get("volumes") or ()
    return sorted(str(mount["source"]) for mount in mounts if mount.get("type") == "volume" and mount.get("source"))


def _used_files(definition: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], kind: str) -> dict[str, Any]:
    used = (entry.get("source") for entry in definition.get(kind) or ())
    return {str(source): files[kind].get(str(source)) for source in used if source}


def _injections(
    definition: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str]
) -> tuple[Injection, ...]:
    """Configs and secrets without a file, which Compose copies into the container instead of mounting them."""
    found = []
    for kind, folder in (("configs", "/"), ("secrets", "/run/secrets/")):
        for entry in definition.get(kind) or ():
            source = str(entry.get("source"))
            declared = files[kind].get(source) or {}
            content = _content(declared, environment)
            if content is None:
                continue
            target = str(entry.get("target") or source)
            path = target if target.startswith("/") else folder + target
            mode = (
                int(str(entry.get("mode") or "0444"), 8) if isinstance(entry.get("mode"), str | None) else entry["mode"]
            )
            uid, gid = int(entry.get("uid") or 0), int(entry.get("gid") or 0)
            found.append(Injection(path=path, content=content, mode=mode, uid=uid, gid=gid))
    return tuple(found)


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


def _without(mapping: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    return {name: value for name, value in (mapping or {}).items() if name != key}


def _check_rollout(manifest: Manifest, specs: list[ServiceSpec], gathered: _Gathered) -> None:
    names = [spec.name for spec in specs]
    for name in manifest.rollout.services:
        if name in names:
            continue
        near = get_close_matches(name, names, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else f"; the services are {', '.join(names)}"
        file = posixpath.join(manifest.folder, "stack.yaml")
        message = f'no service of this stack is named "{name}"{hint}'
        gathered.problems.append(Problem(file, 0, f"rollout.services.{name}", message))
