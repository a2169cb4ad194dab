"""Laws of host ports: those that are new to the stack are tried before anything stops."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.errors import InvalidInputError
from reconciler.model.plan import CheckPorts, Plan
from tests.builders import decide, made, port, release, seen, stopped


def checked(found: Plan) -> tuple[str, ...]:
    return tuple(port for step in found.steps if isinstance(step.action, CheckPorts) for port in step.action.ports)


def test_a_port_that_is_new_to_the_stack_is_tried() -> None:
    before = release({"web": {"ports": [port(80)]}})
    wanted = release({"web": {"ports": [port(80), port(443)]}})
    found = decide(wanted, seen(made(before, "web"), of=wanted), previous=before)
    assert checked(found) == ("0.0.0.0:443/tcp",)
    assert isinstance(found.steps[0].action, CheckPorts)


def test_a_port_that_the_stack_holds_already_is_not_tried() -> None:
    before = release({"web": {"ports": [port(80)]}})
    wanted = release({"web": {"ports": [port(80)], "user": "1"}})
    assert checked(decide(wanted, seen(made(before, "web"), of=wanted), previous=before)) == ()


def test_a_port_that_another_service_of_the_stack_holds_is_not_tried() -> None:
    before = release({"a": {"ports": [port(80)]}, "b": {}})
    wanted = release({"a": {}, "b": {"ports": [port(80)]}})
    there = (made(before, "a"), made(before, "b"))
    assert checked(decide(wanted, seen(*there, of=wanted), previous=before)) == ()


def test_the_same_number_over_another_protocol_is_another_port() -> None:
    before = release({"web": {"ports": [port(53)]}})
    wanted = release({"web": {"ports": [port(53), port(53, protocol="udp")]}})
    assert checked(decide(wanted, seen(made(before, "web"), of=wanted), previous=before)) == ("0.0.0.0:53/udp",)


def test_a_port_of_a_container_that_is_gone_is_tried_again() -> None:
    wanted = release({"web": {"ports": [port(80)]}})
    assert checked(decide(wanted, seen(of=wanted), previous=wanted)) == ("0.0.0.0:80/tcp",)


def test_a_container_that_is_there_is_started_without_a_trial() -> None:
    wanted = release({"web": {"ports": [port(80)]}})
    assert checked(decide(wanted, seen(stopped(made(wanted, "web")), of=wanted), previous=wanted)) == ()


def test_ports_that_the_engine_chooses_and_ranges_are_not_tried() -> None:
    wanted = release({"web": {"ports": [{"target": 80}, port(0), {"target": 9000, "published": "9000-9010"}]}})
    assert checked(decide(wanted, seen(of=wanted))) == ()


def test_the_ports_of_each_service_are_tried_by_themselves() -> None:
    wanted = release({"a": {"ports": [port(80)]}, "b": {"ports": [port(443)]}})
    tried = [(step.service, step.action) for step in decide(wanted, seen(of=wanted)).steps[:2]]
    assert tried == [("a", CheckPorts(("0.0.0.0:80/tcp",))), ("b", CheckPorts(("0.0.0.0:443/tcp",)))]


def clashing(**services: dict[str, Any]) -> list[str]:
    try:
        release(services)
    except InvalidInputError as error:
        return [f"{found.key}: {found.message}" for found in error.problems]
    return []


def test_a_port_that_two_services_would_have_to_hold_at_once_is_refused_before_anything_begins() -> None:
    assert clashing(a={"ports": [port(80)]}, b={"ports": [port(80, host_ip="127.0.0.1")]}) == [
        "services.b.ports: host port 80 is published by a, too; publish another port in one of the two"
    ]
    assert clashing(a={"ports": [port(80)], "scale": 2}) == [
        "services.a.ports: 2 containers cannot all hold host port 80; publish a range, or run one"
    ]


@pytest.mark.parametrize(
    "services",
    [
        {"a": {"ports": [port(80, host_ip="127.0.0.1")]}, "b": {"ports": [port(80, host_ip="127.0.0.2")]}},
        {"a": {"ports": [port(53)]}, "b": {"ports": [port(53, protocol="udp")]}},
        {"a": {"ports": [port(80, host_ip="0.0.0.0")]}, "b": {"ports": [port(80, host_ip="::")]}},
        {"a": {"ports": [port(80)]}, "b": {"ports": [port(80)], "scale": 0}},
        {"a": {"ports": [{**port(80), "published": "80-81"}], "scale": 2}},
        {"a": {"ports": [port(80)]}, "b": {"ports": [port(80)], "depends_on": {"a": "service_completed_successfully"}}},
    ],
    ids=["addresses", "protocols", "families", "none of it", "a range", "a job before"],
)
def test_ports_that_can_be_held_are_taken_as_they_are(services: dict[str, Any]) -> None:
    assert clashing(**services) == []
