"""Laws of hooks in passes: they gate a release, once each, across crashes; and whatever is no new release has none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.execution.around import Around
from reconciler.model.backup import BackupPlan
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.hook import BackupFacts, Exec, Hook, HookState, Occasion, OnFailure, Phase
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.record import Outcome, Truth
from tests.builders import STACK, healthy, manifest
from tests.unit.loop.world import Killed, World

PRE, POST, FAIL = Phase.PRE_SYNC, Phase.POST_SYNC, Phase.SYNC_FAIL


def hook(phase: Phase, name: str, **more: Any) -> Hook:
    return Hook(phase, name, Exec("web", ("true",)), **more)


CERT = Phase.POST_CERT
DECLARED = (hook(PRE, "b-dump"), hook(PRE, "a-check"), hook(POST, "smoke"), hook(FAIL, "tell"))
SHUT = HookEnd(3, "no", "it ended with exit status 3")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, manifest(timeout_s=20, soak_s=1, hooks=DECLARED))
    made.host.registry |= {f"web:{number}": f"sha256:web:{number}" for number in range(1, 6)}
    made.behaves("web:5", healthy_after_s=None, unhealthy_after_s=3.0)
    yield made
    made.stop()


def web(number: int) -> dict[str, Any]:
    return {"web": healthy(image=f"web:{number}")}


def go(world: World, number: int, **changes: Any) -> Truth:
    world.commit(web(number))
    return world.settle(**changes).ready.status


def images(world: World) -> list[str]:
    return [box.image for box in world.boxes() if box.serves]


def test_hooks_run_around_a_release_in_the_order_of_their_names(world: World) -> None:
    running: list[list[str]] = []
    world.hooks.during = lambda _: running.append(images(world))
    assert go(world, 1) is Truth.TRUE
    assert world.hooks.ran == ["preSync a-check", "preSync b-dump", "postSync smoke"]
    assert running == [[], [], ["web:1"]]


def test_a_smoke_test_sees_the_new_one_while_the_old_one_is_still_there(world: World) -> None:
    go(world, 1)
    there: list[list[str]] = []
    world.hooks.during = lambda call: there.append(
        [box.image for box in world.boxes()] if call.hook.phase is POST else []
    )
    go(world, 2)
    assert there[-1] == ["web:1", "web:2"]


def test_a_presync_hook_that_fails_leaves_everything_untouched(world: World) -> None:
    go(world, 1)
    before, touched = world.boxes(), list(world.host.touched)
    world.hooks.ends["b-dump"] = SHUT
    assert go(world, 2) is Truth.FALSE
    assert world.boxes() == before
    assert world.host.touched == touched
    newest = world.journal.releases(STACK)[-1]
    assert (newest.outcome, "exit status 3" in newest.quarantined) == (Outcome.FAILED, True)
    assert "Its last lines:\nno" in world.record.ready.message


def test_a_postsync_hook_that_fails_puts_the_very_containers_back_that_served(world: World) -> None:
    go(world, 1)
    before = [box.id for box in world.boxes()]
    world.hooks.ends["smoke"] = SHUT
    assert go(world, 2) is Truth.FALSE
    assert [box.id for box in world.boxes()] == before
    assert images(world) == ["web:1"]


def test_syncfail_hooks_run_once_after_the_undo_and_know_what_failed(world: World) -> None:
    go(world, 1)
    serving: list[list[str]] = []
    world.hooks.ends["smoke"] = SHUT
    world.hooks.during = lambda call: serving.append(images(world)) if call.hook.phase is FAIL else None
    go(world, 2)
    (call,) = [call for call in world.hooks.calls if call.hook.phase is FAIL]
    assert serving == [["web:1"]]
    assert call.attempt.failed_step == "run postSync hook smoke"
    assert "exit status 3" in call.attempt.error
    assert (call.attempt.release, call.attempt.previous_release, call.cut_short) == (2, 1, False)


def test_a_syncfail_hook_that_fails_changes_nothing_more(world: World) -> None:
    go(world, 1)
    world.hooks.ends |= {"smoke": SHUT, "tell": SHUT}
    go(world, 2)
    assert images(world) == ["web:1"]
    assert "smoke" in world.record.ready.message
    assert [e.reason for e in world.journal.events(stack=STACK)].count("HookFailed") == 2  # smoke's own, and tell's
    assert world.hooks.ran.count("syncFail tell") == 1


def test_a_failing_that_is_to_be_passed_over_is(world: World) -> None:
    world.declared = replace(world.declared, hooks=(hook(PRE, "dump", on_failure=OnFailure.CONTINUE),))
    world.hooks.ends["dump"] = SHUT
    assert go(world, 1) is Truth.TRUE
    (told,) = [event for event in world.journal.events(stack=STACK) if event.reason == "HookFailed"]
    assert "exit status 3" in told.message


@pytest.mark.parametrize(
    ("number", "changes", "occasion"),
    [(2, {}, Occasion.RELEASE), (1, {"environment": {"A": "1"}}, Occasion.CONFIG)],
)
def test_what_a_commit_changes_is_the_occasion(
    world: World, number: int, changes: dict[str, Any], occasion: Occasion
) -> None:
    go(world, 1)
    world.commit({"web": healthy(image=f"web:{number}", **changes)})
    world.settle()
    assert [call.attempt.occasion for call in world.hooks.calls] == [Occasion.FIRST] * 3 + [occasion] * 3
    (changed,) = world.hooks.calls[-1].attempt.changed
    assert changed.service == "web"


def test_a_hook_for_another_occasion_does_not_run(world: World) -> None:
    only = hook(PRE, "migrate", on=frozenset({Occasion.RELEASE}))
    world.declared = replace(world.declared, hooks=(only,))
    go(world, 1)
    go(world, 2)
    assert [call.attempt.release for call in world.hooks.calls] == [2]


def test_drift_is_mended_without_hooks(world: World) -> None:
    go(world, 1)
    ran = len(world.hooks.calls)
    world.somebody.remove(world.boxes()[0].name)
    world.settle()
    assert images(world) == ["web:1"]
    assert len(world.hooks.calls) == ran


def test_a_release_that_is_tried_anew_has_its_hooks_anew(world: World) -> None:
    go(world, 1)
    world.hooks.ends["smoke"] = SHUT
    go(world, 2)
    world.hooks.ends.clear()
    world.once(forced=True)
    assert [(c.attempt.release, c.attempt.number) for c in world.hooks.calls if c.hook.name == "smoke"] == [
        (1, 1),
        (2, 1),
        (2, 2),
    ]
    assert images(world) == ["web:2"]


def test_what_runs_already_when_nothing_is_known_of_it_is_taken_without_hooks(world: World) -> None:
    """state.db was lost: a hook that fills a new database must not run on one that is in use."""
    go(world, 1)
    world.journal.forget_stack(STACK)
    world.hooks.calls.clear()
    world.start()
    assert world.settle().ready.status is Truth.TRUE
    assert world.hooks.ran == []


def test_a_hook_that_the_leaving_daemon_ended_is_run_again_and_told_so(world: World) -> None:
    world.commit(web(1))
    leaving: list[str] = []
    world.hooks.during = lambda call: leaving.append("SIGTERM") if call.hook.name == "b-dump" and not leaving else None
    world.hooks.ends["b-dump"] = HookEnd(None, interrupted=True)
    world.once(stop=lambda: "".join(leaving))
    assert world.journal.hooks.hooks(STACK, HookState.BEGUN)
    del world.hooks.ends["b-dump"]
    world.start()
    assert world.settle().ready.status is Truth.TRUE
    assert world.hooks.cleared == [(PRE, "b-dump")]
    assert [(call.hook.name, call.cut_short) for call in world.hooks.calls] == [
        ("a-check", False),
        ("b-dump", False),
        ("b-dump", True),
        ("smoke", False),
    ]


def test_a_step_that_only_time_mends_does_not_skip_the_hooks_of_the_next_try(world: World) -> None:
    go(world, 1)
    world.fate.strike(1, WaitingError("the disk is full", reason="DiskFull"), ("compose.create",))
    go(world, 2)
    assert images(world) == ["web:2"]
    assert world.hooks.ran.count("preSync b-dump") == 3


def endings(world: World) -> dict[tuple[int, int, str], int]:
    """How often each hook of each attempt came to its end."""
    found: dict[tuple[int, int, str], int] = {}
    for call in world.hooks.calls:
        key = (call.attempt.release, call.attempt.number, call.hook.name)
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize("fails", [False, True], ids=["applied", "undone"])
def test_killed_at_any_moment_a_finished_hook_is_not_run_again(tmp_path: Path, fails: bool) -> None:
    """A hook that ran twice was cut short the first time, and knows it; a failed release's syncFail hook runs all the same."""
    moment = 0
    while True:
        moment += 1
        folder = tmp_path / str(moment)
        folder.mkdir()
        world = World(folder, manifest(timeout_s=20, soak_s=1, hooks=DECLARED))
        world.host.registry |= {f"web:{number}": f"sha256:web:{number}" for number in range(1, 6)}
        go(world, 1)
        if fails:
            world.hooks.ends["smoke"] = SHUT
        world.commit(web(2))
        world.fate.strike(moment, Killed())
        try:
            world.settle()
            struck = False
        except Killed:
            struck = True
        world.start()
        world.settle()
        assert images(world) == ["web:1" if fails else "web:2"], moment
        again = {key: count for key, count in endings(world).items() if count > 1}
        told = {(c.attempt.release, c.attempt.number, c.hook.name) for c in world.hooks.calls if c.cut_short}
        assert set(again) <= told, (moment, again)
        assert {call.attempt.number for call in world.hooks.calls if call.attempt.release == 2} == {1}, moment
        assert world.hooks.ran.count("syncFail tell") >= (1 if fails else 0), moment
        assert fails or "syncFail tell" not in world.hooks.ran
        world.stop()
        if not struck:
            return


