"""Who looks after the certificates for one errand only leaves when nothing is left to be heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from reconciler.certs.keeper import Keeper
from reconciler.certs.vigil import Vigil
from tests.unit.certs.scene import Scene


class Answered:
    """A keeper that is told all it asked for right after each of its turns: the answer lies between two looks."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def turn(self, more: Callable[[bool], bool]) -> float:
        wait_s = self._scene.keeper.turn(more)
        while not self._scene.reach.settled():
            time.sleep(0)
        return wait_s

    def settled(self) -> bool:
        return self._scene.keeper.settled()


def test_who_leaves_hears_an_answer_that_came_between_two_looks(make: Callable[..., Scene]) -> None:
    scene = make("a.test", orders=True)
    Vigil(cast(Keeper, Answered(scene)), scene.clock).settle()
    assert scene.reasons()[0] == "CertificateOrdered"


def test_who_leaves_waits_for_an_order_that_leads_to_nothing_but_not_for_ever(make: Callable[..., Scene]) -> None:
    scene = make("a.test", orders=True)
    began = scene.clock.monotonic()
    Vigil(cast(Keeper, Answered(scene)), scene.clock).settle()
    assert scene.clock.monotonic() - began < 60.0
