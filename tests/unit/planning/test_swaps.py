"""Laws of replacing what serves: the old stays until the new is proven, and is removed only at the very end."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from typing import Any

import pytest

from reconciler.model.manifest import Rollout, ServiceRollout, Strategy
from reconciler.model.observed import State
from reconciler.model.plan import StartContainer, StopContainer
from tests.builders import (
    decide,
    healthy,
    made,
    manifest,
    port,
    release,
    seen,
    steps,
    stopped,
    story,
    totals,
    volume,
)


def two(definition: dict[str, Any], **change: Any) -> Any:
    """Two releases of one service, ``web``, that differ in ``change``."""
    return release({"web": definition}), release({"web": {**definition, **(change or {"user": "1000"})}})


def test_start_first_starts_and_proves_the_new_one_before_the_old_one_stops() -> None:
    before, wanted = two({"image": "web:1", "environment": {"MODE": "a"}}, image="web:2", environment={"MODE": "b"})
    told = story(decide(wanted, seen(made(before, "web"), of=[wanted, before]), previous=before))
    assert (
        told
        == dedent("""\
        web  replace, start-first (nothing of it is held by one container only) because its definition changed
               environment.MODE: 'a' -> 'b'
               image: 'web:1' -> 'web:2'

        Steps, in this order:
          1. make new containers for web                             [its definition changed]
          2. start web's new container                               [its definition changed]
          3. wait until web is healthy (within 2m), and for 5s more  [its definition changed]
          4. stop shop-web-1                                         [web is served by its successor]
          5. remove shop-web-1, its volumes stay                     [the release is proven]
        Note: the swap of web may lose requests that are under way when its old container is stopped (no Traefik that reads ${RECONCILER_TRAEFIK_DIR} leads to it); rollout.services.web.drain in stack.yaml lets them finish first""")
    )


def test_stop_first_makes_the_new_one_before_the_old_one_stops() -> None:
    before, wanted = two({"ports": [port(80)]})
    told = story(decide(wanted, seen(made(before, "web"), of=wanted), previous=before))
    assert told == dedent("""\
        web  replace, stop-first (host port 80 can be held by one container only) because its definition changed
               user: added '1000'

        Steps, in this order:
          1. make new containers for web                             [its definition changed]
          2. stop shop-web-1                                         [its definition changed]
          3. start web's new container                               [its definition changed]
          4. wait until web is healthy (within 2m), and for 5s more  [its definition changed]
          5. remove shop-web-1, its volumes stay                     [the release is proven]""")


def test_three_containers_are_succeeded_one_by_one() -> None:
    before, wanted = two({"scale": 3})
    old = [made(before, "web", number) for number in (1, 2, 3)]
    found = decide(wanted, seen(*old, of=wanted), previous=before)
    assert totals(found) == {"web": 6}
    assert steps(found) == [
        "make new containers for web",
        "start web's new container",
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-1",
        "start web's new container 2",
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-2",
        "start web's new container 3",
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-3",
        "remove shop-web-1, its volumes stay",
        "remove shop-web-2, its volumes stay",
        "remove shop-web-3, its volumes stay",
    ]


def test_three_writers_are_succeeded_one_by_one_the_old_one_stopped_first() -> None:
    before, wanted = two({"scale": 2, "volumes": [volume("uploads")]})
    found = decide(wanted, seen(made(before, "web", 1), made(before, "web", 2), of=wanted), previous=before)
    assert steps(found)[1:7] == [
        "stop shop-web-1",
        "start web's new container",
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-2",
        "start web's new container 2",
        "wait until web is healthy (within 2m), and for 5s more",
    ]


def test_scaling_up_keeps_what_is_there() -> None:
    before, wanted = two({"scale": 1}, scale=3)
    found = decide(wanted, seen(made(before, "web"), of=wanted), previous=before)
    assert totals(found) == {"web": 3}
    assert story(found).splitlines()[0] == "web  create because 1 containers, 3 wanted"
    assert steps(found) == [
        "make new containers for web",
        "start web's new container",
        "start web's new container 2",
        "wait until web is healthy (within 2m), and for 5s more",
    ]


def test_scaling_down_takes_the_newest_away_once_the_others_are_known_to_serve() -> None:
    before, wanted = two({"scale": 3}, scale=1)
    old = [made(before, "web", number) for number in (1, 2, 3)]
    assert steps(decide(wanted, seen(*old, of=wanted), previous=before)) == [
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-2",
        "stop shop-web-3",
        "remove shop-web-2, its volumes stay",
        "remove shop-web-3, its volumes stay",
    ]


def test_scaling_down_keeps_those_that_serve() -> None:
    before, wanted = two({"scale": 2}, scale=1)
    found = decide(wanted, seen(stopped(made(before, "web", 1)), made(before, "web", 2), of=wanted), previous=before)
    assert steps(found)[-1] == "remove shop-web-1, its volumes stay"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [(3, 0, "3 containers, 0 wanted"), (3, 1, "3 containers, 1 wanted"), (0, 2, "0 containers, 2 wanted")],
)
def test_another_scale_is_the_cause_of_what_stops_and_starts_for_it(before: int, after: int, told: str) -> None:
    old, wanted = two({"scale": before}, scale=after)
    there = [made(old, "web", number) for number in range(1, before + 1)]
    found = decide(wanted, seen(*there, of=wanted), previous=old)
    moved = [step for step in found.steps if isinstance(step.action, StartContainer | StopContainer)]
    assert {step.cause.text for step in moved} == {told}


def test_scaling_to_zero_stops_and_removes_all() -> None:
    before, wanted = two({"scale": 2}, scale=0)
    found = decide(wanted, seen(made(before, "web", 1), made(before, "web", 2), of=wanted), previous=before)
    assert steps(found) == [
        "stop shop-web-1",
        "stop shop-web-2",
        "remove shop-web-1, its volumes stay",
        "remove shop-web-2, its volumes stay",
    ]


def test_a_changed_service_is_scaled_down_while_it_is_replaced() -> None:
    before, wanted = two({"scale": 3}, scale=1, user="1000")
    old = [made(before, "web", number) for number in (1, 2, 3)]
    assert steps(decide(wanted, seen(*old, of=wanted), previous=before))[1:6] == [
        "start web's new container",
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-1",
        "stop shop-web-2",
        "stop shop-web-3",
    ]


def test_a_dependent_starts_anew_only_after_the_new_dependency_is_healthy() -> None:
    before = release({"db": healthy(ports=[port(5432)]), "web": {"depends_on": {"db": "service_healthy"}}})
    changed = {
        "db": healthy(ports=[port(5432)], user="1"),
        "web": {"user": "1", "depends_on": {"db": "service_healthy"}},
    }
    found = decide(release(changed), seen(made(before, "db"), made(before, "web"), of=before), previous=before)
    assert steps(found)[1:5] == [
        "stop shop-db-1",
        "start db's new container",
        "wait until db is healthy (within 2m)",
        "start web's new container",
    ]


def test_a_dependent_that_did_not_change_is_not_touched() -> None:
    before = release({"db": {}, "web": {"depends_on": ["db"]}})
    wanted = release({"db": {"user": "1"}, "web": {"depends_on": ["db"]}})
    found = decide(wanted, seen(made(before, "db"), made(before, "web"), of=wanted), previous=before)
    assert not any("web" in step for step in steps(found))
    assert "(no change: web)" in story(found)


def test_a_dependent_that_asks_for_it_is_restarted_after_the_new_dependency_is_healthy() -> None:
    needs = {"depends_on": {"db": {"condition": "service_healthy", "restart": True}}}
    before, wanted = release({"db": healthy(), "web": needs}), release({"db": healthy(user="1"), "web": needs})
    found = decide(wanted, seen(made(before, "db"), made(before, "web"), of=wanted), previous=before)
    assert steps(found) == [
        "make new containers for db",
        "start db's new container",
        "wait until db is healthy (within 2m), and for 5s more",
        "stop shop-db-1",
        "restart shop-web-1",
        "wait until web is healthy (within 2m), and for 5s more",
        "wait until db is healthy (within 2m)",
        "remove shop-db-1, its volumes stay",
    ]
    assert next(step.cause.text for step in found.steps if step.service == "web") == (
        "depends_on: it restarts when db is replaced"
    )


def test_a_restart_goes_on_to_those_that_depend_on_the_restarted() -> None:
    before = {"db": {}, "web": _restarts_with("db"), "proxy": _restarts_with("web")}
    wanted = release({**before, "db": {"user": "1"}})
    old = release(before)
    containers = [made(old, name) for name in ("db", "web", "proxy")]
    told = steps(decide(wanted, seen(*containers, of=wanted), previous=old))
    assert told.index("restart shop-web-1") < told.index("restart shop-proxy-1")


def test_a_job_that_has_ended_is_not_run_again_because_its_dependency_was_replaced() -> None:
    """A finished migration is never run twice for the same release."""
    before = {
        "db": {},
        "migrate": _restarts_with("db"),
        "web": {"depends_on": {"migrate": "service_completed_successfully"}},
    }
    old, wanted = release(before), release({**before, "db": {"user": "1"}})
    containers = [made(old, "db"), stopped(made(old, "migrate"), 0), made(old, "web")]
    assert "restart shop-migrate-1" not in steps(decide(wanted, seen(*containers, of=wanted), previous=old))


def test_scaling_up_does_not_keep_the_others_from_restarting_with_their_dependency() -> None:
    old = release({"db": {}, "web": _restarts_with("db")})
    wanted = release({"db": {"user": "1"}, "web": {**_restarts_with("db"), "scale": 2}})
    assert "restart shop-web-1" in steps(
        decide(wanted, seen(made(old, "db"), made(old, "web"), of=wanted), previous=old)
    )


def test_what_was_proven_first_is_looked_at_again_before_its_old_container_goes() -> None:
    before = release({"a": healthy(), "b": healthy()})
    wanted = release({"a": healthy(user="1"), "b": healthy(user="1")})
    told = steps(decide(wanted, seen(made(before, "a"), made(before, "b"), of=wanted), previous=before))
    assert told[-5:] == [
        "wait until b is healthy (within 2m), and for 5s more",
        "stop shop-b-1",
        "wait until a is healthy (within 2m)",
        "remove shop-a-1, its volumes stay",
        "remove shop-b-1, its volumes stay",
    ]


def test_several_containers_restart_one_after_the_other_each_proven_before_the_next() -> None:
    """All of them at once, as Compose does it, is an outage of a service that was scaled so as not to have any."""
    old = release({"db": {}, "web": healthy(**_restarts_with("db"), scale=3)})
    wanted = release({"db": {"user": "1"}, "web": healthy(**_restarts_with("db"), scale=3)})
    there = [made(old, "db"), *(made(old, "web", number) for number in (1, 2, 3))]
    told = steps(decide(wanted, seen(*there, of=wanted), previous=old))
    wait = "wait until web is healthy (within 2m), and for 5s more"
    assert [step for step in told if "web" in step] == [
        "restart shop-web-1",
        wait,
        "restart shop-web-2",
        wait,
        "restart shop-web-3",
        wait,
    ]


def _restarts_with(service: str) -> dict[str, Any]:
    return {"depends_on": {service: {"restart": True}}}


def test_a_fixed_name_goes_over_after_the_old_one_is_removed() -> None:
    before, wanted = two({"container_name": "the-web"})
    found = decide(wanted, seen(made(before, "web", name="the-web"), of=wanted), previous=before)
    assert steps(found)[-2:] == ["remove the-web, its volumes stay", "rename web's new container to the-web"]


def test_a_swap_that_is_taken_back_leaves_the_fixed_name_where_it_is() -> None:
    before, failed = two({"container_name": "the-web"})
    there = (made(before, "web", name="the-web"), made(failed, "web", 2))
    assert steps(decide(before, seen(*there, of=before), previous=before)) == [
        "wait until web is healthy (within 2m), and for 5s more",
        "stop shop-web-2",
        "remove shop-web-2, its volumes stay",
    ]


def test_a_changed_name_alone_is_a_rename_and_nothing_more() -> None:
    before, wanted = two({"container_name": "old-name", "network_mode": "none"}, container_name="new-name")
    found = decide(wanted, seen(made(before, "web", name="old-name"), of=wanted), previous=before)
    assert steps(found) == ["rename old-name to new-name"]


def test_a_changed_name_on_a_network_is_another_container_that_is_found_by_it_from_its_start() -> None:
    """As Compose has it: the names that a container answers to on its networks cannot be changed."""
    before, wanted = two({"container_name": "old-name"}, container_name="new-name")
    found = decide(wanted, seen(made(before, "web", name="old-name"), of=wanted), previous=before)
    assert steps(found)[-2:] == ["remove old-name, its volumes stay", "rename web's new container to new-name"]


def test_a_changed_job_runs_again_beside_its_old_container() -> None:
    before: dict[str, Any] = {
        "migrate": {"image": "app:1"},
        "web": {"depends_on": {"migrate": "service_completed_successfully"}},
    }
    old, wanted = release(before), release({**before, "migrate": {"image": "app:2"}})
    there = (stopped(made(old, "migrate"), 0), made(old, "web"))
    assert steps(decide(wanted, seen(*there, of=[wanted, old]), previous=old)) == [
        "make new containers for migrate",
        "start migrate's new container",
        "wait until migrate has ended with exit status 0 (within 2m)",
        "remove shop-migrate-1, its volumes stay",
    ]


def test_a_job_that_failed_is_run_again() -> None:
    wanted = release({"migrate": {}, "web": {"depends_on": {"migrate": "service_completed_successfully"}}})
    there = (stopped(made(wanted, "migrate"), 1), made(wanted, "web", state=State.CREATED))
    assert steps(decide(wanted, seen(*there, of=wanted))) == [
        "start shop-migrate-1",
        "wait until migrate has ended with exit status 0 (within 2m)",
        "start shop-web-1",
        "wait until web is healthy (within 2m), and for 5s more",
    ]


def test_each_service_is_proven_with_its_own_patience() -> None:
    before, wanted = two({})
    rollout = Rollout(timeout_s=60, soak_s=5, services={"web": ServiceRollout(timeout_s=300, soak_s=0)})
    found = decide(wanted, seen(made(before, "web"), of=wanted), declared=replace(manifest(), rollout=rollout))
    assert steps(found)[2] == "wait until web is healthy (within 5m)"


def test_an_old_container_that_is_paused_is_stopped_like_any_other() -> None:
    before, wanted = two({})
    found = decide(wanted, seen(made(before, "web", state=State.PAUSED), of=wanted), previous=before)
    assert "stop shop-web-1" in steps(found)


def test_an_old_container_that_does_not_run_is_only_removed() -> None:
    before, wanted = two({})
    found = decide(wanted, seen(stopped(made(before, "web")), of=wanted), previous=before)
    assert "stop shop-web-1" not in steps(found)
    assert steps(found)[-1] == "remove shop-web-1, its volumes stay"


@pytest.mark.parametrize("strategy", list(Strategy))
def test_stack_yaml_decides_the_strategy(strategy: Strategy) -> None:
    before, wanted = two({})
    found = decide(
        wanted, seen(made(before, "web"), of=wanted), previous=before, declared=manifest(strategies={"web": strategy})
    )
    assert found.services[0].strategy is strategy
    assert found.services[0].strategy_reason == "stack.yaml asks for it"


def test_old_containers_are_removed_only_when_every_service_is_proven() -> None:
    before = release({"a": {}, "b": {"depends_on": ["a"]}})
    wanted = release({"a": {"user": "1"}, "b": {"user": "1", "depends_on": ["a"]}})
    told = steps(decide(wanted, seen(made(before, "a"), made(before, "b"), of=wanted), previous=before))
    first_removal = told.index("remove shop-a-1, its volumes stay")
    assert not any(step.startswith(("wait", "start", "stop")) for step in told[first_removal:])
