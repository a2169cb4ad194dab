"""The keeper on a real folder, real files and a real state.db: what is dropped is published, proven and remembered."""

from __future__ import annotations

import io
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from reconciler.certs import files
from reconciler.certs.deciding import State
from reconciler.model.errors import EngineUnavailableError, WaitingError
from tests.fakes.watched import MOVED_TO, watched
from tests.unit.certs.scene import DAY, NOW, Scene

ONE_RENAME = [(MOVED_TO, "certificates.yml")]


class Killed(BaseException):
    """The process is gone: nothing that comes after it is done."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def scene(*hosts: str, **more: Any) -> Scene:
        made.append(Scene(tmp_path / str(len(made)), *hosts, **more))
        return made[-1]

    yield scene
    for each in made:
        each.close()


@pytest.fixture
def scene(make: Callable[..., Scene]) -> Scene:
    return make("a.test", "b.test")


# Drop, publish, prove, remember


def test_a_pair_that_is_dropped_is_published_proven_and_remembered(scene: Scene) -> None:
    shop = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    assert (scene.shows("a.test"), scene.shows("b.test")) == (shop.fingerprint, shop.fingerprint)
    record = scene.records()["shop"]
    assert (record.state, record.fingerprint) == ("valid", shop.fingerprint)
    assert (record.verified_at, record.verified_by) == (scene.clock.now(), ("shop/traefik",))
    assert scene.reasons() == ["CertificateServed"]
    scene.restart()
    scene.remove("shop")
    scene.turn()
    assert scene.shows("a.test") == shop.fingerprint


def test_several_pairs_that_arrive_together_are_one_publication_and_equal_bytes_are_none(scene: Scene) -> None:
    scene.turn()
    scene.drop("a", scene.issue("a.test"))
    scene.drop("b", scene.issue("b.test"))
    with watched(scene.folder) as told:
        scene.turn()
    assert told == ONE_RENAME
    os.utime(scene.certs / "a.crt")
    with watched(scene.folder) as told:
        scene.turn(3)
        scene.restart()
        scene.turn(3)
    assert told == []


def test_a_wrong_pair_leaves_the_old_one_and_takes_no_other_down(scene: Scene) -> None:
    old, other = scene.drop("a", scene.issue("a.test")), scene.drop("b", scene.issue("b.test"))
    scene.turn()
    scene.drop("a", scene.issue("a.test"), key=scene.issue("a.test"))
    renewed = scene.drop("b", scene.issue("b.test"))
    scene.turn(every_s=60.0)
    assert scene.shows("a.test") == old.fingerprint
    assert scene.shows("b.test") == renewed.fingerprint != other.fingerprint
    assert scene.records()["a"].state == State.INVALID
    assert scene.events()[-2].reason == "CertificateRejected"
    assert "goes on being served" in scene.events()[-2].message


def test_nothing_is_said_twice(scene: Scene) -> None:
    scene.drop("a", scene.issue("a.test"))
    scene.drop("b", scene.issue("b.test"), key=scene.issue("b.test"))
    scene.turn(every_s=60.0)
    before = scene.events()
    scene.turn(5)
    scene.restart()
    scene.turn(5)
    assert scene.events() == before


def test_history_says_what_was_shown_for_which_name_from_when_on(scene: Scene) -> None:
    first = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    began = scene.clock.now()
    scene.turn(3, every_s=400.0)
    second = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    served = [(found.at, found.domain, found.fingerprint) for found in scene.journal.certificates.served(100)]
    assert sorted(served) == sorted(
        [(began, name, first.fingerprint) for name in ("a.test", "b.test")]
        + [(scene.clock.now(), name, second.fingerprint) for name in ("a.test", "b.test")]
    )


# Removal, and the end of a certificate


def test_a_pair_whose_files_are_gone_stays_while_a_served_name_needs_it_and_then_goes(scene: Scene) -> None:
    shop = scene.drop("shop", scene.issue("a.test"))
    scene.turn()
    scene.remove("shop")
    scene.turn()
    assert scene.shows("a.test") == shop.fingerprint
    assert scene.events()[-1].reason == "CertificateKept"
    assert "a.test would be left without a certificate: it stays" in scene.events()[-1].message
    other = scene.drop("other", scene.issue("*.test"))
    scene.turn()
    assert scene.shows("a.test") == other.fingerprint
    assert "shop" not in scene.records()
    assert set(scene.reasons()[-2:]) == {"CertificateWithdrawn", "CertificateServed"}


def test_a_certificate_is_warned_of_once_a_day_as_an_event(scene: Scene) -> None:
    scene.drop("shop", scene.issue("a.test", days=22))
    scene.turn(84, every_s=3600.0)
    assert scene.reasons().count("CertificateExpiring") == 3


# Fronts that do not show it


def test_a_front_that_missed_it_gets_one_sighup_and_no_more(scene: Scene) -> None:
    scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    scene.traefik.mood = "deaf"
    renewed = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    assert scene.shows("a.test") == renewed.fingerprint
    assert scene.host.signals == [("shop-traefik-1", "SIGHUP")]
    assert scene.records()["shop"].fingerprint == renewed.fingerprint


def refuted(scene: Scene) -> tuple[str, str]:
    """A front that never shows the renewed pair: the old fingerprint, and the renewed one."""
    old = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    scene.traefik.mood = "stubborn"
    new = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.before = scene.file.read_bytes()  # type: ignore[attr-defined]
    scene.turn()
    return old.fingerprint, new.fingerprint


def test_a_front_that_never_shows_it_gets_one_sighup_and_then_the_last_good_file_back_and_that_is_said(
    scene: Scene,
) -> None:
    old, _ = refuted(scene)
    assert scene.file.read_bytes() == scene.before  # type: ignore[attr-defined]
    assert scene.host.signals == [("shop-traefik-1", "SIGHUP")]
    said = [event for event in scene.events() if event.reason == "CertificateNotServed"]
    assert len(said) == 1
    assert "a.test at shop/traefik" in said[0].message
    assert "the one before was put back" in said[0].message
    assert "it is tried again once its files change" in said[0].message
    record = scene.records()["shop"]
    assert (record.state, record.fingerprint) == ("invalid", old)


def test_the_last_good_file_is_back_before_anything_else_is_done(scene: Scene) -> None:
    scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    good = scene.file.read_bytes()
    scene.traefik.mood = "stubborn"
    scene.drop("shop", scene.issue("a.test", "b.test"))
    assert scene.keeper.turn() == 0.0
    assert scene.file.read_bytes() == good


def test_names_that_must_not_have_changed_are_looked_at_as_well(scene: Scene) -> None:
    scene.drop("a", scene.issue("a.test"))
    scene.drop("b", scene.issue("b.test"))
    scene.turn()
    asked = set()
    scene.probe = lambda address, port, name: (asked.add(name), scene.traefik.probe(address, port, name))[1]
    scene.drop("a", scene.issue("a.test"))
    scene.turn()
    assert asked == {"a.test", "b.test"}


def test_a_pair_that_was_taken_back_is_not_tried_again_until_its_files_change(scene: Scene) -> None:
    _, new = refuted(scene)
    scene.traefik.mood = "well"
    with watched(scene.folder) as told:
        scene.turn(10)
        scene.restart()
        scene.turn(10)
    assert told == []
    assert len(scene.host.signals) == 1
    os.utime(scene.certs / "shop.crt")
    scene.turn()
    assert scene.shows("a.test") == new
    assert scene.records()["shop"].state == "valid"


def test_a_pair_that_is_taken_back_takes_no_other_down(scene: Scene) -> None:
    old = scene.drop("a", scene.issue("a.test")), scene.drop("b", scene.issue("b.test"))
    scene.turn()
    scene.traefik.own = {"b.test": old[1].fingerprint}
    renewed = scene.drop("a", scene.issue("a.test")), scene.drop("b", scene.issue("b.test"))
    scene.turn()
    assert scene.shows("a.test") == renewed[0].fingerprint
    assert [scene.records()[name].state for name in ("a", "b")] == ["valid", "invalid"]
    assert scene.records()["b"].fingerprint == old[1].fingerprint


def test_a_front_that_is_down_takes_nothing_back_and_shows_it_when_it_comes_up(scene: Scene) -> None:
    scene.traefik.mood = "down"
    scene.host.stop(scene.container)
    shop = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    assert scene.records()["shop"].verified_at == 0.0
    scene.traefik.mood = "well"
    scene.host.start(scene.container)
    scene.keeper.stacks_changed()
    scene.turn()
    assert scene.shows("a.test") == shop.fingerprint
    assert scene.records()["shop"].verified_at == scene.clock.now()
    assert scene.host.signals == []


def test_a_certificate_that_a_front_has_from_elsewhere_is_said_once_and_takes_no_good_pair_back(scene: Scene) -> None:
    scene.traefik.own = {"b.test": "somebody else's"}
    shop = scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    assert scene.shows("a.test") == shop.fingerprint
    for _ in range(5):
        scene.clock.advance(400.0)
        scene.turn()
    said = [event.message for event in scene.events() if event.reason == "CertificateNotServed"]
    assert len(said) == 1
    assert "another certificate for b.test" in said[0]


# ACME


@pytest.fixture
def ordering(make: Callable[..., Scene]) -> Scene:
    return make("a.test", orders=True)


def orders(scene: Scene) -> list[str]:
    return [
        router["tls"]["domains"][0]["main"] for router in scene.published().get("http", {}).get("routers", {}).values()
    ]


def test_a_name_without_a_pair_is_ordered_for_where_it_leads_here(ordering: Scene) -> None:
    ordering.settle()
    assert orders(ordering) == ["a.test"]
    assert ordering.reasons() == ["CertificateOrdered"]


def test_an_order_that_leads_to_nothing_is_ended_and_said_and_made_again_once_in_a_while(ordering: Scene) -> None:
    ordering.settle()
    seen = []
    for _ in range(30):
        ordering.turn(every_s=10.0)
        seen.append(bool(orders(ordering)))
    assert seen[0] is False
    assert 1 <= seen.count(True) <= 2
    assert ordering.reasons()[:2] == ["CertificateOrdered", "OrderFailed"]


def test_a_name_that_does_not_lead_here_gets_no_resolver_that_is_said_and_it_mends_itself(ordering: Scene) -> None:
    ordering.elsewhere["a.test"] = "a.test does not resolve"
    ordering.settle()
    assert orders(ordering) == []
    assert [(event.reason, event.message) for event in ordering.events()] == [
        ("DomainUncovered", "a.test: a.test does not resolve")
    ]
    ordering.elsewhere.clear()
    ordering.clock.advance(60.0)
    ordering.settle()
    assert orders(ordering) == ["a.test"]


def test_a_pair_that_is_dropped_takes_over_from_acme_and_nothing_is_ordered(ordering: Scene) -> None:
    ordering.settle()
    shop = ordering.drop("shop", ordering.issue("a.test"))
    ordering.settle()
    assert orders(ordering) == []
    assert ordering.shows("a.test") == shop.fingerprint


def test_a_dropped_pair_that_expired_is_withdrawn_in_favour_of_acme(ordering: Scene) -> None:
    ordering.drop("shop", ordering.issue("a.test", days=10))
    ordering.settle()
    assert orders(ordering) == []
    ordering.clock.advance(11 * DAY)
    ordering.settle()
    assert "certificates" not in ordering.published()["tls"]
    assert orders(ordering) == ["a.test"]


def test_a_name_that_a_narrower_pair_leaves_out_goes_to_acme(make: Callable[..., Scene]) -> None:
    scene = make("a.test", "b.test", orders=True)
    scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.settle()
    narrow = scene.drop("shop", scene.issue("a.test"))
    scene.settle()
    scene.settle()
    assert scene.shows("a.test") == narrow.fingerprint
    assert orders(scene) == ["b.test"]


def test_a_name_whose_pair_was_taken_back_is_left_to_acme(ordering: Scene) -> None:
    ordering.traefik.mood = "stubborn"
    ordering.drop("shop", ordering.issue("a.test"))
    ordering.settle()
    ordering.settle()
    assert orders(ordering) == ["a.test"]


# Killed between any two steps


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


# Before a stack's first start


def test_what_a_front_reads_is_there_before_it_starts_and_closed_to_others(scene: Scene) -> None:
    scene.file.unlink(missing_ok=True)
    scene.keeper.lay_out(scene.release, scene.manifest)
    assert "defaultCertificate" in scene.published()["tls"]["stores"]["default"]
    assert scene.file.stat().st_mode & 0o777 == 0o600


def test_what_a_front_has_been_given_stays_when_its_stack_is_laid_out_again(ordering: Scene) -> None:
    ordering.settle()
    before = ordering.file.read_bytes()
    assert orders(ordering) == ["a.test"]
    ordering.keeper.lay_out(ordering.release, ordering.manifest)
    assert ordering.file.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_front_that_runs_as_another_user_from_now_on_can_read_what_lies_there_before_it_starts(scene: Scene) -> None:
    scene.drop("shop", scene.issue("a.test", "b.test"))
    scene.turn()
    before = scene.file.read_bytes()
    (traefik,) = (spec for spec in scene.release.services if spec.name == "traefik")
    traefik.definition["user"] = "65534"  # type: ignore[index]
    scene.keeper.lay_out(scene.release, scene.manifest)
    assert (scene.file.stat().st_uid, scene.file.read_bytes()) == (65534, before)


# Secrets


def test_no_key_is_anywhere_but_in_files_of_0600(
    make: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logged = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(logged))
    scene = make("a.test", "b.test", orders=True)
    scene.drop("a", scene.issue("a.test", days=12))
    scene.drop("b", scene.issue("b.test"), key=scene.issue("b.test"))
    scene.settle()
    scene.traefik.mood = "stubborn"
    scene.drop("a", scene.issue("a.test"))
    scene.turn()
    scene.clock.advance(13 * DAY)
    scene.settle()
    scene.journal.close()
    shown = logged.getvalue() + "".join(capsys.readouterr()) + repr(vars(scene.keeper)) + repr(scene.keeper._kit)
    shown += repr([vars(part) for part in (scene.keeper._kit.folder, scene.keeper._kit.vault)])
    secrets = [line for issued in scene.dropped for line in issued.key_pem.decode().splitlines()[1:-1]]
    assert not any(line in shown for line in secrets)
    holders = []
    for path in sorted(scene.root.rglob("*")):
        if path.is_file() and any(line.encode() in path.read_bytes() for line in secrets):
            assert path.stat().st_mode & 0o777 == 0o600, path
            holders.append(str(path.relative_to(scene.root)))
    assert set(holders) <= {
        "certs/a.crt",
        "certs/a.key",
        "certs/b.key",
        "state/certificates/pairs.json",
        "state/traefik/shop/certificates.yml",
    }
    scene.restart()


def test_the_default_certificate_is_made_once_and_stays(scene: Scene) -> None:
    scene.turn()
    first = scene.shows("nobody.test")
    scene.restart()
    scene.turn()
    assert scene.shows("nobody.test") == first
    assert NOW > 0
