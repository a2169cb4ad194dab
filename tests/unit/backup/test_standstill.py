"""Laws of standing still: who uses what changes is stopped meanwhile, and who must not use it any more stays stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from reconciler.backup.standstill import Standstill
from reconciler.model.observed import Container, State


@dataclass
class Users:
    """An engine with a container of each service, and two of web."""

    done: list[str] = field(default_factory=list)

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        names = ("api", "web", "web-2", "other")
        return tuple(
            Container(name, name, "shop", name.partition("-")[0], 1, "", "image", State.RUNNING) for name in names
        )

    def stop(self, container_id: str, grace_s: float | None) -> None:
        self.done.append(f"stop {container_id}")

    def start(self, container_id: str) -> None:
        self.done.append(f"start {container_id}")


def still(users: Users, fails: bool = False, **more: Any) -> list[str]:
    standstill = Standstill(cast(Any, users), lambda *_: ("web", "api"))
    try:
        with standstill.users_stopped("shop", "db", **more):
            users.done.append("change")
            if fails:
                raise ValueError
    except ValueError:
        users.done.append("failed")
    return users.done


def test_users_are_stopped_meanwhile_and_started_the_other_way_round() -> None:
    assert still(Users()) == [
        *("stop web", "stop web-2", "stop api"),
        "change",
        *("start api", "start web-2", "start web"),
    ]


@pytest.mark.parametrize("fails", [False, True])
def test_what_stops_for_good_is_not_started_again_however_it_ends(fails: bool) -> None:
    done = still(Users(), fails, for_good=["web-2", "other"])
    before, after = done[: done.index("change")], done[done.index("change") :]
    assert {"stop web-2", "stop other", "stop web"} <= set(before)
    assert "start web" in after
    assert not {"start web-2", "start other"} & set(after)
