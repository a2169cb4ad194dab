"""Laws of what goes over from one service to another: ports, addresses, volumes, names. The old holder lets go first."""

from __future__ import annotations

from typing import Any

from reconciler.model.manifest import Prune
from reconciler.model.observed import Endpoint, LiveSettings
from reconciler.model.plan import Existing, RenameContainer
from tests.builders import decide, made, manifest, port, release, seen, steps, stopped, volume


def test_a_host_port_goes_over_from_a_removed_service() -> None:
    """A service was renamed in its file: the one of the old name goes, but not after the one of the new name starts."""
    before = release({"web": {"ports": [port(80)]}, "db": {}, "cache": {}})
    wanted = release({"server": {"ports": [port(80)]}, "db": {}, "cache": {}})
    there = [made(before, name) for name in ("web", "db", "cache")]
    found = decide(wanted, seen(*there, of=[before, wanted]), previous=before)
    assert steps(found) == [
        "make new containers for server",
        "stop shop-web-1",
        "start server's new container",
        "wait until server is healthy (within 2m), and for 5s more",
        "remove shop-web-1, its volumes stay",
    ]
    assert found.steps[1].cause.text == "host port 80 goes over to server"


def test_a_host_port_goes_over_from_one_service_to_another() -> None:
    before = release({"a": {}, "web": {"ports": [port(80)]}})
    wanted = release({"a": {"ports": [port(80)]}, "web": {}})
    there = [made(before, name) for name in ("a", "web")]
    told = steps(decide(wanted, seen(*there, of=wanted), previous=before))
    assert told.index("stop shop-web-1") < told.index("start a's new container")
    assert told.count("stop shop-web-1") == 1
    assert told[-2:] == ["remove shop-a-1, its volumes stay", "remove shop-web-1, its volumes stay"]


def test_a_fixed_name_goes_over_from_a_removed_service() -> None:
    before = release({"web": {"container_name": "front"}, "db": {}})
    wanted = release({"server": {"container_name": "front"}, "db": {}})
    there = (made(before, "web", name="front"), made(before, "db"))
    told = steps(decide(wanted, seen(*there, of=[before, wanted]), previous=before))
    assert told[-3:] == ["stop front", "remove front, its volumes stay", "rename server's new container to front"]


def test_going_back_hands_the_port_back() -> None:
    before = release({"web": {"ports": [port(80)]}, "db": {}})
    failed = release({"server": {"ports": [port(80)]}, "db": {}})
    there = (stopped(made(before, "web")), made(failed, "server"), made(before, "db"))
    assert steps(decide(before, seen(*there, of=before), previous=before)) == [
        "stop shop-server-1",
        "start shop-web-1",
        "wait until web is healthy (within 2m), and for 5s more",
        "remove shop-server-1, its volumes stay",
    ]


def test_the_same_port_of_another_address_is_not_handed_over() -> None:
    before = release({"a": {}, "b": {"ports": [port(80, host_ip="10.0.0.1")]}})
    wanted = release({"a": {"ports": [port(80, host_ip="10.0.0.2")]}, "b": {}})
    told = steps(decide(wanted, seen(made(before, "a"), made(before, "b"), of=wanted), previous=before))
    assert told.index("start b's new container") < told.index("stop shop-b-1")


def test_a_fixed_address_goes_over() -> None:
    def at_nine() -> dict[str, Any]:
        return {"networks": {"default": {"ipv4_address": "10.0.0.9"}}}

    before, wanted = release({"old": at_nine(), "db": {}}), release({"new": at_nine(), "db": {}})
    old = made(before, "old", settings=LiveSettings("shop-old-1", (), (Endpoint("shop_default", (), "10.0.0.9"),)))
    found = decide(wanted, seen(old, made(before, "db"), of=[before, wanted]), previous=before)
    assert steps(found)[1:3] == ["stop shop-old-1", "start new's new container"]
    assert found.steps[1].cause.text == "address 10.0.0.9 goes over to new"


def test_a_volume_goes_over_to_its_next_writer() -> None:
    """A renamed database: two servers on one data directory would ruin it."""
    before = release({"db": {"volumes": [volume("pgdata")]}, "web": {}})
    wanted = release({"postgres": {"volumes": [volume("pgdata")]}, "web": {}})
    found = decide(wanted, seen(made(before, "db"), made(before, "web"), of=[before, wanted]), previous=before)
    assert steps(found)[1:3] == ["stop shop-db-1", "start postgres's new container"]
    assert found.steps[1].cause.text == "volume pgdata goes over to postgres"


def test_a_volume_that_two_services_share_is_not_handed_over() -> None:
    shared = {"volumes": [volume("uploads")]}
    before = release({"a": shared, "b": shared})
    wanted = release({"a": {**shared, "user": "1"}, "b": {**shared, "user": "1"}})
    told = steps(decide(wanted, seen(made(before, "a"), made(before, "b"), of=wanted), previous=before))
    assert told[1:5] == ["stop shop-a-1", "start a's new container", "stop shop-b-1", "start b's new container"]


def test_what_is_declined_to_be_removed_is_not_stopped_for_its_port() -> None:
    """It goes on running; that the port is taken is then said by the step that fails on it."""
    before = release({"web": {"ports": [port(80)]}})
    wanted = release({"server": {"ports": [port(80)]}})
    declared = manifest(prune=Prune(enabled=False))
    found = decide(wanted, seen(made(before, "web"), of=[before, wanted]), previous=before, declared=declared)
    assert "stop shop-web-1" not in steps(found)


def _named(name: str) -> dict[str, str]:
    """On no network, where nobody finds a container by its name, a name alone is no reason for another container."""
    return {"container_name": name, "network_mode": "none"}


def test_names_that_move_from_one_service_to_another_are_free_when_they_are_taken() -> None:
    before = release({"a": _named("one"), "b": _named("two")})
    wanted = release({"a": _named("two"), "b": _named("three")})
    there = (made(before, "a", name="one"), made(before, "b", name="two"))
    assert steps(decide(wanted, seen(*there, of=wanted), previous=before)) == [
        "rename two to three",
        "rename one to two",
    ]


def test_two_services_can_swap_their_names() -> None:
    before = release({"a": _named("one"), "b": _named("two")})
    wanted = release({"a": _named("two"), "b": _named("one")})
    there = (made(before, "a", name="one"), made(before, "b", name="two"))
    found = decide(wanted, seen(*there, of=wanted), previous=before)
    names = {"a1": "one", "b1": "two"}
    for step in found.steps:
        assert isinstance(step.action, RenameContainer)
        assert isinstance(step.action.ref, Existing)
        assert step.action.name not in names.values()
        names[step.action.ref.id] = step.action.name
    assert names == {"a1": "two", "b1": "one"}


def test_a_new_container_takes_its_name_after_two_others_swapped_theirs() -> None:
    before = release({"a": _named("one"), "b": _named("two")})
    wanted = release({"a": _named("two"), "b": _named("one"), "c": _named("three")})
    there = (made(before, "a", name="one"), made(before, "b", name="two"))
    told = steps(decide(wanted, seen(*there, of=[before, wanted]), previous=before))
    assert told[-4:] == [
        "rename c's new container to three",
        "rename one to two-a1",
        "rename two to one",
        "rename two-a1 to two",
    ]
