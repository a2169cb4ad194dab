"""The keeper on a real folder, real files and a real state.db: what is dropped is published, proven and remembered."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import pytest
import structlog

from reconciler.certs.deciding import State
from reconciler.model.manifest import CertificateSettings
from tests.certificates import Authority
from tests.fakes.watched import MOVED_TO, watched
from tests.unit.certs.scene import DAY, NOW, Scene

ONE_RENAME = [(MOVED_TO, "certificates.yml")]


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


def test_a_pair_right_under_a_root_of_ones_own_is_served_and_lacks_nothing_once_that_is_named(scene: Scene) -> None:
    flat, file = Authority(now=NOW, depth=0), scene.root / "ca.pem"
    shop = scene.drop("a", flat.issue("a.test"))
    scene.turn()
    assert scene.shows("a.test") == shop.fingerprint
    assert "is missing" in scene.records()["a"].message
    file.write_bytes(flat.root_pem)
    scene.settings = CertificateSettings(public=False, ca_file=str(file))
    scene.restart()
    scene.turn()
    record = scene.records()["a"]
    assert (record.state, record.message) == (State.VALID, "")
    assert record.verified_by


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

    def probe(address: str, port: int, name: str) -> str | None:
        asked.add(name)
        return scene.traefik.probe(address, port, name)

    scene.probe = probe
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


# Before a stack's first start


def test_what_a_front_reads_is_there_before_it_starts_and_closed_to_others(scene: Scene) -> None:
    scene.file.unlink(missing_ok=True)
    scene.keeper.lay_out(scene.release, scene.manifest)
    assert "defaultCertificate" in scene.published()["tls"]["stores"]["default"]
    assert scene.file.stat().st_mode & 0o777 == 0o600


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
