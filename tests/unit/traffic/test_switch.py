"""The switch of traffic, on files, with a Traefik that reads them or does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.desired import Release
from reconciler.model.errors import WaitingError
from reconciler.model.observed import Container, State
from reconciler.planning.proxies import Proxy, proxies_of
from reconciler.planning.upstreams import mark_in
from reconciler.traffic.connections import Connection
from reconciler.traffic.switch import Kit, Switch
from tests.builders import ROOT, healthy, led, made, release, traefik
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.host import Behaviour, Box, FakeHost

NAME = "http://web.shop.internal:80"


@dataclass
class Scene:
    """``reads``: whether the Traefik reads its folder; it may begin to after a nudge. ``asked``: how often it was."""

    folder: Path
    reads: bool = True
    reads_after_a_nudge: bool = False
    host: FakeHost = field(default_factory=FakeHost)
    asked: int = 0
    ports: list[int] = field(default_factory=list)
    unreadable: bytes = b""  # what keeps it from reading a file, and with it any
    taken: frozenset[int] = frozenset()  # by routers of plain TCP
    connected: Sequence[Connection] | None = ()
    others: tuple[Proxy, ...] = ()

    def __post_init__(self) -> None:
        self.loaded: dict[Path, bytes] = {}
        kit = Kit(
            folder=self.folder / "traefik",
            staging=self.folder / "staging",
            engine=FakeEngine(self.host),
            clock=FakeClock(),
            proxies=self.proxies,
            ask=self.ask,
            connections=lambda pid: self.connected,
        )
        self.switch = Switch(kit)

    def proxies(self, found: Release) -> tuple[Proxy, ...]:
        return (*proxies_of(found, f"{ROOT}/state/traefik/{found.stack}"), *self.others)

    def ask(self, address: str, port: int, path: str, by_tls: bool) -> bool | None:
        self.asked += 1
        assert (address, by_tls) == ("127.0.0.1", False)
        self.ports.append(port)
        if port in self.taken:
            return False
        if self.unreadable and any(self.unreadable in file.read_bytes() for file in self.files()):
            return False
        reads = self.reads or (self.reads_after_a_nudge and bool(self.host.signals))
        if reads:
            self.loaded = {file: file.read_bytes() for file in self.files()}
        return any(path.endswith(str(mark_in(content))) for content in self.loaded.values())

    def files(self) -> list[Path]:
        return sorted((self.folder / "traefik").glob("*/*"))

    def servers(self) -> list[str]:
        (file,) = self.files()
        found = json.loads(file.read_bytes())["http"]["services"]["shop.web"]["loadBalancer"]["servers"]
        return [server["url"] for server in found]

    def run_traefik(self, found: Release, *, running: bool = True) -> None:
        (container,) = [made(found, "traefik")]
        box = Box(
            container.id, container.name, "shop", "traefik", 1, container.definition, "traefik:1", "sha256:traefik:1"
        )
        box.state = State.RUNNING if running else State.EXITED
        box.started_at = 1.0
        self.host.boxes[box.id] = box


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def shop(**more: Any) -> Release:
    return release({"traefik": traefik(), "web": healthy(labels=led("web"), **more)})


def at(found: Release, address: str, number: int = 1, network: str = "shop_default") -> Container:
    labels = tuple(found.service("web").definition["labels"].items())  # type: ignore[union-attr]
    return made(found, "web", number, addresses=((network, address),), labels=labels)


def test_a_shift_is_done_when_the_traefik_has_read_it(scene: Scene) -> None:
    found = shop()
    scene.run_traefik(found)
    scene.switch.shift(found, "web", [at(found, "10.0.0.2")])
    assert scene.servers() == ["http://10.0.0.2:80"]
    assert scene.switch.astray(found) == {"web"}
    scene.switch.shift(found, "web", [])
    assert scene.servers() == [NAME]
    assert scene.switch.astray(found) == frozenset()
    assert scene.loaded == {file: file.read_bytes() for file in scene.files()}


def test_the_file_is_nobody_elses_to_read(scene: Scene) -> None:
    found = shop()
    scene.switch.shift(found, "web", [])
    (file,) = scene.files()
    assert file.name == "upstreams-shop.web.yml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list((scene.folder / "staging").iterdir())


def test_a_traefik_that_reads_nothing_fails_the_shift_and_what_was_told_before_is_told_again(scene: Scene) -> None:
    found = shop()
    scene.run_traefik(found)
    scene.switch.shift(found, "web", [])
    before = scene.files()[0].read_bytes()
    scene.reads = False
    with pytest.raises(WaitingError, match="shop/traefik runs and has not read") as failure:
        scene.switch.shift(found, "web", [at(found, "10.0.0.2")])
    assert failure.value.reason == "TrafficNotShifted"
    assert scene.files()[0].read_bytes() == before
    assert scene.host.signals == [("shop-traefik-1", "SIGHUP")]
    scene.switch.shift(found, "web", [])  # it has read that


def test_the_first_file_is_taken_away_again_where_nobody_reads_it(scene: Scene) -> None:
    found = shop()
    scene.run_traefik(found)
    scene.reads = False
    with pytest.raises(WaitingError):
        scene.switch.shift(found, "web", [])
    assert scene.files() == []


def test_a_traefik_that_missed_the_change_is_nudged(scene: Scene) -> None:
    found = shop()
    scene.run_traefik(found)
    scene.reads, scene.reads_after_a_nudge = False, True
    scene.switch.shift(found, "web", [])
    assert scene.servers() == [NAME]


def test_a_traefik_is_seen_to_have_read_what_every_stack_tells_it(scene: Scene) -> None:
    found = shop()
    scene.switch.shift(found, "web", [])
    (own,) = scene.files()
    other = own.with_name("upstreams-other.web.yml")
    other.write_bytes(own.read_bytes().replace(b"shop", b"other"))
    scene.run_traefik(found)
    scene.switch.see_read(found, "traefik")
    assert scene.asked == 2
    scene.reads, scene.loaded = False, {}
    complaint = 'ERR error="upstreams-other.web.yml: field not found" providerName=file'
    scene.host.behaviours["traefik:1"] = Behaviour(log=f"{complaint}\nbye")
    with pytest.raises(WaitingError, match=r"other\.web\.yml: field not found") as failure:
        scene.switch.see_read(found, "traefik")
    assert failure.value.reason == "TrafficNotShifted"
    scene.switch.see_read(found, "web")  # no Traefik


def test_a_traefik_is_asked_for_no_file_that_names_none_of_its_entry_points(scene: Scene) -> None:
    found = shop()
    scene.switch.shift(found, "web", [])
    command = [word.replace("entryPoints.web.", "entryPoints.http.") for word in traefik()["command"]]
    renamed = release({"traefik": traefik(command=command), "web": healthy(labels=led("web"))})
    scene.run_traefik(renamed)
    scene.reads = False
    scene.switch.see_read(renamed, "traefik")
    assert scene.asked == 0


def test_labels_that_no_traefik_could_ever_read_do_not_keep_those_from_being_told_that_mend_them(scene: Scene) -> None:
    wrong = {"traefik.http.middlewares.x.ratelimit.averge": "1"}
    before = release({"traefik": traefik(), "web": healthy(labels=led("web", **wrong))})
    scene.switch.shift(before, "web", [])
    scene.unreadable = b"averge"
    mended = shop()
    scene.run_traefik(mended)
    scene.switch.shift(mended, "web", [at(before, "10.0.0.2")])
    (file,) = scene.files()
    assert list(json.loads(file.read_bytes())["http"]) == ["routers"]  # the mark alone
    scene.switch.shift(mended, "web", [at(mended, "10.0.0.3", 2)])
    assert scene.servers() == ["http://10.0.0.3:80"]


def test_a_traefik_that_is_down_is_not_waited_for(scene: Scene) -> None:
    found = shop()
    scene.reads = False
    scene.run_traefik(found, running=False)
    scene.switch.shift(found, "web", [at(found, "10.0.0.2")])
    assert (scene.servers(), scene.asked) == (["http://10.0.0.2:80"], 0)


def test_an_entry_point_that_something_else_has_taken_is_asked_only_until_another_one_answers(scene: Scene) -> None:
    command = [*traefik()["command"], "--entryPoints.admin.address=:81"]
    found = release({"traefik": traefik(command=command), "web": healthy(labels=led("web"))})
    scene.run_traefik(found)
    scene.taken = frozenset({80})
    scene.switch.shift(found, "web", [])
    assert scene.ports == [80, 81]
    scene.switch.shift(found, "web", [at(found, "10.0.0.2")])
    assert scene.ports == [80, 81, 81]


def test_an_entry_point_of_its_own_tcp_routers_is_asked_last(scene: Scene) -> None:
    tcp = {
        "traefik.tcp.routers.raw.rule": "HostSNI(`*`)",
        "traefik.tcp.routers.raw.entryPoints": "web",
        "traefik.tcp.services.raw.loadbalancer.server.port": "80",
    }
    command = [*traefik()["command"], "--entryPoints.admin.address=:81"]
    found = release({"traefik": traefik(command=command), "web": healthy(labels={**led("web"), **tcp})})
    scene.run_traefik(found)
    scene.switch.shift(found, "web", [])
    assert scene.ports == [81]


def test_what_leads_to_a_container_of_another_release_is_what_that_one_declared(scene: Scene) -> None:
    before, wanted = shop(), release({"traefik": traefik(), "web": healthy(labels=led("web", "b.test"))})
    scene.switch.shift(wanted, "web", [at(before, "10.0.0.2")])
    assert "a.test" in scene.files()[0].read_text()
    scene.switch.shift(wanted, "web", [at(wanted, "10.0.0.3", 2)])
    assert "b.test" in scene.files()[0].read_text()


def test_a_container_that_was_made_before_we_led_anything_is_led_all_the_same(scene: Scene) -> None:
    found = shop()
    old = replace(at(found, "10.0.0.2"), definition="of old", labels=tuple(led("web").items()))
    scene.switch.shift(found, "web", [old])
    assert scene.servers() == ["http://10.0.0.2:80"]


def test_a_container_that_traefik_cannot_reach_fails_the_shift(scene: Scene) -> None:
    found = shop()
    with pytest.raises(WaitingError, match="no address on a network"):
        scene.switch.shift(found, "web", [at(found, "10.0.0.2", network="other")])


def test_where_traefik_could_never_reach_the_old_one_nobody_is_sent_to_the_new_one_before_its_time(
    scene: Scene,
) -> None:
    found = shop()
    old = replace(at(found, "10.0.0.2", network="other"), definition="of old", labels=tuple(led("web").items()))
    scene.switch.shift(found, "web", [old])
    assert scene.servers() == ["http://nobody.invalid:80"]


def test_what_cannot_be_read_is_not_as_it_should_be(scene: Scene) -> None:
    found = shop()
    scene.switch.shift(found, "web", [])
    (file,) = scene.files()
    file.unlink()
    file.mkdir()
    assert scene.switch.astray(found) == {"web"}


def test_somebodys_edit_and_somebodys_delete_are_seen(scene: Scene) -> None:
    found = shop()
    scene.switch.shift(found, "web", [])
    (file,) = scene.files()
    file.write_text(file.read_text().replace("web.shop.internal", "elsewhere"))
    assert scene.switch.astray(found) == {"web"}
    file.unlink()
    assert scene.switch.astray(found) == {"web"}


def test_what_the_release_does_not_lead_to_is_found_and_dropped_and_nothing_else(scene: Scene) -> None:
    found = shop()
    scene.switch.shift(found, "web", [])
    theirs = scene.folder / "traefik" / "shop" / "upstreams-shopping.web.yml"
    theirs.write_text("{}")
    assert scene.switch.unled(found) == frozenset()
    bare = release({"traefik": traefik()})
    assert scene.switch.unled(bare) == {"web"}
    scene.switch.drop(bare, ["web"])
    assert scene.files() == [theirs]


def test_two_traefiks_of_different_stacks_get_each_its_own_file(scene: Scene) -> None:
    found = shop()
    (own,) = scene.proxies(found)
    edge = replace(own, front=replace(own.front, stack="edge", sees_others=True))
    scene.others = (edge,)
    scene.switch.shift(found, "web", [])
    assert [file.parent.name for file in scene.files()] == ["edge", "shop"]


def test_only_what_the_proxies_ask_at_its_ports_is_under_way(scene: Scene) -> None:
    found = shop()
    scene.run_traefik(found)
    box = next(iter(scene.host.boxes.values()))
    box.addresses = (("shop_default", "10.0.0.9"),)
    web = at(found, "10.0.0.2")
    scene.connected = (Connection(80, "10.0.0.9"), Connection(80, "10.0.0.7"), Connection(22, "10.0.0.9"))
    assert scene.switch.under_way(found, web) == 1
    scene.connected = None
    assert scene.switch.under_way(found, web) is None
