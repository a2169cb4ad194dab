"""Which proxies a release runs, read from what Compose rendered: commands, mounts, networks.

Pure. A static configuration in a file of Traefik's own is not seen: what counts is its command line or environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from reconciler.model.desired import Release
from reconciler.model.duration import compose_seconds

_THROTTLE_S = 2.0  # Traefik's own default


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """``tls``: every router on it terminates TLS."""

    name: str
    port: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class Resolver:
    """An ACME account's settings of Traefik. ``storage``: where its file lies on this host, None if no mount leads there."""

    name: str
    email: str
    storage: str | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """A service that reads what we publish for it: a Traefik with a file provider on ``RECONCILER_TRAEFIK_DIR``.

    ``published``: container port and host port. ``on_host``: it uses the host's network. ``sees_others``: it serves what
    other stacks declare, too; ``waits_for_enable``: only what says ``traefik.enable=true``. ``throttle_s``: how long it may
    rest between two looks at the folder. ``owner``: user and group its process has, as numbers.
    """

    stack: str
    service: str
    entry_points: tuple[EntryPoint, ...] = (EntryPoint("websecure", 443, tls=True),)
    resolvers: tuple[Resolver, ...] = ()
    published: tuple[tuple[int, int], ...] = ()
    on_host: bool = False
    sees_others: bool = False
    waits_for_enable: bool = False
    throttle_s: float = _THROTTLE_S
    owner: tuple[int, int] | None = None

    @property
    def place(self) -> str:
        """As people are told of it: ``stack/service``."""
        return f"{self.stack}/{self.service}"

    @property
    def resolver(self) -> Resolver | None:
        """The one that may order: declared, and with somebody whom the CA can write to."""
        return next((resolver for resolver in self.resolvers if resolver.email), None)


def fronts(release: Release, folder: str) -> tuple[Front, ...]:
    """The services of ``release`` that mount ``folder`` (the stack's ``RECONCILER_TRAEFIK_DIR``)."""
    return tuple(
        front_of(release.stack, spec.name, spec.definition)
        for spec in release.services
        if mounts(spec.definition, folder)
    )


def mounts(definition: Mapping[str, Any], folder: str) -> bool:
    return any(str(mount.get("source") or "").rstrip("/") == folder for mount in definition.get("volumes") or ())


def front_of(stack: str, service: str, definition: Mapping[str, Any]) -> Front:
    settings = static_settings(definition)
    points = entry_points(settings)
    return Front(
        stack=stack,
        service=service,
        **({"entry_points": points} if points else {}),
        resolvers=_resolvers(settings, definition),
        published=_published(definition),
        on_host=definition.get("network_mode") == "host",
        sees_others="providers.docker.constraints" not in settings,
        waits_for_enable=settings.get("providers.docker.exposedbydefault", "").lower() == "false",
        throttle_s=_throttle_s(settings),
        owner=_owner(definition),
    )


def static_settings(definition: Mapping[str, Any]) -> dict[str, str]:
    """By name in small letters, as Traefik compares them: of the arguments, or else of the environment."""
    command = definition.get("command") or []
    arguments = shlex.split(command) if isinstance(command, str) else [str(part) for part in command]
    if given := dict(_flags(arguments)):
        return given
    environment = definition.get("environment") or {}
    return {
        name.removeprefix("TRAEFIK_").lower().replace("_", "."): str(value or "")
        for name, value in environment.items()
        if name.startswith("TRAEFIK_")
    }


def _flags(arguments: list[str]) -> Iterator[tuple[str, str]]:
    """``--name=value``, ``--name value``, and ``--name`` for what is switched on."""
    for argument, following in pairwise([*arguments, "-"]):
        if argument.startswith("-"):
            name, has_value, value = argument.lstrip("-").partition("=")
            yield name.lower(), value if has_value else ("true" if following.startswith("-") else following)


def entry_points(settings: Mapping[str, str]) -> tuple[EntryPoint, ...]:
    found = []
    for key, value in settings.items():
        parts = key.split(".")
        if len(parts) == 3 and parts[0] == "entrypoints" and parts[2] == "address":
            port = value.partition("/")[0].rpartition(":")[2]
            tls = settings.get(f"entrypoints.{parts[1]}.http.tls", "").lower() == "true"
            tls = tls or any(name.startswith(f"entrypoints.{parts[1]}.http.tls.") for name in settings)
            if port.isdigit() and not value.endswith("/udp"):
                found.append(EntryPoint(parts[1], int(port), tls))
    return tuple(found)


def _resolvers(settings: Mapping[str, str], definition: Mapping[str, Any]) -> tuple[Resolver, ...]:
    names = sorted({key.split(".")[1] for key in settings if key.startswith("certificatesresolvers.")})
    found = []
    for name in names:
        own = {key.removeprefix(f"certificatesresolvers.{name}.acme."): value for key, value in settings.items()}
        storage = own.get("storage", "acme.json")
        found.append(Resolver(name, own.get("email", "").strip(), _on_host(storage, definition)))
    return tuple(found)


def _on_host(path: str, definition: Mapping[str, Any]) -> str | None:
    """Where a path of the container lies on the host, if the innermost mount that it lies in is one of the host's."""
    mounts = {str(mount.get("target") or "").rstrip("/"): mount for mount in definition.get("volumes") or ()}
    around = [target for target in mounts if target and (path == target or path.startswith(target + "/"))]
    target = max(around, key=len, default="")
    if not target or mounts[target].get("type") != "bind":
        return None
    return str(mounts[target].get("source")) + path[len(target) :]


def _published(definition: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """Only fixed ports on addresses that this host can be asked on."""
    found: dict[int, int] = {}
    for port in definition.get("ports") or ():
        published = str(port.get("published") or "")
        if published.isdigit() and port.get("protocol", "tcp") == "tcp" and not port.get("host_ip"):
            found.setdefault(int(port["target"]), int(published))
    return tuple(sorted(found.items()))


def _throttle_s(settings: Mapping[str, str]) -> float:
    """A number alone counts seconds."""
    text = settings.get("providers.providersthrottleduration", "")
    if text.isdigit():
        return float(text)
    found = compose_seconds(text or None)
    return _THROTTLE_S if found is None else found


def _owner(definition: Mapping[str, Any]) -> tuple[int, int] | None:
    user, _, group = str(definition.get("user") or "").partition(":")
    if not user.isdigit():
        return None
    return int(user), int(group) if group.isdigit() else int(user)
