"""Which of the engine's events give a reason to look again, and for whom."""

from __future__ import annotations

import pytest

from reconciler.adapters.docker_engine.messages import event, stale_container
from reconciler.model.desired import LABEL_STACK

STACKS = {"c1": "shop", "n1": "store"}.get
LABELS = {"com.docker.compose.project": "shop", "name": "shop-web-1"}


def message(kind: str, action: str, identity: str = "c1", **attributes: str) -> dict[str, object]:
    return {"Type": kind, "Action": action, "Actor": {"ID": identity, "Attributes": attributes}}


@pytest.mark.parametrize("action", ["start", "die", "rename", "health_status: unhealthy", "update", "destroy"])
def test_a_change_of_a_container_concerns_its_stack(action: str) -> None:
    found = event(message("container", action, **LABELS), STACKS)
    assert found is not None
    assert (found.stack, found.container_id) == ("shop", "c1")
    assert found.detail.startswith(action)


def test_our_own_stack_label_comes_before_composes_project() -> None:
    found = event(message("container", "start", **LABELS, **{LABEL_STACK: "store"}), STACKS)
    assert found is not None
    assert found.stack == "store"


def test_an_end_tells_its_exit_status() -> None:
    found = event(message("container", "die", **LABELS, exitCode="137"), STACKS)
    assert found is not None
    assert found.detail == "die shop-web-1 (exit status 137)"


@pytest.mark.parametrize("action", ["exec_create: sh", "exec_start: sh", "exec_die"])
def test_what_healthchecks_do_all_day_is_no_reason(action: str) -> None:
    assert event(message("container", action, **LABELS), STACKS) is None


def test_a_container_of_no_compose_project_concerns_nobody() -> None:
    assert event(message("container", "start", name="alone"), STACKS) is None


def test_a_cut_network_concerns_the_containers_stack() -> None:
    found = event(message("network", "disconnect", "n1", container="c1", name="shop_default"), STACKS)
    assert found is not None
    assert (found.stack, found.container_id) == ("shop", "c1")
    assert event(message("network", "disconnect", "n1", container="unknown", name="x"), STACKS) is None
    assert event(message("network", "create", "n1", name="x"), STACKS) is None


def test_a_network_that_went_concerns_its_stack_or_any() -> None:
    for identity, stack in (("n1", "store"), ("n2", None)):
        found = event(message("network", "destroy", identity, name="x"), STACKS)
        assert found is not None
        assert found.stack == stack


def test_a_moved_tag_may_concern_any_stack() -> None:
    found = event(message("image", "tag", "sha256:1", name="shop:1"), STACKS)
    assert found is not None
    assert (found.stack, found.detail) == (None, "tag image shop:1")


def test_what_makes_a_containers_details_old() -> None:
    assert stale_container(message("container", "update")) == "c1"
    assert stale_container(message("network", "disconnect", "n1", container="c1")) == "c1"
    assert stale_container(message("network", "destroy", "n1")) is None
    assert stale_container(message("image", "tag", "sha256:1")) is None
    assert stale_container({}) is None
