"""What the engine holds of a Compose project, told so that two of them can be compared field by field.

Everything of ``docker inspect`` is kept, except what ``_SET_ASIDE`` names, each group with its reason.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import docker
from docker.models.containers import ExecResult

Path_ = tuple[str, ...]

_OF_A_CONTAINER: tuple[Path_, ...] = (
    # Ids, times, and what follows from them.
    ("Id",),
    ("Created",),
    ("State", "Pid"),
    ("State", "StartedAt"),
    ("State", "FinishedAt"),
    ("State", "Health", "Log"),
    ("ExecIDs",),
    ("GraphDriver", "Data"),
    ("NetworkSettings", "SandboxID"),
    ("NetworkSettings", "SandboxKey"),
    ("NetworkSettings", "EndpointID"),
    ("NetworkSettings", "Networks", "*", "EndpointID"),
    # Compose's counter, its notes of where it read the files and of which container it replaced, and its hash, which covers
    # our labels and the rewritten paths.
    ("Config", "Labels", "com.docker.compose.container-number"),
    ("Config", "Labels", "com.docker.compose.replace"),
    ("Config", "Labels", "com.docker.compose.config-hash"),
    ("Config", "Labels", "com.docker.compose.project.config_files"),
    ("Config", "Labels", "com.docker.compose.project.environment_file"),
    ("Config", "Labels", "com.docker.compose.project.working_dir"),
    # By these we know our own (docs/decisions/0001).
    ("Config", "Labels", "io.reconciler.*"),
)
_OF_A_NETWORK: tuple[Path_, ...] = (
    ("Id",),
    ("Created",),
    ("Containers",),
    ("Labels", "com.docker.compose.config-hash"),
    ("Labels", "io.reconciler.*"),
)
_OF_A_VOLUME: tuple[Path_, ...] = (("CreatedAt",), ("Labels", "com.docker.compose.config-hash"))
_OF_AN_IMAGE: tuple[Path_, ...] = (
    ("Id",),
    ("Created",),
    ("Parent",),
    ("Metadata",),
    ("GraphDriver", "Data"),
    ("Config", "Labels", "io.reconciler.*"),
)
# Given by the engine from what is free. They are compared where the stack's files name the very value.
_CHOSEN = (
    *("IPAddress", "IPPrefixLen", "Gateway", "MacAddress", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPv6Gateway"),
    *("Subnet", "HostPort"),
)
# Compose and the engine write these in the order of a Go map, which is another one each time.
_UNORDERED: tuple[Path_, ...] = (
    ("Config", "Env"),
    ("HostConfig", "Binds"),
    ("HostConfig", "ExtraHosts"),
    ("HostConfig", "Links"),
    ("HostConfig", "Mounts"),
    ("HostConfig", "Ulimits"),
    ("Mounts",),
    ("NetworkSettings", "Networks", "*", "Aliases"),
    ("NetworkSettings", "Networks", "*", "DNSNames"),
)
# A container with a fixed name is made under Compose's own name for it, so that two can stand side by side (DESIGN,
# decision 3): its networks know it by that name, too, and links to it name it so. That it has an alias for its fixed name
# makes the engine write an empty IPAMConfig where it writes none otherwise.
_NAMES = ("Aliases", "DNSNames")
_DEPENDS_ON = ("Config", "Labels", "com.docker.compose.depends_on")  # one text of them, in such an order
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


ANONYMOUS = "<anonymous volume>"


@dataclass(frozen=True)
class Picture:
    """``containers`` by service and number, ``networks``, ``volumes`` and ``images`` (built ones) by name.

    ``files``: by service and path, what was looked at inside of the containers.
    """

    containers: Mapping[str, Any]
    networks: Mapping[str, Any]
    volumes: Mapping[str, Any]
    images: Mapping[str, Any]
    files: Mapping[str, Any]

    @property
    def carries_over(self) -> bool:
        """Some container has an anonymous volume, which Compose hands on from the container before it."""
        return ANONYMOUS in repr(self.containers)


@dataclass(frozen=True)
class Lens:
    """How to look. ``translate``: what a path or another text is called; ``asked_for``: every value that the stack's
    files name, so that an address among them counts; ``built``: references of the images that the stack builds;
    ``inside``: paths to look at, by service."""

    project: str
    translate: Callable[[str], str]
    asked_for: str
    built: frozenset[str]
    inside: Mapping[str, list[str]]


def identities(engine: docker.DockerClient, project: str) -> dict[str, tuple[str, str]]:
    """Id and start time of each container, id of each network: what differs later has moved."""
    return {
        **{key: (found["Id"], found["State"]["StartedAt"]) for key, found in _containers(engine, project).items()},
        **{found["Name"]: (found["Id"], "") for found in engine.api.networks(filters=_of(project))},
    }


def _containers(engine: docker.DockerClient, project: str) -> dict[str, dict[str, Any]]:
    api = engine.api
    return _keyed([api.inspect_container(found["Id"]) for found in api.containers(all=True, filters=_of(project))])


def _of(project: str) -> dict[str, str]:
    return {"label": f"com.docker.compose.project={project}"}


def take(engine: docker.DockerClient, lens: Lens) -> Picture:
    api, label = engine.api, _of(lens.project)
    containers = _containers(engine, lens.project)
    networks = [api.inspect_network(found["Id"]) for found in api.networks(filters=label)]
    volumes = [api.inspect_volume(found["Name"]) for found in api.volumes(filters=label)["Volumes"] or ()]
    images = {reference: api.inspect_image(reference) for reference in sorted(lens.built)}
    teller = _Teller(lens, containers, networks, images)
    return Picture(
        containers={key: teller.told(found, _OF_A_CONTAINER) for key, found in containers.items()},
        networks={found["Name"]: teller.told(found, _OF_A_NETWORK) for found in networks},
        volumes={found["Name"]: teller.told(found, _OF_A_VOLUME) for found in volumes},
        images={reference: teller.told(found, _OF_AN_IMAGE) for reference, found in images.items()},
        files={
            f"{key} {path}": lines
            for key, found in containers.items()
            if (paths := lens.inside.get(_service(found)))
            for path, lines in zip(paths, _look_inside(engine, found, paths), strict=True)
        },
    )


@dataclass(frozen=True)
class Led:
    """What a service gets so that the reconciler can say where Traefik finds it (docs/decisions/0014): one label for each
    of its routers, and a name on the networks that it shares with Traefik."""

    labels: Mapping[str, str]
    name: str


def without(picture: Picture, led: Mapping[str, Led]) -> Picture:
    """``led``: by service. Just that is taken out, and it must be there."""
    return replace(
        picture, containers={key: _unled(own, led.get(key.split(" ")[0])) for key, own in picture.containers.items()}
    )


def _unled(container: dict[str, Any], led: Led | None) -> dict[str, Any]:
    if led is None:
        return container
    found = copy.deepcopy(container)
    for label, value in led.labels.items():
        assert found["Config"]["Labels"].pop(label) == value
    places = [place for place in found["NetworkSettings"]["Networks"].values() if led.name in place["Aliases"]]
    assert places, f"nothing finds {led.name}"
    for place in places:
        for names in _NAMES:
            place[names] = [name for name in place.get(names) or () if name != led.name]
    return found


def _keyed(containers: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By service and place among its containers: the numbers that Compose counts by grow with every swap."""
    found: dict[str, dict[str, Any]] = {}
    places: Counter[str] = Counter()
    for container in sorted(containers, key=lambda entry: (_service(entry), int(_number(entry)))):
        places[_service(container)] += 1
        found[f"{_service(container)} {places[_service(container)]}"] = container
    return found


