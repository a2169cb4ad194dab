"""Laws of what a swap cannot serve: Compose's own recreate, for what lives in another container and for its host."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.observed import State
from reconciler.model.plan import CreateContainers, RecreateServices
from tests.builders import decide, healthy, made, release, seen, steps, stopped, story, totals

TUNNEL: dict[str, Any] = {
    "vpn": healthy(),
    "torrent": {
        "network_mode": "service:vpn",
        "depends_on": {"vpn": {"condition": "service_healthy", "restart": True}},
    },
}


def tunnel(**changes: dict[str, Any]) -> Any:
    return release({name: {**definition, **changes.get(name, {})} for name, definition in TUNNEL.items()})


def both(found: Any) -> tuple[Any, Any]:
    return made(found, "vpn"), made(found, "torrent", joins=("vpn1",))


def test_anonymous_volumes_are_carried_over_by_compose() -> None:
    definition: dict[str, Any] = {"volumes": [{"type": "volume", "target": "/data"}]}
    before, wanted = release({"web": definition}), release({"web": {**definition, "user": "1"}})
    found = decide(wanted, seen(made(before, "web"), of=wanted), previous=before)
    assert steps(found) == ["let Compose recreate web", "wait until web is healthy (within 2m), and for 5s more"]
    assert story(found).startswith(
        "web  replace, recreate (its anonymous volumes must carry over to the new container) "
        "because its definition changed"
    )


def test_what_lives_in_another_container_is_restarted_once_that_one_was_started_again() -> None:
    """The container is the same one, and its network another: what lived in the one before reaches nobody any more."""
    wanted = tunnel()
    vpn, torrent = both(wanted)
    found = decide(
        wanted, seen(replace(vpn, started_at=2_000.0), replace(torrent, started_at=1_000.0), of=wanted), previous=wanted
    )
    assert steps(found) == ["restart shop-torrent-1", "wait until torrent is healthy (within 2m), and for 5s more"]
    assert found.steps[0].cause.text == (
        "shop-vpn-1 was started again, and shop-torrent-1 lives on in what its process before had"
    )
    as_ever = seen(replace(vpn, started_at=1_000.0), replace(torrent, started_at=1_000.1), of=wanted)
    assert decide(wanted, as_ever, previous=wanted).empty


def test_volumes_of_another_container_outlive_its_restart() -> None:
    wanted = release({"store": {}, "reader": {"volumes_from": ["store"]}})
    there = (made(wanted, "store", started_at=2_000.0), made(wanted, "reader", started_at=1_000.0, joins=("store1",)))
    assert decide(wanted, seen(*there, of=wanted), previous=wanted).empty


def test_what_lives_in_another_container_is_recreated_alone_if_it_alone_changed() -> None:
    before, wanted = tunnel(), tunnel(torrent={"user": "1"})
    found = decide(wanted, seen(*both(before), of=wanted), previous=before)
    assert steps(found) == [
        "let Compose recreate torrent",
        "wait until torrent is healthy (within 2m), and for 5s more",
    ]


def test_what_lives_in_another_container_is_recreated_after_it() -> None:
    before, wanted = tunnel(), tunnel(vpn={"user": "1"})
    found = decide(wanted, seen(*both(before), of=wanted), previous=before)
    assert steps(found) == [
        "let Compose recreate vpn",
        "wait until vpn is healthy (within 2m)",
        "let Compose recreate torrent",
        "wait until vpn is healthy (within 2m), and for 5s more",
        "wait until torrent is healthy (within 2m), and for 5s more",
    ]
    assert story(found).splitlines()[0:3] == [
        "torrent  replace, recreate (it lives in the namespaces or volumes of vpn) "
        "because vpn is replaced, and torrent lives in its namespaces",
        "vpn      replace, recreate (other services live in its namespaces) because its definition changed",
        "           user: added '1'",
    ]


def test_what_lives_in_a_container_that_is_gone_is_recreated() -> None:
    """The host was removed by hand: the joined one's network went with it."""
    wanted = tunnel()
    _, torrent = both(wanted)
    found = decide(wanted, seen(torrent, of=wanted), previous=wanted)
    assert steps(found) == [
        "make new containers for vpn",
        "start vpn's new container",
        "wait until vpn is healthy (within 2m)",
        "let Compose recreate torrent",
        "wait until vpn is healthy (within 2m), and for 5s more",
        "wait until torrent is healthy (within 2m), and for 5s more",
    ]


