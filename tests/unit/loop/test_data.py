"""Laws of data that releases change: a release that fails leaves the data that the old one knew, wherever it was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.data import FIRST, DataBackup, DataChange
from reconciler.model.errors import WaitingError
from reconciler.model.hook import BackupGate, Exec, Hook, Occasion, OnFailure, Phase
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.record import Outcome, Truth
from tests.builders import STACK, healthy, manifest
from tests.unit.loop.world import Killed, World

DUMP = Hook(Phase.PRE_SYNC, "a-dump", BackupGate("db"))
MIGRATE = Hook(
    Phase.PRE_SYNC,
    "b-migrate",
    Exec("web", ("migrate",)),
    frozenset({Occasion.FIRST, Occasion.RELEASE}),
    changes_data=True,
)
SMOKE = Hook(Phase.POST_SYNC, "smoke", Exec("web", ("true",)))
HALF_WAY = HookEnd(1, "half of it", "it ended with exit status 1")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, manifest(timeout_s=20, soak_s=1, hooks=(DUMP, MIGRATE, SMOKE)))
    made.host.registry |= {f"web:{number}": f"sha256:web:{number}" for number in range(1, 6)}
    made.host.registry["db:1"] = "sha256:db:1"
    made.behaves("web:5", healthy_after_s=None, unhealthy_after_s=3.0)
    made.hooks.during = lambda call: happens(made, call)
    yield made
    made.stop()


def happens(world: World, call: HookCall) -> None:
    number = call.attempt.release
    if isinstance(call.hook.kind, BackupGate) and call.attempt.occasion is not Occasion.FIRST:
        world.backups.back_up(number)
    if call.hook.changes_data:
        world.backups.live += f", migrated by {number}"


def services(number: int) -> dict[str, Any]:
    web = healthy(image=f"web:{number}")
    return {"db": healthy(image="db:1"), "web": {**web, "depends_on": {"db": {"condition": "service_healthy"}}}}


def go(world: World, number: int, **changes: Any) -> Truth:
    world.commit(services(number))
    return world.settle(**changes).ready.status


def serving(world: World) -> list[str]:
    return [box.image for box in world.boxes("web") if box.serves]


def is_as_before(world: World) -> None:
    assert serving(world) == ["web:1"]
    assert world.backups.live == "old, migrated by 1"
    assert world.journal.data.data_change(STACK) is None


def test_a_migration_that_works_is_kept_and_nothing_is_left_to_go_back_to(world: World) -> None:
    assert (go(world, 1), go(world, 2)) == (Truth.TRUE, Truth.TRUE)
    assert world.backups.live == "old, migrated by 1, migrated by 2"
    assert (world.backups.restored, world.journal.data.data_change(STACK)) == ([], None)


def test_a_migration_that_fails_leaves_the_old_release_on_the_old_data(world: World) -> None:
    go(world, 1)
    before = [box.id for box in world.boxes()]
    world.hooks.ends["b-migrate"] = HALF_WAY
    assert go(world, 2) is Truth.FALSE
    is_as_before(world)
    assert [box.id for box in world.boxes()] == before
    assert "Release 1 serves as before, on the data of backup-1" in world.record.ready.message
    assert world.journal.releases(STACK)[-1].outcome is Outcome.FAILED


@pytest.mark.parametrize("fails", ["smoke", "health"])
def test_a_release_that_fails_after_its_migration_leaves_the_old_data_too(world: World, fails: str) -> None:
    go(world, 1)
    if fails == "smoke":
        world.hooks.ends["smoke"] = HALF_WAY
    assert go(world, 2 if fails == "smoke" else 5) is Truth.FALSE
    is_as_before(world)


def test_nothing_of_the_release_that_failed_runs_while_the_data_change(world: World) -> None:
    go(world, 1)
    world.hooks.ends["smoke"] = HALF_WAY
    seen: list[list[str]] = []
    world.backups.during = lambda: seen.append([box.image for box in world.boxes("web") if box.state == "running"])
    go(world, 2)
    assert len(seen) == 1
    assert "web:2" not in seen[0]


def test_a_release_that_fails_before_its_migration_touches_no_data(world: World) -> None:
    go(world, 1)
    world.hooks.ends["a-dump"] = HALF_WAY
    assert go(world, 2) is Truth.FALSE
    is_as_before(world)
    assert world.backups.restored == []


def test_a_migration_without_a_backup_before_it_is_not_begun(world: World) -> None:
    go(world, 1)
    world.declared = replace(world.declared, hooks=(replace(DUMP, on_failure=OnFailure.CONTINUE), MIGRATE))
    world.hooks.ends["a-dump"] = HALF_WAY
    world.hooks.during = lambda call: happens(world, call) if call.hook.changes_data else None
    assert go(world, 2) is Truth.FALSE
    is_as_before(world)
    assert "changes data, and was not run" in world.record.ready.message


def test_a_first_release_has_no_data_to_go_back_to(world: World) -> None:
    world.hooks.ends["b-migrate"] = HALF_WAY
    assert go(world, 1) is Truth.FALSE
    assert (world.backups.restored, world.journal.data.data_change(STACK)) == ([], None)


def test_a_restore_that_fails_leaves_the_old_release_serving_and_is_tried_again(world: World) -> None:
    go(world, 1)
    world.hooks.ends["smoke"] = HALF_WAY
    world.backups.fails = WaitingError("the disk is full", reason="DiskFull")
    world.commit(services(2))
    assert "the disk is full" in world.once().ready.message
    assert serving(world) == ["web:1"]
    world.backups.fails = None
    world.settle()
    is_as_before(world)


def test_a_commit_that_comes_before_the_data_are_restored_waits_for_them(world: World) -> None:
    go(world, 1)
    world.hooks.ends["b-migrate"] = HALF_WAY
    world.backups.fails = WaitingError("the disk is full", reason="DiskFull")
    world.commit(services(2))
    world.once()
    world.hooks.ends.clear()
    world.backups.fails = None
    assert go(world, 3) is Truth.TRUE
    assert world.backups.live == "old, migrated by 1, migrated by 3"


def test_a_release_that_is_given_up_after_its_migration_leaves_the_old_data_to_the_next(world: World) -> None:
    go(world, 1)
    world.commit(services(2))
    world.once(stop=lambda: "something newer" if "by 2" in world.backups.live else "")
    assert world.backups.live == "old, migrated by 1, migrated by 2"
    seen: list[str] = []
    world.backups.during = lambda: seen.append(world.backups.live)
    assert go(world, 3) is Truth.TRUE
    assert seen == ["old, migrated by 1, migrated by 2"]
    assert (serving(world), world.backups.live) == (["web:3"], "old, migrated by 1, migrated by 3")


def test_a_release_that_is_forced_begins_on_the_old_data_again(world: World) -> None:
    go(world, 1)
    world.hooks.ends["b-migrate"] = HALF_WAY
    go(world, 2)
    world.hooks.ends.clear()
    world.once(forced=True)
    assert world.settle().ready.status is Truth.TRUE
    assert world.backups.live == "old, migrated by 1, migrated by 2"


def ways(folder: Path, world: World, begin: Callable[[World], None]) -> Iterator[World]:
    """A world for each deed of the product that it could be killed before, after ``begin``."""
    for at in range(1, 200):
        other = world.fork(folder / f"killed-{at}")
        other.hooks.ends = dict(world.hooks.ends)
        other.hooks.during = lambda call, made=other: happens(made, call)  # type: ignore[misc]
        other.backups = replace(world.backups, kept=dict(world.backups.kept), passed=dict(world.backups.passed))
        other.start()
        begin(other)
        other.fate.strike(at, Killed())
        try:
            other.settle()
        except Killed:
            yield other
        else:
            other.stop()
            return
        other.stop()


@pytest.mark.parametrize("fails", ["b-migrate", "smoke"])
def test_killed_at_any_moment_a_failing_release_ends_on_the_old_data(world: World, tmp_path: Path, fails: str) -> None:
    go(world, 1)
    world.hooks.ends[fails] = HALF_WAY
    world.stop()
    kills = 0
    for other in ways(tmp_path.parent / f"{tmp_path.name}-ways", world, lambda other: other.commit(services(2))):
        other.start()
        other.settle()
        kills += 1
        assert serving(other) == ["web:1"]
        assert other.journal.data.data_change(STACK) is None
        assert other.backups.live == "old, migrated by 1"
        done = [run for run in other.journal.hooks.hooks(STACK) if run.release == 2 and run.name == "b-migrate"]
        assert len(done) <= 1
    assert kills > 20
    world.start()


def test_what_somebody_asked_to_restore_with_a_rollback_is_on_the_way_to_it_and_undone_if_that_fails(
    world: World,
) -> None:
    go(world, 1)
    go(world, 2)
    ask_back(world)
    assert world.settle().ready.status is Truth.TRUE
    assert (serving(world), world.backups.live) == (["web:1"], "old, migrated by 1")
    assert world.backups.restored == ["backup-1"]
    assert world.journal.data.data_change(STACK) is None


@pytest.mark.parametrize("fails", [False, True], ids=["works", "fails"])
def test_killed_at_any_moment_a_rollback_with_its_data_ends_with_both_or_neither(
    world: World, tmp_path: Path, fails: bool
) -> None:
    go(world, 1)
    go(world, 2)
    if fails:
        world.hooks.ends["smoke"] = HALF_WAY
    world.stop()
    kills = 0
    for other in ways(tmp_path.parent / f"{tmp_path.name}-ways", world, ask_back):
        other.start()
        other.settle()
        kills += 1
        data = "old, migrated by 1, migrated by 2" if fails else "old, migrated by 1"
        assert (serving(other), other.backups.live) == ([f"web:{2 if fails else 1}"], data)
        assert other.journal.data.data_change(STACK) is None
    assert kills > 20
    world.start()


def test_what_is_at_stake_is_told_before_it_begins(world: World) -> None:
    go(world, 1)
    world.commit(services(2))
    work = world.work()
    release = world.books.rendered(work)
    assert release is not None
    told = world.stage.announce(work, release, world.observer.of(STACK, release, world.applied()))
    assert any("db is restored from the backup before it" in note for note in told.notes)
    assert world.settle().ready.message == "release 2 is healthy"


def test_a_rollback_that_fails_leaves_the_data_that_were_live(world: World) -> None:
    go(world, 1)
    go(world, 2)
    world.hooks.ends["smoke"] = HALF_WAY
    ask_back(world)
    world.settle()
    assert (serving(world), world.backups.live) == (["web:2"], "old, migrated by 1, migrated by 2")
    assert world.journal.data.data_change(STACK) is None


def test_a_rollback_whose_data_cannot_be_restored_is_not_made_without_them(world: World) -> None:
    go(world, 1)
    go(world, 2)
    world.backups.fails = WaitingError("the disk is full", reason="DiskFull")
    ask_back(world)
    world.once()
    assert (serving(world), world.backups.live) == (["web:2"], "old, migrated by 1, migrated by 2")
    world.backups.fails = None
    world.settle()
    assert serving(world) == ["web:1"]
    assert "migrated by 2" not in world.backups.live


def ask_back(world: World) -> None:
    """As the desk does for rollback --restore-db."""
    world.journal.quarantine(STACK, 2, "rolled back")
    world.journal.save_stack(replace(world.record, wanted_release=1))
    world.journal.data.save_data_change(DataChange(STACK, 1, forth=(DataBackup("backup-1", "db"),)))


def begin_with(world: World, name: str, text: str) -> None:
    """As ``recover`` does it before the first pass."""
    world.declared = replace(world.declared, hooks=())
    world.backups.live, world.backups.kept[name] = "", text
    world.journal.data.save_data_change(DataChange(STACK, FIRST, forth=(DataBackup(name, "db"),)))


def test_a_host_that_is_recovered_serves_nobody_before_its_data_are_back(world: World) -> None:
    begin_with(world, "saved", "all of it")
    seen: list[tuple[list[str], list[str]]] = []
    world.backups.during = lambda: seen.append((serving(world), [box.image for box in world.boxes("db") if box.serves]))
    assert go(world, 1) is Truth.TRUE
    assert seen == [([], ["db:1"])]
    assert (world.backups.live, world.journal.data.data_change(STACK)) == ("all of it", None)


def test_recovered_data_are_owed_to_the_next_commit_where_the_first_release_fails_before_them(world: World) -> None:
    begin_with(world, "saved", "all of it")
    world.host.registry["db:2"] = "sha256:db:2"
    world.behaves("db:2", healthy_after_s=None, unhealthy_after_s=3.0)
    world.commit({**services(1), "db": healthy(image="db:2")})
    assert world.settle().ready.status is Truth.FALSE
    assert world.journal.releases(STACK)[-1].quarantined
    assert world.backups.restored == []
    assert go(world, 1) is Truth.TRUE
    assert world.backups.live == "all of it"


def test_recovered_data_are_not_restored_again_over_what_came_later(world: World) -> None:
    begin_with(world, "saved", "all of it")
    world.behaves("web:5", healthy_after_s=None, unhealthy_after_s=3.0)
    assert go(world, 5) is Truth.FALSE
    world.backups.live += ", and more"
    assert go(world, 1) is Truth.TRUE
    assert (world.backups.live, world.backups.restored) == ("all of it, and more", ["saved"])
