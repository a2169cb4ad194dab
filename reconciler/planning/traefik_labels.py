"""What a container's ``traefik.*`` labels declare, and the same as a file for Traefik's file provider. Pure.

Labels and files are one tree to Traefik, with texts for leaves: what stands in labels can be said in a file word by word,
but for ``server``, of which a file lists several, and for names, which mean those of the same provider.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Tree = dict[str, Any]  # of Tree, list and str; keys are compared in small letters, as Traefik does

KINDS = ("http", "tcp")
_ENABLE = "traefik.enable"
_STEADY_IDLE = "2s"
_BRIEF_IDLE = "200ms"


@dataclass(frozen=True, slots=True)
class Router:
    """``service``: the name, in the labels' own spelling, of the load balancer of these labels that it leads to."""

    kind: str
    name: str
    service: str


def is_enabled(labels: Mapping[str, str], *, by_default: bool) -> bool:
    said = next((value for key, value in labels.items() if key.lower() == _ENABLE), "").strip().lower()
    return said == "true" or (by_default and said != "false")


def asks_for_traefik(labels: Mapping[str, str]) -> bool:
    """Whether they declare a router of http or tcp."""
    tree = tree_of(labels)
    return any(_names(tree, kind, "routers") for kind in KINDS)


def leads(labels: Mapping[str, str], stack: str) -> tuple[Router, ...]:
    """The routers that lead to a load balancer of these very labels, whether or not they are ``pointed`` already."""
    tree = tree_of(labels)
    found = []
    for kind in KINDS:
        balancers = _names(tree, kind, "services")
        for name, router in _names(tree, kind, "routers").items():
            target = _target(router, balancers, stack)
            if target is not None:
                found.append(Router(kind, name, target))
    return tuple(found)


def is_pointed(labels: Mapping[str, str], stack: str) -> bool:
    """Whether a router leads to what our file says."""
    tree = tree_of(labels)
    return any(
        str(_get(router, "service") or "").lower().startswith(f"{stack}.")
        and str(_get(router, "service")).endswith("@file")
        for kind in KINDS
        for router in _names(tree, kind, "routers").values()
    )


def pointed(labels: Mapping[str, str], stack: str) -> dict[str, str]:
    """The same labels, with every router that leads to one of their load balancers led to that of our file."""
    found = dict(labels)
    for router in leads(labels, stack):
        key = f"traefik.{router.kind}.routers.{router.name}.service"
        spelled = next((known for known in labels if known.lower() == key.lower()), key)
        found[spelled] = f"{stack}.{router.service}@file"
    return found


def why_not(labels: Mapping[str, str], stack: str, scale: int) -> str:
    """Why the load balancers of these labels cannot be said in a file; "" if they can."""
    tree = tree_of(labels)
    for kind in KINDS:
        balancers = _names(tree, kind, "services")
        for name, router in _names(tree, kind, "routers").items():
            if _get(router, "service") is None and len(balancers) != 1:
                return f"its {kind} router {name} does not say which service it leads to, and there is not just one"
        for name, own in balancers.items():
            balancer = _get(own, "loadbalancer") or {}
            server = _get(balancer, "server")
            port = _get(server, "port") if isinstance(server, dict) else None
            if not str(port or "").isdigit():
                return f"its {kind} service {name} names no loadBalancer.server.port"
            if isinstance(server, dict) and (_get(server, "url") or _get(server, "address")):
                return f"its {kind} service {name} names an address of its own"
            if scale > 1 and _get(balancer, "sticky") is not None:
                return "its sticky sessions need each of its containers by its own address"
    return ""


def claims(labels: Mapping[str, str]) -> frozenset[tuple[str, str, str]]:
    """Kind, sort and name of the routers and load balancers: two services that claim the same share it."""
    tree = tree_of(labels)
    return frozenset(
        (kind, sort, name.lower())
        for kind in KINDS
        for sort in ("routers", "services")
        for name in _names(tree, kind, sort)
    )


def configuration(labels: Mapping[str, str], stack: str, service: str, hosts: Sequence[str], *, is_brief: bool) -> Tree:
    """What these labels declare, for the file provider, with ``hosts`` behind each load balancer. {} where they declare
    nothing that leads to one of their own.

    ``is_brief``: idle connections are given up almost at once, so that those which last are requests under way.
    """
    tree, found = tree_of(labels), dict[str, Any]()
    for router in leads(labels, stack):
        own = found.setdefault(router.kind, {"routers": {}, "services": {}})
        declared = _names(tree, router.kind, "routers")[router.name]
        own["routers"][f"{stack}.{router.name}"] = _router(declared, tree, router, stack, service)
        balancer = _get(_names(tree, router.kind, "services")[router.service], "loadbalancer")
        own["services"][f"{stack}.{router.service}"] = {
            "loadBalancer": _balancer(balancer, router.kind, hosts, f"{stack}.{service}")
        }
    for kind, own in found.items():
        middlewares = _names(tree, kind, "middlewares")
        if middlewares:
            own["middlewares"] = {
                f"{stack}.{service}.{name}": _middleware(value, tree, kind, stack, service)
                for name, value in middlewares.items()
            }
    if "http" in found:
        idle = _BRIEF_IDLE if is_brief else _STEADY_IDLE
        found["http"]["serversTransports"] = {
            f"{stack}.{service}": {"maxIdleConnsPerHost": "200", "forwardingTimeouts": {"idleConnTimeout": idle}}
        }
    return found


