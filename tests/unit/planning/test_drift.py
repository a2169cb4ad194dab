"""Laws of drift: what somebody changed on a container is found by comparing, and put back with the smallest step."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.observed import Container, Endpoint, LiveSettings, Probe, State
from reconciler.model.plan import (
    CauseKind,
    ConnectNetwork,
    DisconnectNetwork,
    Existing,
    Plan,
    UpdateResources,
)
from tests.builders import decide, healthy, made, port, release, seen, steps, stopped, story

WANTED = release({"web": {}})
WEB = made(WANTED, "web")


def drifted(container: Container, baseline: LiveSettings | None = None) -> Plan:
    return decide(
        WANTED,
        seen(container, of=WANTED, baselines={container.id: baseline or WEB.settings}),
        previous=WANTED,
    )


def with_settings(**changes: object) -> Container:
    return replace(WEB, settings=replace(WEB.settings, **changes))  # type: ignore[arg-type]


def test_a_stopped_container_is_started() -> None:
    found = drifted(stopped(WEB))
    assert steps(found) == ["start shop-web-1", "wait until web is healthy (within 2m), and for 5s more"]
    assert story(found).splitlines()[0] == "web  repair because shop-web-1 was stopped (exit status 137)"


def test_a_removed_container_is_made_anew() -> None:
    found = decide(WANTED, seen(of=WANTED), previous=WANTED)
    assert steps(found) == [
        "make new containers for web",
        "start web's new container",
        "wait until web is healthy (within 2m), and for 5s more",
    ]
    assert {step.cause.text for step in found.steps} == {"its container is gone"}
    assert {step.cause.kind for step in found.steps} == {CauseKind.DRIFT}


def test_a_container_that_was_made_but_never_started_is_started() -> None:
    found = drifted(replace(WEB, state=State.CREATED))
    assert steps(found)[0] == "start shop-web-1"
    assert found.steps[0].cause.text == "shop-web-1 was made but not started"


def test_one_of_several_that_is_gone_is_made_anew() -> None:
    wanted = release({"web": {"scale": 2}})
    found = decide(wanted, seen(made(wanted, "web", 2), of=wanted), previous=wanted)
    assert found.steps[0].cause.text == "1 of 2 containers are there"
    assert found.steps[0].cause.kind is CauseKind.DRIFT


def test_a_dead_container_is_replaced() -> None:
    found = drifted(replace(WEB, state=State.DEAD))
    assert found.steps[0].cause.text == "shop-web-1 cannot run again"
    assert steps(found)[-1] == "remove shop-web-1, its volumes stay"


def test_a_container_that_is_being_removed_is_replaced() -> None:
    assert steps(drifted(replace(WEB, state=State.REMOVING)))[0] == "make new containers for web"


def test_a_paused_container_is_unpaused() -> None:
    found = drifted(replace(WEB, state=State.PAUSED))
    assert steps(found) == ["unpause shop-web-1"]
    assert found.steps[0].cause.text == "shop-web-1 was paused"


def test_a_renamed_container_gets_its_name_back() -> None:
    found = drifted(replace(WEB, name="precious"))
    assert steps(found) == ["rename precious to shop-web-1"]
    assert found.steps[0].cause.text == "its name is precious"


def test_a_renamed_container_gets_its_fixed_name_back() -> None:
    wanted = release({"web": {"container_name": "the-web"}})
    found = decide(wanted, seen(made(wanted, "web", name="precious"), of=wanted), previous=wanted)
    assert steps(found) == ["rename precious to the-web"]


def test_a_container_of_any_number_keeps_the_name_of_its_number() -> None:
    wanted = release({"web": {}})
    assert decide(wanted, seen(made(wanted, "web", 7), of=wanted), previous=wanted).empty


def test_changed_resources_are_set_back_in_place() -> None:
    found = drifted(with_settings(resources=(("Memory", 512), ("NanoCpus", 5))), made_with(Memory=0, NanoCpus=5))
    assert [step.action for step in found.steps] == [
        UpdateResources(Existing("web1", "shop-web-1"), (("Memory", 0),)),
    ]
    assert found.steps[0].cause.text == "shop-web-1: Memory is 512 instead of 0"


def made_with(**resources: int) -> LiveSettings:
    return replace(WEB.settings, resources=tuple(sorted(resources.items())))


def test_a_resource_that_was_not_known_when_it_was_made_is_no_drift() -> None:
    """A newer engine reports keys that an older one did not."""
    assert drifted(with_settings(resources=(("Memory", 0), ("Swappiness", 60)))).empty


def test_a_disconnected_container_is_connected_again_with_its_aliases() -> None:
    found = drifted(with_settings(endpoints=()))
    assert [step.action for step in found.steps] == [
        ConnectNetwork(Existing("web1", "shop-web-1"), Endpoint("shop_default", ("web",)))
    ]
    assert found.steps[0].cause.text == "shop-web-1 was disconnected from network shop_default"


def test_a_container_connected_elsewhere_is_disconnected_there() -> None:
    found = drifted(with_settings(endpoints=(*WEB.settings.endpoints, Endpoint("other"))))
    assert [step.action for step in found.steps] == [DisconnectNetwork(Existing("web1", "shop-web-1"), "other")]


def test_changed_aliases_are_put_back() -> None:
    found = drifted(with_settings(endpoints=(Endpoint("shop_default", ("web", "admin")),)))
    assert steps(found) == [
        "disconnect shop-web-1 from network shop_default",
        "connect shop-web-1 to network shop_default",
    ]


def test_the_order_of_aliases_is_no_drift() -> None:
    baseline = replace(WEB.settings, endpoints=(Endpoint("shop_default", ("a", "b")),))
    assert drifted(with_settings(endpoints=(Endpoint("shop_default", ("b", "a")),)), baseline).empty


def test_without_a_memory_of_how_it_was_made_a_container_is_taken_as_it_is() -> None:
    observed = replace(seen(with_settings(endpoints=()), of=WANTED), baselines={})
    assert decide(WANTED, observed, previous=WANTED).empty


def test_a_job_that_ended_well_is_not_run_again() -> None:
    wanted = release({"job": {}, "web": {"depends_on": {"job": "service_completed_successfully"}}})
    there = (stopped(made(wanted, "job"), 0), made(wanted, "web"))
    assert decide(wanted, seen(*there, of=wanted), previous=wanted).empty


def test_a_service_that_is_no_job_is_started_again_even_if_it_ended_well() -> None:
    assert steps(drifted(stopped(WEB, 0)))[0] == "start shop-web-1"


def test_an_unhealthy_container_is_not_touched() -> None:
    """What it suffers from is not in the plan's hands; its health says so."""
    wanted = release({"web": healthy()})
    assert decide(wanted, seen(made(wanted, "web", probe=Probe.UNHEALTHY), of=wanted), previous=wanted).empty


