"""Laws of when a release begins, on a host in memory: windows, approval, age, and images that failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.record import Outcome, Sync, Truth
from reconciler.model.updates import Gate, ImagePolicy, Track, Updates, Window
from tests.builders import STACK, healthy
from tests.unit.loop.world import Killed, World

HOUR = 3600.0
# The world's clock begins at 2023-11-14 22:13:20 UTC.
NIGHT = Window(True, "0 1 * * *", 2 * HOUR)
WEB = {"web": ImagePolicy(Track.DIGEST)}
ONE, TWO, SICK = "web:live@sha256:1", "web:live@sha256:2", "web:live@sha256:sick"


@pytest.fixture(autouse=True)
def registry(world: World) -> None:
    world.host.registry |= {name: f"id:{name}" for name in ("web:1", "web:2", "web:3", ONE, TWO, SICK)}
    world.behaves(SICK, healthy_after_s=None, unhealthy_after_s=3.0)


def declare(world: World, **updates: Any) -> None:
    world.declared = replace(world.declared, updates=Updates(**updates))


def web(image: str = "web:1", **more: Any) -> dict[str, Any]:
    return {"web": healthy(image=image, **more)}


def images(world: World) -> list[str]:
    return [box.image for box in world.boxes("web")]


def test_a_first_release_waits_for_no_window_no_age_and_no_approval(world: World) -> None:
    declare(world, windows=(NIGHT,), manual=True, min_age_s=365 * 24 * HOUR)
    world.commit(web())
    assert world.settle().ready.status is Truth.TRUE


def test_a_window_holds_a_release_back_until_it_opens_and_all_is_well_meanwhile(world: World) -> None:
    declare(world, windows=(NIGHT,))
    world.commit(web())
    world.settle()
    world.commit(web("web:2"))
    record = world.once()
    assert (record.ready.status, record.ready.reason, record.sync) == (Truth.TRUE, "WaitsForWindow", Sync.OUT_OF_SYNC)
    assert "opens at 2023-11-15 01:00 UTC" in record.ready.message
    assert images(world) == ["web:1"]
    wait_s = world.books.due_in_s(STACK, world.clock.monotonic())
    assert wait_s is not None
    assert 2 * HOUR < wait_s < 3 * HOUR
    world.clock.advance(wait_s)
    assert world.settle().sync is Sync.SYNCED
    assert images(world) == ["web:2"]


def test_by_hand_a_release_passes_its_window(world: World) -> None:
    declare(world, windows=(NIGHT,))
    world.commit(web())
    world.settle()
    world.commit(web("web:2"))
    world.once()
    assert world.once(past_windows=True).sync is Sync.SYNCED
    assert images(world) == ["web:2"]


def test_a_release_that_was_cut_short_goes_on_although_its_window_has_closed(world: World) -> None:
    declare(world, windows=(NIGHT,))
    world.commit(web())
    world.settle()
    world.commit(web("web:2"))
    world.fate.strike(1, Killed(), about=("engine.start",))
    with pytest.raises(Killed):
        world.once(past_windows=True)
    world.start()
    assert world.once().sync is Sync.SYNCED
    assert images(world) == ["web:2"]


def test_a_window_for_releases_lets_configuration_through_and_mends_drift(world: World) -> None:
    declare(world, windows=(replace(NIGHT, gates=frozenset({Gate.RELEASE})),))
    world.commit(web())
    world.settle()
    world.commit(web(environment={"COLOUR": "blue"}))
    assert world.settle().sync is Sync.SYNCED
    world.commit(web("web:2", environment={"COLOUR": "blue"}))
    world.once()
    (box,) = world.boxes("web")
    world.somebody.stop(box.name)
    world.once()
    assert [found.alive for found in world.boxes("web")] == [True]
    assert images(world) == ["web:1"]


def test_drift_waits_for_a_window_of_its_own_and_that_is_not_called_well(world: World) -> None:
    declare(world, windows=(replace(NIGHT, gates=frozenset({Gate.SELF_HEAL})),))
    world.commit(web())
    world.settle()
    (box,) = world.boxes("web")
    world.somebody.stop(box.name)
    record = world.once()
    assert (record.ready.status, record.ready.reason) == (Truth.FALSE, "WaitsForWindow")
    assert not world.boxes("web")[0].alive
    wait_s = world.books.due_in_s(STACK, world.clock.monotonic())
    assert wait_s is not None
    world.clock.advance(wait_s)
    world.once()
    assert world.boxes("web")[0].alive


def test_a_release_waits_until_somebody_approves_that_very_release(world: World) -> None:
    declare(world, manual=True)
    world.commit(web())
    world.settle()
    world.commit(web("web:2"))
    record = world.once()
    assert (record.ready.reason, record.ready.status) == ("WaitsForApproval", Truth.TRUE)
    assert "reconciler approve shop 2" in record.ready.message
    assert [(found.number, found.outcome) for found in world.journal.releases(STACK)][1] == (2, Outcome.WAITING)
    world.journal.approve(STACK, 2, "ada", world.clock.now())
    world.commit(web("web:3"))  # what was approved is not what Git says any more
    assert "approve shop 3" in world.once().ready.message
    world.commit(web("web:2"))
    assert world.settle().sync is Sync.SYNCED
    assert images(world) == ["web:2"]


def test_only_what_git_says_now_is_told_to_wait_also_where_it_said_so_before(world: World) -> None:
    declare(world, manual=True)
    world.commit(web())
    world.settle()

    def outcomes(number: int) -> list[Outcome]:
        world.commit(web(f"web:{number}"))
        world.once()
        return [found.outcome for found in world.journal.releases(STACK)]

    assert outcomes(2) == [Outcome.APPLIED, Outcome.WAITING]
    assert outcomes(3) == [Outcome.APPLIED, Outcome.SUPERSEDED, Outcome.WAITING]
    assert outcomes(2) == [Outcome.APPLIED, Outcome.WAITING, Outcome.SUPERSEDED]
    assert outcomes(1) == [Outcome.APPLIED, Outcome.SUPERSEDED, Outcome.SUPERSEDED]


def test_a_commit_waits_until_it_is_old_enough_and_others_do_not_make_it_young_again(world: World) -> None:
    declare(world, min_age_s=2 * HOUR)
    world.commit(web())
    world.settle()
    world.commit(web("web:2"))

    def young() -> Any:
        work = world.work()
        assert work.revision is not None
        return replace(work.revision, committed_at=int(world.clock.now()))

    assert world.once(revision=young()).ready.reason == "WaitsForAge"
    world.clock.advance(HOUR)
    world.commit(web("web:2"))
    assert world.once(revision=young()).ready.reason == "WaitsForAge"
    world.clock.advance(HOUR + 1)
    world.commit(web("web:2"))
    world.once(revision=young())
    assert images(world) == ["web:2"]


def test_nothing_is_applied_before_a_registry_told_which_image_it_is(world: World) -> None:
    declare(world, images=WEB)
    world.commit(web("web:live"))
    assert world.once().ready.reason == "ImageUnknown"
    assert world.boxes() == []
    world.git.found = {"web": ONE}
    world.settle()
    assert images(world) == [ONE]


def test_a_newer_image_is_a_new_release_without_a_commit(world: World) -> None:
    declare(world, images=WEB)
    world.git.found = {"web": ONE}
    world.commit(web("web:live"))
    world.settle()
    world.git.found = {"web": TWO}
    assert world.settle().applied_release == 2
    assert world.journal.releases(STACK)[1].asked_by == "registry: web live (sha256:2)"
    assert images(world) == [TWO]
    assert world.host.gaps(STACK, "web") == ()


def test_who_wanted_a_newer_image_is_known_after_a_rollback_too(world: World) -> None:
    """What runs is of an older commit then, and whoever made the newest, about something else, had not asked for it."""
    declare(world, images=WEB)
    world.git.found = {"web": ONE}
    world.commit(web("web:live"))
    world.settle()
    world.commit(web("web:live"))
    world.git.found = {"web": TWO}
    world.settle()
    world.journal.quarantine(STACK, 2, "rolled back")
    world.journal.save_wanted(STACK, 1)
    world.settle()
    three = "web:live@sha256:3"
    world.host.registry[three] = "id:three"
    world.commit(web("web:live"))
    world.git.found = {"web": three}
    world.settle()
    assert world.journal.releases(STACK)[2].asked_by == "registry: web live (sha256:3)"
    world.git.found = {"web": ONE}
    world.commit(web("web:live", environment={"COLOUR": "blue"}))
    world.settle()
    assert world.journal.releases(STACK)[3].asked_by == ""


def test_an_image_that_failed_is_undone_and_taken_along_by_no_other_release(world: World) -> None:
    declare(world, images=WEB)
    world.git.found = {"web": ONE}
    world.commit(web("web:live"))
    world.settle()
    world.git.found = {"web": SICK}
    assert world.settle().ready.status is Truth.FALSE
    assert images(world) == [ONE]
    world.commit(web("web:live", environment={"COLOUR": "blue"}))
    assert world.settle().ready.status is Truth.TRUE
    assert f"web stays at {ONE} until something newer" in world.record.ready.message
    assert images(world) == [ONE]
    world.start()  # nor after a restart
    assert world.settle().ready.status is Truth.TRUE
    assert images(world) == [ONE]
    world.git.found = {"web": TWO}
    assert world.settle().ready.status is Truth.TRUE
    assert images(world) == [TWO]


def test_an_image_that_is_gone_before_it_is_pulled_is_asked_for_and_its_successor_is_taken(world: World) -> None:
    """The tag moved between the look and the pull, and the registry let go of what it meant."""
    declare(world, images=WEB)
    world.git.found = {"web": ONE}
    world.commit(web("web:live"))
    world.settle()
    world.host.registry.pop(TWO)
    world.git.found = {"web": TWO}
    record = world.once()
    assert (record.ready.status, record.ready.reason) == (Truth.FALSE, "ImagePullFailed")  # so the lookout looks again
    assert images(world) == [ONE]
    three = "web:live@sha256:3"
    world.host.registry[three] = "id:three"
    world.git.found = {"web": three}
    assert world.settle().ready.status is Truth.TRUE
    assert images(world) == [three]


def test_a_new_certificate_waits_for_its_window_and_that_is_no_trouble(world: World) -> None:
    declare(world, windows=(replace(NIGHT, gates=frozenset({Gate.CERTS})),))
    world.commit(web())
    world.settle()
    (box,) = world.boxes("web")
    world.clock.advance(60)
    world.certificates.renewed = {"web": world.clock.now()}
    record = world.once()
    assert (record.ready.status, record.ready.reason) == (Truth.TRUE, "WaitsForWindow")
    assert "another certificate is to be read, and its window (certs) opens at" in record.ready.message
    assert world.boxes("web") == [box]
    wait_s = world.books.due_in_s(STACK, world.clock.monotonic())
    assert wait_s is not None
    world.clock.advance(wait_s)
    world.settle()
    assert world.boxes("web")[0].id != box.id


def test_a_stack_without_updates_asks_nothing_of_what_others_pay_for(world: World) -> None:
    world.commit(web())
    world.settle()
    world.git.unknown_images = None  # type: ignore[assignment, method-assign]  # calling it would fail
    world.commit(web("web:2"))
    assert world.settle().sync is Sync.SYNCED
    assert [found.outcome for found in world.journal.releases(STACK)] == [Outcome.APPLIED, Outcome.APPLIED]
