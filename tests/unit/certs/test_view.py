"""What the stacks of a host serve by TLS, where that can be seen, and through whom it can be ordered."""

from __future__ import annotations

from typing import Any

from reconciler.certs.acme import Held
from reconciler.certs.model import Pair
from reconciler.certs.view import Spot, View, held_by, view_of
from reconciler.model.desired import Release
from reconciler.planning.fronts import EntryPoint, Front, Resolver
from tests.builders import bind, manifest, release

WEB, SECURE = "--entrypoints.web.address=:80", "--entrypoints.websecure.address=:443"
TLS = "--entrypoints.websecure.http.tls=true"
OWN = "--providers.docker.constraints=Label(`com.docker.compose.project`,`own`)"
LE = "--certificatesresolvers.le.acme.email=ops@shop.test"
STORED = "--certificatesresolvers.le.acme.storage=/le/acme.json"


def folder_of(stack: str) -> str:
    return f"/state/traefik/{stack}"


def stack(name: str, *options: str, proxies: tuple[str, ...] = ("traefik",), **rules: str) -> Release:
    """A stack with Traefiks that have ``options``, and a service of each of ``rules``."""
    volumes = [bind(folder_of(name), "/dynamic"), bind(f"/data/{name}", "/le")]
    services: dict[str, Any] = {proxy: {"volumes": volumes, "command": list(options)} for proxy in proxies}
    services |= {key: {"labels": {f"traefik.http.routers.{key}.rule": rule}} for key, rule in rules.items()}
    return release(services, declared=manifest(stack=name, folder=name))


def seen(*stacks: Release) -> View:
    return view_of(stacks, folder_of)


def pair(*domains: str) -> Pair:
    return Pair("shop", b"", b"", domains, "Test", "f1", 0.0, 1.0)


def spots(view: View, *pairs: Pair) -> list[tuple[str, str, int]]:
    return [(spot.front.place, spot.domain, spot.port) for spot in view.spots(pairs)]


SHOP = stack("shop", WEB, SECURE, TLS, OWN, web="Host(`a.test`) || Host(`b.test`)")


def test_every_served_name_is_looked_at_where_tls_ends() -> None:
    assert spots(seen(SHOP)) == [("shop/traefik", "a.test", 443), ("shop/traefik", "b.test", 443)]


def test_names_that_no_pair_is_for_are_looked_at_too_once_one_name_is_known() -> None:
    assert spots(seen(SHOP), pair("other.test")) == spots(seen(SHOP))


def test_every_front_of_a_name_is_looked_at() -> None:
    view = seen(stack("shop", SECURE, TLS, proxies=("one", "two"), web="Host(`a.test`)"))
    assert spots(view) == [("shop/one", "a.test", 443), ("shop/two", "a.test", 443)]


def test_a_front_of_another_stack_is_looked_at_unless_it_keeps_to_its_own() -> None:
    mail = stack("mail", SECURE, TLS, mail="Host(`mail.test`)")
    assert spots(seen(SHOP, mail)) == [
        ("mail/traefik", "a.test", 443),
        ("mail/traefik", "b.test", 443),
        ("mail/traefik", "mail.test", 443),
        ("shop/traefik", "a.test", 443),
        ("shop/traefik", "b.test", 443),
    ]


def test_while_no_name_is_known_one_of_each_pair_is_looked_at() -> None:
    view = seen(stack("shop", SECURE, TLS))
    assert spots(view, pair("a.test", "b.test"), pair("*.c.test")) == [
        ("shop/traefik", "*.c.test", 443),
        ("shop/traefik", "a.test", 443),
    ]


def test_a_name_without_tls_is_not_served_as_far_as_certificates_go() -> None:
    view = seen(stack("shop", WEB, web="Host(`a.test`)"))
    assert (view.domains, spots(view)) == (frozenset(), [])


def test_a_wildcard_is_asked_for_by_a_name_that_it_covers() -> None:
    front = Front("shop", "traefik")
    assert Spot(front, "*.a.test", 443).name == "reconciler-probe.a.test"
    assert Spot(front, "a.test", 443).name == "a.test"


def test_without_stacks_there_is_nothing_to_see() -> None:
    view = seen()
    assert (view.domains, view.spots([pair("a.test")]), view.storages(), view.orderers("a.test")) == (
        frozenset(),
        (),
        frozenset(),
        (),
    )


def test_a_certificate_can_be_ordered_through_fronts_that_have_a_resolver() -> None:
    plain, ordering = (
        stack("shop", SECURE, TLS, OWN, web="Host(`a.test`)"),
        stack("mail", SECURE, TLS, LE, STORED, web="Host(`a.test`)"),
    )
    view = seen(plain, ordering)
    assert {front.stack for front, _ in view.orderers("a.test")} == {"mail"}
    assert {router.stack for _, router in view.orderers("a.test")} == {"shop", "mail"}
    assert view.storages() == {"/data/mail/acme.json"}


def test_a_front_holds_what_its_own_resolvers_obtained() -> None:
    def held(resolver: str) -> Held:
        return Held(resolver, ("a.test",), "f1", "LE", 1.0)

    front = Front("shop", "traefik", (EntryPoint("a", 443),), (Resolver("le", "a@b.test", "/one"), Resolver("no", "")))
    holdings = {"/one": (held("le"), held("other")), "/two": (held("le"),)}
    assert held_by(front, holdings) == (held("le"),)
