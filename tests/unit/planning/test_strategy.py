"""Laws of choosing how a service is replaced, each with the reason that the plan prints."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.manifest import Strategy
from reconciler.model.observed import Container
from reconciler.planning.strategy import choose
from tests.builders import (
    CHECKOUT,
    bind,
    decide,
    made,
    manifest,
    port,
    release,
    seen,
    spec_of,
    story,
    tracked,
    volume,
)

STOP_FIRST: dict[str, tuple[dict[str, Any], str]] = {
    "host port": ({"ports": [port(5432)]}, "host port 5432 can be held by one container only"),
    "host port of one address": (
        {"ports": [port(53, protocol="udp", host_ip="127.0.0.1")]},
        "host port 127.0.0.1:53/udp can be held by one container only",
    ),
    "host network": (
        {"network_mode": "host"},
        "it uses the host's network, where its ports can be held by one container only",
    ),
    "another container's network": (
        {"network_mode": "container:vpn"},
        "it uses the network of the container vpn, where its ports can be held by one container only",
    ),
    "fixed address": (
        {"networks": {"default": {"ipv4_address": "10.0.0.9"}}},
        "its address 10.0.0.9 on network default can be held by one container only",
    ),
    "fixed IPv6 address": (
        {"networks": {"default": {"ipv6_address": "fd00::9"}}},
        "its address fd00::9 on network default can be held by one container only",
    ),
    "fixed MAC address": (
        {"mac_address": "02:42:ac:11:65:43"},
        "its fixed MAC address can be held by one container only",
    ),
    "fixed MAC address of one network": (
        {"networks": {"default": {"mac_address": "02:42:ac:11:65:43"}}},
        "its fixed MAC address can be held by one container only",
    ),
    "writable volume": ({"volumes": [volume("pgdata")]}, "it writes to volume pgdata: one writer at a time"),
    "writable folder": ({"volumes": [bind("/mnt/disk")]}, "it writes to /mnt/disk: one writer at a time"),
    "host data": (
        {"volumes": [bind(f"{CHECKOUT}/shop/uploads")]},
        "it writes to /srv/reconciler/data/shop/uploads: one writer at a time",
    ),
}

START_FIRST: dict[str, Any] = {
    "nothing at all": {},
    "a port that the engine chooses": {"ports": [{"target": 80, "protocol": "tcp"}, port(0)]},
    "a read-only volume": {"volumes": [volume("assets", read_only=True)]},
    "a read-only folder": {"volumes": [bind("/mnt/disk", read_only=True)]},
    "the engine's socket": {"volumes": [bind("/var/run/docker.sock", "/var/run/docker.sock")]},
    "a socket elsewhere": {"volumes": [bind("/opt/podman/podman.sock", "/var/run/docker.sock")]},
    "the host's clock": {"volumes": [bind("/etc/localtime", "/etc/localtime")]},
    "what Git tracks": {"volumes": [bind(f"{CHECKOUT}/shop/nginx.conf", "/etc/nginx.conf")]},
    "a tmpfs": {"volumes": [{"type": "tmpfs", "target": "/tmp"}]},
}


def chosen(definition: dict[str, Any], asked: Strategy | None = None, *outgoing: Container) -> tuple[Strategy, str]:
    entries = [tracked("shop/nginx.conf")]
    found = choose(spec_of(release({"web": definition}, entries=entries), "web"), outgoing, asked)
    return found.strategy, found.reason


@pytest.mark.parametrize(("definition", "reason"), STOP_FIRST.values(), ids=STOP_FIRST.keys())
def test_what_one_container_only_can_hold_is_let_go_first(definition: dict[str, Any], reason: str) -> None:
    assert chosen(definition) == (Strategy.STOP_FIRST, reason)


@pytest.mark.parametrize("definition", START_FIRST.values(), ids=START_FIRST.keys())
def test_what_two_containers_can_share_is_replaced_without_a_gap(definition: dict[str, Any]) -> None:
    assert chosen(definition) == (Strategy.START_FIRST, "nothing of it is held by one container only")


@pytest.mark.parametrize("asked", [Strategy.STOP_FIRST, Strategy.RECREATE])
def test_stack_yaml_may_ask_for_less_than_is_possible(asked: Strategy) -> None:
    assert chosen({}, asked) == (asked, "stack.yaml asks for it")


def test_stack_yaml_may_ask_for_two_writers() -> None:
    assert chosen({"volumes": [volume("uploads")]}, Strategy.START_FIRST) == (
        Strategy.START_FIRST,
        "stack.yaml asks for it",
    )


@pytest.mark.parametrize("kind", ["host port", "host network", "fixed address", "fixed MAC address"])
def test_stack_yaml_cannot_ask_for_the_impossible(kind: str) -> None:
    definition, reason = STOP_FIRST[kind]
    assert chosen(definition, Strategy.START_FIRST) == (
        Strategy.STOP_FIRST,
        f"start-first was asked for, but {reason}",
    )


def test_two_writers_do_not_hide_that_a_port_is_held() -> None:
    definition = {"volumes": [volume("data")], "ports": [port(80)]}
    assert chosen(definition, Strategy.START_FIRST)[0] is Strategy.STOP_FIRST


@pytest.mark.parametrize(
    "definition",
    [{"network_mode": "service:vpn"}, {"pid": "service:vpn"}, {"ipc": "service:vpn"}, {"volumes_from": ["vpn:ro"]}],
    ids=["network", "pid", "ipc", "volumes"],
)
def test_what_lives_in_another_container_is_recreated_by_compose(definition: dict[str, Any]) -> None:
    expected = (Strategy.RECREATE, "it lives in the namespaces or volumes of vpn")
    assert chosen(definition) == expected
    assert chosen(definition, Strategy.START_FIRST) == expected


def test_what_uses_the_volumes_of_a_container_outside_of_the_stack_is_not_recreated_for_it() -> None:
    assert chosen({"volumes_from": ["container:elsewhere:ro"]})[0] is Strategy.START_FIRST


def test_anonymous_volumes_carry_over_by_compose() -> None:
    found = release({"web": {"volumes": [{"type": "volume", "target": "/data"}]}})
    assert chosen({}, None, made(found, "web")) == (
        Strategy.RECREATE,
        "its anonymous volumes must carry over to the new container",
    )


def test_the_strategy_and_its_reason_are_printed() -> None:
    before, wanted = release({"web": {"ports": [port(80)]}}), release({"web": {"ports": [port(80)], "user": "9"}})
    found = decide(
        wanted,
        seen(made(before, "web"), of=wanted),
        previous=before,
        declared=manifest(strategies={"web": Strategy.START_FIRST}),
    )
    assert story(found).splitlines()[0] == (
        "web  replace, stop-first (start-first was asked for, but host port 80 can be held by one container only) "
        "because its definition changed"
    )
