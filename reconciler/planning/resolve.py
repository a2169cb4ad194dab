"""From what Compose rendered to a release: paths made immutable, names made free, identity made certain.

Compose has interpolated, merged and validated already. Here, and only here, its model is changed (DESIGN, decisions 2
and 3): what Git tracks is mounted from ``state/objects``, what it does not track from ``data/``; ``container_name`` is
taken out and remembered, so that two containers can stand side by side; our labels are put in.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any

from reconciler.model.desired import (
    LABEL_BUILD,
    LABEL_DEFINITION,
    LABEL_ROOT,
    LABEL_STACK,
    Condition,
    NetworkSpec,
    Release,
    ServiceSpec,
)
from reconciler.model.errors import InvalidInputError, Problem
from reconciler.model.manifest import Manifest
from reconciler.planning.actions import wrong_action_services
from reconciler.planning.certificate_uses import wrong_uses
from reconciler.planning.digest import digest_of
from reconciler.planning.hooks import wrong_services
from reconciler.planning.nearest import did_you_mean
from reconciler.planning.paths import Paths, Place
from reconciler.planning.port_clashes import port_clashes
from reconciler.planning.proxies import proxies
from reconciler.planning.rewriting import rewritten_files, rewritten_service, rewritten_volumes
from reconciler.planning.specification import Surroundings, specify
from reconciler.planning.upstreams import Taken, take_over

# Rendered into other keys already; their paths would point into a checkout that does not last.
_SPENT_KEYS = frozenset({"profiles", "env_file", "label_file", "develop"})


def resolve(model: Mapping[str, Any], manifest: Manifest, place: Place, environment: Mapping[str, str]) -> Release:
    """The release that ``model`` (``docker compose config --format json``) makes of a stack.

    ``environment``: what interpolation saw; secrets and configs given by variable are copied from it.
    Raises InvalidInputError with every path that leads out of the repository, and for a stack without a service.
    """
    paths = Paths(manifest, place)
    owner = {LABEL_ROOT: place.root_id, LABEL_STACK: manifest.name}
    configs, secrets = (rewritten_files(model, kind, paths) for kind in ("configs", "secrets"))
    around = Surroundings(
        networks=_networks(model, owner),
        volumes=rewritten_volumes(model, paths),
        configs=configs,
        secrets=secrets,
        environment={**environment, **paths.secrets},
    )
    rendered = sorted(_without_absent_needs(model.get("services") or {}).items())
    named = {name: _definition(name, service, manifest, paths) for name, service in rendered}
    taken = _upstreams(named, manifest, place, around)
    specs = tuple(
        replace(_service(name, dict(rendered)[name], own, manifest, around, owner), unled=taken.declined.get(name, ""))
        for name, own in taken.definitions.items()
    )
    problems = (*paths.problems, *_no_services(manifest, specs), *_unknown_services(manifest, specs))
    problems += tuple(_named_owners(manifest, specs, around))
    problems += tuple(port_clashes(manifest, specs))
    names = [spec.name for spec in specs]
    problems += tuple(wrong_action_services(manifest, dict(rendered), lambda name: _hint(name, names)))
    problems += tuple(wrong_services(manifest, dict(rendered), lambda name: _hint(name, names)))
    problems += tuple(wrong_uses(manifest, specs, around.volumes, paths.host_folder, lambda name: _hint(name, names)))
    if problems:
        raise InvalidInputError(problems)
    return Release(
        stack=manifest.name,
        revision=place.revision,
        digest=_release_digest(specs, around),
        services=specs,
        networks=_network_specs(around.networks),
        model=_model(model, manifest.name, specs, around),
        objects=tuple(paths.objects[path] for path in sorted(paths.objects)),
        seeds=tuple(paths.seeds[path] for path in sorted(paths.seeds)),
        variables=_variables(around),
    )


def _variables(around: Surroundings) -> dict[str, str]:
    """Compose reads them once more when it makes a container, and may find them in no file then."""
    declared = (definition.get("environment") for definition in (*around.configs.values(), *around.secrets.values()))
    return {str(name): around.environment.get(str(name), "") for name in declared if name}


def _without_absent_needs(services: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Compose leaves out services whose profile is off, but not the ``required: false`` dependencies on them, which it
    then refuses when it reads its own model."""
    found = {}
    for name, service in services.items():
        needs = {other: need for other, need in (service.get("depends_on") or {}).items() if other in services}
        found[name] = {**service, "depends_on": needs} if "depends_on" in service else service
    return found


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


def _model(
    model: Mapping[str, Any], stack: str, specs: tuple[ServiceSpec, ...], around: Surroundings
) -> dict[str, Any]:
    """As it is handed to Compose."""
    resolved = {key: value for key, value in model.items() if not key.startswith("x-")}
    changed = {
        "name": stack,
        "services": {spec.name: spec.definition for spec in specs},
        "networks": around.networks,
        "volumes": around.volumes,
        "configs": around.configs,
        "secrets": around.secrets,
    }
    return {**resolved, **{key: value for key, value in changed.items() if value or key in resolved}}