def test_the_plan_that_is_printed_says_which_hooks_run_and_why(world: World) -> None:
    go(world, 1)
    world.commit(web(2))
    work = world.work()
    release = world.books.rendered(work)
    assert release is not None
    found = world.stage.announce(work, release, world.observer.of(STACK, release))
    told = [step.cause.text for step in found.steps if step.cause.kind == "hook"]
    assert told == ["stack.yaml, hooks.preSync, on release"] * 2 + ["stack.yaml, hooks.postSync, on release"]


def test_nothing_to_do_announces_no_hook(world: World) -> None:
    go(world, 1)
    applied = world.applied()
    assert applied is not None
    assert world.stage.announce(world.work(), applied, world.observer.of(STACK, applied, applied)).empty


def test_a_release_that_failed_at_a_hook_is_tried_again_once_the_hook_is_another(world: World) -> None:
    """Its containers are the same, so is its digest; who mends a hook in Git does not expect to have to force it."""
    go(world, 1)
    world.hooks.ends["smoke"] = SHUT
    go(world, 2)
    world.hooks.ends.clear()
    world.commit(web(2))
    assert world.settle().ready.status is Truth.FALSE  # another commit with the same hooks is no reason
    assert images(world) == ["web:1"]
    world.declared = replace(world.declared, hooks=(hook(POST, "smoke", timeout_s=9.0),))
    world.commit(web(2))
    assert world.settle().ready.status is Truth.TRUE
    assert images(world) == ["web:2"]


