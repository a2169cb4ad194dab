"""Proof by handshake: who is looked at, how long one waits for whom, and what counts as right, wrong and silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.certs.proving import Proof, Prover
from reconciler.certs.view import Spot
from reconciler.model.errors import EngineUnavailableError
from reconciler.planning.fronts import EntryPoint, Front
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost

OLD, NEW = "the old one", "the new one"
PUBLISHED = Front("shop", "traefik", published=((443, 8443),), throttle_s=0.2)
INSIDE = Front("shop", "traefik", (EntryPoint("websecure", 443, tls=True),), throttle_s=0.2)
ON_HOST = Front("shop", "traefik", on_host=True)

Script = Callable[[float], str | None]


class Scene:
    """A front that shows, for each name, what its script says for the seconds that have passed."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.host = FakeHost(self.clock)
        self.engine = FakeEngine(self.host)
        self.scripts: dict[str, Script] = {}
        self.asked: list[tuple[str, int, str]] = []
        self.prover = Prover(self.engine, self.clock, self._probe)
        self.began = self.clock.monotonic()

    def running(self, number: int = 1, *, owned: bool = True) -> str:
        box = self.host.add_foreign("shop", "traefik")
        box.owned, box.name = owned, f"shop-traefik-{number}"
        return box.id

    def _probe(self, address: str, port: int, name: str) -> str | None:
        self.asked.append((address, port, name))
        return self.scripts[name](self.passed_s)

    @property
    def passed_s(self) -> float:
        return self.clock.monotonic() - self.began

    def prove(self, front: Front = PUBLISHED, *, is_news: bool = True) -> Proof:
        expected = {Spot(front, name, 443): frozenset({NEW}) for name in self.scripts}
        return self.prover.prove(expected, is_news=is_news)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def after(seconds: float, first: str | None = OLD, then: str | None = NEW) -> Script:
    return lambda passed: first if passed < seconds else then


def always(shown: str | None) -> Script:
    return lambda passed: shown


def names(spots: tuple[Spot, ...]) -> list[str]:
    return [spot.domain for spot in spots]


def silent(proof: Proof) -> list[str]:
    return [spot.domain for spot, found in proof.seen.items() if found is None]


