"""Laws of a pass over a stack, on a host in memory: apply, go back, keep, mend, wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.errors import EngineUnavailableError, WaitingError
from reconciler.model.manifest import DriftMode, HttpProbe, Prune, Rollout, ServiceRollout
from reconciler.model.observed import Probe, Room, Takeover
from reconciler.model.record import Health, Outcome, Suspension, Sync, Truth
from reconciler.planning.images import RESERVE
from reconciler.planning.secrets import mask_of
from reconciler.ports.engine import Compose, Engine
from tests.builders import CHECKOUT, STACK, bind, healthy, port, release, tracked, volume
from tests.unit.loop.world import World

SICK, CRASHES, BROKEN = "web:sick", "web:crashes", "web:broken"
FAILING = {SICK: "is unhealthy", CRASHES: "ended with exit status 3", BROKEN: "exec: no such file"}


@pytest.fixture(autouse=True)
def registry(world: World) -> None:
    names = ("web:1", "web:2", "web:3", SICK, CRASHES, BROKEN, "db:1", "db:2", "job:1", "job:2", "worker:1")
    world.host.registry |= {name: f"sha256:{name}" for name in names}
    world.behaves(SICK, healthy_after_s=None, unhealthy_after_s=3.0, log="cannot reach the database")
    world.behaves(CRASHES, exits_after_s=0.2, exit_code=3, log="segmentation fault")
    world.behaves(BROKEN, cannot_start="exec: no such file")
    world.behaves("job:1", exits_after_s=0.3, exit_code=0)
    world.behaves("job:2", exits_after_s=0.3, exit_code=1, log="no such table")


def web(image: str = "web:1", **more: Any) -> dict[str, Any]:
    return healthy(image=image, **more)


def outcomes(world: World) -> list[tuple[int, Outcome, bool]]:
    return [(found.number, found.outcome, bool(found.quarantined)) for found in world.journal.releases(STACK)]


def events(world: World) -> list[str]:
    return [found.reason for found in world.journal.events(stack=STACK)]


def applied(world: World, *commits: Any) -> list[str]:
    """Go through ``commits``; the ids of what runs then."""
    for services in commits:
        world.commit(services)
        assert world.settle().ready.status is Truth.TRUE
    return [box.id for box in world.boxes()]


# To a new release


def test_a_first_release_is_applied_and_proven(world: World) -> None:
    world.commit({"db": {"volumes": [volume("pg")]}, "web": web(depends_on=["db"])})
    record = world.settle()
    assert world.names() == ["shop-db-1", "shop-web-1"]
    assert (record.sync, record.health, record.ready.status) == (Sync.SYNCED, Health.HEALTHY, Truth.TRUE)
    assert (record.attempted_revision, record.applied_revision, record.applied_release) == ("0", "0", 1)
    assert outcomes(world) == [(1, Outcome.APPLIED, False)]


def test_a_commit_replaces_what_it_changes_without_a_gap(world: World) -> None:
    db, _ = applied(world, {"db": {}, "web": web()}, {"db": {}, "web": web("web:2")})
    assert world.names() == ["shop-db-1", "shop-web-2"]
    assert world.boxes("db")[0].id == db
    assert world.host.gaps(STACK, "web") == ()
    assert world.next_plan().empty


def test_a_commit_that_changes_nothing_touches_nothing(world: World) -> None:
    services = {"web": web()}
    applied(world, services)
    touched = list(world.host.touched)
    applied(world, dict(services))
    assert world.host.touched == touched
    assert world.record.applied_revision == "1"


def test_a_release_that_changes_no_container_is_still_remembered(world: World) -> None:
    """Else the next one that fails would find nothing to go back to, and take everything away."""
    before = applied(world, {"db": {}, "web": web()}, {"db": {}, "web": web(depends_on=["db"])})
    assert world.record.applied_release == 2
    world.commit({"db": {}, "web": web(SICK, depends_on=["db"])})
    world.settle()
    assert [box.id for box in world.boxes()] == before


def test_a_commit_that_takes_back_the_last_one_goes_back(world: World) -> None:
    applied(world, {"web": web()}, {"web": web("web:2")}, {"web": web()})
    assert [box.image for box in world.boxes()] == ["web:1"]
    assert world.record.applied_release == 1


def test_a_renamed_service_takes_its_port_and_name_over(world: World) -> None:
    front: dict[str, Any] = {"ports": [port(80)], "container_name": "front"}
    applied(world, {"db": {}, "web": web(**front)}, {"db": {}, "server": web(**front)})
    assert world.names() == ["front", "shop-db-1"]


def test_a_changed_network_is_made_anew(world: World) -> None:
    services = {"web": web(networks={"back": None}), "db": {}}
    world.commit(services, networks={"back": {}})
    world.settle()
    before, (db,) = world.host.network_named("shop_back"), world.boxes("db")
    world.commit(services, networks={"back": {"internal": True}})
    assert world.settle().ready.status is Truth.TRUE
    after = world.host.network_named("shop_back")
    assert before is not None
    assert after is not None
    assert before.id != after.id
    assert world.boxes("db") == [db]


def test_a_changed_network_is_changed_back_when_the_release_fails(world: World) -> None:
    def services(image: str) -> dict[str, Any]:
        return {"web": web(image, networks={"back": None}), "db": {}}

    world.commit(services("web:1"), networks={"back": {}})
    world.settle()
    before = world.host.network_named("shop_back")
    world.commit(services(SICK), networks={"back": {"internal": True}})
    world.settle()
    after = world.host.network_named("shop_back")
    assert before is not None
    assert after is not None
    assert before.definition == after.definition
    assert [(box.image, box.serves) for box in world.boxes("web")] == [("web:1", True)]


def test_steps_are_written_down_before_and_after_they_are_taken(world: World) -> None:
    applied(world, {"web": web()})
    (only,) = world.journal.passes(STACK, 10)
    assert only.outcome == "done"
    assert [(step.index, step.text, step.state) for step in world.journal.steps(only.id)] == [
        (1, "pull image web:1", "done"),
        (2, "make new containers for web", "done"),
        (3, "start web's new container", "done"),
        (4, "wait until web is healthy (within 20s), and for 1s more", "done"),
    ]


# Back from a release that failed


@pytest.mark.parametrize("image", FAILING)
def test_what_served_serves_on_when_the_new_one_fails(world: World, image: str) -> None:
    before = applied(world, {"web": web()})
    world.commit({"web": web(image)})
    record = world.settle()
    assert [box.id for box in world.boxes()] == before
    assert world.host.gaps(STACK, "web") == ()
    assert record.ready.status is Truth.FALSE
    assert FAILING[image] in record.ready.message
    assert "Release 1 serves as before" in record.ready.message
    assert (record.attempted_release, record.applied_release) == (2, 1)
    assert (record.attempted_revision, record.applied_revision) == ("1", "0")
    assert world.next_plan().empty


def test_ready_names_the_step_and_the_last_words_of_the_container(world: World) -> None:
    applied(world, {"web": web()})
    world.commit({"web": web(SICK)})
    record = world.settle()
    assert record.ready.reason == "HealthCheckFailed"
    assert record.ready.message == (
        "release 2 failed at step 4, wait until web is healthy (within 20s), and for 1s more: shop-web-2 is unhealthy\n"
        "Its last lines:\ncannot reach the database\nRelease 1 serves as before."
    )
    assert record.sync is Sync.OUT_OF_SYNC
    assert record.health is Health.HEALTHY


def test_a_release_that_failed_is_not_tried_again(world: World) -> None:
    applied(world, {"web": web()})
    world.commit({"web": web(SICK)})
    world.settle()
    assert outcomes(world) == [(1, Outcome.APPLIED, False), (2, Outcome.FAILED, True)]
    touched = list(world.host.touched)
    for _ in range(5):
        world.clock.advance(3600)
        world.settle()
    assert world.host.touched == touched
    assert "is unhealthy" in world.record.ready.message


def test_a_release_that_failed_is_tried_again_by_force(world: World) -> None:
    applied(world, {"web": web()})
    world.commit({"web": web(SICK)})
    world.settle()
    world.behaves(SICK, healthy_after_s=0.5)
    assert world.once(forced=True).ready.status is Truth.TRUE
    assert [box.image for box in world.boxes()] == [SICK]
    assert outcomes(world)[1] == (2, Outcome.APPLIED, False)


def test_the_next_commit_is_tried_after_one_that_failed(world: World) -> None:
    applied(world, {"web": web()})
    world.commit({"web": web(SICK)})
    world.settle()
    world.commit({"web": web("web:2")})
    assert world.settle().ready.status is Truth.TRUE
    assert [box.image for box in world.boxes()] == ["web:2"]


def test_a_service_that_was_replaced_already_gets_its_old_container_back(world: World) -> None:
    before = applied(world, {"db": {"ports": [port(5432)]}, "web": web(depends_on=["db"])})
    world.commit({"db": {"ports": [port(5432)], "user": "1"}, "web": web(SICK, depends_on=["db"])})
    world.settle()
    assert [box.id for box in world.boxes()] == before
    assert all(box.serves for box in world.boxes())


def test_a_release_is_undone_although_what_it_stands_on_fell_ill(world: World) -> None:
    """A database that is ill fails a release, and then the old container, too, was kept from serving beside it."""
    needs: dict[str, Any] = {"depends_on": {"db": "service_healthy"}, "ports": [port(80)]}
    _, before = applied(world, {"db": web("db:1"), "web": web(**needs)})
    (db,) = world.boxes("db")
    world.behaves("db:1", fails_after_s=world.clock.monotonic() - db.running_since + 1.5)
    world.commit({"db": web("db:1"), "web": web(SICK, **needs)})
    world.once()
    assert (db.probe, db.alive) == (Probe.UNHEALTHY, True)
    assert [box.id for box in world.boxes("web") if box.serves] == [before]


def test_a_release_is_undone_when_what_was_proven_first_falls_ill_before_the_rest_is(world: World) -> None:
    """It was healthy and had soaked, and the release was called proven although it served no longer."""
    services = {"a": web(), "b": web(depends_on={"a": "service_healthy"})}
    before = applied(world, services)
    world.behaves("web:2", fails_after_s=4.0)
    world.behaves("web:3", healthy_after_s=8.0)
    world.commit({"a": web("web:2"), "b": {**services["b"], "image": "web:3"}})
    record = world.settle()
    assert "shop-a-2 is unhealthy" in record.ready.message
    assert [box.id for box in world.boxes() if box.serves] == before


def test_a_first_release_that_fails_leaves_nothing(world: World) -> None:
    world.commit({"db": {}, "web": web(SICK)})
    record = world.settle()
    assert world.boxes() == []
    assert record.health is Health.MISSING
    assert record.ready.message.endswith("There was no release before it, so nothing of it was left.")


def test_a_first_release_that_fails_leaves_nothing_also_where_pruning_is_disabled(world: World) -> None:
    world.declared = replace(world.declared, prune=Prune(enabled=False))
    world.commit({"db": {}, "web": web(SICK)})
    world.settle()
    assert world.boxes() == []


@pytest.mark.parametrize("prune", [Prune(), Prune(enabled=False)], ids=["guarded", "disabled"])
def test_services_that_only_the_failed_release_had_are_taken_away_with_it(world: World, prune: Prune) -> None:
    """The guard against landslides protects what served, not what was never proven."""
    world.declared = replace(world.declared, prune=prune)
    before = applied(world, {"web": web()})
    world.commit({"web": web(SICK), "db": {}, "worker": {}})
    world.settle()
    assert [box.id for box in world.boxes()] == before


def test_what_was_declined_to_be_removed_survives_a_release_that_failed(world: World) -> None:
    everything = {"web": web(), "db": {}, "worker": {}}
    before = applied(world, everything, {"web": web()})
    assert len(before) == 3
    world.commit({"web": web(SICK), "job": {"image": "job:1"}})
    world.settle()
    assert [box.id for box in world.boxes()] == before


def test_a_failed_job_keeps_the_release_from_being_applied(world: World) -> None:
    def services(job: str, image: str) -> dict[str, Any]:
        return {"job": {"image": job}, "web": web(image, depends_on={"job": "service_completed_successfully"})}

    applied(world, services("job:1", "web:1"))
    world.commit(services("job:2", "web:2"))
    record = world.settle()
    assert record.ready.reason == "JobFailed"
    assert "no such table" in record.ready.message
    assert [box.image for box in world.boxes("web")] == ["web:1"]
    assert [box.image for box in world.boxes("job")] == ["job:1"]


def test_a_job_that_is_done_is_not_run_again(world: World) -> None:
    services = {"job": {"image": "job:1"}, "web": web(depends_on={"job": "service_completed_successfully"})}
    applied(world, services)
    (job,) = world.boxes("job")
    started = job.started_at
    applied(world, {**services, "web": web("web:2", depends_on={"job": "service_completed_successfully"})})
    world.somebody.stop("shop-web-2")
    world.settle()
    assert world.boxes("job") == [job]
    assert job.started_at == started


def test_no_secret_is_said_of_a_failure(world: World) -> None:
    applied(world, {"web": web()})
    world.behaves(SICK, log="login as hunter22 refused")
    world.commit({"web": web(SICK)})
    record = world.once(mask=mask_of({"DB_PASSWORD": "hunter22"}))
    told = [event.message for event in world.journal.events(stack=STACK)]
    failed = [found.quarantined for found in world.journal.releases(STACK)]
    assert "login as (secret) refused" in record.ready.message
    assert not any("hunter22" in text for text in (record.ready.message, *told, *failed))


# A probe


PROBED = Rollout(timeout_s=20, soak_s=5, services={"web": ServiceRollout(probe=HttpProbe(3000, "/ready", 200))})


def test_a_container_that_does_not_answer_its_probe_fails_the_release_and_the_old_one_serves(world: World) -> None:
    world.declared = replace(world.declared, rollout=PROBED)
    before = applied(world, {"web": web()})
    world.host.registry["web:2"] = "sha256:web:2"
    world.asks.answers = lambda probe: f"{probe} answered 500"
    world.commit({"web": web("web:2")})
    record = world.once()
    assert record.ready.reason == "HealthCheckFailed"
    assert "GET :3000/ready answered 500" in record.ready.message
    assert [box.id for box in world.boxes()] == before
    assert world.host.gaps(STACK, "web") == ()


def test_a_container_that_stops_answering_while_it_soaks_is_caught(world: World) -> None:
    """Its healthcheck says nothing of it."""
    world.declared = replace(world.declared, rollout=PROBED)
    before = applied(world, {"web": web()})
    world.host.registry["web:2"] = "sha256:web:2"
    world.commit({"web": web("web:2")})
    began = world.clock.monotonic()
    world.asks.answers = lambda _: "it fell silent" if world.clock.monotonic() > began + 3 else ""
    assert "it fell silent" in world.once().ready.message
    assert [box.id for box in world.boxes()] == before


SOAKS = Rollout(timeout_s=30.0, soak_s=20.0)


def test_services_soak_side_by_side_in_a_first_release_and_in_the_next_one(world: World) -> None:
    world.declared = replace(world.declared, rollout=SOAKS)
    for image in ("web:1", "web:2"):
        world.commit({name: web(image) for name in ("api", "blog", "shop", "wiki")})
        began = world.clock.monotonic()
        assert world.once().ready.status is Truth.TRUE
        assert 20.0 <= world.clock.monotonic() - began < 30.0


def test_a_restart_while_another_service_soaks_begins_the_soak_anew(world: World) -> None:
    world.declared = replace(world.declared, rollout=SOAKS)
    world.commit({"api": web(), "shop": {"image": "worker:1"}})
    began, fell = world.clock.monotonic(), 0.0

    def falls_over() -> str:
        nonlocal fell
        if not fell and world.clock.monotonic() > began + 15.0:
            (shop,) = (box for box in world.boxes() if box.service == "shop")
            fell = world.clock.monotonic()
            world.host.stop(shop)
            world.host.start(shop)
        return ""

    assert world.once(stop=falls_over).ready.status is Truth.TRUE
    assert world.clock.monotonic() - fell >= 20.0


# A newer commit


def test_a_release_that_does_not_get_healthy_gives_way_to_a_newer_commit_at_once(world: World) -> None:
    before = applied(world, {"web": web()})
    world.host.registry["web:slow"] = "sha256:web:slow"
    world.behaves("web:slow", healthcheck=True, healthy_after_s=None, unhealthy_after_s=1e6)
    world.commit({"web": web("web:slow")})
    began = world.clock.monotonic()
    world.once(newer=lambda: "a newer one" if world.clock.monotonic() > began + 3 else "")
    assert [box.image for box in world.boxes()] == ["web:1", "web:slow"]
    assert world.clock.monotonic() < began + 10
    world.commit({"web": web("web:3")})
    record = world.settle()
    assert (record.ready.status, record.applied_release) == (Truth.TRUE, 3)
    assert [box.image for box in world.boxes()] == ["web:3"]
    assert world.boxes()[0].id not in before
    assert world.host.gaps(STACK, "web") == ()
    assert outcomes(world) == [(1, Outcome.APPLIED, False), (2, Outcome.SUPERSEDED, False), (3, Outcome.APPLIED, False)]


def test_a_release_that_is_healthy_and_soaks_is_not_given_up_for_a_newer_commit(world: World) -> None:
    applied(world, {"web": web()})
    world.commit({"web": web("web:2")})
    world.once(newer=lambda: "a newer one" if "web:2" in [box.image for box in world.boxes() if box.serves] else "")
    assert world.record.applied_release == 2


# What time mends


def test_an_image_that_is_not_there_is_waited_for_and_nothing_is_touched(world: World) -> None:
    before = applied(world, {"web": web()})
    world.commit({"web": web("web:later")})
    touched = list(world.host.touched)
    record = world.once()
    assert record.ready.reason == "ImagePullFailed"
    assert world.host.touched == touched
    assert outcomes(world)[1] == (2, Outcome.FAILED, False)
    world.host.registry["web:later"] = "sha256:web:later"
    assert world.settle().ready.status is Truth.TRUE
    assert [box.id for box in world.boxes()] != before


def test_where_there_is_no_room_for_an_image_nothing_is_pulled_until_there_is(world: World) -> None:
    before = applied(world, {"web": web()})
    world.host.registry["web:later"] = "sha256:web:later"
    world.host.room = Room("/var/lib/docker", RESERVE - 2**20)
    world.commit({"web": web("web:later")})
    record = world.once()
    assert record.ready.reason == "DiskFull"
    assert "511 MiB are free where the engine keeps images (/var/lib/docker)" in record.ready.message
    assert "web:later" not in world.host.images
    assert [box.id for box in world.boxes()] == before
    world.host.room = Room("/var/lib/docker", RESERVE)
    assert world.settle().ready.status is Truth.TRUE
    assert world.journal.images.brought()["sha256:web:later"] == {"web:later"}


def test_a_port_that_is_taken_costs_no_interruption_and_is_tried_again(world: World) -> None:
    applied(world, {"web": web()})
    world.host.taken_ports.add("0.0.0.0:8080/tcp")
    world.commit({"web": web(ports=[port(8080)])})
    record = world.once()
    assert record.ready.reason == "PortTaken"
    assert world.host.gaps(STACK, "web") == ()
    world.host.taken_ports.clear()
    assert world.settle().ready.status is Truth.TRUE
    assert world.boxes()[0].ports == ("0.0.0.0:8080/tcp",)


def test_a_port_that_another_stack_of_ours_holds_is_told_with_its_name(world: World) -> None:
    other = world.host.add_foreign("blog", "web")
    other.owned, other.ports = True, ("0.0.0.0:8080/tcp",)
    world.commit({"web": web(ports=[port(8080)])})
    record = world.once()
    assert record.ready.reason == "PortTaken"
    assert "0.0.0.0:8080/tcp is held by the stack blog (container blog-web-1)" in record.ready.message


def test_a_container_whose_port_another_stack_took_while_it_was_stopped_says_who_has_it(world: World) -> None:
    applied(world, {"web": web(ports=[port(8080)])})
    world.somebody.stop("shop-web-1")
    other = world.host.add_foreign("blog", "web")
    other.owned, other.ports = True, ("0.0.0.0:8080/tcp",)
    record = world.once()
    assert record.ready.reason == "PortTaken"
    assert "held by the stack blog (container blog-web-1)" in record.ready.message


def test_waits_between_attempts_grow(world: World) -> None:
    world.commit({"web": web("web:later")})
    waits = []
    for _ in range(5):
        began = world.clock.monotonic()
        world.once()
        wait = world.books.due_in_s(STACK, began)
        assert wait is not None
        waits.append(wait)
        world.clock.advance(wait + 0.01)
    assert all(later > sooner * 1.3 for sooner, later in zip(waits, waits[2:], strict=False))


def test_nothing_is_tried_before_its_wait_is_over(world: World) -> None:
    world.commit({"web": web("web:later")})
    for _ in range(20):
        world.once()
    assert world.said.count("pulling web:later") == 1


def test_an_engine_that_goes_away_in_the_middle_is_waited_for(world: World) -> None:
    applied(world, {"web": web()})
    world.commit({"web": web("web:2")})
    world.host.fail_next("start", EngineUnavailableError("gone"))
    with pytest.raises(EngineUnavailableError):
        world.loop.reconcile(world.work())
    assert world.settle().ready.status is Truth.TRUE
    assert world.names() == ["shop-web-2"]
    assert outcomes(world)[1] == (2, Outcome.APPLIED, False)


def test_a_pass_that_was_asked_to_stop_is_continued_by_the_next(world: World) -> None:
    applied(world, {"db": {}, "web": web()})
    world.commit({"db": {"user": "1"}, "web": web("web:2")})
    left = iter(["", "", ""])
    world.once(stop=lambda: next(left, "the daemon leaves"))
    assert len(world.boxes()) == 4
    world.start()
    assert world.settle().ready.status is Truth.TRUE
    assert world.names() == ["shop-db-2", "shop-web-2"]
    assert "Resumed" in events(world)


@pytest.mark.parametrize("method", ["remove", "rename", "remove_network"])
def test_what_cannot_be_cleaned_up_after_a_proven_release_does_not_undo_it(world: World, method: str) -> None:
    """Somebody's own container may still use the network, or have the very name that the new one should get."""
    world.commit({"web": web(networks={"default": None, "back": None})}, networks={"back": {}})
    world.settle()
    world.commit({"web": web("web:2", container_name="front")})
    world.host.fail_next(method, WaitingError("it is in use", reason="EngineRefused"))
    record = world.once()
    assert record.ready.status is Truth.FALSE
    assert "it is in use" in record.ready.message
    assert [box.image for box in world.boxes() if box.serves] == ["web:2"]
    assert outcomes(world)[-1] == (2, Outcome.APPLIED, False)
    assert world.settle().ready.status is Truth.TRUE
    assert world.names() == ["front"]
    assert world.host.network_named("shop_back") is None
    assert world.host.gaps(STACK, "web") == ()


