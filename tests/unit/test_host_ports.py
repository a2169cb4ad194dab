"""Which host ports somebody holds, told by trying."""

from __future__ import annotations

import socket

import pytest

from reconciler.adapters.host_ports import HostPorts

taken = HostPorts({}).taken


def test_a_port_that_is_held_is_taken_and_one_that_is_free_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        assert taken([f"127.0.0.1:{port}/tcp", f"0.0.0.0:{port}/tcp", f"127.0.0.2:{port}/tcp"]) == (
            f"127.0.0.1:{port}/tcp",
            f"0.0.0.0:{port}/tcp",
        )
        assert taken([f"127.0.0.1:{port}/udp"]) == ()
    assert taken([f"127.0.0.1:{port}/tcp"]) == ()


def test_connections_that_just_ended_are_nobody_who_holds_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = server.accept()
        served.close()  # The side that ends first is left in TIME_WAIT.
        client.close()
    assert taken([f"127.0.0.1:{port}/tcp"]) == ()


def test_udp_ports_are_held_too() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = f"127.0.0.1:{held.getsockname()[1]}/udp"
        assert taken([port]) == (port,)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
@pytest.mark.parametrize("written", ["::1", "[::1]"])
def test_ipv6_addresses_are_told_apart_from_ipv4(written: str) -> None:
    try:
        held = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with held:
        port = held.getsockname()[1]
        assert taken([f"{written}:{port}/tcp", f"127.0.0.1:{port}/tcp"]) == (f"{written}:{port}/tcp",)


def test_an_address_of_another_host_can_never_be_bound() -> None:
    assert taken(["192.0.2.1:80/tcp"]) == ("192.0.2.1:80/tcp",)


@pytest.mark.parametrize("engine", ["tcp://192.0.2.7:2376", "ssh://ops@192.0.2.7", "tcp://127.0.0.1:2375"])
def test_this_machines_ports_say_nothing_of_an_engine_that_is_elsewhere(engine: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = f"127.0.0.1:{held.getsockname()[1]}/tcp"
        assert HostPorts({"DOCKER_HOST": engine}).taken([port, "192.0.2.7:80/tcp"]) == ()
        assert HostPorts({"DOCKER_HOST": "unix:///run/docker.sock"}).taken([port]) == (port,)
