"""Whose upstreams are ours to say, and what that changes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.model.manifest import Strategy
from reconciler.planning.fronts import EntryPoint, Front
from reconciler.planning.proxies import Proxy
from reconciler.planning.upstreams import Upstreams, file_of, is_led, mark_in, service_of
from tests.builders import bind, led, manifest, port, release, spec_of, traefik

NAME = "web.shop.internal"


def web(**more: Any) -> dict[str, Any]:
    return {"labels": led("web"), **more}


def served_by(proxy: dict[str, Any], service: dict[str, Any], **more: Any) -> Any:
    return spec_of(release({"traefik": proxy, "web": service}, **more), "web")


def is_ours(spec: Any) -> bool:
    return is_led(spec, "shop")


def test_a_service_behind_a_traefik_that_reads_us_gets_a_name_and_keeps_its_labels() -> None:
    spec = served_by(traefik(), web())
    assert is_ours(spec)
    assert spec.definition["networks"] == {"default": {"aliases": [NAME]}}
    labels = {key: value for key, value in spec.definition["labels"].items() if key.startswith("traefik.")}
    assert labels == {**led("web"), "traefik.http.routers.web.service": "shop.web@file"}


def test_a_service_without_a_traefik_that_reads_us_stays_as_it_is() -> None:
    for proxy in ({}, traefik(volumes=[]), traefik(volumes=[bind("/srv/reconciler/state/traefik/other")])):
        spec = served_by(proxy, web())
        assert (is_ours(spec), spec.unled) == (False, "")
        assert spec.definition["networks"] == {"default": None}


def test_only_networks_that_it_shares_with_traefik_know_the_name() -> None:
    spec = served_by(
        traefik(networks={"front": None}),
        web(networks={"front": {"aliases": ["x"]}, "back": None}),
        networks={"front": {}, "back": {}},
    )
    assert spec.definition["networks"] == {"front": {"aliases": ["x", NAME]}, "back": None}


def test_a_service_on_no_network_of_traefiks_stays_as_it_is() -> None:
    spec = served_by(
        traefik(networks={"front": None}), web(networks={"back": None}), networks={"front": {}, "back": {}}
    )
    assert not is_ours(spec)


def test_what_traefik_is_told_to_leave_alone_is_left_alone() -> None:
    assert not is_ours(served_by(traefik(), web(labels=led("web", **{"traefik.enable": "false"}))))
    hidden = [*traefik()["command"], "--providers.docker.exposedByDefault=false"]
    labels = {key: value for key, value in led("web").items() if key != "traefik.enable"}
    assert not is_ours(served_by(traefik(command=hidden), web(labels=labels)))


@pytest.mark.parametrize(
    ("definition", "asked", "ours"),
    [
        ({}, None, True),
        ({"ports": [port(80)]}, None, False),
        ({"volumes": [{"type": "volume", "source": "v", "target": "/v"}]}, None, False),
        ({"volumes": [{"type": "volume", "source": "v", "target": "/v"}]}, Strategy.START_FIRST, True),
        ({}, Strategy.STOP_FIRST, False),
        ({}, Strategy.RECREATE, False),
    ],
)
def test_only_what_is_replaced_start_first_is_led(
    definition: dict[str, Any], asked: Strategy | None, ours: bool
) -> None:
    declared = manifest(strategies={"web": asked} if asked else None)
    assert is_ours(served_by(traefik(), web(**definition), declared=declared)) is ours


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        (traefik(command=["--providers.docker=true"]), "no entry point"),
        (
            traefik(
                command=[
                    "--providers.docker=true",
                    "--entryPoints.web.address=:80",
                    "--entryPoints.web.http.redirections.entryPoint.to=:443",
                ]
            ),
            "no entry point",
        ),
        (traefik(network_mode="host"), "host's network"),
    ],
)
def test_a_traefik_that_cannot_be_asked_or_cannot_look_up_names_is_declined_with_its_reason(
    proxy: dict[str, Any], why: str
) -> None:
    spec = served_by(proxy, web())
    assert not is_ours(spec)
    assert why in spec.unled


def test_a_second_traefik_that_does_not_read_us_keeps_the_service_as_it_is() -> None:
    found = release({"a": traefik(), "b": traefik(volumes=[]), "web": web()})
    assert "shop/b serves it, too" in spec_of(found, "web").unled


def test_services_that_share_a_load_balancer_are_left_to_traefik() -> None:
    found = release({"traefik": traefik(), "web": web(), "more": web()})
    assert "shares a router or a load balancer with more" in spec_of(found, "web").unled


def test_the_traefik_of_another_stack_leads_to_what_it_shares_a_network_with() -> None:
    front = Front("edge", "traefik", sees_others=True)
    edge = Proxy(front, frozenset({"edge"}), True, (EntryPoint("web", 80),))
    networks = {"edge": {"name": "edge", "external": True}}
    for proxy, ours in ((edge, True), (Proxy(Front("edge", "traefik"), edge.networks, True, edge.asked_at), False)):
        found = release({"web": web(networks={"edge": None})}, networks=networks, beside=(proxy,))
        assert is_ours(spec_of(found, "web")) is ours


def test_the_file_says_the_name_or_the_addresses_and_carries_its_mark() -> None:
    upstreams = Upstreams("shop", "web", led("web"), (), ("web",))
    content = upstreams.rendered("0" * 32)
    found = json.loads(content)["http"]
    assert found["services"]["shop.web"]["loadBalancer"]["servers"] == [{"url": f"http://{NAME}:80"}]
    assert mark_in(content) == "0" * 32
    pinned = Upstreams("shop", "web", led("web"), ("10.0.0.2",), ("web",)).rendered("0" * 32)
    assert json.loads(pinned)["http"]["services"]["shop.web"]["loadBalancer"]["servers"] == [
        {"url": "http://10.0.0.2:80"}
    ]


def test_no_label_becomes_a_template_of_traefiks() -> None:
    labels = led("web", **{"traefik.http.middlewares.m.headers.customrequestheaders.X": "{{ env `HOME` }}{{{"})
    content = Upstreams("shop", "web", labels).rendered("0" * 32)
    assert b"{{" not in content
    found = json.loads(content)["http"]["middlewares"]["shop.web.m"]["headers"]["customrequestheaders"]
    assert found == {"X": "{{ env `HOME` }}{{{"}


def test_a_file_is_known_by_its_name() -> None:
    assert service_of(file_of("shop", "my.web")) == ("shop", "my.web")
    assert [service_of(name) for name in ("certificates.yml", "upstreams-shop.yml", "upstreams.yml")] == [None] * 3