def test_a_landslide_that_was_declined_is_said_of_the_stack_and_once_to_people(world: World) -> None:
    applied(world, {"web": web(), "db": web("db:1"), "cache": web("db:1")})
    world.commit({"web": web()})
    record = world.settle()
    assert record.ready.status is Truth.TRUE
    assert "cache, db: left running" in record.ready.message
    assert "prune.maxRemovePercent" in record.ready.message
    world.settle()
    told = [event for event in world.journal.events() if "left running" in event.message]
    assert len(told) == 1
    assert sorted(box.service for box in world.boxes()) == ["cache", "db", "web"]


# What Git says cannot be used


def test_what_runs_is_kept_while_git_says_nothing_usable(world: World) -> None:
    (before,) = applied(world, {"web": web()})
    world.commit(None)
    record = world.settle()
    assert record.ready.reason == "InvalidConfiguration"
    assert "shop/compose.yaml:3: services: is no mapping" in record.ready.message
    world.somebody.stop("shop-web-1")
    world.settle()
    assert [(box.id, box.serves) for box in world.boxes()] == [(before, True)]
    assert world.record.ready.reason == "InvalidConfiguration"


def test_what_is_said_is_about_what_git_says_now(world: World) -> None:
    """A file that was broken after a release had failed, and was mended, went on being complained of."""
    applied(world, {"web": web()})
    for bad in ({"web": web(SICK)}, None, {"web": web(SICK)}):
        world.commit(bad)
        record = world.settle()
    assert (record.ready.status, record.ready.reason, record.sync) == (Truth.FALSE, "Quarantined", Sync.OUT_OF_SYNC)
    assert "release 2 is quarantined" in record.ready.message
    assert "is unhealthy" in record.ready.message