def _release_digest(specs: tuple[ServiceSpec, ...], around: Surroundings) -> str:
    services = [
        (spec.name, spec.digest, spec.scale, spec.container_name, spec.job, sorted(map(repr, spec.depends_on)))
        for spec in specs
    ]
    return digest_of([services, around.networks, around.volumes])


def _definition(name: str, rendered: Mapping[str, Any], manifest: Manifest, paths: Paths) -> dict[str, Any]:
    definition = {key: value for key, value in rendered.items() if key not in _SPENT_KEYS}
    container_name = definition.pop("container_name", None)
    definition |= rewritten_service(name, definition, paths)
    if container_name and definition.get("networks"):
        definition["networks"] = _reached_as(container_name, definition["networks"])
    if definition.get("build"):
        definition.setdefault("image", f"{manifest.name}-{name}")
    return definition


def _upstreams(
    definitions: Mapping[str, dict[str, Any]], manifest: Manifest, place: Place, around: Surroundings
) -> Taken:
    networks = {key: str(own.get("name", key)) for key, own in around.networks.items()}
    own = proxies(manifest.name, definitions, networks, place.traefik_of(manifest.name))
    others = tuple(proxy for proxy in place.proxies if proxy.front.stack != manifest.name)
    return take_over(definitions, manifest, networks, (*own, *others))


def _service(
    name: str,
    rendered: Mapping[str, Any],
    definition: dict[str, Any],
    manifest: Manifest,
    around: Surroundings,
    owner: Mapping[str, str],
) -> ServiceSpec:
    is_job = bool(manifest.rollout.of(name).job)
    spec = specify(name, definition, rendered.get("container_name"), is_job, around)
    return replace(spec, definition=_labelled(definition, spec, owner))


def _reached_as(name: str, networks: Mapping[str, Any]) -> dict[str, Any]:
    """The networks of a service, with its fixed name for an alias: it is only given to a new container once the release
    is proven, and until then others must find the service by it, too."""
    found = {}
    for key, network in networks.items():
        aliases = (network or {}).get("aliases") or []
        found[key] = {**(network or {}), "aliases": [*aliases, *(() if name in aliases else (name,))]}
    return found


def _labelled(definition: dict[str, Any], spec: ServiceSpec, owner: Mapping[str, str]) -> dict[str, Any]:
    """The definition with the labels that make its containers and its built image ours, and known."""
    own = {**owner, LABEL_DEFINITION: spec.digest}
    labelled = {**definition, "labels": {**(definition.get("labels") or {}), **own}}
    if spec.build_digest:
        build = definition["build"]
        labelled["build"] = {**build, "labels": {**(build.get("labels") or {}), LABEL_BUILD: spec.build_digest}}
    return labelled


def _networks(model: Mapping[str, Any], owner: Mapping[str, str]) -> dict[str, Any]:
    """Top-level networks with our labels; external ones as they are."""
    found: dict[str, Any] = {}
    for key, value in (model.get("networks") or {}).items():
        definition = dict(value or {})
        if not definition.get("external"):
            labels = dict(definition.get("labels") or {})
            definition["labels"] = {**labels, **owner, LABEL_DEFINITION: digest_of(definition)}
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


def _no_services(manifest: Manifest, specs: tuple[ServiceSpec, ...]) -> tuple[Problem, ...]:
    """A commit that leaves nothing to run is a mistake more often than a wish, and all that ran would go."""
    if specs:
        return ()
    file = posixpath.join(manifest.folder, manifest.compose_files[0])
    message = (
        "there is no service to run, or each is behind a profile; what ran runs on. To end a stack, take its folder "
        f"out of Git and its containers down by hand (docker compose -p {manifest.name} down)"
    )
    return (Problem(file, 0, "services", message),)


def _named_owners(manifest: Manifest, specs: tuple[ServiceSpec, ...], around: Surroundings) -> Iterator[Problem]:
    """Of what is copied in. Compose takes them while rendering and fails later, in words that name neither file nor key."""
    file = posixpath.join(manifest.folder, manifest.compose_files[0])
    for spec in specs:
        for kind, declared in (("configs", around.configs), ("secrets", around.secrets)):
            copied = (
                entry
                for entry in spec.definition.get(kind) or ()
                if not (declared.get(entry["source"]) or {}).get("file")
            )
            for entry, key in product(copied, ("uid", "gid")):
                value = str(entry.get(key) or "0")
                if not value.isdecimal():
                    message = (
                        f'"{value}" must be a number: names of users and groups are known inside of the image only'
                    )
                    yield Problem(file, 0, f"services.{spec.name}.{kind}.{key}", message)


def _unknown_services(manifest: Manifest, specs: tuple[ServiceSpec, ...]) -> tuple[Problem, ...]:
    """``rollout.services`` may only name services that there are."""
    names = [spec.name for spec in specs]
    file = posixpath.join(manifest.folder, "stack.yaml")
    return tuple(
        Problem(file, 0, f"rollout.services.{name}", f'no service of this stack is named "{name}"{_hint(name, names)}')
        for name in manifest.rollout.services
        if name not in names
    )


def _hint(name: str, names: list[str]) -> str:
    return did_you_mean(name, names) or f"; the services are {', '.join(names)}"
