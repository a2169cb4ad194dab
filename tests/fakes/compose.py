"""The Compose port on a host in memory. Like the real one it reads a resolved model from a file, counts containers per
service, makes the dependencies that are missing, and takes away what it counts as too many."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reconciler.model.desired import LABEL_DEFINITION, LABEL_ROOT, LABEL_STACK
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.observed import Endpoint
from tests.fakes.host import NO_LIMITS, Box, FakeHost


class FakeCompose:
    """Implements ``Compose``, but ``render`` gives what was put in ``rendered`` (by project), and no ``command`` is to be run."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.rendered: dict[str, Mapping[str, Any]] = {}

    def version(self) -> str:
        return "2.99.0"

    def render(
        self,
        project: str,
        folder: Path,
        files: Sequence[str],
        env_files: Sequence[Path],
        environment: Mapping[str, str],
    ) -> Mapping[str, Any]:
        with self.host.lock:
            if project not in self.rendered:
                raise StalledError(f"the fake renders nothing for {project}: put it in `rendered`")
            return self.rendered[project]

    def create(
        self,
        project: str,
        model: Path,
        services: Sequence[str],
        totals: Mapping[str, int],
        environment: Mapping[str, str],
    ) -> None:
        with self.host.call("create"):
            work = _Work(self.host, project, _read(model))
            concerned = work.with_dependencies(services)
            work.replace_changed_networks(concerned)
            for service in concerned:
                work.make_up_to(service, totals.get(service, work.scale(service)))

    def command(
        self, project: str, model: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        raise AssertionError(f"no program runs on this host: {' '.join(arguments)}")

    def recreate(
        self, project: str, model: Path, services: Sequence[str], environment: Mapping[str, str], *, anew: bool
    ) -> None:
        with self.host.call("recreate"):
            work = _Work(self.host, project, _read(model))
            for service in work.in_order(services):
                work.bring_up(service, anew=anew)

    def build(
        self,
        project: str,
        model: Path,
        service: str,
        environment: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> None:
        with self.host.call("build"):
            definition = _read(model)["services"][service]
            progress(f"building {service}")
            labels = (definition.get("build") or {}).get("labels") or {}
            image_id = f"sha256:built-{service}-{json.dumps(definition['build'], sort_keys=True)}"
            self.host.add_image(definition["image"], image_id, labels=labels)


def _read(model: Path) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(model.read_text())
    return content


class _Work:
    """One run of Compose on one model."""

    def __init__(self, host: FakeHost, project: str, model: Mapping[str, Any]) -> None:
        self._host = host
        self._project = project
        self._model = model

    def scale(self, service: str) -> int:
        definition = self._model["services"][service]
        scale = definition.get("scale", (definition.get("deploy") or {}).get("replicas"))
        return 1 if scale is None else int(scale)

    def with_dependencies(self, services: Sequence[str]) -> list[str]:
        """Dependencies first."""
        found: dict[str, None] = {}
        for service in services or self._model["services"]:
            self._visit(service, found)
        return list(found)

    def in_order(self, services: Sequence[str]) -> list[str]:
        return [service for service in self.with_dependencies(services) if service in services]

    def replace_changed_networks(self, services: Sequence[str]) -> None:
        """As Compose 2.40 does: it stops the containers it is asked about, and fails if others use the network too."""
        for definition in (self._model.get("networks") or {}).values():
            network = self._host.network_named(definition.get("name", ""))
            wanted = (definition.get("labels") or {}).get(LABEL_DEFINITION, "")
            if network is None or definition.get("external") or network.definition == wanted:
                continue
            users = [box for box in self._host.boxes.values() if network.name in box.endpoints and box.alive]
            for box in users:
                if box.stack == self._project and box.service in services:
                    self._host.touched.append(("compose stop", box.id))
                    self._host.stop(box)
            if any(box.alive for box in users):
                raise WaitingError(f"network {network.name} has active endpoints", reason="EngineRefused")
            del self._host.networks[network.id]

    def make_up_to(self, service: str, total: int) -> None:
        there = self._there(service)
        for surplus in there[max(total, 0) :]:
            self._take_away(surplus)
        for _ in range(total - len(there)):
            number = max((box.number for box in self._there(service)), default=0) + 1
            self._make(service, number)

    def bring_up(self, service: str, *, anew: bool = False) -> None:
        for box in self._there(service):
            if self._is_current(box) and not anew:
                continue
            self._take_away(box)
            self._host.record(self._host.clock.monotonic())
            self._make(service, box.number, box.anonymous_volume)
        self.make_up_to(service, self.scale(service))
        for box in self._there(service):
            self._host.start(box)

    def _visit(self, service: str, found: dict[str, None]) -> None:
        if service not in self._model["services"]:
            raise StalledError(f"Compose says: no such service: {service}", reason="ComposeRefused")
        for needed in _needs(self._model["services"][service]):
            if needed not in found:
                self._visit(needed, found)
        found.setdefault(service)

    def _there(self, service: str) -> list[Box]:
        mine = (box for box in self._host.boxes.values() if box.stack == self._project and not box.oneoff)
        return sorted((box for box in mine if box.service == service), key=lambda box: box.number)

    def _take_away(self, box: Box) -> None:
        self._host.touched.append(("compose remove", box.id))
        self._host.stop(box)
        self._host.remove(box)

    def _is_current(self, box: Box) -> bool:
        """Compose's hash has the ids of the containers that it lives in."""
        definition = self._model["services"][box.service]
        wanted = (_hash(definition), self._host.images.get(definition["image"]), tuple(self._joins(definition)))
        return (box.made_from, box.image_id, box.joins) == wanted

    def _make(self, service: str, number: int, anonymous_volume: str = "") -> None:
        definition = self._model["services"][service]
        endpoints = dict(self._networks(service, definition, number))
        image = definition.get("image", f"{self._project}-{service}")
        if image not in self._host.images:
            raise WaitingError(
                f"cannot create {service}: the engine does not hold image {image}", reason="ImageMissing"
            )
        name = definition.get("container_name") or f"{self._project}-{service}-{number}"
        if any(box.name == name for box in self._host.boxes.values()):
            raise WaitingError(f"cannot create {service}: the name {name} is in use", reason="NameTaken")
        labels = definition.get("labels") or {}
        anonymous = any(
            mount.get("type") == "volume" and not mount.get("source") for mount in definition.get("volumes") or ()
        )
        identity = self._host.new_id()
        box = Box(
            id=identity,
            name=name,
            stack=labels.get(LABEL_STACK, self._project),
            service=service,
            number=number,
            definition=labels.get(LABEL_DEFINITION, ""),
            image=image,
            image_id=self._host.images[image],
            owned=labels.get(LABEL_ROOT) == self._host.root_id and LABEL_STACK in labels,
            healthcheck=_has_healthcheck(definition),
            resources=_resources(definition),
            endpoints=endpoints,
            ports=tuple(_ports(definition)),
            has_anonymous_volumes=anonymous,
            anonymous_volume=(anonymous_volume or identity) if anonymous else "",
            joins=tuple(self._joins(definition)),
            made_from=_hash(definition),
            labels=tuple(sorted((key, value) for key, value in labels.items() if key.startswith("traefik."))),
        )
        self._host.boxes[identity] = box
        self._host.touched.append(("compose create", identity))
        self._host.tell(box, "create")

    def _networks(self, service: str, definition: Mapping[str, Any], number: int) -> Iterator[tuple[str, Endpoint]]:
        if definition.get("network_mode"):
            return
        wanted = definition.get("networks") or {"default": None}
        for key in wanted:
            known = (self._model.get("networks") or {}).get(key) or {}
            name = known.get("name", f"{self._project}_{key}")
            self._ensure_network(name, known)
            own = (wanted.get(key) if isinstance(wanted, Mapping) else None) or {}
            aliases = {service, f"{self._project}-{service}-{number}", *(own.get("aliases") or ())}
            yield (
                name,
                Endpoint(name, tuple(sorted(aliases)), own.get("ipv4_address") or "", own.get("ipv6_address") or ""),
            )

    def _ensure_network(self, name: str, definition: Mapping[str, Any]) -> None:
        if self._host.network_named(name) is not None:
            return
        if definition.get("external"):
            raise WaitingError(f"network {name} does not exist", reason="NetworkMissing")
        labels = definition.get("labels") or {}
        self._host.add_network(
            name,
            stack=labels.get(LABEL_STACK, self._project),
            definition=labels.get(LABEL_DEFINITION, ""),
            owned=labels.get(LABEL_ROOT) == self._host.root_id,
        )

    def _joins(self, definition: Mapping[str, Any]) -> Iterator[str]:
        for service in _lenders(definition):
            yield self._there(service)[0].id
        for name in _strangers(definition):
            yield next((box.id for box in self._host.boxes.values() if box.name == name), name)


def _needs(definition: Mapping[str, Any]) -> list[str]:
    depends_on = definition.get("depends_on") or {}
    return [*sorted(depends_on), *_lenders(definition)]


def _lenders(definition: Mapping[str, Any]) -> list[str]:
    modes = (str(definition.get(key) or "") for key in ("network_mode", "pid", "ipc"))
    joined = {mode.removeprefix("service:") for mode in modes if mode.startswith("service:")}
    volumes_from = {str(entry).partition(":")[0] for entry in definition.get("volumes_from") or ()}
    return sorted(joined | volumes_from - {"container"})


def _strangers(definition: Mapping[str, Any]) -> list[str]:
    modes = (str(definition.get(key) or "") for key in ("network_mode", "pid", "ipc"))
    return sorted({mode.removeprefix("container:") for mode in modes if mode.startswith("container:")})


def _hash(definition: Mapping[str, Any]) -> str:
    counted = {key: value for key, value in definition.items() if key not in ("scale", "depends_on", "build", "deploy")}
    return json.dumps(counted, sort_keys=True)


def _has_healthcheck(definition: Mapping[str, Any]) -> bool:
    check = definition.get("healthcheck") or {}
    return bool(check.get("test")) and not check.get("disable")


def _ports(definition: Mapping[str, Any]) -> Iterator[str]:
    for port in definition.get("ports") or ():
        if port.get("published"):
            yield f"{port.get('host_ip') or '0.0.0.0'}:{port['published']}/{port.get('protocol') or 'tcp'}"


def _resources(definition: Mapping[str, Any]) -> dict[str, str | int]:
    name, _, attempts = str(definition.get("restart") or "no").partition(":")
    memory = int(definition.get("mem_limit") or 0)
    return {
        **NO_LIMITS,
        "Memory": memory,
        "MemorySwap": int(definition.get("memswap_limit") or 2 * memory),
        "NanoCpus": int(float(definition.get("cpus") or 0) * 1e9),
        "PidsLimit": max(int(definition.get("pids_limit") or 0), 0),
        "RestartPolicy.Name": name,
        "RestartPolicy.MaximumRetryCount": int(attempts or 0),
    }