def test_a_container_that_just_started_by_itself_is_not_waited_for() -> None:
    wanted = release({"web": healthy()})
    assert decide(wanted, seen(made(wanted, "web", probe=Probe.STARTING), of=wanted), previous=wanted).empty


def test_a_container_between_two_starts_is_left_to_the_engine() -> None:
    assert drifted(replace(WEB, state=State.RESTARTING)).empty


def test_touched_files_are_restored_first() -> None:
    found = decide(WANTED, seen(stopped(WEB), of=WANTED, touched=("/srv/objects/1",)), previous=WANTED)
    assert steps(found)[0] == "restore /srv/objects/1"
    assert found.steps[0].cause.text == "its content is not what Git holds"


def test_runs_of_people_are_left_alone() -> None:
    """``docker compose run web sh``."""
    run = replace(WEB, id="run", name="shop-web-run-1", oneoff=True, definition="other")
    assert decide(WANTED, seen(WEB, run, of=WANTED), previous=WANTED).empty


def test_a_dependent_is_started_after_what_it_needs() -> None:
    wanted = release({"db": healthy(), "web": {"depends_on": {"db": "service_healthy"}}})
    there = (stopped(made(wanted, "db")), stopped(made(wanted, "web")))
    assert steps(decide(wanted, seen(*there, of=wanted), previous=wanted))[:3] == [
        "start shop-db-1",
        "wait until db is healthy (within 2m)",
        "start shop-web-1",
    ]


