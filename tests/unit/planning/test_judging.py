"""Laws of what is said of a stack, where it goes, and how soon it is tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.desired import nothing_of
from reconciler.model.observed import Probe, State
from reconciler.model.record import Health, PassGoal, Ready, StackRecord, Sync, Truth
from reconciler.planning.health import container_health, service_health, stack_health
from reconciler.planning.order import levels
from reconciler.planning.patience import FORGOTTEN_AFTER_S, MOST_ATTEMPTS, Patience
from reconciler.planning.status import settled, still_told
from reconciler.planning.target import UNRENDERED, Candidates, Goal, choose_goal, why_not
from tests.builders import healthy, made, release, seen, spec_of, stopped

# Health

ONE = release({"web": healthy()})
WEB = made(ONE, "web")


@pytest.mark.parametrize(
    ("state", "probe", "health"),
    [
        (State.RUNNING, Probe.HEALTHY, Health.HEALTHY),
        (State.RUNNING, Probe.NONE, Health.HEALTHY),
        (State.RUNNING, Probe.STARTING, Health.PROGRESSING),
        (State.RUNNING, Probe.UNHEALTHY, Health.DEGRADED),
        (State.PAUSED, Probe.HEALTHY, Health.DEGRADED),
        (State.RESTARTING, Probe.NONE, Health.DEGRADED),
        (State.EXITED, Probe.NONE, Health.DEGRADED),
        (State.CREATED, Probe.NONE, Health.DEGRADED),
    ],
)
def test_a_container_is_healthy_while_it_runs_and_its_check_does_not_object(
    state: State, probe: Probe, health: Health
) -> None:
    assert container_health(replace(WEB, state=state, probe=probe), job=False) is health


@pytest.mark.parametrize(
    ("state", "code", "health"),
    [
        (State.EXITED, 0, Health.HEALTHY),
        (State.EXITED, 1, Health.DEGRADED),
        (State.RUNNING, 0, Health.PROGRESSING),
        (State.CREATED, 0, Health.PROGRESSING),
        (State.DEAD, 0, Health.DEGRADED),
    ],
)
def test_a_job_is_healthy_once_it_has_ended_well(state: State, code: int, health: Health) -> None:
    assert container_health(replace(WEB, state=state, exit_code=code), job=True) is health


def test_a_service_with_too_few_containers_is_missing() -> None:
    assert service_health(spec_of(ONE, "web"), seen(of=ONE)) is Health.MISSING


def test_a_container_of_another_release_does_not_count() -> None:
    other = release({"web": healthy(user="1")})
    assert service_health(spec_of(ONE, "web"), seen(made(other, "web"), of=ONE)) is Health.MISSING


def test_a_stack_is_as_well_as_its_worst_service() -> None:
    both = release({"a": {}, "b": {}})
    assert stack_health(both, seen(made(both, "a"), stopped(made(both, "b")), of=both)) is Health.DEGRADED
    assert stack_health(both, seen(made(both, "a"), made(both, "b"), of=both)) is Health.HEALTHY


def test_a_stack_without_services_is_healthy() -> None:
    assert stack_health(nothing_of("shop"), seen(of=nothing_of("shop"))) is Health.HEALTHY


# The order of starting


def test_levels_begin_with_what_needs_nothing() -> None:
    found = release(
        {
            "proxy": {"depends_on": ["web"]},
            "web": {"depends_on": ["db"]},
            "db": {},
            "side": {"network_mode": "service:web"},
        }
    )
    assert [[spec.name for spec in level] for level in levels(found.services)] == [["db"], ["web"], ["proxy", "side"]]


# Where to go

OLD, NEW = release({"web": {}}, number=1), release({"web": {"user": "1"}}, number=2)
NOTHING = Candidates(rendered=None, applied=None, wanted=None, quarantined={})


def test_what_git_says_is_applied() -> None:
    assert choose_goal(replace(NOTHING, rendered=NEW, applied=OLD)) == Goal(PassGoal.APPLY, NEW)
    assert choose_goal(replace(NOTHING, rendered=NEW)) == Goal(PassGoal.APPLY, NEW)


def test_what_is_applied_already_is_repaired() -> None:
    assert choose_goal(replace(NOTHING, rendered=OLD, applied=OLD)) == Goal(PassGoal.REPAIR, OLD)


def test_what_is_quarantined_is_not_gone_to() -> None:
    found = replace(NOTHING, rendered=NEW, applied=OLD, quarantined={NEW.digest: "it failed"})
    assert choose_goal(found) == Goal(PassGoal.REPAIR, OLD, "it failed")


def test_what_has_to_wait_is_not_gone_to_yet() -> None:
    found = replace(NOTHING, rendered=NEW, applied=OLD, waiting="a port is taken")
    assert choose_goal(found) == Goal(PassGoal.REPAIR, OLD, "a port is taken")


def test_what_cannot_be_rendered_leaves_what_is_applied() -> None:
    assert choose_goal(replace(NOTHING, applied=OLD)) == Goal(PassGoal.REPAIR, OLD, "what Git says cannot be rendered")


def test_a_rollback_by_hand_goes_to_what_was_wanted_as_long_as_git_says_what_was_left() -> None:
    found = replace(NOTHING, rendered=NEW, applied=NEW, wanted=OLD, quarantined={NEW.digest: "rolled back"})
    assert choose_goal(found) == Goal(PassGoal.APPLY, OLD, "rolled back")
    assert choose_goal(replace(found, applied=OLD)) == Goal(PassGoal.REPAIR, OLD, "rolled back")


@pytest.mark.parametrize(
    "git", [{"rendered": None}, {"rendered": NEW, "waiting": "for its window"}], ids=["none", "waits"]
)
def test_a_rollback_by_hand_waits_for_nothing_that_git_says(git: dict[str, Any]) -> None:
    found = replace(NOTHING, applied=release({"web": {"user": "2"}}), wanted=OLD, **git)
    assert choose_goal(found) == Goal(PassGoal.APPLY, OLD, why_not(found))
    assert choose_goal(replace(found, applied=OLD)) == Goal(PassGoal.REPAIR, OLD, why_not(found))


def test_something_new_from_git_ends_a_rollback_by_hand() -> None:
    newest = release({"web": {"user": "2"}})
    found = replace(NOTHING, rendered=newest, applied=OLD, wanted=OLD, quarantined={NEW.digest: "rolled back"})
    assert choose_goal(found) == Goal(PassGoal.APPLY, newest)


def test_why_what_git_says_is_not_gone_to_is_known() -> None:
    assert why_not(replace(NOTHING, applied=OLD)) == UNRENDERED
    assert (
        why_not(replace(NOTHING, rendered=NEW, quarantined={NEW.digest: "it failed"}, waiting="later")) == "it failed"
    )
    assert why_not(replace(NOTHING, rendered=NEW, waiting="a port is taken")) == "a port is taken"
    assert why_not(replace(NOTHING, rendered=NEW)) == ""


def test_with_nothing_to_go_to_nothing_is_done() -> None:
    assert choose_goal(NOTHING) is None


# What is said


def test_a_settled_stack_is_synced_and_ready() -> None:
    record = settled(StackRecord("shop"), Goal(PassGoal.REPAIR, replace(ONE, number=4)), seen(WEB, of=ONE), "c9")
    assert (record.sync, record.health, record.ready.status) == (Sync.SYNCED, Health.HEALTHY, Truth.TRUE)
    assert (record.applied_release, record.applied_revision, record.attempted_revision) == (4, "c9", "c9")


def test_what_was_declined_is_said_of_a_settled_stack() -> None:
    goal = Goal(PassGoal.REPAIR, replace(ONE, number=4))
    record = settled(StackRecord("shop"), goal, seen(WEB, of=ONE), "c9", ("cache: left running",))
    assert record.ready == Ready(Truth.TRUE, "ReconciliationSucceeded", "release 4 is healthy; cache: left running")


def test_a_settled_stack_that_is_ill_is_not_ready_and_says_which_service() -> None:
    ill = seen(replace(WEB, probe=Probe.UNHEALTHY), of=ONE)
    record = settled(StackRecord("shop"), Goal(PassGoal.REPAIR, replace(ONE, number=4)), ill, "c9")
    assert record.ready.status is Truth.FALSE
    assert record.ready.message == "release 4: web is degraded"


def test_a_settled_stack_that_is_not_what_git_says_is_out_of_sync() -> None:
    record = settled(
        StackRecord("shop"), Goal(PassGoal.REPAIR, OLD, "quarantined"), seen(made(OLD, "web"), of=OLD), "c9"
    )
    assert record.sync is Sync.OUT_OF_SYNC
    assert record.applied_revision == ""


def test_whether_a_stack_is_what_git_says_is_unknown_where_that_cannot_be_rendered() -> None:
    blocked = Goal(PassGoal.REPAIR, OLD, UNRENDERED)
    assert settled(StackRecord("shop"), blocked, seen(made(OLD, "web"), of=OLD), "c9").sync is Sync.UNKNOWN


def test_what_an_attempt_said_is_told_for_as_long_as_it_is_what_is_in_the_way() -> None:
    said = Ready(
        Truth.FALSE, "HealthCheckFailed", "release 2 failed at step 3: web is ill\nRelease 1 serves as before."
    )
    assert still_told(said, "release 2 is quarantined: step 3: web is ill")
    assert still_told(said, "release 2 failed at step 3: web is ill")
    assert not still_told(said, "release 3 is quarantined: step 3: db is ill")
    assert not still_told(
        Ready(Truth.FALSE, "InvalidConfiguration", "broken YAML"), "release 2 is quarantined: it is ill"
    )
    assert not still_told(replace(said, status=Truth.TRUE), "release 2 is quarantined: step 3: web is ill")


# How soon again


def test_the_first_time_is_at_once() -> None:
    assert Patience().remaining_s("a", now=0.0) == 0.0


def test_waits_grow_with_every_attempt() -> None:
    found, waits = Patience(), []
    for _ in range(5):
        found = found.after("a", now=100.0, unit=0.0)
        waits.append(found.remaining_s("a", now=100.0))
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_something_else_is_tried_at_once() -> None:
    assert Patience().after("a", 0.0, 0.5).remaining_s("b", 0.0) == 0.0


def test_after_so_many_attempts_it_is_left_alone() -> None:
    found = Patience()
    for _ in range(MOST_ATTEMPTS):
        found = found.after("a", 0.0, 0.5)
    assert found.remaining_s("a", FORGOTTEN_AFTER_S) == float("inf")


def test_after_a_quiet_time_it_is_a_first_time_again() -> None:
    found = Patience()
    for _ in range(MOST_ATTEMPTS):
        found = found.after("a", 0.0, 0.5)
    later = FORGOTTEN_AFTER_S + 1
    assert found.remaining_s("a", later) == 0.0
    assert found.after("a", later, 0.5).attempts == 1


def test_what_knows_better_is_waited_for() -> None:
    assert Patience().after("a", 0.0, 0.5, at_least_s=60.0).remaining_s("a", 0.0) == 60.0