def ports(labels: Mapping[str, str]) -> frozenset[int]:
    """The container's ports that the load balancers lead to."""
    tree = tree_of(labels)
    found = set()
    for kind in KINDS:
        for own in _names(tree, kind, "services").values():
            server = _get(_get(own, "loadbalancer") or {}, "server")
            port = str(_get(server, "port") or "") if isinstance(server, dict) else ""
            if port.isdigit():
                found.add(int(port))
    return frozenset(found)


def points_of_tcp(labels: Mapping[str, str]) -> frozenset[str]:
    """The entry points that their routers of plain TCP name, and may take for themselves."""
    routers = _names(tree_of(labels), "tcp", "routers").values()
    named = (str(_get(router, "entrypoints") or "").split(",") for router in routers)
    return frozenset(name.strip().lower() for names in named for name in names if name.strip())


def label(labels: Mapping[str, str], name: str) -> str:
    return next((value for key, value in labels.items() if key.lower() == name), "")


def tree_of(labels: Mapping[str, str]) -> Tree:
    """Of what stands below ``traefik``, without the word itself."""
    root: Tree = {}
    for key in sorted(key for key in labels if key.lower().startswith("traefik")):
        parts = [part for part in re.split(r"\.|(?=\[)", key) if part]
        if len(parts) > 1 and parts[0].lower() == "traefik":
            _insert(root, parts[1:], labels[key])
    return root


def _insert(tree: Tree, path: list[str], value: str) -> None:
    """A switch that has settings, too (``tls=true`` beside ``tls.options``), is on by having them."""
    for part in path[:-1]:
        key = _spelled(tree, part)
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    key = _spelled(tree, path[-1])
    if not isinstance(tree.get(key), dict):
        tree[key] = value


def _spelled(tree: Tree, name: str) -> str:
    return next((key for key in tree if key.lower() == name.lower()), name)


def _get(tree: Any, name: str) -> Any:
    return tree.get(_spelled(tree, name)) if isinstance(tree, dict) else None


def _names(tree: Tree, kind: str, sort: str) -> dict[str, Tree]:
    found = _get(_get(tree, kind), sort)
    if not isinstance(found, dict):
        return {}
    return {name: own for name, own in found.items() if isinstance(own, dict)}


def _target(router: Tree, balancers: Mapping[str, Tree], stack: str) -> str | None:
    said = str(_get(router, "service") or "").strip()
    name, _, provider = said.partition("@")
    if provider == "file" and name.lower().startswith(f"{stack}."):
        name = name[len(stack) + 1 :]
    elif provider not in ("", "docker"):
        return None
    if not name:
        return next(iter(balancers)) if len(balancers) == 1 else None
    return next((known for known in balancers if known.lower() == name.lower()), None)


def _router(declared: Tree, tree: Tree, router: Router, stack: str, service: str) -> Tree:
    """Who has a certificate resolver orders; the router of the labels does that."""
    found = {key: value for key, value in declared.items() if key.lower() not in ("service", "middlewares", "tls")}
    found["service"] = f"{stack}.{router.service}"
    middlewares = _get(declared, "middlewares")
    if middlewares is not None:
        found["middlewares"] = _references(str(middlewares), _names(tree, router.kind, "middlewares"), stack, service)
    tls = _get(declared, "tls")
    if isinstance(tls, dict):
        found["tls"] = {key: value for key, value in tls.items() if key.lower() not in ("certresolver", "domains")}
    elif tls is not None and str(tls).lower() == "true":
        found["tls"] = {}
    return _listed(found)


def _middleware(own: Tree, tree: Tree, kind: str, stack: str, service: str) -> Tree:
    """Names in a chain are those of the labels; a page for errors comes from a service of the docker provider."""
    found: Tree = {}
    for sort, value in own.items():
        if sort.lower() == "chain" and isinstance(value, dict):
            chained = _references(
                str(_get(value, "middlewares") or ""), _names(tree, kind, "middlewares"), stack, service
            )
            value = {"middlewares": chained}
        elif sort.lower() == "errors" and isinstance(value, dict):
            page = str(_get(value, "service") or "")
            value = {**value, _spelled(value, "service"): page if "@" in page else f"{page}@docker"}
        found[sort] = value
    return _listed(found)


def _references(text: str, own: Iterable[str], stack: str, service: str) -> str:
    known = {name.lower(): name for name in own}
    found = []
    for name in (part.strip() for part in text.split(",")):
        if name.lower() in known:
            found.append(f"{stack}.{service}.{known[name.lower()]}")
        elif name:
            found.append(name if "@" in name else f"{name}@docker")
    return ",".join(found)


def _balancer(declared: Tree, kind: str, hosts: Sequence[str], transport: str) -> Tree:
    server = dict(_get(declared, "server") or {})
    scheme, port = _get(server, "scheme") or "http", _get(server, "port")
    rest = {key: value for key, value in server.items() if key.lower() not in ("scheme", "port")}
    found = {key: value for key, value in declared.items() if key.lower() != "server"}
    named = [f"[{host}]" if ":" in host else host for host in hosts]
    if kind == "tcp":
        return _listed({**found, "servers": [{**rest, "address": f"{host}:{port}"} for host in named]})
    found.setdefault(_spelled(found, "serversTransport"), transport)
    return _listed({**found, "servers": [{**rest, "url": f"{scheme}://{host}:{port}"} for host in named]})


def _listed(tree: Tree) -> Tree:
    """``x[0]`` and ``x[1]`` are a list in a file."""
    return {key: _plain(own) for key, own in tree.items()}


def _plain(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(re.fullmatch(r"\[\d+\]", key) for key in value):
        return [_plain(value[key]) for key in sorted(value, key=lambda key: int(key[1:-1]))]
    return _listed(value)
