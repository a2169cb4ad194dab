"""Who looks after the certificates for one errand only leaves when nothing is left to be heard."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from reconciler.certs.keeper import Keeper
from reconciler.certs.standing import lasting
from reconciler.certs.trouble import Trouble
from reconciler.certs.vigil import Vigil
from reconciler.model.errors import WaitingError
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
    Vigil(cast(Keeper, Answered(scene)), scene.clock, Trouble(scene.journal, scene.clock)).settle()
    assert scene.reasons()[0] == "CertificateOrdered"


def test_who_leaves_waits_for_an_order_that_leads_to_nothing_but_not_for_ever(make: Callable[..., Scene]) -> None:
    scene = make("a.test", orders=True)
    began = scene.clock.monotonic()
    Vigil(cast(Keeper, Answered(scene)), scene.clock, Trouble(scene.journal, scene.clock)).settle()
    assert scene.clock.monotonic() - began < 60.0


class Failing:
    """A keeper whose turns fail while ``why`` says so."""

    why = "/srv/certs cannot be read: Not a directory"

    def turn(self, more: Callable[[bool], bool]) -> float:
        if self.why:
            raise WaitingError(self.why, reason="CannotRead")
        return 60.0


def told(scene: Scene) -> list[tuple[str, str]]:
    return [
        (event.severity, event.reason) for event in scene.journal.events() if event.reason.startswith("Certificates")
    ]


def test_that_nobody_can_look_after_them_is_told_once_and_once_that_it_is_over(make: Callable[..., Scene]) -> None:
    scene, keeper = make("a.test"), Failing()

    def vigil() -> Vigil:
        return Vigil(cast(Keeper, keeper), scene.clock, Trouble(scene.journal, scene.clock))

    first = vigil()
    first.turn()
    assert told(scene) == [], "what is over by the next look is nobody's trouble"
    for _ in range(3):
        first.turn()
    assert told(scene) == [("error", "CertificatesFailed")]
    (event,) = scene.journal.events()
    assert lasting([event]) == event
    assert event.message.endswith("what was served is served: /srv/certs cannot be read: Not a directory")
    keeper.why = ""
    after_a_restart = vigil()
    after_a_restart.turn()
    after_a_restart.turn()
    assert told(scene) == [("error", "CertificatesFailed"), ("info", "CertificatesMended")]
    assert lasting(scene.journal.events()) is None
