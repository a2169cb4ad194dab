"""``reconciler action`` on a host in memory, with a real repository and journal. A script stands in for the program docker:
it runs here what was to be run in the container."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.action import run_first_actions
from reconciler.cli.options import Options
from reconciler.cli.wiring import Parts
from tests.fakes.clock import FakeClock
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost
from tests.integration.cli_root import NOON, Root
from tests.integration.local_git import Work

LINK = "https://admin.example.com/?token=s3cr3t-t0k3n"
DOCKER = """#!/bin/sh
echo "$*" >>"$(dirname "$0")/words"
while [ "${1#-}" != "$1" ] || [ "$1" = exec ]; do shift; done
shift
exec "$@"
"""


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = Root(folder / "root")
        self.repository = Work(folder / "config")
        self.root.layout.settings.write_text(f"source: {{url: {folder}/config}}\n")
        self.host = FakeHost(FakeClock(now=NOON), root_id=self.root.journal.root_id())
        self.compose = FakeCompose(self.host)
        self.host.add_image("app:1", "sha256:app1")
        self.root.layout.env.mkdir()
        (self.root.layout.env / "shop.env").write_text("TOKEN=of-the-host-4711\nOTHER=x\n")

    def start(self, **actions: dict[str, Any]) -> None:
        """The stack ``shop`` runs, with one service ``web``."""
        self.repository.write("shop/compose.yaml", "services: {web: {image: 'app:1'}}\n")
        declared = {name: {"service": "web", **action} for name, action in actions.items()}
        self.repository.write("shop/stack.yaml", json.dumps({"actions": declared}))
        self.repository.commit("the shop")
        self.compose.rendered["shop"] = {"name": "shop", "services": {"web": {"image": "app:1"}}}
        assert self.root.call("once").exit_code == 0

    def told(self) -> list[str]:
        return [event.message for event in self.root.journal.events() if event.reason.startswith("Action")]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setattr(Parts, "engine", FakeEngine(made.host))
    monkeypatch.setattr(Parts, "compose", made.compose)
    monkeypatch.setattr(Parts, "clock", made.host.clock)
    with made.root.journal:
        yield made


def sh(text: str, **more: Any) -> dict[str, Any]:
    return {"command": ["sh", "-c", text], **more}


def test_it_prints_what_the_command_prints_and_how_long_it_is_valid(world: World) -> None:
    world.start(link=sh(f"echo '{LINK}'", validFor="5m"))
    done = world.root.call("action", "shop", "link")
    until = time.strftime("%H:%M:%S", time.localtime(world.host.clock.now() + 300))
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{LINK}\n", f"valid until {until}, 5m\n")


def test_that_it_ran_is_written_down_and_what_it_printed_is_not(world: World) -> None:
    world.start(link=sh(f"echo '{LINK}'; echo '{LINK}' >&2; exit 7"))
    done = world.root.call("action", "shop", "link")
    assert (done.exit_code, "link: exit status 7" in done.stderr) == (1, True)
    started, ended = world.told()
    assert started.startswith("action link by ada: in shop-web-1")
    assert ended.startswith("action link by ada: exit status 7 after")
    for file in [path for path in world.root.layout.root.rglob("*") if path.is_file()]:
        assert b"s3cr3t-t0k3n" not in file.read_bytes().replace(b"echo '" + LINK.encode(), b""), file


def test_it_gets_the_variables_that_it_asks_for_and_no_command_line_holds_one(world: World) -> None:
    world.start(show=sh("echo $TOKEN $KIND ${OTHER-none} $*", variables=["TOKEN", "MISSING"], env={"KIND": "fixed"}))
    done = world.root.call("action", "shop", "show", "--", "self", "-x", "two words")
    assert done.stdout == "of-the-host-4711 fixed none -x two words\n"
    words = (world.folder / "bin" / "words").read_text()
    assert "--env=TOKEN" in words
    assert "4711" not in words


def test_a_command_that_hangs_is_ended(world: World) -> None:
    world.start(hang=sh("echo begun; sleep 1000", timeout="1s"))
    done = world.root.call("action", "shop", "hang")
    assert (done.exit_code, done.stdout) == (3, "begun\n")
    assert "it has not ended within 1 s (timeout:) and was ended" in done.stderr


def test_where_the_service_does_not_run_it_is_refused_with_how_to_mend_it(world: World) -> None:
    world.start(link=sh("echo x"))
    for box in world.host.boxes.values():
        world.host.stop(box)
    done = world.root.call("action", "shop", "link")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no container of the service web of shop runs" in done.stderr
    assert "reconciler reconcile shop" in done.stderr


def test_actions_are_listed_and_an_unknown_one_is_told_with_the_nearest(world: World) -> None:
    world.start(link=sh("x", validFor="5m", description="A link."), plain={"command": ["ls", "a b"]})
    listed = world.root.call("action", "shop").stdout.splitlines()
    assert [line.split()[:2] for line in listed] == [["ACTION", "SERVICE"], ["link", "web"], ["plain", "web"]]
    assert listed[2].endswith("ls 'a b'")
    assert [found["name"] for found in world.root.json("action", "shop")] == ["link", "plain"]
    wrong = world.root.call("action", "shop", "lnik")
    assert (wrong.exit_code, 'did you mean "link"?' in wrong.stderr) == (2, True)


def test_json_tells_all_of_a_run(world: World) -> None:
    world.start(link=sh("echo out; echo err >&2", validFor="5m"))
    (found,) = world.root.json("action", "shop", "link")
    assert (found["exitCode"], found["output"], found["errors"], found["fault"]) == (0, "out\n", "err\n", "")
    assert (found["stack"], found["action"], found["container"]) == ("shop", "link", "shop-web-1")
    assert found["validUntil"] > found["beganAt"]


def test_an_action_of_the_last_good_stack_file_runs_while_the_new_one_is_broken(world: World) -> None:
    world.start(link=sh("echo works"))
    world.repository.write("shop/stack.yaml", "actions: {link: {}}")
    world.repository.commit("broken")
    world.root.call("once")
    assert world.root.call("action", "shop", "link").stdout == "works\n"


def test_the_first_actions_all_run_whatever_one_of_them_does(
    world: World, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    world.start(
        a=sh("exit 1", atInit=True), b=sh("echo second", atInit=True, description="It says so."), c=sh("echo third")
    )
    assert run_first_actions(Options(world.root.layout.root), ["shop"]) is False
    out, err = capfdbinary.readouterr()
    assert b"It says so." in out
    assert b"second" in out
    assert b"third" not in out
    assert b"a: exit status 1" in err.replace(b"a: a:", b"a:")
