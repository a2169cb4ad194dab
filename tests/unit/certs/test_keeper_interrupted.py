"""The keeper killed between any two steps, on a full disk, and with an engine that goes away in the middle."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import pytest

from reconciler import files
from reconciler.model.errors import EngineUnavailableError, WaitingError
from tests.unit.certs.scene import Scene


class Killed(BaseException):
    """The process is gone: nothing that comes after it is done."""


def trip(scene: Scene, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> list[str]:
    """Let the process be killed at its ``at``-th call out of the room, before or ``after`` it is carried out; the calls."""
    calls: list[str] = []
    book = scene.journal.certificates
    ports = [
        (files, "put"),
        (scene.journal, "tell"),
        *((book, name) for name in ("certificates", "save_certificates", "served", "serves", "save_trials")),
        *((scene.engine, name) for name in ("containers", "signal")),
    ]

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            calls.append(name)
            if len(calls) == at and not after:
                raise Killed
            found = real(*args, **more)
            if len(calls) == at:
                raise Killed
            return found

        return call

    for owner, name in ports:
        monkeypatch.setattr(owner, name, wrapped(name, getattr(owner, name)))
    scene.probe = wrapped("probe", scene.traefik.probe)
    return calls


def turn_until_killed(scene: Scene, monkeypatch: pytest.MonkeyPatch, at: int, *, after: bool) -> bool:
    """Whether it was; the ports are whole again."""
    with monkeypatch.context() as patch:
        trip(scene, patch, at, after=after)
        try:
            scene.turn()
            return False
        except Killed:
            return True
        finally:
            scene.probe = scene.traefik.probe


@pytest.mark.parametrize("after", [False, True])
def test_who_is_killed_between_any_two_steps_serves_the_newest_valid_pairs_after_the_next_start(
    make: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    killed, step = True, 0
    while killed:
        step += 1
        scene = make("a.test", "b.test")
        scene.drop("a", scene.issue("a.test"))
        scene.drop("b", scene.issue("b.test"))
        scene.turn()
        renewed = scene.drop("a", scene.issue("a.test"))
        kept = scene.records()["b"].fingerprint
        scene.drop("b", scene.issue("b.test"), key=scene.issue("b.test"))
        killed = turn_until_killed(scene, monkeypatch, step, after=after)
        assert scene.shows("b.test") == kept
        scene.restart()
        scene.turn()
        assert (scene.shows("a.test"), scene.shows("b.test")) == (renewed.fingerprint, kept)
        assert scene.records()["a"].fingerprint == renewed.fingerprint
        assert scene.records()["a"].verified_by == ("shop/traefik",)
        history = scene.journal.certificates.served(9)
        assert next(found.fingerprint for found in history if found.domain == "a.test") == renewed.fingerprint
    assert step > 8


@pytest.mark.parametrize("after", [False, True])
def test_who_is_killed_while_a_front_does_not_show_it_still_puts_the_last_good_file_back(
    make: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    killed, step = True, 0
    while killed:
        step += 1 if step < 12 else 300  # the probes of one proof are all alike
        scene = make("a.test")
        old = scene.drop("a", scene.issue("a.test"))
        scene.turn()
        good = scene.file.read_bytes()
        scene.traefik.mood = "stubborn"
        scene.drop("a", scene.issue("a.test"))
        killed = turn_until_killed(scene, monkeypatch, step, after=after)
        scene.restart()
        scene.turn()
        assert scene.file.read_bytes() == good, step
        assert (scene.records()["a"].state, scene.records()["a"].fingerprint) == ("invalid", old.fingerprint)
        assert "CertificateNotServed" in scene.reasons() or after or killed
    assert step > 12


def test_an_engine_that_goes_away_in_the_middle_of_a_proof_leaves_nothing_unproven_for_good(scene: Scene) -> None:
    """The proof is made up for as soon as it answers again."""
    scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    scene.traefik.mood = "stubborn"
    good = scene.file.read_bytes()
    scene.drop("shop", scene.issue("a.test", "b.test"))

    def away(*args: Any) -> None:
        scene.probe = scene.traefik.probe
        raise EngineUnavailableError("away")

    scene.probe = away
    with pytest.raises(EngineUnavailableError):
        scene.turn()
    scene.turn()
    assert scene.file.read_bytes() == good


def test_a_disk_that_is_full_leaves_what_was_served_and_what_was_dropped_is_served_once_there_is_room(
    scene: Scene,
) -> None:
    old = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    renewed = scene.drop("shop", scene.issue("a.test", "b.test"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256, hard))
    try:
        with pytest.raises(WaitingError, match="cannot be written"):
            scene.turn()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert scene.shows("a.test") == old.fingerprint
    scene.turn()
    assert scene.shows("a.test") == renewed.fingerprint
