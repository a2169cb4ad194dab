"""Laws of a rollback by hand, on a host in memory: it is made whatever Git says meanwhile, and lasts until something new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.record import Health, Outcome, RequestKind, Truth
from reconciler.model.updates import Updates, Window
from reconciler.requests import Desk
from tests.builders import STACK, healthy, port
from tests.unit.loop.world import World


@pytest.fixture(autouse=True)
def registry(world: World) -> None:
    world.host.registry |= {f"web:{number}": f"sha256:web:{number}" for number in range(1, 6)}


def web(number: int, **more: Any) -> dict[str, Any]:
    return {"web": healthy(image=f"web:{number}", **more)}


def applied(world: World, *commits: dict[str, Any]) -> None:
    for services in commits:
        world.commit(services)
        assert world.settle().ready.status is Truth.TRUE


def roll_back(world: World, release: int | None = None) -> str:
    """What the daemon's desk answers."""
    row = world.journal.ask(RequestKind.ROLLBACK, STACK, "ada", world.clock.now(), release=release)
    Desk(world.journal, world.clock, world.shelf.numbers).handle()
    request = world.journal.request(row)
    assert request is not None
    return request.answer


def images(world: World) -> list[str]:
    return [box.image for box in world.boxes("web")]


def test_it_is_made_although_git_says_nothing_usable_by_now(world: World) -> None:
    applied(world, web(1), web(2))
    world.commit(None)
    world.settle()
    assert roll_back(world) == "ok"
    assert world.once().ready.reason == "RolledBack"
    assert images(world) == ["web:1"]


def test_a_commit_that_cannot_be_rendered_is_told_of_once_to_who_went_back(world: World) -> None:
    applied(world, web(1), web(2))
    assert roll_back(world) == "ok"
    world.settle()
    world.commit(None)
    assert world.settle().ready.reason == "InvalidConfiguration"
    told = world.journal.events(stack=STACK)
    assert world.once().ready.status is Truth.FALSE
    assert world.journal.events(stack=STACK) == told


def test_it_is_made_before_git_was_read(world: World) -> None:
    applied(world, web(1), web(2))
    assert roll_back(world) == "ok"
    world.once(revision=None)
    assert images(world) == ["web:1"]


@pytest.mark.parametrize(
    "updates",
    [Updates(manual=True), Updates(windows=(Window(True, "0 1 * * *", 3600.0),))],
    ids=["approval", "window"],
)
def test_it_is_made_while_something_newer_waits_which_is_still_told(world: World, updates: Updates) -> None:
    applied(world, web(1), web(2))
    world.declared = replace(world.declared, updates=updates)
    world.commit(web(3))
    waiting = world.once().ready
    assert roll_back(world) == "ok"
    world.once()
    assert images(world) == ["web:1"]
    assert world.once().ready == waiting


def test_one_that_cannot_be_made_is_given_up_for_what_runs(world: World) -> None:
    """Incident: the release that was gone back to mounted a file that was gone; it was tried for ever, and to stay was refused."""
    applied(world, web(1, ports=[port(80)]), web(2))
    world.host.taken_ports.add("0.0.0.0:80/tcp")
    assert roll_back(world) == "ok"
    assert world.once().ready.reason == "PortTaken"
    assert roll_back(world, 2) == "ok"
    assert (world.settle().ready.status, images(world)) == (Truth.TRUE, ["web:2"])
    world.host.taken_ports.clear()
    world.settle()
    assert images(world) == ["web:2"]
    assert roll_back(world, 2) == "release 2 is what runs"


def test_that_it_is_tried_again_is_said_once(world: World) -> None:
    applied(world, web(1, ports=[port(80)]), web(2))
    world.host.taken_ports.add("0.0.0.0:80/tcp")
    assert roll_back(world) == "ok"
    world.once()
    world.commit(None)
    world.once()
    world.commit(web(2))
    message = world.once().ready.message
    assert message.count("It is tried again by itself") == 1, message


def test_one_that_time_mends_is_not_tried_before_its_wait_is_over(world: World) -> None:
    applied(world, web(1, ports=[port(80)]), web(2))
    world.host.taken_ports.add("0.0.0.0:80/tcp")
    assert roll_back(world) == "ok"
    failed = world.once().ready
    assert failed.reason == "PortTaken"
    tried = world.journal.passes(STACK, 100)
    assert world.once().ready == failed
    assert world.journal.passes(STACK, 100) == tried
    world.host.taken_ports.clear()
    assert world.settle().applied_release == 1


