"""Laws of networks: one that changed is made anew, and what is attached to it goes before."""

from __future__ import annotations

from reconciler.model.desired import Release
from reconciler.model.observed import Endpoint, Network
from tests.builders import decide, made, networks_of, release, seen, steps, stopped, story

SERVICES = {"db": {"networks": {"back": None}}, "web": {"networks": {"back": None, "default": None}}, "other": {}}


def with_network(**definition: object) -> Release:
    return release(SERVICES, networks={"back": definition})


def test_everything_attached_goes_down_before_a_changed_network_is_made_anew() -> None:
    before, wanted = with_network(), with_network(internal=True)
    there = [made(before, name) for name in ("db", "web", "other")]
    found = decide(wanted, seen(*there, of=[before, wanted]), previous=before)
    assert steps(found) == [
        "stop shop-db-1",
        "stop shop-web-1",
        "remove shop-db-1, its volumes stay",
        "remove shop-web-1, its volumes stay",
        "remove network shop_back",
        "make new containers for db, web",
        "start db's new container",
        "start web's new container",
        "wait until db is healthy (within 2m), and for 5s more",
        "wait until web is healthy (within 2m), and for 5s more",
    ]
    assert found.steps[0].cause.text == "network shop_back changed, and a network can only be made anew"
    assert story(found).splitlines()[0] == "db     replace because network shop_back changed and is made anew"


def test_what_is_attached_and_does_not_run_is_removed_without_a_stop() -> None:
    before, wanted = with_network(), with_network(internal=True)
    found = decide(wanted, seen(stopped(made(before, "db")), of=[before, wanted]), previous=before)
    assert steps(found)[:2] == ["remove shop-db-1, its volumes stay", "remove network shop_back"]


def test_a_container_on_two_changed_networks_goes_down_once() -> None:
    before = release({"web": {"networks": {"a": None, "b": None}}}, networks={"a": {}, "b": {}})
    wanted = release(
        {"web": {"networks": {"a": None, "b": None}}}, networks={"a": {"internal": True}, "b": {"internal": True}}
    )
    told = steps(decide(wanted, seen(made(before, "web"), of=[before, wanted]), previous=before))
    assert told.count("stop shop-web-1") == 1
    assert told.count("remove shop-web-1, its volumes stay") == 1


def test_a_removed_service_on_a_changed_network_goes_with_it() -> None:
    before = with_network()
    wanted = release({"web": SERVICES["web"], "other": {}}, networks={"back": {"internal": True}})
    there = [made(before, name) for name in ("db", "web", "other")]
    told = steps(decide(wanted, seen(*there, of=[before, wanted]), previous=before))
    assert told.index("remove shop-db-1, its volumes stay") < told.index("remove network shop_back")
    assert told.count("remove shop-db-1, its volumes stay") == 1


def test_a_network_that_no_service_uses_any_more_goes_last() -> None:
    before, wanted = with_network(), release({"other": {}, "web": {}, "db": {}})
    there = [made(before, name) for name in ("db", "web", "other")]
    assert steps(decide(wanted, seen(*there, of=[before, wanted]), previous=before))[-1] == "remove network shop_back"


def test_an_external_network_is_never_touched() -> None:
    wanted = release({"web": {"networks": {"edge": None}}}, networks={"edge": {"name": "edge", "external": True}})
    edge = Network("id-edge", "edge", "", "", owned=False)
    found = decide(wanted, seen(made(wanted, "web"), of=wanted, networks=(*networks_of(wanted), edge)), previous=wanted)
    assert found.empty


def test_a_network_of_somebody_else_is_never_touched() -> None:
    wanted = release({"web": {}})
    foreign = (
        Network("f1", "shop_other", "", "shop", owned=False),
        Network("f2", "shop_default", "x", "shop", owned=False),
    )
    found = decide(wanted, seen(made(wanted, "web"), of=wanted, networks=foreign), previous=wanted)
    assert found.empty


def test_endpoints_of_a_renamed_network_key_do_not_matter() -> None:
    """The engine's name of a network counts, not its key in the file."""
    wanted = release({"web": {"networks": {"n": None}}}, networks={"n": {"name": "shop_back"}})
    there = made(wanted, "web")
    assert there.settings.endpoints == (Endpoint("shop_back", ("web",)),)
    assert decide(wanted, seen(there, of=wanted), previous=wanted).empty
