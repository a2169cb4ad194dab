"""From pairs and orders to the one file that Traefik reads. Pure.

JSON, which is YAML, in one piece: the PEM texts are part of it, so there is no moment at which half a pair can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconciler.certs.model import Pair
from reconciler.certs.names import is_pattern

# What Traefik's own names are made of. Anything else comes from a label that it would refuse, too, and must not reach the
# file: ``{{`` would be a template, and one that cannot be read stops it from reading all the rest.
_WORD = re.compile(r"[A-Za-z0-9_.@-]+")


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
    """Equal input gives equal bytes. Orders with words that are none of Traefik's are left out."""
    tls: dict[str, Any] = {"stores": {"default": {"defaultCertificate": _files(default)}}}
    certificates = [_files(pair) for pair in sorted(pairs, key=lambda pair: pair.domains)]
    if certificates:
        tls["certificates"] = certificates
    content: dict[str, Any] = {"tls": tls}
    routers = {_router_name(order.domain): _router(order) for order in orders if _is_plain(order)}
    if routers:
        content["http"] = {"routers": routers}
    return json.dumps(content, indent=1, sort_keys=True).encode() + b"\n"


def _files(pair: Pair | Default) -> dict[str, str]:
    return {"certFile": pair.chain.decode(), "keyFile": pair.key.decode()}


def _is_plain(order: Order) -> bool:
    return is_pattern(order.domain) and _WORD.fullmatch(order.resolver) is not None


def _router_name(domain: str) -> str:
    """Of each domain another one: ``a.b-c`` and ``a-b.c`` are two."""
    return "acme-" + domain.replace("*", "_").replace("-", "--").replace(".", "-")


def _router(order: Order) -> dict[str, Any]:
    """It answers nobody's requests; it is there because Traefik orders for the names of routers."""
    tls: dict[str, Any] = {"certResolver": order.resolver, "domains": [{"main": order.domain}]}
    if _WORD.fullmatch(order.options):
        tls["options"] = order.options
    router: dict[str, Any] = {
        "rule": f"Host(`{order.domain}`) && Path(`/.well-known/reconciler/{order.resolver}`)",
        "service": "noop@internal",
        "tls": tls,
    }
    entry_points = [name for name in order.entry_points if _WORD.fullmatch(name)]
    return {**router, "entryPoints": entry_points} if entry_points else router