def test_what_is_said_of_a_stack_that_never_ran_is_about_what_git_says_now(world: World) -> None:
    for bad in ({"web": web(SICK)}, None):
        world.commit(bad)
        record = world.settle()
    assert (record.ready.reason, record.sync, record.health) == ("InvalidConfiguration", Sync.UNKNOWN, Health.MISSING)
    world.commit({"web": web(SICK)})
    record = world.settle()
    assert (record.ready.reason, record.sync) == ("Quarantined", Sync.OUT_OF_SYNC)


def test_a_release_that_failed_on_its_way_is_tried_again_once_it_is_rolled_out_otherwise(world: World) -> None:
    """More patience and another probe make no other containers, so the digest is the same."""
    world.behaves("web:2", healthy_after_s=30.0)
    applied(world, {"web": web()})
    world.commit({"web": web("web:2")})
    assert world.settle().ready.status is Truth.FALSE
    world.commit({"web": web("web:2")})
    assert world.settle().ready.status is Truth.FALSE  # another commit is no reason
    world.declared = replace(world.declared, rollout=replace(world.declared.rollout, timeout_s=60.0))
    world.commit({"web": web("web:2")})
    assert world.settle().ready.status is Truth.TRUE
    assert [box.image for box in world.boxes()] == ["web:2"]


