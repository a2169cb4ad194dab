"""Services that read their pairs themselves, step by step: what is told, what is waited for, what is taken back, what is said."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.certs.consumers import Consumers
from reconciler.certs.model import Pair
from reconciler.certs.placing import Place
from reconciler.certs.telling import Said
from reconciler.model.desired import LifecycleHook
from reconciler.model.errors import EngineUnavailableError, WaitingError
from reconciler.model.manifest import CertificateUse, Manifest
from reconciler.model.observed import Container, Probe, State
from reconciler.model.updates import Gate, Updates, Window
from tests.builders import manifest
from tests.fakes.clock import FakeClock

TOLD = CertificateUse("db", "tls", "web", signal="SIGHUP", port=443)
UNSEEN = replace(TOLD, port=None)
REPLACED = replace(TOLD, signal="")


class Killed(BaseException):
    """The process is gone: nothing that comes after it is done."""


def pair(number: int, name: str = "db") -> Pair:
    return Pair(
        name, b"chain %d" % number, b"key %d" % number, (f"{name}.test",), "CA", f"{number:064x}"[::-1], 0.0, 1.0
    )


A, B, C = pair(1), pair(2), pair(3)
BY_CHAIN = {own.chain: own.fingerprint for own in (A, B, C)}


@dataclass
class Server:
    """A service's container with what it shows. ``deaf``: it does not do what it is told; ``mute``: it answers nobody."""

    folder: Path
    clock: FakeClock
    id: str = "web-1"
    probe: Probe = Probe.NONE
    running: bool = True
    deaf: bool = False
    mute: bool = False
    away: bool = False
    status: int = 0
    started_at: float = 0.0
    shows: str | None = None
    told: list[Any] = field(default_factory=list)

    def start(self, identity: str = "") -> None:
        self.id = identity or self.id
        self.clock.advance(1.0)
        self.started_at = self.clock.now()
        self.running = True
        self.read()

    def read(self) -> None:
        try:
            self.shows = BY_CHAIN[(self.folder / "db.crt").read_bytes()]
        except FileNotFoundError:
            self.shows = None

    # As the engine

    def containers(self, stack: str | None = None) -> tuple[Container, ...]:
        if self.away:
            raise EngineUnavailableError("the engine is away")
        state = State.RUNNING if self.running else State.EXITED
        return (
            Container(self.id, self.id, "shop", "web", 1, "", "", state, probe=self.probe, started_at=self.started_at),
        )

    def address(self, container_id: str) -> str:
        return "192.0.2.1"

    def signal(self, container_id: str, name: str) -> None:
        self._hear(name)

    def execute(self, container_id: str, hook: LifecycleHook, within_s: float | None = None) -> int:
        self._hear(hook.command)
        return self.status

    def _hear(self, word: Any) -> None:
        self.told.append(word)
        if not self.deaf:
            self.read()

    # As somebody who connects

    def look(self, address: str, port: int, name: str, starttls: str) -> str | None:
        return None if self.mute else self.shows


class Stage:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.data, self.staging = folder / "data", folder / "staging"
        self.server = Server(self.data / "shop" / "tls", self.clock)
        self.said: list[Said] = []
        self.begin()

    def begin(self) -> None:
        """The daemon starts: all it knows is what lies there."""
        engine: Any = self.server
        self.consumers = Consumers(
            lambda stack, path: self.data / stack / path, self.staging, engine, self.clock, self.server.look
        )

    def turn(self, *pairs: Pair, use: CertificateUse = TOLD) -> float | None:
        declared = manifest(certificates=(use,))
        self.said.extend(self.consumers.turn("shop", declared, {own.name: own for own in pairs}))
        return self.consumers.due_in_s

    def settle(self, *pairs: Pair, use: CertificateUse = TOLD, within_s: float = 60.0) -> list[str]:
        """Turns, as long as one asks for the next; what was said since."""
        before, ends = len(self.said), self.clock.monotonic() + within_s
        while (due := self.turn(*pairs, use=use)) is not None and self.clock.monotonic() < ends:
            self.clock.advance(max(0.01, due))
        return [f"{said.reason}: {said.message}" for said in self.said[before:]]

    def install(self, use: CertificateUse = TOLD) -> None:
        """It began with A and shows it."""
        self.lay_out(A, use=use)
        self.server.start()
        self.settle(A, use=use)

    def lay_out(self, *pairs: Pair, use: CertificateUse = TOLD) -> None:
        self.consumers.lay_out(declared(use), {own.name: own for own in pairs})

    @property
    def lies_there(self) -> bytes:
        return (self.server.folder / "db.crt").read_bytes()


