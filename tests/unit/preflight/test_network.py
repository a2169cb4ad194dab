"""Ports that are free or ours, domains that lead here, certificates that somebody has."""

from __future__ import annotations

import socket

import pytest

from reconciler.certs.model import Pair
from reconciler.preflight import domains, looks, network
from reconciler.preflight.facts import DomainSeen, PortSeen, Publisher
from reconciler.preflight.finding import Level

PORT = "0.0.0.0:443/tcp"
PAIR = Pair("wild", b"", b"", ("*.shop.eu",), "CN=R", "f", 0.0, 1_800_000_000.0)


def publisher(project: str, root: str) -> Publisher:
    return Publisher(f"{project or 'x'}-proxy-1", project, root, frozenset({"443/tcp"}))


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (PortSeen(PORT, True), "ok", "free"),
        (PortSeen(PORT, False, publisher("web", "mine")), "ok", "held by this stack (web-proxy-1)"),
        (
            PortSeen(PORT, False, publisher("web", "")),
            "ok",
            "held by the project web, which is taken over (web-proxy-1)",
        ),
        (
            PortSeen(PORT, False, publisher("web", "theirs")),
            "error",
            "held by the container web-proxy-1 of the project web",
        ),
        (PortSeen(PORT, False, publisher("blog", "mine")), "error", "held by the stack blog (container blog-proxy-1)"),
        (PortSeen(PORT, False, publisher("", "")), "error", "held by the container x-proxy-1"),
        (PortSeen(PORT, False, holder="nginx (pid 7)"), "error", "held by nginx (pid 7)"),
    ],
)
def test_a_port_is_free_or_ours_or_somebody_is_named(seen: PortSeen, level: str, words: str) -> None:
    found = network.port(seen, "web", "mine")
    assert (found.name, found.level, found.found) == ("port 443", level, words)


def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address, number = server.getsockname()
        assert "(pid " in looks.listener(f"127.0.0.1:{number}/tcp")
        assert looks.why_unreachable(address, number) == ""
    assert looks.why_unreachable(address, number) == "Connection refused"


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (DomainSeen("shop.eu", ("203.0.113.7",), frozenset({"203.0.113.7"})), "ok", "203.0.113.7"),
        (DomainSeen("shop.eu", ()), "warning", "it does not resolve"),
        (DomainSeen("shop.eu", ("203.0.113.7",)), "warning", "203.0.113.7, which no interface of this host has"),
        (
            DomainSeen("shop.eu", ("127.0.0.1",), frozenset({"127.0.0.1"})),
            "warning",
            "it leads here from this host alone",
        ),
        (DomainSeen("server.localhost", ()), "ok", "this very machine, and nobody else's way here"),
        (DomainSeen("shop.example.com", ()), "warning", "it never resolves"),
    ],
)
def test_a_domain_that_may_lead_elsewhere_is_a_warning_since_a_host_behind_a_router_cannot_know(
    seen: DomainSeen, level: str, words: str
) -> None:
    found = domains.leads_here(seen, "web")
    assert (found.level, found.found) == (level, words)


def test_nobody_is_asked_for_a_name_that_nobody_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(_: str) -> tuple[str, ...]:
        raise AssertionError("a resolver was asked")

    monkeypatch.setattr(looks, "addresses_of", asked)
    assert looks.domain("shop.example.com", ()) == DomainSeen("shop.example.com", ())


def test_an_address_of_a_router_counts_where_host_yaml_lists_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "addresses_of", lambda name: ("203.0.113.7",) if name == "probe.shop.eu" else ())
    assert domains.leads_here(looks.domain("probe.shop.eu", ["203.0.113.7"]), "web").level is Level.OK
    assert domains.leads_here(looks.domain("probe.shop.eu", []), "web").level is Level.WARNING


@pytest.mark.parametrize(
    ("domain", "resolver", "is_here", "level", "words"),
    [
        ("www.shop.eu", "", False, "ok", "the pair wild covers it until 2027-01-15"),
        ("shop.eu", "", True, "warning", "nobody has one"),
        ("shop.eu", "ops@shop.eu", True, "ok", "to be ordered by ACME for ops@shop.eu"),
        (
            "shop.eu",
            "ops@shop.eu",
            False,
            "warning",
            "none yet, and none can be ordered while the domain leads elsewhere",
        ),
        ("*.other.eu", "ops@shop.eu", True, "warning", "none, and a wildcard is not ordered"),
    ],
)
def test_each_domain_has_a_pair_or_somebody_who_may_order_one(
    domain: str, resolver: str, is_here: bool, level: str, words: str
) -> None:
    found = domains.covered(domain, [PAIR], resolver, is_here, "web")
    assert (found.level, found.found) == (level, words)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("mail.shop.eu:587", ("mail.shop.eu", 587)),
        ("[2001:db8::1]:25", ("2001:db8::1", 25)),
        (":587", None),
        ("mail.shop.eu:", None),
        (":", None),
        ("mail.shop.eu:0", None),
        ("mail.shop.eu:99999", None),
    ],
)
def test_what_names_no_host_or_port_is_nothing_to_reach(text: str, place: tuple[str, int] | None) -> None:
    assert network.split_target(text) == place