def test_a_release_that_somebody_went_back_from_is_not_tried_again_for_that(world: World) -> None:
    applied(world, {"web": web()}, {"web": web("web:2")})
    world.journal.quarantine(STACK, 2, "rolled back to release 1 by Ada")
    world.journal.save_wanted(STACK, 1)
    assert world.settle().applied_release == 1
    world.declared = replace(world.declared, rollout=replace(world.declared.rollout, timeout_s=60.0))
    world.commit({"web": web("web:2")})
    assert world.settle().applied_release == 1


def test_what_lives_in_a_container_of_somebody_else_is_replaced_when_that_is_another_one_and_not_before(
    world: World,
) -> None:
    lender = world.host.add_foreign("vpn", "server")
    (first,) = applied(world, {"web": web(network_mode=f"container:{lender.name}")})
    assert world.is_quiet()
    del world.host.boxes[lender.id]
    assert world.settle().ready.status is Truth.TRUE
    assert [box.id for box in world.boxes() if box.serves] == [first]
    successor = world.host.add_foreign("vpn", "server")
    assert world.settle().ready.status is Truth.TRUE
    assert [box.joins for box in world.boxes()] == [(successor.id,)]
    assert world.is_quiet()


def test_mending_the_file_mends_the_stack(world: World) -> None:
    applied(world, {"web": web()})
    world.commit(None)
    world.settle()
    applied(world, {"web": web("web:2")})
    assert [box.image for box in world.boxes()] == ["web:2"]


