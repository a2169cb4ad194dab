"""Which proxies a release runs and which names it serves, from what Compose renders."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.certs.fronts import Router, routers, serves, tls_port
from reconciler.planning.fronts import EntryPoint, Front, Resolver, fronts
from tests.builders import bind, manifest, port, release, volume

FOLDER = "/srv/reconciler/state/traefik/shop"
READS = bind(FOLDER, "/etc/traefik/dynamic")


def front(stack: str = "shop", volumes: tuple[Any, ...] = (), **definition: Any) -> Front:
    found = release(
        {"traefik": {"volumes": [READS, *volumes], **definition}}, declared=manifest(stack=stack, folder=stack)
    )
    (only,) = fronts(found, FOLDER)
    return only


def labelled(**labels: str) -> tuple[Router, ...]:
    """``_`` in a name stands for a dot."""
    return routers(release({"web": {"labels": {key.replace("_", "."): value for key, value in labels.items()}}}))


def domains(rule: str, **more: str) -> tuple[str, ...]:
    (router,) = routers(release({"web": {"labels": {"traefik.http.routers.web.rule": rule, **more}}}))
    return router.domains


# Proxies


def test_only_what_mounts_the_folder_of_the_stack_is_a_front() -> None:
    found = release({"traefik": {"volumes": [READS]}, "other": {"volumes": [bind("/etc", "/etc/traefik/dynamic")]}})
    assert [each.service for each in fronts(found, FOLDER)] == ["traefik"]


ARGUMENTS = [
    "--entryPoints.web.address=:80",
    "--entryPoints.websecure.address=[::]:443/tcp",
    "--entryPoints.websecure.http.tls=true",
    "--entryPoints.quic.address=:443/udp",
    "--certificatesResolvers.le.acme.email=ops@shop.test",
    "--providers.providersThrottleDuration=200ms",
]
ENVIRONMENT = {
    "TRAEFIK_ENTRYPOINTS_WEB_ADDRESS": ":80",
    "TRAEFIK_ENTRYPOINTS_WEBSECURE_ADDRESS": "[::]:443/tcp",
    "TRAEFIK_ENTRYPOINTS_WEBSECURE_HTTP_TLS": "true",
    "TRAEFIK_ENTRYPOINTS_QUIC_ADDRESS": ":443/udp",
    "TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_EMAIL": "ops@shop.test",
    "TRAEFIK_PROVIDERS_PROVIDERSTHROTTLEDURATION": "200ms",
    "OTHER": "x",
}


@pytest.mark.parametrize(
    "definition",
    [
        {"command": ARGUMENTS},
        {"command": ["traefik", *ARGUMENTS]},
        {"command": " ".join(ARGUMENTS)},
        {"command": [part for argument in ARGUMENTS for part in argument.split("=")]},
        {"command": [argument.lower() for argument in ARGUMENTS]},
        {"environment": ENVIRONMENT},
        {"environment": ENVIRONMENT, "command": ["traefik"]},
        {"environment": {"TRAEFIK_ENTRYPOINTS_WEB_ADDRESS": ":8080"}, "command": ARGUMENTS},
    ],
)
def test_a_front_is_read_from_its_arguments_however_they_are_written_or_else_from_its_environment(
    definition: dict[str, Any],
) -> None:
    found = front(**definition)
    assert found.entry_points == (EntryPoint("web", 80), EntryPoint("websecure", 443, tls=True))
    assert found.throttle_s == 0.2
    assert found.resolver == Resolver("le", "ops@shop.test")


def test_a_switch_alone_is_switched_on() -> None:
    found = front(command=["--entrypoints.a.http.tls", "--entrypoints.a.address=:443", "--entrypoints.b.address=:444"])
    assert found.entry_points == (EntryPoint("a", 443, tls=True), EntryPoint("b", 444))


def test_an_entry_point_with_any_tls_setting_terminates_tls() -> None:
    found = front(command=["--entrypoints.a.address=:443", "--entrypoints.a.http.tls.certresolver=le"])
    assert found.entry_points == (EntryPoint("a", 443, tls=True),)


def test_a_front_that_names_no_entry_point_is_asked_on_443() -> None:
    assert front().entry_points == (EntryPoint("websecure", 443, tls=True),)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0.0), ("0", 0.0), ("3", 3.0), ("200ms", 0.2), ("1.5s", 1.5), ("1m30s", 90.0), ("", 2.0)],
)
def test_a_front_rests_as_long_as_it_says_or_as_traefik_does_by_itself(text: str, seconds: float) -> None:
    assert front(command=[f"--providers.providersthrottleduration={text}"]).throttle_s == seconds


def test_a_front_without_a_word_rests_as_long_as_traefik_does_by_itself() -> None:
    assert front().throttle_s == 2.0


STORAGE = "--certificatesresolvers.le.acme.storage=/letsencrypt/acme.json"


@pytest.mark.parametrize(
    ("volumes", "place"),
    [
        ([bind("/data/le", "/letsencrypt")], "/data/le/acme.json"),
        ([bind("/data/le", "/letsencrypt/")], "/data/le/acme.json"),
        ([bind("/data/acme.json", "/letsencrypt/acme.json")], "/data/acme.json"),
        ([bind("/data/all", "/"), bind("/data/le", "/letsencrypt")], "/data/le/acme.json"),
        ([bind("/data/le", "/letsencrypt"), bind("/data/one", "/letsencrypt/acme.json")], "/data/one"),
        ([bind("/data/one", "/letsencrypt/acme.json"), bind("/data/le", "/letsencrypt")], "/data/one"),
        ([bind("/data/le", "/lets")], None),
        ([volume("le", "/letsencrypt")], None),
        ([bind("/data/le", "/letsencrypt"), volume("le", "/letsencrypt/acme.json")], None),
        ([], None),
    ],
)
def test_where_an_acme_file_lies_on_the_host_is_said_by_the_innermost_mount(
    volumes: list[dict[str, Any]], place: str | None
) -> None:
    (resolver,) = front(volumes=tuple(volumes), command=[STORAGE]).resolvers
    assert resolver.storage == place


def test_a_resolver_without_an_address_to_write_to_orders_nothing() -> None:
    options = [STORAGE, "--certificatesresolvers.le.acme.email= ", "--certificatesresolvers.le2.acme.email=a@shop.test"]
    assert [found.name for found in front(command=options).resolvers] == ["le", "le2"]
    assert front(command=options).resolver == Resolver("le2", "a@shop.test")
    assert front(command=[STORAGE]).resolver is None


def test_only_fixed_tcp_ports_of_any_address_are_where_the_host_can_be_asked() -> None:
    ports = [
        port(8443, 443),
        port(80, 80, host_ip="10.0.0.1"),
        port(443, 443, protocol="udp"),
        {"target": 81, "protocol": "tcp"},
        {"target": 82, "published": "8000-8010", "protocol": "tcp"},
    ]
    assert front(ports=ports).published == ((443, 8443),)


@pytest.mark.parametrize(
    ("user", "owner"), [("1000", (1000, 1000)), ("1000:50", (1000, 50)), ("web", None), ("", None)]
)
def test_who_a_front_runs_as_is_known_where_it_is_a_number(user: str, owner: tuple[int, int] | None) -> None:
    assert front(user=user).owner == owner


def test_a_front_on_the_network_of_the_host_is_known_as_one() -> None:
    assert front(network_mode="host").on_host
    assert not front().on_host


# Names


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("Host(`shop.test`)", ("shop.test",)),
        ("Host(`Shop.Test.`)", ("shop.test",)),
        ('Host("shop.test") && PathPrefix(`/a`)', ("shop.test",)),
        ("Host(`a.test`) || Host(`b.test`)", ("a.test", "b.test")),
        ("Host(`a.test`, `b.test`)", ("a.test", "b.test")),
        ("Host(`a.test`) && !Host(`b.test`)", ("a.test",)),
        ("Host(`a.test`) && ! Host(`b.test`)", ("a.test",)),
        ("Host(`a.test`) || Host(`a.test`)", ("a.test",)),
        ("Host(`münchen.test`)", ("xn--mnchen-3ya.test",)),
        ("HostRegexp(`.*`)", ()),
        ("PathPrefix(`/shop.test`)", ()),
        ("Host(`*`)", ()),
        ("Host(`a{{b}}.test`)", ()),
        ("Host(``)", ()),
    ],
)
def test_the_names_of_a_rule_are_those_that_it_asks_for(rule: str, found: tuple[str, ...]) -> None:
    assert domains(rule) == found


def test_names_that_a_router_asks_certificates_for_count_too() -> None:
    more = {
        "traefik.http.routers.web.tls.domains[0].main": "*.shop.test",
        "traefik.http.routers.web.tls.domains[0].sans": "a.test, b.test",
    }
    assert domains("Host(`shop.test`)", **more) == ("shop.test", "*.shop.test", "a.test", "b.test")


def test_a_tcp_router_is_known_by_its_sni() -> None:
    (router,) = labelled(traefik_tcp_routers_db_rule="HostSNI(`db.test`)", traefik_tcp_routers_db_tls="true")
    assert (router.domains, router.tls) == (("db.test",), True)


def test_sni_of_anybody_is_no_name() -> None:
    (router,) = labelled(traefik_tcp_routers_db_rule="HostSNI(`*`)")
    assert router.domains == ()


def test_what_passes_through_a_front_is_not_shown_by_it() -> None:
    assert (
        labelled(traefik_tcp_routers_db_rule="HostSNI(`db.test`)", traefik_tcp_routers_db_tls_passthrough="true") == ()
    )


@pytest.mark.parametrize("value", ["false", "False", " false "])
def test_a_service_that_is_switched_off_serves_nothing(value: str) -> None:
    assert labelled(**{"traefik.enable": value}, traefik_http_routers_web_rule="Host(`a.test`)") == ()
    assert labelled(**{"Traefik.Enable": value}, traefik_http_routers_web_rule="Host(`a.test`)") == ()


def test_a_router_says_where_it_listens_and_what_it_wants_of_tls() -> None:
    (router,) = labelled(
        traefik_http_routers_Web_rule="Host(`a.test`)",
        traefik_http_routers_Web_entryPoints="web, WebSecure",
        **{"traefik.http.routers.Web.tls.certResolver": "le", "traefik.http.routers.Web.tls.options": "modern@file"},
    )
    assert router == Router("shop", "web", "Web", ("a.test",), ("web", "websecure"), True, "le", "modern@file")


# Who serves what

WEB, SECURE = EntryPoint("web", 80), EntryPoint("websecure", 443, tls=True)


def router(**changes: Any) -> Router:
    return Router(**{"stack": "shop", "service": "web", "name": "web", "domains": ("a.test",), **changes})


@pytest.mark.parametrize(
    ("listens", "asks", "served", "at"),
    [
        ((WEB, SECURE), router(), True, 443),
        ((WEB, SECURE), router(entry_points=("web",)), False, 80),
        ((WEB, SECURE), router(entry_points=("web",), tls=True), True, 80),
        ((WEB, SECURE), router(entry_points=("other",)), False, None),
        ((WEB,), router(), False, 80),
        ((WEB,), router(tls=True), True, 80),
        ((), router(tls=True), False, None),
    ],
)
def test_a_name_is_served_where_its_router_listens_by_tls(
    listens: tuple[EntryPoint, ...], asks: Router, served: bool, at: int | None
) -> None:
    found = Front("shop", "traefik", entry_points=listens)
    assert (serves(found, asks), tls_port(found, asks)) == (served, at)


def test_another_stack_is_served_unless_the_front_keeps_to_its_own() -> None:
    theirs = router(stack="mail")
    assert serves(front(), theirs)
    assert not serves(front(command=["--providers.docker.constraints=Label(`a`,`b`)"]), theirs)


def test_a_front_that_waits_to_be_asked_serves_only_who_asks() -> None:
    asking, silent = (
        labelled(traefik_enable=value, traefik_http_routers_a_rule="Host(`a.test`)")[0] for value in ("true", "")
    )
    shy = front(command=["--providers.docker.exposedByDefault=false"])
    assert serves(shy, asking)
    assert not serves(shy, silent)
    assert serves(front(), silent)