def test_a_stopped_container_whose_network_is_gone_is_replaced() -> None:
    """``docker network prune`` took it while the stack was stopped: the engine never starts such a container again."""
    found = decide(WANTED, seen(stopped(WEB), of=WANTED, networks=()), previous=WANTED)
    assert steps(found)[:2] == ["make new containers for web", "start web's new container"]
    assert steps(found)[-1] == "remove shop-web-1, its volumes stay"


def test_a_container_cut_off_from_a_network_that_is_gone_is_replaced() -> None:
    cut_off = with_settings(endpoints=())
    found = decide(WANTED, seen(cut_off, of=WANTED, networks=(), baselines={"web1": WEB.settings}), previous=WANTED)
    assert steps(found)[0] == "make new containers for web"


def test_a_missing_external_network_replaces_nothing() -> None:
    wanted = release({"web": {"networks": {"edge": None}}}, networks={"edge": {"name": "edge", "external": True}})
    assert (
        steps(decide(wanted, seen(stopped(made(wanted, "web")), of=wanted), previous=wanted))[0] == "start shop-web-1"
    )


def test_a_job_that_is_done_is_not_run_again_because_its_network_is_gone() -> None:
    wanted = release({"job": {}, "web": {"depends_on": {"job": "service_completed_successfully"}}})
    there = (stopped(made(wanted, "job"), 0), stopped(made(wanted, "web")))
    told = steps(decide(wanted, seen(*there, of=wanted, networks=()), previous=wanted))
    assert told[0] == "make new containers for web"
    assert not any("job" in step for step in told)


def test_a_container_that_looks_into_a_folder_which_was_laid_out_anew_is_restarted() -> None:
    site = "/opt/site"
    wanted = release({"web": {"volumes": [{"type": "bind", "source": site, "target": "/site"}]}, "other": {}})
    there = [made(wanted, "web", started_at=1_000.0), made(wanted, "other", started_at=1_000.0)]
    found = decide(wanted, seen(*there, of=wanted, laid_out={site: 2_000.0}), previous=wanted)
    assert steps(found) == ["restart shop-web-1", "wait until web is healthy (within 2m), and for 5s more"]
    assert found.steps[0].cause.text == "what shop-web-1 mounts was deleted and is laid out anew"
    since = decide(wanted, seen(*there, of=wanted, laid_out={site: 500.0}), previous=wanted)
    assert since.empty


def test_containers_that_look_into_a_folder_which_is_gone_are_restarted_one_after_the_other() -> None:
    site = "/opt/site"
    volumes = [{"type": "bind", "source": site, "target": "/site"}]
    wanted = release({"web": {"scale": 2, "volumes": volumes}})
    there = [made(wanted, "web", number, started_at=1_000.0) for number in (1, 2)]
    wait = "wait until web is healthy (within 2m), and for 5s more"
    assert steps(decide(wanted, seen(*there, of=wanted, laid_out={site: 2_000.0}), previous=wanted)) == [
        "restart shop-web-1",
        wait,
        "restart shop-web-2",
        wait,
    ]


def test_what_only_starts_again_does_not_wait_for_a_dependency_that_fell_ill() -> None:
    services = {"db": healthy(), "web": {"depends_on": {"db": "service_healthy"}}}
    wanted = release(services)
    there = (made(wanted, "db", probe=Probe.UNHEALTHY), stopped(made(wanted, "web")))
    found = decide(wanted, seen(*there, of=wanted), previous=wanted)
    assert steps(found) == ["start shop-web-1", "wait until web is healthy (within 2m), and for 5s more"]


def test_what_is_new_waits_for_a_dependency_that_is_ill_before_anything_stops() -> None:
    services = {"db": healthy(), "web": {"depends_on": {"db": "service_healthy"}, "ports": [port(80)]}}
    before, wanted = release(services), release({**services, "web": {**services["web"], "user": "1"}})
    there = (made(before, "db", probe=Probe.UNHEALTHY), made(before, "web"))
    told = steps(decide(wanted, seen(*there, of=wanted), previous=before))
    assert told.index("wait until db is healthy (within 2m)") < told.index("stop shop-web-1")