def declared(use: CertificateUse) -> Manifest:
    return manifest(certificates=(use,))


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Its files have the times of its clock, which stands still."""
    made = Stage(tmp_path)
    monkeypatch.setattr(Place, "placed_at", property(lambda place: placed.get(place.folder, 0.0)))
    placed: dict[Path, float] = {}
    for name in ("put", "put_back"):
        real = getattr(Place, name)

        def timed(place: Place, *words: Any, real: Any = real) -> None:
            made.clock.advance(1.0)
            real(place, *words)
            placed[place.folder] = made.clock.now()
            made.clock.advance(1.0)

        monkeypatch.setattr(Place, name, timed)
    return made


# Before the first start


def test_what_is_not_there_is_waited_for_and_the_message_says_which_files_to_drop(stage: Stage) -> None:
    with pytest.raises(WaitingError, match=r"drop db\.crt and db\.key into certs/") as missing:
        stage.lay_out()
    assert missing.value.reason == "CertificateMissing"


def test_what_lies_there_already_is_enough_to_start_with(stage: Stage) -> None:
    stage.install()
    stage.lay_out()
    assert stage.lies_there == A.chain


def test_until_it_runs_it_starts_with_the_newest_pair_and_afterwards_it_is_told_in_its_turn(stage: Stage) -> None:
    stage.server.running = False
    stage.lay_out(A)
    stage.lay_out(B)
    assert stage.lies_there == B.chain
    stage.server.start()
    stage.lay_out(C)
    assert stage.lies_there == B.chain


def test_one_that_began_with_its_pair_is_told_nothing(stage: Stage) -> None:
    stage.install()
    assert stage.server.told == []
    assert [said.message for said in stage.said] == ["db: web began with it and shows it"]


def test_nothing_is_said_of_one_that_does_not_run(stage: Stage) -> None:
    stage.server.running = False
    stage.lay_out(A)
    assert stage.settle(A) == []
    stage.server.start()
    assert stage.settle(A) == ["CertificateServed: db: web began with it and shows it"]


# Told


def test_a_new_pair_is_told_of_once_and_shown(stage: Stage) -> None:
    stage.install()
    assert stage.settle(B) == ["CertificateServed: db: web was told of it and shows it"]
    assert stage.settle(B) == []
    assert stage.server.told == ["SIGHUP"]
    assert stage.consumers.sightings.shown() == {B.fingerprint: ("shop/web",)}


def test_without_a_port_it_is_told_of_once_and_what_is_not_known_is_said(stage: Stage) -> None:
    stage.install(UNSEEN)
    said = stage.settle(B, use=UNSEEN)
    assert said == ["CertificateServed: db: web was told of it and is not asked for it (verify: names no port)"]
    stage.begin()
    assert stage.settle(B, use=UNSEEN) == []
    assert stage.server.told == ["SIGHUP"]
    assert stage.consumers.sightings.shown() == {}


@pytest.mark.parametrize("use", [TOLD, UNSEEN], ids=["seen", "unseen"])
def test_whoever_is_killed_between_any_two_steps_leaves_nobody_untold(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, use: CertificateUse
) -> None:
    stage.install(use)
    left = 0

    def dies(real: Any) -> Any:
        def step(*words: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            answer = real(*words)
            left -= 1
            if left == 0:
                raise Killed
            return answer

        return step

    for owner, name in ((Place, "put"), (Place, "mark"), (Server, "signal")):
        monkeypatch.setattr(owner, name, dies(getattr(owner, name)))
    for moment in range(1, 7):
        wanted = (A, B)[moment % 2]
        left = moment
        with pytest.raises(Killed):
            stage.settle(wanted, use=use)
        stage.begin()
        stage.settle(wanted, use=use)
        assert stage.server.shows == wanted.fingerprint, f"killed at moment {moment}"
        assert stage.lies_there == wanted.chain
    assert not [said for said in stage.said if said.severity == "error"]


def test_a_restart_after_it_was_put_there_needs_no_telling(stage: Stage) -> None:
    stage.install()
    stage.server.running = False
    stage.settle(B)
    stage.server.start()
    assert stage.settle(B) == ["CertificateServed: db: web began with it and shows it"]
    assert stage.server.told == []


def test_while_the_engine_is_away_nothing_is_said_and_nothing_is_given_up(stage: Stage) -> None:
    stage.install()
    stage.server.away = True
    assert stage.turn(B) == 5.0
    stage.server.away = False
    assert stage.settle(B) == ["CertificateServed: db: web was told of it and shows it"]


def test_a_folder_that_cannot_be_written_is_said_once_and_tried_again(stage: Stage) -> None:
    stage.server.folder.parent.mkdir(parents=True)
    stage.server.folder.write_text("a file")
    (said,) = stage.settle(A)
    assert "cannot be written" in said
    assert stage.settle(A) == []
    stage.server.folder.unlink()
    assert stage.settle(A) == ["CertificateServed: db: web was told of it and shows it"]


# Not taken


def test_a_service_that_does_not_take_it_gets_the_one_before_back_and_is_left_alone(stage: Stage) -> None:
    stage.install()
    stage.server.deaf = True
    (said,) = stage.settle(B)
    assert said.startswith(
        "CertificateNotServed: db: web does not take it: it still shows another certificate 10 s after it was told; the one before was put back"
    )
    assert stage.lies_there == A.chain
    told = len(stage.server.told)
    stage.begin()
    stage.server.start()
    assert stage.settle(B) == []
    assert len(stage.server.told) == told


def test_after_two_that_were_refused_it_is_the_one_that_was_served_that_is_put_back(stage: Stage) -> None:
    stage.install()
    stage.server.deaf = True
    stage.settle(B)
    stage.settle(C)
    assert stage.lies_there == A.chain


def test_one_that_comes_while_another_is_being_tried_is_taken_back_to_the_last_that_was_served(stage: Stage) -> None:
    stage.install()
    stage.server.deaf = True
    stage.turn(B)
    stage.settle(C)
    assert stage.lies_there == A.chain


@pytest.mark.parametrize("change", ["container", "use", "pair"])
def test_another_container_another_wish_or_another_pair_is_a_new_try(stage: Stage, change: str) -> None:
    stage.install()
    stage.server.deaf = True
    stage.settle(B)
    stage.server.deaf = False
    use, wanted = TOLD, B
    if change == "container":
        stage.server.start("web-2")
    elif change == "use":
        use = replace(TOLD, signal="SIGUSR1")
    else:
        wanted = C
    assert "CertificateServed: db: web was told of it and shows it" in stage.settle(wanted, use=use)
    assert stage.server.shows == wanted.fingerprint


def test_killed_before_the_one_before_was_put_back_it_is_put_back_by_the_next(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.install()
    stage.server.deaf = True
    with monkeypatch.context() as patch:
        patch.setattr(Place, "put_back", dying)
        with pytest.raises(Killed):
            stage.settle(B)
    stage.begin()
    stage.settle(B)
    assert stage.lies_there == A.chain


def dying(*words: Any) -> None:
    raise Killed


def test_a_command_that_fails_is_taken_at_its_word(stage: Stage) -> None:
    use = replace(TOLD, signal="", command=("reload", "now"))
    stage.install(use)
    stage.server.status, stage.server.deaf = 3, True
    (said,) = stage.settle(B, use=use, within_s=0.0)
    assert "reload now ended with exit status 3; the one before was put back" in said
    assert stage.lies_there == A.chain


def test_one_that_answered_and_answers_no_more_does_not_take_it(stage: Stage) -> None:
    stage.install()
    stage.turn(B)
    stage.server.mute = True
    (said,) = stage.settle(B)
    assert "it no longer answers at its port 443" in said
    assert stage.lies_there == A.chain


def test_one_that_never_answered_proves_nothing_and_is_looked_at_until_it_does(stage: Stage) -> None:
    stage.install()
    stage.server.mute = True
    (said,) = stage.settle(B)
    assert "nobody answers at its port 443" in said
    assert stage.settle(B) == []
    assert stage.lies_there == B.chain
    stage.server.mute = False
    assert stage.settle(B) == ["CertificateServed: db: web was told of it and shows it"]


def test_while_its_healthcheck_is_starting_it_is_not_judged(stage: Stage) -> None:
    stage.install()
    stage.server.deaf, stage.server.probe = True, Probe.STARTING
    assert stage.settle(B, within_s=300.0) == []
    stage.server.probe = Probe.HEALTHY
    (said,) = stage.settle(B)
    assert "does not take it" in said


def test_what_is_shown_otherwise_later_is_told_again(stage: Stage) -> None:
    stage.install()
    stage.server.shows = C.fingerprint
    assert stage.settle(A) == []
    stage.clock.advance(300.0)
    assert stage.settle(A) == ["CertificateServed: db: web was told of it and shows it"]


def test_what_was_started_again_is_looked_at_again_before_long(stage: Stage) -> None:
    """What it shows from now on is another matter than what it showed a moment ago."""
    stage.install()
    stage.server.start()
    stage.server.shows = "one of its own"
    assert stage.settle(A) == ["CertificateServed: db: web was told of it and shows it"]


def test_what_somebody_wrote_over_its_files_is_put_right_and_told(stage: Stage) -> None:
    stage.install()
    for found in stage.server.folder.glob("..db-*/db.crt"):
        found.write_bytes(B.chain)
    stage.settle(A)
    assert stage.lies_there == A.chain


# Replaced


def test_what_is_replaced_is_named_to_the_pass_until_none_of_the_old_containers_runs(stage: Stage) -> None:
    stage.install(REPLACED)
    assert not stage.consumers.renewals.renewed_at(declared(REPLACED))
    assert stage.settle(B, use=REPLACED) == []
    renewed = stage.consumers.renewals.renewed_at(declared(REPLACED))
    assert renewed == {"web": pytest.approx(stage.clock.now(), abs=5.0)}
    assert stage.consumers.renewals.want_pass("shop", declared(REPLACED))
    stage.server.start("web-2")
    assert not stage.consumers.renewals.want_pass("shop", declared(REPLACED))
    assert stage.settle(B, use=REPLACED) == ["CertificateServed: db: web began with it and shows it"]
    assert stage.server.told == []


def test_what_shows_another_after_it_was_replaced_is_said_once_and_not_replaced_again(stage: Stage) -> None:
    stage.install(REPLACED)
    stage.settle(B, use=REPLACED)
    stage.server.start("web-2")
    stage.server.shows = C.fingerprint
    (said,) = stage.settle(B, use=REPLACED)
    assert "it still shows another certificate 10 s after it began with it" in said
    assert "put back" not in said
    assert stage.lies_there == B.chain
    stage.begin()
    assert stage.settle(B, use=REPLACED) == []
    assert not stage.consumers.renewals.want_pass("shop", declared(REPLACED))


def test_what_could_not_be_replaced_reads_the_one_before_when_it_starts_again(stage: Stage) -> None:
    stage.install(REPLACED)
    stage.settle(B, use=REPLACED)
    (said,) = stage.consumers.renewals.refuse(declared(REPLACED), "web", "web-2 is unhealthy")
    assert said.message.startswith(
        "db: web does not take it: it could not be replaced for it (web-2 is unhealthy); the one before was put back"
    )
    assert stage.lies_there == A.chain
    stage.server.start()
    stage.begin()
    assert stage.settle(B, use=REPLACED) == []
    assert stage.server.shows == A.fingerprint
    assert not stage.consumers.renewals.want_pass("shop", declared(REPLACED))


def test_what_is_served_is_not_given_up_for_what_fails_later(stage: Stage) -> None:
    stage.install(REPLACED)
    assert list(stage.consumers.renewals.refuse(declared(REPLACED), "web", "it crashed")) == []
    assert stage.lies_there == A.chain


@pytest.mark.parametrize("use", [TOLD, REPLACED], ids=["told", "replaced"])
def test_another_pair_waits_for_the_window_of_certificates(stage: Stage, use: CertificateUse) -> None:
    """The world's clock begins at 22:13 UTC."""
    stage.install(use)
    window = Window(True, "0 1 * * *", 7200.0, gates=frozenset({Gate.CERTS}))
    held = manifest(certificates=(use,), updates=Updates(windows=(window,)))

    def turn() -> list[str]:
        return [said.reason for said in stage.consumers.turn("shop", held, {"db": B})]

    assert turn() == ["CertificateWaits"]
    assert turn() == []
    assert stage.lies_there == A.chain
    assert stage.server.told == []
    due_s = stage.consumers.due_in_s
    assert due_s is not None
    assert 2 * 3600 < due_s < 3 * 3600
    stage.clock.advance(due_s)
    turn()
    assert stage.lies_there == B.chain