def test_chains_of_joined_containers_are_recreated_in_their_order() -> None:
    services: dict[str, Any] = {
        "a": {"network_mode": "service:b"},
        "b": {"network_mode": "service:c"},
        "c": {},
    }
    before, wanted = release(services), release({**services, "c": {"user": "1"}})
    there = (made(before, "c"), made(before, "b", joins=("c1",)), made(before, "a", joins=("b1",)))
    told = steps(decide(wanted, seen(*there, of=wanted), previous=before))
    assert told[:3] == ["let Compose recreate c", "let Compose recreate b", "let Compose recreate a"]


def test_a_restarted_host_takes_what_lives_in_it_along() -> None:
    wanted = tunnel()
    vpn, torrent = both(wanted)
    assert steps(decide(wanted, seen(stopped(vpn), torrent, of=wanted), previous=wanted))[:3] == [
        "start shop-vpn-1",
        "wait until vpn is healthy (within 2m)",
        "restart shop-torrent-1",
    ]


def test_a_first_install_of_joined_containers_needs_no_recreate() -> None:
    wanted = tunnel()
    found = decide(wanted, seen(of=wanted, networks=()))
    assert not [step for step in found.steps if isinstance(step.action, RecreateServices)]
    assert totals(found) == {"torrent": 1, "vpn": 1}


def test_what_compose_recreates_is_not_made_beside_the_old_one() -> None:
    before = release({**TUNNEL, "web": {}})
    wanted = release({**TUNNEL, "vpn": {**TUNNEL["vpn"], "user": "1"}, "web": {"user": "1"}})
    there = (*both(before), made(before, "web"))
    found = decide(wanted, seen(*there, of=wanted), previous=before)
    (create,) = [step.action for step in found.steps if isinstance(step.action, CreateContainers)]
    assert create.services == ("web",)
    assert totals(found) == {"torrent": 1, "vpn": 1, "web": 2}


def test_a_recreate_that_was_cut_short_goes_on_from_where_it_is() -> None:
    """SIGKILL of ``compose up`` leaves the old one ended and a new one under a name of Compose's own making."""
    definition: dict[str, Any] = {"volumes": [{"type": "volume", "target": "/data"}]}
    before, wanted = release({"web": definition}), release({"web": {**definition, "user": "1"}})
    half = replace(made(wanted, "web", state=State.CREATED), id="new", name="abc123_shop-web-1")
    found = decide(wanted, seen(stopped(made(before, "web")), half, of=wanted), previous=before)
    assert steps(found) == [
        "start abc123_shop-web-1",
        "wait until web is healthy (within 2m), and for 5s more",
        "remove shop-web-1, its volumes stay",
        "rename abc123_shop-web-1 to shop-web-1",
    ]


def test_what_others_link_to_is_recreated_under_its_name() -> None:
    """The engine resolves a link by the name that the linked container had when the linking one was made."""
    services: dict[str, Any] = {"db": {"image": "db:1"}, "app": {"links": ["db:database"]}}
    before, wanted = release(services), release({**services, "db": {"image": "db:2"}})
    there = (made(before, "db"), made(before, "app"))
    found = decide(wanted, seen(*there, of=[wanted, before]), previous=before)
    assert steps(found)[0] == "let Compose recreate db"
    assert "its new container must have the old one's name, which the links of app lead to" in story(found)


def test_what_is_new_and_lives_in_a_container_that_is_replaced_is_made_after_it() -> None:
    """Made beside the others, it would have joined the old one."""
    before, wanted = release({"vpn": healthy()}), tunnel(vpn={"user": "1"})
    found = decide(wanted, seen(made(before, "vpn"), of=wanted), previous=before)
    assert steps(found)[:3] == [
        "let Compose recreate vpn",
        "wait until vpn is healthy (within 2m)",
        "let Compose recreate torrent",
    ]
    assert not [step for step in found.steps if isinstance(step.action, CreateContainers)]