def test_a_release_that_failed_at_a_hook_is_tried_again_once_what_it_backs_up_is_mended(world: World) -> None:
    go(world, 1)
    world.hooks.ends["smoke"] = SHUT
    go(world, 2)
    world.hooks.ends.clear()
    plan = BackupPlan("db", "postgres", "web", "shop", recipients=("age1",))
    world.declared = replace(world.declared, backups=(plan,))
    world.commit(web(2))
    assert world.settle().ready.status is Truth.TRUE
    assert images(world) == ["web:2"]


def test_a_release_that_failed_at_its_containers_is_not_tried_again_for_other_hooks(world: World) -> None:
    go(world, 1)
    go(world, 5)
    world.declared = replace(world.declared, hooks=())
    world.commit(web(5))
    assert world.settle().ready.status is Truth.FALSE
    assert len(world.journal.releases(STACK)) == 2
    assert world.journal.hooks.begin_attempt(STACK, 2) == 2


def test_a_syncfail_hook_that_cannot_be_run_just_now_is_run_by_the_next_pass(world: World) -> None:
    go(world, 1)
    world.hooks.ends["smoke"] = SHUT
    full = [WaitingError("the disk is full", reason="DiskFull")]

    def fill(call: HookCall) -> None:
        if call.hook.phase is FAIL and full:
            raise full.pop()

    world.hooks.during = fill
    go(world, 2)
    assert world.hooks.ran.count("syncFail tell") == 2
    assert "smoke" in world.record.ready.message