def differences(one: Any, other: Any, where: str = "") -> Iterator[str]:
    """A line for each field that is not the same: ``where: one | other``."""
    if isinstance(one, Picture) and isinstance(other, Picture):
        for room in ("containers", "networks", "volumes", "images", "files"):
            yield from differences(getattr(one, room), getattr(other, room), room)
    elif isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from differences(one.get(key, "(none)"), other.get(key, "(none)"), f"{where} > {key}")
    elif one != other:
        yield f"{where}:\n      {one!r}\n    | {other!r}"


class _Teller:
    """Tells what ``inspect`` says, with ids and names that differ from run to run replaced by what they stand for."""

    def __init__(
        self,
        lens: Lens,
        containers: Mapping[str, dict[str, Any]],
        networks: list[dict[str, Any]],
        images: Mapping[str, dict[str, Any]],
    ) -> None:
        self._lens = lens
        made_as = {f"{lens.project}-{_service(e)}-{_number(e)}": key for key, e in containers.items()}
        self._fixed = {f"<{key}>": containers[key]["Name"][1:] for name, key in made_as.items()}
        self._fixed = {told: name for told, name in self._fixed.items() if name not in made_as}
        anonymous = {
            mount["Name"]: ANONYMOUS
            for container in containers.values()
            for mount in container["Mounts"]
            if mount["Type"] == "volume" and _ANONYMOUS.fullmatch(mount["Name"])
        }
        # The longer ones first: a short id, or the name of the first of ten, is the beginning of another.
        self._stands_for = {
            **{container["Id"]: f"<id of {key}>" for key, container in containers.items()},
            **{network["Id"]: f"<id of {network['Name']}>" for network in networks},
            **{image["Id"]: f"<id of {reference}>" for reference, image in images.items()},
            **anonymous,
            **{name: f"<{key}>" for name, key in sorted(made_as.items(), reverse=True)},
            **{container["Id"][:12]: f"<short id of {key}>" for key, container in containers.items()},
        }

    def told(self, value: Any, set_aside: tuple[Path_, ...], path: Path_ = ()) -> Any:
        if isinstance(value, dict):
            return self._told_object(value, set_aside, path) or (None if path[-1:] == ("IPAMConfig",) else {})
        if isinstance(value, list):
            items = [self.told(item, set_aside, path) for item in value]
            if path[-1] in _NAMES:
                items = [item for item in items if item not in self._fixed]
            return sorted(items, key=repr) if any(_matches(path, pattern) for pattern in _UNORDERED) else items
        if path[-1] in _CHOSEN and value and not self._is_asked_for(str(value)):
            return f"<{path[-1]} of the engine's choice>"
        if path == _DEPENDS_ON:
            return sorted(filter(None, value.split(",")))
        return self._text(value, path) if isinstance(value, str) else value

    def _told_object(self, value: Mapping[str, Any], set_aside: tuple[Path_, ...], path: Path_) -> dict[str, Any]:
        return {
            self._text(key, path): self.told(item, set_aside, (*path, key))
            for key, item in value.items()
            if not any(_matches((*path, key), pattern) for pattern in set_aside)
        }

    def _is_asked_for(self, value: str) -> bool:
        return re.search(rf"(?<![\w.:-]){re.escape(value)}(?![\w.:-])", self._lens.asked_for) is not None

    def _text(self, text: str, path: Path_) -> str:
        if path[-1:] == ("Links",):
            return self._link(text)
        for some, name in self._stands_for.items():
            text = text.replace(some, name)
        return self._lens.translate(text)

    def _link(self, link: str) -> str:
        """``container:alias``, where Compose makes up aliases that end in the counter of the container that links."""
        container, _, alias = link.partition(":")
        container = self._stands_for.get(container, container)
        return f"{self._fixed.get(container, container)}:{re.sub(r'-[0-9]+$', '-<counter>', alias)}"


