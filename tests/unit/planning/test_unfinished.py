"""Laws of a swap that was cut short: from every state on its way the same function goes on, or back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.observed import Container, Observed, Probe, State
from reconciler.model.plan import AwaitHealthy, CreateContainers, RemoveContainer, StartContainer, StopContainer
from tests.builders import decide, healthy, made, port, release, seen, steps, stopped, totals

OLD = release({"web": healthy()})
NEW = release({"web": healthy(user="1")})
HELD = {"ports": [port(80)]}
OLD_HELD = release({"web": healthy(**HELD)})
NEW_HELD = release({"web": healthy(**HELD, user="1")})

WAIT = "wait until web is healthy (within 2m), and for 5s more"
STARTING = Probe.STARTING

# Each state of a start-first swap, with the steps that end it.
FORWARD: dict[str, tuple[tuple[Container, ...], list[str]]] = {
    "created, not started": (
        (made(OLD, "web"), made(NEW, "web", 2, state=State.CREATED)),
        ["start shop-web-2", WAIT, "stop shop-web-1", "remove shop-web-1, its volumes stay"],
    ),
    "started": (
        (made(OLD, "web"), made(NEW, "web", 2, probe=STARTING)),
        [WAIT, "stop shop-web-1", "remove shop-web-1, its volumes stay"],
    ),
    "healthy, the old one runs": (
        (made(OLD, "web"), made(NEW, "web", 2)),
        [WAIT, "stop shop-web-1", "remove shop-web-1, its volumes stay"],
    ),
    "the old one is stopped": (
        (stopped(made(OLD, "web")), made(NEW, "web", 2)),
        [WAIT, "remove shop-web-1, its volumes stay"],
    ),
    "the old one is removed": ((made(NEW, "web", 2),), []),
}


@pytest.mark.parametrize(("there", "expected"), FORWARD.values(), ids=FORWARD.keys())
def test_a_start_first_swap_goes_on_from_where_it_is(there: tuple[Container, ...], expected: list[str]) -> None:
    assert steps(decide(NEW, seen(*there, of=NEW), previous=OLD)) == expected


FORWARD_HELD: dict[str, tuple[tuple[Container, ...], list[str]]] = {
    "created, the old one runs": (
        (made(OLD_HELD, "web"), made(NEW_HELD, "web", 2, state=State.CREATED)),
        ["stop shop-web-1", "start shop-web-2", WAIT, "remove shop-web-1, its volumes stay"],
    ),
    "the old one is stopped": (
        (stopped(made(OLD_HELD, "web")), made(NEW_HELD, "web", 2, state=State.CREATED)),
        ["start shop-web-2", WAIT, "remove shop-web-1, its volumes stay"],
    ),
    "started": (
        (stopped(made(OLD_HELD, "web")), made(NEW_HELD, "web", 2, probe=STARTING)),
        [WAIT, "remove shop-web-1, its volumes stay"],
    ),
    "healthy": (
        (stopped(made(OLD_HELD, "web")), made(NEW_HELD, "web", 2)),
        [WAIT, "remove shop-web-1, its volumes stay"],
    ),
    "the old one is removed": ((made(NEW_HELD, "web", 2),), []),
}


@pytest.mark.parametrize(("there", "expected"), FORWARD_HELD.values(), ids=FORWARD_HELD.keys())
def test_a_stop_first_swap_goes_on_from_where_it_is(there: tuple[Container, ...], expected: list[str]) -> None:
    assert steps(decide(NEW_HELD, seen(*there, of=NEW_HELD), previous=OLD_HELD)) == expected


# Each state of a start-first swap, with the steps back. Only the last one has to make anything.
BACK: dict[str, tuple[tuple[Container, ...], list[str]]] = {
    "created, not started": (
        (made(OLD, "web"), made(NEW, "web", 2, state=State.CREATED)),
        [WAIT, "remove shop-web-2, its volumes stay"],
    ),
    "started": (
        (made(OLD, "web"), made(NEW, "web", 2, probe=STARTING)),
        [WAIT, "stop shop-web-2", "remove shop-web-2, its volumes stay"],
    ),
    "unhealthy": (
        (made(OLD, "web"), made(NEW, "web", 2, probe=Probe.UNHEALTHY)),
        [WAIT, "stop shop-web-2", "remove shop-web-2, its volumes stay"],
    ),
    "ended": (
        (made(OLD, "web"), stopped(made(NEW, "web", 2))),
        [WAIT, "remove shop-web-2, its volumes stay"],
    ),
    "the old one is stopped": (
        (stopped(made(OLD, "web")), made(NEW, "web", 2)),
        ["start shop-web-1", WAIT, "stop shop-web-2", "remove shop-web-2, its volumes stay"],
    ),
}


@pytest.mark.parametrize(("there", "expected"), BACK.values(), ids=BACK.keys())
def test_going_back_restarts_the_old_container_and_makes_none(
    there: tuple[Container, ...], expected: list[str]
) -> None:
    assert steps(decide(OLD, seen(*there, of=OLD), previous=OLD)) == expected


BACK_HELD: dict[str, tuple[tuple[Container, ...], list[str]]] = {
    "created, the old one runs": (
        (made(OLD_HELD, "web"), made(NEW_HELD, "web", 2, state=State.CREATED)),
        [WAIT, "remove shop-web-2, its volumes stay"],
    ),
    "the old one is stopped": (
        (stopped(made(OLD_HELD, "web")), made(NEW_HELD, "web", 2, state=State.CREATED)),
        ["start shop-web-1", WAIT, "remove shop-web-2, its volumes stay"],
    ),
    "started": (
        (stopped(made(OLD_HELD, "web")), made(NEW_HELD, "web", 2, probe=STARTING)),
        ["stop shop-web-2", "start shop-web-1", WAIT, "remove shop-web-2, its volumes stay"],
    ),
}


@pytest.mark.parametrize(("there", "expected"), BACK_HELD.values(), ids=BACK_HELD.keys())
def test_going_back_where_one_only_can_run_stops_the_new_one_first(
    there: tuple[Container, ...], expected: list[str]
) -> None:
    assert steps(decide(OLD_HELD, seen(*there, of=OLD_HELD), previous=OLD_HELD)) == expected


def test_going_back_after_the_old_one_is_removed_makes_it_anew() -> None:
    found = decide(OLD, seen(made(NEW, "web", 2), of=OLD), previous=OLD)
    assert totals(found) == {"web": 2}
    assert steps(found)[1:] == [
        "start web's new container",
        WAIT,
        "stop shop-web-2",
        "remove shop-web-2, its volumes stay",
    ]


def test_a_surplus_of_equal_containers_is_taken_away() -> None:
    """A scale-up, or a create, that was cut short after it had made too much."""
    there = (made(NEW, "web", 1), made(NEW, "web", 2, state=State.CREATED))
    assert steps(decide(NEW, seen(*there, of=NEW), previous=NEW)) == [WAIT, "remove shop-web-2, its volumes stay"]


def test_of_equal_containers_the_healthy_one_is_kept() -> None:
    there = (made(NEW, "web", 1, probe=Probe.UNHEALTHY), made(NEW, "web", 2))
    assert steps(decide(NEW, seen(*there, of=NEW), previous=NEW))[-1] == "remove shop-web-1, its volumes stay"


def test_a_rolled_out_half_of_three_is_continued() -> None:
    old, new = release({"web": {"scale": 3}}), release({"web": {"scale": 3, "user": "1"}})
    there = (
        stopped(made(old, "web", 1)),
        made(old, "web", 2),
        made(old, "web", 3),
        made(new, "web", 4),
        made(new, "web", 5, state=State.CREATED),
        made(new, "web", 6, state=State.CREATED),
    )
    assert steps(decide(new, seen(*there, of=new), previous=old)) == [
        "start shop-web-5",
        WAIT,
        "stop shop-web-2",
        "start shop-web-6",
        WAIT,
        "stop shop-web-3",
        "remove shop-web-1, its volumes stay",
        "remove shop-web-2, its volumes stay",
        "remove shop-web-3, its volumes stay",
    ]


def test_three_releases_at_once_end_as_the_one_that_is_wanted() -> None:
    """A swap was cut short, and then something newer came from Git."""
    newest = release({"web": healthy(user="2")})
    there = (made(OLD, "web", 1), made(NEW, "web", 2, probe=STARTING))
    assert steps(decide(newest, seen(*there, of=newest), previous=OLD)) == [
        "make new containers for web",
        "start web's new container",
        WAIT,
        "stop shop-web-1",
        "stop shop-web-2",
        "remove shop-web-1, its volumes stay",
        "remove shop-web-2, its volumes stay",
    ]


def test_a_fixed_name_that_did_not_go_over_yet_goes_over() -> None:
    wanted = release({"web": {"container_name": "the-web"}})
    assert steps(decide(wanted, seen(made(wanted, "web", 2), of=wanted), previous=wanted)) == [
        "rename shop-web-2 to the-web"
    ]


def test_a_job_that_still_runs_beside_its_old_container_is_waited_for() -> None:
    services: dict[str, Any] = {"job": {}, "web": {"depends_on": {"job": "service_completed_successfully"}}}
    old, new = release(services), release({**services, "job": {"user": "1"}})
    there = (stopped(made(old, "job"), 0), made(new, "job", 2), made(old, "web"))
    assert steps(decide(new, seen(*there, of=new), previous=old)) == [
        "wait until job has ended with exit status 0 (within 2m)",
        "remove shop-job-1, its volumes stay",
    ]


def test_what_a_cut_short_network_change_took_down_comes_up_again() -> None:
    services = {"web": {"networks": {"back": None}}}
    wanted = release(services, networks={"back": {"internal": True}})
    assert steps(decide(wanted, seen(of=wanted, networks=()), previous=release(services, networks={"back": {}})))[
        :2
    ] == [
        "make new containers for web",
        "start web's new container",
    ]


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), (OLD_HELD, NEW_HELD)], ids=["start-first", "stop-first"])
def test_taking_a_plan_step_by_step_never_needs_another_container(old: Any, new: Any) -> None:
    """However far a plan was walked: what is planned from there makes at most what was not made yet."""
    host = seen(made(old, "web"), of=[new, old])
    for walked in _states_along(decide(new, host, previous=old), host, new):
        found = decide(new, walked, previous=old)
        there = any(container.definition == new.services[0].digest for container in walked.containers)
        assert any(isinstance(step.action, CreateContainers) for step in found.steps) is not there


def _states_along(found: Any, host: Observed, new: Any) -> list[Observed]:
    """The host after each step of a one-service plan."""
    states, now = [], {container.id: container for container in host.containers}
    for step in found.steps:
        match step.action:
            case CreateContainers():
                now["web2"] = made(new, "web", 2, state=State.CREATED)
            case StartContainer():
                now["web2"] = made(new, "web", 2, probe=STARTING)
            case AwaitHealthy():
                now["web2"] = replace(now["web2"], probe=Probe.HEALTHY)
            case StopContainer():
                now["web1"] = stopped(now["web1"])
            case RemoveContainer():
                del now["web1"]
        states.append(seen(*now.values(), of=new))
    assert [container.state for container in now.values()] == [State.RUNNING]
    return states