def test_containers_that_are_not_ours_stop_the_stack_and_are_not_touched(world: World) -> None:
    foreign = world.host.add_foreign(STACK, "web")
    world.commit({"web": web()})
    record = world.settle()
    assert record.ready.reason == "NotOurs"
    assert "shop-web-1" in record.ready.message
    assert world.host.touched == []
    del world.host.boxes[foreign.id]
    assert world.settle().ready.status is Truth.TRUE


def test_a_stack_that_left_git_runs_on(world: World) -> None:
    before = applied(world, {"web": web()})
    record = world.once(gone=True)
    assert record.ready.reason == "StackGone"
    assert [box.id for box in world.boxes()] == before


def test_a_suspended_stack_is_not_touched(world: World) -> None:
    applied(world, {"web": web()})
    world.journal.save_stack(replace(world.record, suspension=Suspension("holidays", "ada", 0.0)))
    world.somebody.stop("shop-web-1")
    world.commit({"web": web("web:2")})
    touched = list(world.host.touched)
    assert world.settle().health is Health.SUSPENDED
    assert world.host.touched == touched
    world.journal.save_stack(replace(world.record, suspension=None))
    assert world.settle().ready.status is Truth.TRUE
    assert [box.image for box in world.boxes()] == ["web:2"]


def test_a_stack_waits_for_one_that_it_depends_on(world: World) -> None:
    world.commit({"web": web()})
    record = world.once(waits_for="base")
    assert record.ready.reason == "DependencyNotReady"
    assert world.boxes() == []
    assert world.settle().ready.status is Truth.TRUE


