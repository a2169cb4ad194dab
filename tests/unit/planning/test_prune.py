"""Laws of what is no longer wanted: it goes last, never in a landslide, and what is not ours never."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.desired import nothing_of
from reconciler.model.errors import StalledError
from reconciler.model.manifest import Prune
from tests.builders import decide, made, manifest, release, seen, steps, stopped, story

BEFORE = release({"web": {}, "worker": {}, "cache": {}})
ALL = tuple(made(BEFORE, name) for name in ("web", "worker", "cache"))


def test_a_removed_service_goes_after_the_release_is_proven() -> None:
    wanted = release({"web": {"user": "1"}, "worker": {}})
    found = decide(wanted, seen(*ALL, of=wanted), previous=BEFORE)
    assert steps(found)[-3:] == [
        "remove shop-web-1, its volumes stay",
        "stop shop-cache-1",
        "remove shop-cache-1, its volumes stay",
    ]
    assert "cache   remove because it is no longer in the release" in story(found).splitlines()


def test_a_removed_service_that_does_not_run_is_only_removed() -> None:
    wanted = release({"web": {}, "worker": {}})
    assert steps(decide(wanted, seen(*ALL[:2], stopped(ALL[2]), of=wanted), previous=BEFORE)) == [
        "remove shop-cache-1, its volumes stay"
    ]


def test_a_landslide_is_declined_and_said() -> None:
    wanted = release({"web": {}})
    found = decide(wanted, seen(*ALL, of=wanted), previous=BEFORE)
    assert found.empty
    assert found.notes == (
        "cache, worker: left running, because removing 2 of 3 services (66 %) is more than prune.maxRemovePercent (50); "
        "raise it in stack.yaml if that is meant",
    )


def test_half_of_a_stack_is_no_landslide() -> None:
    before = release({"web": {}, "worker": {}})
    wanted = release({"web": {}})
    there = [made(before, name) for name in ("web", "worker")]
    assert steps(decide(wanted, seen(*there, of=wanted), previous=before)) == [
        "stop shop-worker-1",
        "remove shop-worker-1, its volumes stay",
    ]


def test_stack_yaml_may_allow_a_landslide() -> None:
    wanted = release({"web": {}})
    declared = manifest(prune=Prune(max_remove_percent=100))
    assert len(decide(wanted, seen(*ALL, of=wanted), previous=BEFORE, declared=declared).steps) == 4


def test_nothing_is_pruned_where_pruning_is_disabled() -> None:
    wanted = release({"web": {}, "worker": {}})
    found = decide(wanted, seen(*ALL, of=wanted), previous=BEFORE, declared=manifest(prune=Prune(enabled=False)))
    assert found.empty
    assert found.notes == ("cache: no longer in the release, left running because prune is disabled",)


def test_a_network_stays_while_something_that_was_declined_may_use_it() -> None:
    before = release({"web": {}, "worker": {"networks": {"back": None}}}, networks={"back": {}})
    wanted = release({"web": {}})
    there = [made(before, name) for name in ("web", "worker")]
    declared = manifest(prune=Prune(enabled=False))
    assert decide(wanted, seen(*there, of=[before, wanted]), previous=before, declared=declared).empty


def test_towards_nothing_all_that_is_ours_goes() -> None:
    found = decide(nothing_of("shop"), seen(*ALL, of=BEFORE))
    assert steps(found)[-1] == "remove network shop_default"
    assert len(found.steps) == 7


def test_a_run_of_a_removed_service_is_left_alone() -> None:
    wanted = release({"web": {}, "worker": {}})
    run = replace(ALL[2], oneoff=True)
    assert decide(wanted, seen(*ALL[:2], run, of=wanted), previous=BEFORE).empty


def test_containers_that_are_not_ours_stop_the_plan_and_are_named() -> None:
    foreign = replace(made(BEFORE, "web"), owned=False)
    with pytest.raises(StalledError) as refused:
        decide(BEFORE, seen(of=BEFORE, foreign=(foreign,)))
    assert refused.value.reason == "NotOurs"
    assert "a Compose project named shop is there already and is not ours: shop-web-1" in str(refused.value)
    assert "docker compose -p shop down" in str(refused.value)


@pytest.mark.parametrize("policy", [Prune(), Prune(enabled=False)], ids=["guarded", "disabled"])
def test_what_only_a_release_had_that_was_never_proven_goes_whatever_the_guards_say(policy: Prune) -> None:
    proven = release({"web": {}})
    observed = replace(seen(*ALL, of=proven), unproven=frozenset({"worker", "cache"}))
    found = decide(proven, observed, previous=proven, declared=manifest(prune=policy))
    assert steps(found) == [
        "stop shop-cache-1",
        "remove shop-cache-1, its volumes stay",
        "stop shop-worker-1",
        "remove shop-worker-1, its volumes stay",
    ]
    assert found.notes == ()


def test_leftovers_are_not_counted_into_a_landslide_and_do_not_hide_one() -> None:
    wanted = release({"web": {}})
    before = release({"web": {}, "worker": {}, "cache": {}, "left": {}})
    there = [made(before, name) for name in ("web", "worker", "cache", "left")]
    found = decide(wanted, replace(seen(*there, of=wanted), unproven=frozenset({"left"})), previous=before)
    assert steps(found) == ["stop shop-left-1", "remove shop-left-1, its volumes stay"]
    assert found.notes[0].startswith("cache, worker: left running")
    assert [told.service for told in found.services if told.verb == "remove"] == ["left"]


def test_a_network_that_nothing_declined_uses_goes_all_the_same() -> None:
    before = release({"web": {"networks": {"back": None, "default": None}}, "worker": {}}, networks={"back": {}})
    there = [made(before, name) for name in ("web", "worker")]
    wanted = release({"web": {}})
    declared = manifest(prune=Prune(enabled=False))
    found = decide(wanted, seen(*there, of=[before, wanted]), previous=before, declared=declared)
    assert steps(found)[-1] == "remove network shop_back"