def test_what_is_right_at_once_is_looked_at_once(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": always(NEW), "b.test": always(NEW)}
    proof = scene.prove()
    assert (names(proof.right), proof.wrong, silent(proof)) == (["a.test", "b.test"], (), [])
    assert len(scene.asked) == 2
    assert scene.passed_s < 0.01


def test_a_front_that_is_late_is_waited_for_and_not_longer_than_it_takes(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": after(0.3), "b.test": after(0.1)}
    assert names(scene.prove().right) == ["a.test", "b.test"]
    assert scene.passed_s == pytest.approx(0.3, abs=0.01)


def test_a_front_that_never_shows_it_is_waited_for_two_of_its_rests_and_a_second(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": always(OLD), "b.test": always(NEW)}
    proof = scene.prove()
    assert (names(proof.right), names(proof.wrong), silent(proof)) == (["b.test"], ["a.test"], [])
    assert scene.passed_s == pytest.approx(1.4, abs=0.01)
    assert proof.seen[Spot(PUBLISHED, "a.test", 443)] == OLD


def test_what_is_right_is_not_looked_at_again_while_others_are_waited_for(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": always(OLD), "b.test": always(NEW)}
    scene.prove()
    assert [name for _, _, name in scene.asked].count("b.test") == 1


def test_a_front_that_is_silent_for_a_moment_is_waited_for(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": after(0.5, first=None)}
    assert names(scene.prove().right) == ["a.test"]


def test_a_front_that_runs_and_stays_silent_is_neither_right_nor_wrong(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": always(None)}
    proof = scene.prove()
    assert (proof.right, proof.wrong, silent(proof)) == ((), (), ["a.test"])
    assert scene.passed_s == pytest.approx(1.4, abs=0.01)


def test_a_front_that_does_not_run_is_not_waited_for(scene: Scene) -> None:
    scene.host.stop(scene.host.boxes[scene.running()])
    scene.scripts = {"a.test": always(None)}
    proof = scene.prove()
    assert (proof.right, proof.wrong, silent(proof)) == ((), (), ["a.test"])
    assert scene.passed_s < 0.1


def test_somebody_else_who_answers_in_the_place_of_a_front_that_does_not_run_is_not_wrong(scene: Scene) -> None:
    scene.scripts = {"a.test": always(OLD)}
    assert scene.prove().wrong == ()


@pytest.mark.parametrize("owned", [True, False])
def test_only_our_own_containers_are_the_front(scene: Scene, owned: bool) -> None:
    scene.running(owned=owned)
    scene.scripts = {"a.test": always(OLD)}
    assert bool(scene.prove().wrong) is owned


def test_where_nothing_was_published_one_look_is_enough(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": always(OLD)}
    assert names(scene.prove(is_news=False).wrong) == ["a.test"]
    assert (scene.passed_s, len(scene.asked)) == (0.0, 1)


def test_an_engine_that_is_away_leaves_the_front_silent_and_refutes_nothing(scene: Scene) -> None:
    scene.running()
    scene.scripts = {"a.test": always(OLD)}
    scene.host.down = True
    assert silent(scene.prove(INSIDE))
    assert scene.prove(PUBLISHED).wrong == ()


def test_an_address_that_cannot_be_told_now_is_asked_for_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.running()
    scene.scripts = {"a.test": always(NEW)}
    answers: Iterator[Exception | str] = iter([EngineUnavailableError("away"), "172.18.0.2"])

    def address(container_id: str) -> str:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(scene.engine, "address", address)
    assert names(scene.prove(INSIDE).right) == ["a.test"]
    assert scene.asked == [("172.18.0.2", 443, "a.test")]


def test_a_front_that_starts_later_is_found_without_a_word(scene: Scene) -> None:
    scene.scripts = {"a.test": always(NEW)}
    assert silent(scene.prove(INSIDE))
    scene.running()
    assert names(scene.prove(INSIDE).right) == ["a.test"]


@pytest.mark.parametrize(
    ("front", "asked"),
    [
        (PUBLISHED, ("127.0.0.1", 8443, "a.test")),
        (INSIDE, ("127.0.0.1", 443, "a.test")),
        (ON_HOST, ("127.0.0.1", 443, "a.test")),
    ],
)
def test_a_front_is_asked_where_it_can_be_reached_from_this_host(
    scene: Scene, front: Front, asked: tuple[str, int, str]
) -> None:
    scene.running()
    scene.scripts = {"a.test": always(NEW)}
    scene.prove(front)
    assert scene.asked == [asked]


def test_an_address_is_remembered_until_it_is_said_that_things_changed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.running()
    scene.scripts = {"a.test": always(NEW)}
    addresses = iter(["172.18.0.2", "172.18.0.3"])
    monkeypatch.setattr(scene.engine, "address", lambda container_id: next(addresses))
    scene.prove(INSIDE)
    scene.prove(INSIDE)
    scene.prover.forget()
    scene.prove(INSIDE)
    assert [address for address, _, _ in scene.asked] == ["172.18.0.2", "172.18.0.2", "172.18.0.3"]


def test_a_nudge_is_one_signal_to_each_container_of_the_front_that_runs(scene: Scene) -> None:
    scene.running(1)
    scene.running(2)
    scene.host.stop(scene.host.boxes[scene.running(3)])
    scene.running(4, owned=False)
    scene.prover.nudge([PUBLISHED])
    assert scene.host.signals == [("shop-traefik-1", "SIGHUP"), ("shop-traefik-2", "SIGHUP")]


def test_a_nudge_that_comes_too_late_is_nobodys_trouble(scene: Scene) -> None:
    scene.running()
    scene.host.fail_next("signal", EngineUnavailableError("gone"))
    scene.prover.nudge([PUBLISHED])
    assert scene.host.signals == []