# Rollback by hand


def test_a_rollback_by_hand_goes_to_the_kept_release_and_stays_there(world: World) -> None:
    applied(world, {"web": web()}, {"web": web("web:2")})
    world.journal.quarantine(STACK, 2, "rolled back by ada")
    world.journal.save_stack(replace(world.record, wanted_release=1))
    record = world.settle()
    assert [box.image for box in world.boxes()] == ["web:1"]
    assert record.applied_release == 1
    assert record.sync is Sync.OUT_OF_SYNC
    assert (record.ready.status, record.ready.reason) == (Truth.TRUE, "RolledBack")
    touched = list(world.host.touched)
    world.settle()
    assert world.host.touched == touched
    applied(world, {"web": web("web:3")})
    assert [box.image for box in world.boxes()] == ["web:3"]


def test_what_runs_of_a_stack_that_git_no_longer_has_is_left_alone(world: World) -> None:
    applied(world, {"web": web(), "db": web()})
    world.somebody.stop("shop-web-1")
    touched = list(world.host.touched)
    record = world.once(gone=True)
    assert world.host.touched == touched
    assert (record.ready.status, record.ready.reason) == (Truth.FALSE, "StackGone")


def test_a_stack_that_git_no_longer_has_is_forgotten_when_nothing_of_it_is_left(world: World) -> None:
    applied(world, {"web": web()})
    world.somebody.remove("shop-web-1")
    record = world.once(gone=True)
    assert record.ready.reason == "Forgotten"
    assert world.journal.stack(STACK) is None
    assert world.boxes() == []


# Drift


DRIFT: dict[str, Any] = {
    "stop": lambda somebody: somebody.stop("shop-web-1"),
    "kill": lambda somebody: somebody.kill("shop-web-1"),
    "pause": lambda somebody: somebody.pause("shop-web-1"),
    "rename": lambda somebody: somebody.rename("shop-web-1", "precious"),
    "update": lambda somebody: somebody.limit_memory("shop-web-1", 64),
    "disconnect": lambda somebody: somebody.disconnect("shop-web-1", "shop_default"),
    "connect": lambda somebody: somebody.connect("shop-web-1", "bridge"),
    "retag": lambda somebody: somebody.tag("db:1", "web:1"),
}


@pytest.mark.parametrize("act", DRIFT.values(), ids=DRIFT.keys())
def test_what_somebody_changed_is_put_back_on_the_same_container(world: World, act: Any) -> None:
    before = applied(world, {"db": {}, "web": web()})
    seen = world.boxes("web")[0].seen()
    act(world.somebody)
    record = world.once()
    (after,) = world.boxes("web")
    assert record.ready.status is Truth.TRUE
    assert [box.id for box in world.boxes()] == before
    assert (after.serves, after.seen().settings) == (True, seen.settings)
    assert world.host.images["web:1"] == "sha256:web:1"
    assert "DriftMended" in events(world)
    assert world.next_plan().empty


def test_a_removed_container_is_made_anew(world: World) -> None:
    applied(world, {"db": {}, "web": web()})
    world.somebody.remove("shop-web-1")
    assert world.once().ready.status is Truth.TRUE
    assert world.names() == ["shop-db-1", "shop-web-1"]


@pytest.mark.parametrize("act", DRIFT.values(), ids=DRIFT.keys())
def test_drift_that_is_only_warned_of_is_said_once_and_left(world: World, act: Any) -> None:
    world.declared = replace(world.declared, drift=DriftMode.WARN)
    applied(world, {"db": {}, "web": web()})
    act(world.somebody)
    touched = list(world.host.touched)
    for _ in range(3):
        record = world.once()
    assert record.ready.reason == "DriftFound"
    assert world.host.touched == touched
    assert events(world).count("DriftFound") == 1