def when(world: World, words: str, act: Any) -> dict[str, Any]:
    """For ``once``: ``act`` once, at the step of the pass that these words tell of."""
    done: list[str] = []

    def progress(text: str) -> None:
        if words in text and not done:
            done.append(text)
            act()

    return {"progress": progress}


@pytest.mark.parametrize(("asked", "number"), [(None, 2), (1, 1)], ids=["by itself", "by number"])
def test_while_a_release_is_applied_the_one_before_is_what_serves_and_going_back_is_done_when_it_ends(
    world: World, asked: int | None, number: int
) -> None:
    applied(world, web(1), web(2))
    world.commit(web(3))
    answers: list[str] = []
    world.once(**when(world, "wait", lambda: answers.extend([roll_back(world, asked), roll_back(world, asked)])))
    assert answers == ["ok", "ok"]  # asked twice it is the same
    record = world.settle()
    assert images(world) == [f"web:{number}"]
    assert (record.applied_release, record.ready.reason) == (number, "RolledBack")


def test_a_release_that_is_given_up_while_it_is_waited_for_is_over(world: World) -> None:
    applied(world, web(1), web(2))
    world.behaves("web:3", healthy_after_s=None)
    world.commit(web(3))
    began = world.clock.monotonic()
    world.once(**when(world, "wait", lambda: roll_back(world)))
    assert world.clock.monotonic() - began < 1  # its time is 20 s
    record = world.settle()
    assert (record.applied_release, record.ready.reason, images(world)) == (2, "RolledBack", ["web:2"])
    assert world.journal.releases(STACK)[2].outcome is Outcome.SUPERSEDED
    assert roll_back(world) == "ok"
    assert world.settle().applied_release == 1


def test_who_asks_again_while_it_is_gone_back_is_told_so(world: World) -> None:
    applied(world, web(1), web(2))
    assert roll_back(world) == "ok"
    answers: list[str] = []
    world.once(**when(world, "wait", lambda: answers.append(roll_back(world))))
    assert "goes to release 1 just now" in answers[0]
    assert world.settle().applied_release == 1


def test_what_is_not_kept_any_more_is_not_gone_back_to_and_what_runs_is_not_left(world: World) -> None:
    applied(world, web(1), web(2), web(3))
    world.shelf._releases.remove(STACK, 1)
    assert "those that are: 2, 3" in roll_back(world, 1)
    assert [found.quarantined for found in world.journal.releases(STACK)] == ["", "", ""]


def test_what_was_gone_back_to_is_newer_than_what_was_left(world: World) -> None:
    world.shelf._kept = 2
    applied(world, web(1), web(2), web(3))
    assert roll_back(world, 2) == "ok"
    world.settle()
    assert roll_back(world, 3) == "ok"
    world.settle()
    assert roll_back(world, 2) == "ok"
    world.settle()
    applied(world, web(4))
    assert world.shelf.numbers(STACK) == {2, 4}
    assert roll_back(world) == "ok"
    assert world.settle().applied_release == 2


def test_who_goes_back_elsewhere_while_it_is_gone_back_gets_there(world: World) -> None:
    applied(world, web(1), web(2), web(3))
    assert roll_back(world, 2) == "ok"
    world.once(**when(world, "wait", lambda: roll_back(world, 1)))
    assert world.settle().applied_release == 1


def test_what_people_ask_for_at_the_moment_a_pass_ends_is_not_lost(world: World) -> None:
    """The pass had looked at the stack's record before, and saves what became of it after."""
    applied(world, web(1), web(2))
    before = world.record
    assert roll_back(world) == "ok"
    world.journal.ask(RequestKind.SUSPEND, STACK, "ada", world.clock.now())
    Desk(world.journal, world.clock).handle()
    world.books.save(replace(before, health=Health.PROGRESSING))
    assert (world.record.health, world.record.wanted_release) == (Health.PROGRESSING, 1)
    assert bool(world.record.suspension)
    world.journal.save_status(replace(before, applied_release=1))
    world.journal.ask(RequestKind.RESUME, STACK, "ada", world.clock.now())
    Desk(world.journal, world.clock).handle()
    assert (world.record.applied_release, world.record.suspension) == (1, None)
