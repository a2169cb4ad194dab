"""Laws of bringing up a stack that was not there: what is depended on first, and as well as the dependent asked for."""

from __future__ import annotations

from textwrap import dedent

import pytest

from reconciler.model.observed import Probe
from reconciler.model.plan import PullImage
from tests.builders import (
    bare,
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

SHOP = {
    "db": healthy(volumes=[volume("pgdata")]),
    "migrate": {"image": "app:1", "depends_on": {"db": "service_healthy"}},
    "web": healthy(image="app:1", depends_on={"migrate": "service_completed_successfully"}),
}


def test_a_first_install_reads_as_a_story() -> None:
    wanted = release(SHOP)
    told = story(decide(wanted, bare(wanted, lacking=["app:1"])))
    assert told == dedent("""\
        db       create because it is new
        migrate  create because it is new
        web      create because it is new

        Steps, in this order:
          1. pull image app:1                                             [the engine does not hold it]
          2. make new containers for db, migrate, web                     [it is new]
          3. start db's new container                                     [it is new]
          4. wait until db is healthy (within 2m)                         [it is new]
          5. start migrate's new container                                [it is new]
          6. wait until migrate has ended with exit status 0 (within 2m)  [it is new]
          7. start web's new container                                    [it is new]
          8. wait until db is healthy (within 2m), and for 5s more        [it is new]
          9. wait until web is healthy (within 2m), and for 5s more       [it is new]""")


def test_what_only_has_to_be_started_is_not_waited_for() -> None:
    wanted = release({"db": {}, "web": {"depends_on": ["db"]}})
    assert steps(decide(wanted, bare(wanted)))[1:3] == ["start db's new container", "start web's new container"]


def test_a_dependency_that_two_services_wait_for_is_waited_for_once() -> None:
    needs_db = {"depends_on": {"db": "service_healthy"}}
    wanted = release({"db": healthy(), "web": needs_db, "worker": needs_db})
    waits = [step for step in steps(decide(wanted, bare(wanted))) if step == "wait until db is healthy (within 2m)"]
    assert len(waits) == 1


def test_services_that_do_not_need_each_other_are_all_started_before_any_is_proven() -> None:
    wanted = release({"a": {}, "b": {}})
    assert steps(decide(wanted, bare(wanted))) == [
        "make new containers for a, b",
        "start a's new container",
        "start b's new container",
        "wait until a is healthy (within 2m), and for 5s more",
        "wait until b is healthy (within 2m), and for 5s more",
    ]


def test_an_image_that_two_services_run_is_pulled_once() -> None:
    wanted = release({"a": {"image": "app:1"}, "b": {"image": "app:1"}})
    found = decide(wanted, bare(wanted, lacking=["app:1"]))
    assert [step.action.image for step in found.steps if isinstance(step.action, PullImage)] == ["app:1"]


def test_every_image_is_pulled_before_anything_is_made() -> None:
    wanted = release({"a": {}, "b": {}})
    told = steps(decide(wanted, bare(wanted, lacking=["a:1", "b:1"])))
    assert told[:3] == ["pull image a:1", "pull image b:1", "make new containers for a, b"]


def test_all_containers_of_a_new_service_are_started_and_then_proven_together() -> None:
    wanted = release({"web": {"scale": 3}})
    found = decide(wanted, bare(wanted))
    assert totals(found) == {"web": 3}
    assert steps(found) == [
        "make new containers for web",
        "start web's new container",
        "start web's new container 2",
        "start web's new container 3",
        "wait until web is healthy (within 2m), and for 5s more",
    ]


def test_a_service_of_scale_zero_makes_nothing() -> None:
    wanted = release({"web": {"deploy": {"replicas": 0}}})
    assert decide(wanted, bare(wanted)).empty


def test_a_fixed_name_is_given_once_the_release_is_proven() -> None:
    wanted = release({"web": {"container_name": "the-web"}})
    assert steps(decide(wanted, bare(wanted)))[-2:] == [
        "wait until web is healthy (within 2m), and for 5s more",
        "rename web's new container to the-web",
    ]


def test_an_optional_dependency_that_is_not_there_is_not_waited_for() -> None:
    wanted = release({"web": {"depends_on": {"cache": {"required": False, "condition": "service_healthy"}}}})
    assert steps(decide(wanted, bare(wanted)))[1] == "start web's new container"


def test_what_is_as_it_should_be_is_left_alone() -> None:
    wanted = release(SHOP)
    job = stopped(made(wanted, "migrate"), exit_code=0)
    found = decide(wanted, seen(made(wanted, "db"), job, made(wanted, "web"), of=wanted), previous=wanted)
    assert found.empty
    assert found.notes == ()
    assert story(found) == ""


def test_a_new_service_waits_for_what_is_there_and_still_starting() -> None:
    """The pass that started the database was cut short before it was healthy."""
    wanted = release({"db": healthy(), "web": {"depends_on": {"db": "service_healthy"}}})
    found = decide(wanted, seen(made(wanted, "db", probe=Probe.STARTING), of=wanted))
    assert steps(found)[1:3] == ["wait until db is healthy (within 2m)", "start web's new container"]


def test_a_new_service_waits_for_a_job_that_still_runs() -> None:
    wanted = release({"migrate": {}, "web": {"depends_on": {"migrate": "service_completed_successfully"}}})
    found = decide(wanted, seen(made(wanted, "migrate"), of=wanted))
    assert steps(found)[1:3] == [
        "wait until migrate has ended with exit status 0 (within 2m)",
        "start web's new container",
    ]


@pytest.mark.parametrize("probe", [Probe.STARTING, Probe.HEALTHY], ids=["starting", "healthy, not soaked"])
def test_what_a_cut_short_pass_started_is_proven_before_the_release_counts(probe: Probe) -> None:
    before = release({"db": healthy()})
    wanted = release({"db": healthy(), "web": healthy()})
    there = (made(wanted, "db"), made(wanted, "web", probe=probe))
    found = decide(wanted, seen(*there, of=wanted, unfinished=True), previous=before)
    assert steps(found) == ["wait until web is healthy (within 2m), and for 5s more"]
    assert story(found).splitlines()[0] == "web  finish because it was started and is not proven yet"


def test_what_runs_already_is_taken_for_right_where_no_pass_was_cut_short() -> None:
    """The memory of what was proven was lost: that is no reason to call ill what is ill for other reasons a failed release."""
    wanted = release({"db": healthy(), "web": healthy()})
    there = (made(wanted, "db", probe=Probe.UNHEALTHY), made(wanted, "web"))
    assert decide(wanted, seen(*there, of=wanted)).empty


def test_a_job_that_was_cut_off_from_its_pass_is_waited_for_before_the_release_counts() -> None:
    declared = manifest(jobs={"job": True})
    wanted = release({"job": {}}, declared=declared)
    found = decide(wanted, seen(made(wanted, "job"), of=wanted, unfinished=True), declared=declared)
    assert steps(found) == ["wait until job has ended with exit status 0 (within 2m)"]


def test_what_is_ill_and_not_changed_does_not_keep_a_release_from_being_proven() -> None:
    """Else no commit could mend one service while another one is ill."""
    before, wanted = release({"db": healthy(), "web": {}}), release({"db": healthy(), "web": {"user": "1"}})
    there = (made(before, "db", probe=Probe.UNHEALTHY), made(before, "web"))
    told = steps(decide(wanted, seen(*there, of=wanted, unfinished=True), previous=before))
    assert not any("db" in step for step in told)


def test_a_dependent_does_not_start_while_what_it_needs_is_ill() -> None:
    """As with Compose: the wait fails, and says why."""
    before = release({"db": healthy()})
    wanted = release({"db": healthy(), "web": {"depends_on": {"db": "service_healthy"}}})
    told = steps(decide(wanted, seen(made(before, "db", probe=Probe.UNHEALTHY), of=wanted), previous=before))
    assert told.index("wait until db is healthy (within 2m)") < told.index("start web's new container")


def test_ports_are_tried_before_anything_is_made() -> None:
    wanted = release({"web": {"ports": [port(80), port(443, protocol="udp", host_ip="127.0.0.1")]}})
    told = steps(decide(wanted, bare(wanted)))
    assert told[0] == "check that nobody else holds 0.0.0.0:80/tcp, 127.0.0.1:443/udp"