def test_a_hook_of_a_new_certificate_runs_once_in_the_next_pass_and_changes_nothing(world: World) -> None:
    world.declared = replace(world.declared, hooks=(hook(CERT, "tell"), hook(POST, "smoke")))
    go(world, 1)
    release = world.applied()
    assert release is not None
    assert world.keeping.owe_for_certificates(world.declared, release, ["b.test", "a.test", "a.test"])
    world.hooks.ends["tell"] = SHUT
    touched = list(world.host.touched)
    world.settle()
    (call,) = [call for call in world.hooks.calls if call.hook.phase is CERT]
    assert (call.attempt.occasion, call.attempt.domains, call.attempt.release) == (
        Occasion.CERT,
        ("a.test", "b.test"),
        1,
    )
    assert world.host.touched == touched
    assert world.record.ready.status is Truth.TRUE
    assert world.hooks.ran.count("postSync smoke") == 1


def test_a_stack_without_such_hooks_owes_none(world: World) -> None:
    go(world, 1)
    release = world.applied()
    assert release is not None
    assert not world.keeping.owe_for_certificates(world.declared, release, ["a.test"])


AROUND = (hook(Phase.PRE_BACKUP, "hold"), hook(Phase.POST_BACKUP, "go-on"), hook(Phase.PRE_BACKUP, "also"))


def around(world: World) -> Around:
    return Around(world.keeping, world.clock, lambda: world.stage.scene_of_what_runs(world.work()), lambda: 7)


def test_hooks_around_a_backup_run_each_time_in_the_order_of_their_names_and_know_of_it(world: World) -> None:
    world.declared = replace(world.declared, hooks=AROUND)
    go(world, 1)
    for _ in range(2):
        around(world)(Phase.PRE_BACKUP, BackupFacts("db", "shop"))
        world.clock.advance(0.001)
    assert world.hooks.ran == ["preBackup also", "preBackup hold"] * 2
    attempt = world.hooks.calls[-1].attempt
    assert (attempt.release, attempt.occasion, attempt.backup) == (1, Occasion.BACKUP, BackupFacts("db", "shop"))


def test_one_that_fails_before_a_backup_forbids_it_and_one_after_it_is_told(world: World) -> None:
    world.declared = replace(world.declared, hooks=AROUND)
    go(world, 1)
    world.hooks.ends |= {"also": SHUT, "go-on": SHUT}
    with pytest.raises(StalledError, match="exit status 3"):
        around(world)(Phase.PRE_BACKUP, BackupFacts("db", "shop"))
    around(world)(Phase.POST_BACKUP, BackupFacts("db", "shop"), "L0: no server")
    assert world.hooks.ran == ["preBackup also", "postBackup go-on"]
    assert world.hooks.calls[-1].attempt.error == "L0: no server"
    assert world.journal.events(stack=STACK)[-1].reason == "HookFailed"


def test_where_nothing_was_ever_applied_no_hook_runs_around_anything(world: World) -> None:
    world.declared = replace(world.declared, hooks=AROUND)
    world.commit(web(1))
    around(world)(Phase.PRE_BACKUP, BackupFacts("db", "shop"))
    assert world.hooks.ran == []


def test_what_a_kill_left_of_a_hook_around_a_backup_is_ended_and_not_run_in_a_pass(world: World) -> None:
    world.declared = replace(world.declared, hooks=AROUND)
    go(world, 1)
    world.fate.strike(1, Killed(), about=("hooks.run",))
    with pytest.raises(Killed):
        around(world)(Phase.PRE_BACKUP, BackupFacts("db", "shop"))
    world.start()
    world.once()
    assert (world.hooks.ran, world.hooks.cleared) == ([], [(Phase.PRE_BACKUP, "also")])
