"""What labels declare to Traefik, and the same said in a file."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.planning.traefik_labels import (
    asks_for_traefik,
    claims,
    configuration,
    is_enabled,
    is_pointed,
    leads,
    pointed,
    ports,
    why_not,
)
from tests.builders import led

TCP = {"traefik.tcp.routers.db.rule": "HostSNI(`*`)", "traefik.tcp.services.db.loadbalancer.server.port": "5432"}


def said(labels: dict[str, str], *hosts: str, is_brief: bool = False) -> Any:
    return configuration(labels, "shop", "web", hosts or ("h",), is_brief=is_brief)


def test_a_router_is_led_to_the_file_and_all_other_labels_stay() -> None:
    labels = led("web", **{"traefik.http.routers.web.entryPoints": "web", "other": "kept"})
    assert pointed(labels, "shop") == {**labels, "traefik.http.routers.web.service": "shop.web@file"}


def test_a_router_that_names_its_service_is_led_under_its_own_spelling() -> None:
    labels = led("web", **{"Traefik.HTTP.Routers.web.Service": "web"})
    assert pointed(labels, "shop")["Traefik.HTTP.Routers.web.Service"] == "shop.web@file"


def test_what_is_led_already_is_led_no_further_and_says_the_same() -> None:
    once = pointed(led("web"), "shop")
    assert pointed(once, "shop") == once
    assert is_pointed(once, "shop")
    assert not is_pointed(led("web"), "shop")
    assert said(once) == said(led("web"))


def test_several_routers_services_and_ports_are_led_each_to_its_own() -> None:
    labels = {
        **led("web", **{"traefik.http.routers.web.service": "web"}),
        "traefik.http.routers.admin.rule": "Host(`b.test`)",
        "traefik.http.routers.admin.service": "admin@docker",
        "traefik.http.services.admin.loadbalancer.server.port": "81",
        **TCP,
    }
    assert {(router.kind, router.name, router.service) for router in leads(labels, "shop")} == {
        ("http", "web", "web"),
        ("http", "admin", "admin"),
        ("tcp", "db", "db"),
    }
    found = said(labels, "10.0.0.2", "fd00::2")
    servers = {name: own["loadBalancer"]["servers"] for name, own in found["http"]["services"].items()}
    assert servers == {
        "shop.web": [{"url": "http://10.0.0.2:80"}, {"url": "http://[fd00::2]:80"}],
        "shop.admin": [{"url": "http://10.0.0.2:81"}, {"url": "http://[fd00::2]:81"}],
    }
    assert found["tcp"]["services"]["shop.db"]["loadBalancer"]["servers"] == [
        {"address": "10.0.0.2:5432"},
        {"address": "[fd00::2]:5432"},
    ]
    assert ports(labels) == {80, 81, 5432}


@pytest.mark.parametrize("service", ["api@internal", "other@file", "elsewhere"])
def test_a_router_that_leads_elsewhere_is_left_alone(service: str) -> None:
    labels = led("web", **{"traefik.http.routers.web.service": service})
    assert pointed(labels, "shop") == labels


def test_all_of_a_load_balancer_is_carried_over() -> None:
    own = {
        "traefik.http.services.web.loadbalancer.server.scheme": "h2c",
        "traefik.http.services.web.loadbalancer.server.weight": "3",
        "traefik.http.services.web.loadbalancer.passhostheader": "false",
        "traefik.http.services.web.loadbalancer.healthcheck.path": "/up",
        "traefik.http.services.web.loadbalancer.sticky.cookie.name": "c",
        "traefik.http.services.web.loadbalancer.serverstransport": "mine@file",
    }
    assert said(led("web", **own))["http"]["services"]["shop.web"]["loadBalancer"] == {
        "servers": [{"url": "h2c://h:80", "weight": "3"}],
        "passhostheader": "false",
        "healthcheck": {"path": "/up"},
        "sticky": {"cookie": {"name": "c"}},
        "serverstransport": "mine@file",
    }


def test_a_router_takes_its_own_middlewares_along_and_finds_others_where_they_were() -> None:
    own = {
        "traefik.http.routers.web.middlewares": "mine, theirs,file@file,both",
        "traefik.http.middlewares.mine.headers.customrequestheaders.X-A": "1",
        "traefik.http.middlewares.both.chain.middlewares": "mine,theirs",
        "traefik.http.middlewares.page.errors.service": "pages",
    }
    found = said(led("web", **own))["http"]
    assert found["routers"]["shop.web"]["middlewares"] == "shop.web.mine,theirs@docker,file@file,shop.web.both"
    assert found["middlewares"] == {
        "shop.web.mine": {"headers": {"customrequestheaders": {"X-A": "1"}}},
        "shop.web.both": {"chain": {"middlewares": "shop.web.mine,theirs@docker"}},
        "shop.web.page": {"errors": {"service": "pages@docker"}},
    }


@pytest.mark.parametrize(
    ("own", "tls"),
    [
        ({"tls": "true"}, {}),
        ({"tls.certresolver": "le"}, {}),
        ({"tls": "true", "tls.options": "strict@file"}, {"options": "strict@file"}),
        ({"tls.certresolver": "le", "tls.domains[0].main": "a.test"}, {}),
    ],
)
def test_tls_is_carried_over_but_certificates_are_ordered_by_one_router_only(
    own: dict[str, str], tls: dict[str, str]
) -> None:
    labels = led("web", **{f"traefik.http.routers.web.{key}": value for key, value in own.items()})
    assert said(labels)["http"]["routers"]["shop.web"]["tls"] == tls


def test_numbered_labels_become_a_list() -> None:
    own = {
        "traefik.http.middlewares.m.plugin.p.x[1].name": "second",
        "traefik.http.middlewares.m.plugin.p.x[0].name": "first",
    }
    plugin = said(led("web", **own))["http"]["middlewares"]["shop.web.m"]["plugin"]
    assert plugin == {"p": {"x": [{"name": "first"}, {"name": "second"}]}}


def test_idle_connections_are_given_up_at_once_only_while_they_are_watched() -> None:
    steady, brief = said(led("web"))["http"], said(led("web"), is_brief=True)["http"]
    idle = [own["serversTransports"]["shop.web"]["forwardingTimeouts"]["idleConnTimeout"] for own in (steady, brief)]
    assert idle == ["2s", "200ms"]


@pytest.mark.parametrize(
    ("labels", "scale", "why"),
    [
        (led("web"), 2, ""),
        (led("web", **{"traefik.http.services.web.loadbalancer.sticky.cookie": "true"}), 1, ""),
        (led("web", **{"traefik.http.services.web.loadbalancer.sticky.cookie": "true"}), 2, "sticky sessions"),
        (led("web", **{"traefik.http.services.web.loadbalancer.server.url": "http://x"}), 1, "an address of its own"),
        ({"traefik.http.routers.web.rule": "Host(`a`)"}, 1, "does not say which service"),
        (
            {"traefik.http.routers.web.rule": "Host(`a`)", "traefik.http.services.web.loadbalancer.sticky": "true"},
            1,
            "loadBalancer.server.port",
        ),
        ({**led("web"), "traefik.http.services.b.loadbalancer.server.port": "1"}, 1, "does not say which service"),
    ],
)
def test_what_cannot_be_said_in_a_file_is_declined_with_its_reason(
    labels: dict[str, str], scale: int, why: str
) -> None:
    found = why_not(labels, "shop", scale)
    assert (why in found) if why else found == ""


def test_who_wants_traefik_says_so() -> None:
    assert asks_for_traefik(led("web"))
    assert not asks_for_traefik({"traefik.enable": "true"})
    assert [is_enabled(own, by_default=False) for own in ({}, {"traefik.enable": "TRUE"})] == [False, True]
    assert [is_enabled(own, by_default=True) for own in ({}, {"Traefik.Enable": "false"})] == [True, False]


def test_two_services_that_name_the_same_load_balancer_share_it() -> None:
    assert claims(led("web")) & claims(led("WEB"))
    assert not claims(led("web")) & claims(led("admin"))
