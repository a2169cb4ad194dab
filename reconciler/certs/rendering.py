"""From pairs and orders to the one file that Traefik reads. Pure.

JSON, which is YAML, in one piece: the PEM texts are part of it, so there is no moment at which half a pair can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconciler.certs.model import Pair


@dataclass(frozen=True, slots=True)
class Default:
    """What answers for names that nobody has a certificate for: without one Traefik makes a key at every reload."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """A domain that Traefik is to keep a certificate for, by ``resolver``, where it listens on ``entry_points``.

    ``options``: the TLS options of the routers of that domain, since all of a name must have the same.
    """

    domain: str
    resolver: str
    entry_points: tuple[str, ...] = ()
    options: str = ""


def render(pairs: Iterable[Pair], default: Default, orders: Iterable[Order] = ()) -> bytes:
    """Equal input gives equal bytes."""
    tls: dict[str, Any] = {"stores": {"default": {"defaultCertificate": _files(default)}}}
    certificates = [_files(pair) for pair in sorted(pairs, key=lambda pair: pair.domains)]
    if certificates:
        tls["certificates"] = certificates
    content: dict[str, Any] = {"tls": tls}
    routers = {_router_name(order.domain): _router(order) for order in sorted(orders, key=lambda order: order.domain)}
    if routers:
        content["http"] = {"routers": routers}
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _files(pair: Pair | Default) -> dict[str, str]:
    return {"certFile": pair.chain.decode(), "keyFile": pair.key.decode()}


def _router_name(domain: str) -> str:
    return "acme-" + domain.replace("*", "wildcard").replace(".", "-")


def _router(order: Order) -> dict[str, Any]:
    """It answers nobody's requests; it is there because Traefik orders for the names of routers."""
    tls: dict[str, Any] = {"certResolver": order.resolver, "domains": [{"main": order.domain}]}
    if order.options:
        tls["options"] = order.options
    router: dict[str, Any] = {
        "rule": f"Host(`{order.domain}`) && Path(`/.well-known/reconciler/{order.resolver}`)",
        "service": "noop@internal",
        "tls": tls,
    }
    return {**router, "entryPoints": list(order.entry_points)} if order.entry_points else router