def test_services_that_may_go_since_go_also_where_drift_is_only_warned_of(world: World) -> None:
    world.declared = replace(world.declared, drift=DriftMode.WARN, prune=Prune(max_remove_percent=10))
    applied(world, {"db": {}, "web": web()}, {"web": web()})
    assert world.names() == ["shop-db-1", "shop-web-1"]
    world.declared = replace(world.declared, prune=Prune(max_remove_percent=60))
    world.commit({"web": web()})
    assert world.settle().ready.reason == "ReconciliationSucceeded"
    assert world.names() == ["shop-web-1"]


def test_a_swap_that_was_cut_short_is_ended_also_where_drift_is_only_warned_of(world: World) -> None:
    world.declared = replace(world.declared, drift=DriftMode.WARN)
    before = applied(world, {"web": web()})
    world.commit({"web": web(SICK)})
    world.host.fail_next("remove", WaitingError("removal is already in progress", reason="EngineRefused"))
    world.settle()
    assert [box.id for box in world.boxes()] == before


def test_a_repair_that_does_not_last_is_made_ever_more_slowly(world: World) -> None:
    applied(world, {"web": web()})
    left = []
    for _ in range(40):
        world.somebody.stop("shop-web-1")
        touched = len(world.host.touched)
        reason = world.once().ready.reason
        if len(world.host.touched) == touched:
            left.append(reason)
        world.clock.advance(1.0)
    assert 28 <= len(left) <= 38
    assert set(left) == {"DriftComesBack"}


def test_a_repair_that_fails_does_not_spin(world: World) -> None:
    applied(world, {"web": web()})
    world.behaves("web:1", exits_after_s=0.1, exit_code=3)
    world.somebody.stop("shop-web-1")
    for _ in range(50):
        world.once()
    assert sum(1 for verb, _ in world.host.touched if verb == "start") <= 3


def test_why_a_repair_failed_is_told_until_it_is_tried_again(world: World) -> None:
    applied(world, {"web": web(ports=[port(80)])})
    world.somebody.stop("shop-web-1")
    world.host.taken_ports.add("0.0.0.0:80/tcp")
    failed = world.once().ready
    assert "0.0.0.0:80/tcp" in failed.message
    told = world.journal.events(stack=STACK)
    assert world.once().ready == failed
    assert world.journal.events(stack=STACK) == told
    world.host.taken_ports.clear()
    assert world.settle().ready.status is Truth.TRUE
    world.somebody.stop("shop-web-1")
    world.once()
    world.somebody.stop("shop-web-1")
    assert world.once().ready.reason == "DriftComesBack"


@pytest.mark.parametrize("mode", list(DriftMode))
def test_drift_that_is_left_hides_no_commit_that_cannot_be_rendered(world: World, mode: DriftMode) -> None:
    world.declared = replace(world.declared, drift=mode)
    applied(world, {"web": web(ports=[port(80)])})
    world.commit(None)
    world.somebody.rename("shop-web-1", "elsewhere")
    world.somebody.stop("elsewhere")
    world.host.taken_ports.add("0.0.0.0:80/tcp")
    world.once()
    assert world.once().ready.reason == "InvalidConfiguration"
    told = world.journal.events(stack=STACK)
    world.once()
    assert world.journal.events(stack=STACK) == told


def test_a_service_that_cannot_start_keeps_only_those_stopped_that_depend_on_it(world: World) -> None:
    """Two services were stopped, and somebody took the port of one of them meanwhile: the other had to wait for it."""
    applied(
        world,
        {
            "a": web(ports=[port(80)]),
            "behind-a": web(depends_on={"a": "service_healthy"}),
            "b": web(),
            "behind-b": web(depends_on={"b": "service_healthy"}),
        },
    )
    for box in world.boxes():
        world.somebody.stop(box.name)
    world.host.taken_ports.add("0.0.0.0:80/tcp")
    record = world.once()
    assert [box.service for box in world.boxes() if box.alive] == ["b", "behind-b"]
    assert record.ready.status is Truth.FALSE
    assert "shop-a-1 was stopped" in record.ready.message
    world.host.taken_ports.clear()
    world.settle()
    assert all(box.serves for box in world.boxes())


def test_each_service_that_cannot_be_mended_is_left_for_the_others(world: World) -> None:
    applied(world, {name: web(ports=[port(number)]) for number, name in enumerate("abcd", 80)})
    for box in world.boxes():
        world.somebody.stop(box.name)
    world.host.taken_ports |= {"0.0.0.0:80/tcp", "0.0.0.0:82/tcp"}
    world.once()
    assert sorted(box.service for box in world.boxes() if box.alive) == ["b", "d"]


def test_a_container_that_is_ill_is_said_and_left_alone(world: World) -> None:
    applied(world, {"web": web()})
    world.behaves("web:1", fails_after_s=60.0)
    world.clock.advance(120)
    touched = list(world.host.touched)
    record = world.settle()
    assert record.health is Health.DEGRADED
    assert record.ready.message == "release 1: web is degraded"
    assert world.host.touched == touched


def test_a_file_that_somebody_edited_is_restored(world: World) -> None:
    entry = tracked("shop/app.conf")
    services = {"web": web(volumes=[bind(f"{CHECKOUT}/shop/app.conf")])}
    world.commit(services)
    world.git.put(0, release(services, declared=world.declared, pinned=False, revision="0", entries=[entry]))
    world.settle()
    assert world.objects.laid_out == ["shop/app.conf"]
    world.objects.touched.add(entry.object_id)
    assert world.once().ready.status is Truth.TRUE
    assert world.objects.touched == set()


# Other people's things


def test_nothing_without_our_label_is_ever_touched(world: World) -> None:
    others = [world.host.add_foreign("other", "web").id, world.host.add_foreign("shopping", "web").id]
    theirs = world.host.add_network("other_default", stack="other")
    applied(world, {"web": web()}, {"web": web("web:2")}, {"db": {}})
    assert not {identity for _, identity in world.host.touched} & set(others)
    assert world.host.network_named("other_default") == theirs