def _matches(path: Path_, pattern: Path_) -> bool:
    return len(path) == len(pattern) and all(
        wanted in ("*", step) or (wanted.endswith("*") and step.startswith(wanted[:-1]))
        for step, wanted in zip(path, pattern, strict=True)
    )


def _service(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


def _number(container: Mapping[str, Any]) -> str:
    return str(container["Config"]["Labels"]["com.docker.compose.container-number"])


# Of each path: one line a file (kind, mode, owner, digest), what a single file says, in full, and an end.
_LOOK = """
for path; do
  find "$path" -exec stat -c '%a %u:%g %F %n' {} \\; | sort -k 4
  find "$path" -type f -exec sha256sum {} \\; | sort
  test ! -f "$path" || cat "$path"
  printf '\\036'
done
"""


def _look_inside(engine: docker.DockerClient, container: Mapping[str, Any], paths: Sequence[str]) -> list[list[str]]:
    found: ExecResult = engine.containers.get(container["Id"]).exec_run(
        ["/bin/busybox", "sh", "-c", _LOOK, "look", *paths], user="0", privileged=True
    )
    assert isinstance(found.output, bytes)
    said = found.output.decode()
    assert found.exit_code == 0, (paths, said)
    return [of_a_path.split("\n") for of_a_path in said.split("\x1e")[:-1]]