def test_anonymous_volumes_carry_over(world: World) -> None:
    anonymous: dict[str, Any] = {"volumes": [{"type": "volume", "target": "/data"}]}
    applied(world, {"web": web(**anonymous)})
    contents = world.boxes()[0].anonymous_volume
    applied(world, {"web": web("web:2", **anonymous)})
    assert world.boxes()[0].anonymous_volume == contents
    world.commit({"web": web(SICK, **anonymous)})
    world.settle()
    assert [(box.image, box.anonymous_volume) for box in world.boxes()] == [("web:2", contents)]


def test_no_port_can_remove_a_volume() -> None:
    assert not [name for port in (Engine, Compose) for name in vars(port) if "volume" in name or name == "down"]


@pytest.mark.parametrize("more", [{}, {"ports": [port(80)]}], ids=["start-first", "stop-first"])
def test_a_look_that_is_older_than_the_last_pass_stops_nothing_that_serves(world: World, more: dict[str, Any]) -> None:
    """A burst of events: the look was taken while the pass before it still ran."""
    applied(world, {"web": web(**more)})
    old = world.observer.look()
    applied(world, {"web": web("web:2", **more)})
    since = world.clock.monotonic()
    world.loop.reconcile(world.work(), old)
    assert world.settle().ready.status is Truth.TRUE
    assert [(box.image, box.serves) for box in world.boxes()] == [("web:2", True)]
    assert not [gap for gap in world.host.gaps(STACK, "web") if gap[0] >= since]


def test_a_look_that_is_older_than_the_last_repair_undoes_nothing(world: World) -> None:
    applied(world, {"web": web()})
    world.somebody.stop("shop-web-1")
    old = world.observer.look()
    world.settle()
    since = world.clock.monotonic()
    world.loop.reconcile(world.work(), old)
    assert world.settle().ready.status is Truth.TRUE
    assert not [gap for gap in world.host.gaps(STACK, "web") if gap[0] >= since]


def test_a_tag_that_moved_does_not_move_what_another_commit_leaves_alone(world: World) -> None:
    """``docker tag`` by hand, and then a commit about something else: it deploys no image by the way."""
    before = applied(world, {"db": {}, "web": web()})
    world.somebody.tag("db:1", "web:1")
    applied(world, {"db": {"user": "1"}, "web": web()})
    assert world.boxes("web")[0].id in before
    assert world.host.images["web:1"] == "sha256:web:1"


def test_pull_policy_always_looks_for_a_newer_image_at_every_commit(world: World) -> None:
    always = {"pull_policy": "always"}
    applied(world, {"web": web(**always)})
    world.host.registry["web:1"] = "sha256:newer"
    world.behaves("sha256:newer", healthy_after_s=0.5)
    applied(world, {"db": {}, "web": web(**always)})
    assert [box.image_id for box in world.boxes("web")] == ["sha256:newer"]
    assert world.next_plan().empty


# Certificates


def test_a_service_whose_successor_cannot_start_for_a_new_certificate_runs_on(world: World) -> None:
    """Its port forbids two of it at once, so the old one had stopped; and a repair has no release to go back to."""
    (old,) = applied(world, {"web": web(ports=[port(80)])})
    world.clock.advance(60)
    world.certificates.renewed = {"web": world.clock.now()}
    world.host.fail_next("start", WaitingError("the key cannot be read", reason="StartFailed"))
    record = world.once()
    assert record.ready.status is Truth.FALSE
    assert [box.id for box in world.boxes("web") if box.alive] == [old]
    world.settle()
    assert [box.serves for box in world.boxes("web")] == [True]


def test_a_service_with_anonymous_volumes_gets_its_new_certificate_and_they_carry_over(world: World) -> None:
    (old,) = applied(world, {"web": web(volumes=[{"type": "volume", "target": "/data"}])})
    kept = world.boxes()[0].anonymous_volume
    world.clock.advance(60)
    world.certificates.renewed = {"web": world.clock.now()}
    assert world.settle().ready.status is Truth.TRUE
    (new,) = world.boxes()
    assert new.id != old
    assert new.anonymous_volume == kept


def test_a_service_that_ends_well_and_was_to_go_on_is_told_how_to_be_a_job(world: World) -> None:
    world.commit({"job": {"image": "job:1"}})
    assert "rollout.services.job.job: true" in world.once().ready.message


def test_a_proxy_that_could_not_be_made_to_forget_a_name_goes_on_serving(world: World) -> None:
    applied(world, {"proxy": web(ports=[port(443)])})
    world.certificates.wanting = (Takeover("proxy", "/acme.json", ("example.com",), ("pair",)),)
    world.certificates.cannot_forget = WaitingError("no space left on device")
    record = world.once()
    assert "no space left" in record.ready.message
    assert [box.alive for box in world.boxes("proxy")] == [True]


def test_going_back_does_not_depend_on_what_a_proxy_has_to_forget(world: World) -> None:
    applied(world, {"proxy": web(ports=[port(443)]), "web": web()})
    world.certificates.wanting = (Takeover("proxy", "/acme.json", ("example.com",), ("pair",)),)
    world.certificates.cannot_forget = WaitingError("no space left on device")
    world.commit({"proxy": web(ports=[port(443)]), "web": web("web:2")})
    world.once()
    assert [(box.service, box.image, box.serves) for box in world.boxes() if box.alive] == [
        ("proxy", "web:1", True),
        ("web", "web:1", True),
    ]
