"""What the supervisor is told: ready and alive by turns of the main loop alone, and what is being done."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.supervision.notify import status_of, supervisor
from tests.fakes.clock import FakeClock
from tests.integration.local_git import Work


class Listener:
    def __init__(self, end: socket.socket, address: str) -> None:
        self._end = end
        self.address = address

    def words(self) -> list[str]:
        """What was told until now."""
        found: list[str] = []
        self._end.setblocking(False)
        try:
            while True:
                found += self._end.recv(4096).decode().splitlines()
        except BlockingIOError:
            return found

    def until(self, word: str) -> list[str]:
        """Waits; fails after a minute."""
        found: list[str] = []
        self._end.settimeout(60)
        while word not in found:
            found += self._end.recv(4096).decode().splitlines()
        return found


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        yield Listener(end, str(tmp_path / "notify"))


def test_a_loop_that_turns_is_alive_and_one_that_hangs_is_silent(listener: Listener) -> None:
    clock = FakeClock()
    told = supervisor({"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "10000000"}, clock)
    told.beat(["web"], [])
    assert listener.words() == ["READY=1", "STATUS=watching 1 stack", "WATCHDOG=1"]
    told.beat(["web"], [])
    assert listener.words() == []  # not at each turn: half the interval is enough
    clock.advance(5.0)
    assert listener.words() == []  # time alone says nothing
    told.beat(["web"], ["web"])
    assert listener.words() == ["STATUS=at work on web", "WATCHDOG=1"]
    told.stopping("SIGTERM")
    assert listener.words() == ["STOPPING=1", "STATUS=leaving (SIGTERM): the steps under way end first"]


def test_what_is_started_from_here_cannot_speak_for_us(listener: Listener) -> None:
    environment = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1", "PATH": "/bin"}
    told = supervisor(environment, FakeClock())
    assert environment == {"PATH": "/bin"}
    told.beat([], [])
    assert listener.words() == ["READY=1", "STATUS=no stack is known yet"]  # the watchdog is meant for process 1


def test_a_supervisor_that_is_away_hurts_nobody(tmp_path: Path) -> None:
    for address in (str(tmp_path / "nobody"), "@nobody-listens-here", "vsock:2:1", ""):
        supervisor({"NOTIFY_SOCKET": address}, FakeClock()).beat(["web"], [])


@pytest.mark.parametrize(
    ("stacks", "busy", "words"),
    [
        ([], [], "no stack is known yet"),
        (["a", "b"], [], "watching 2 stacks"),
        (["a", "b"], ["b", "a"], "at work on a, b"),
    ],
)
def test_what_it_does_is_said_in_words(stacks: list[str], busy: list[str], words: str) -> None:
    assert status_of(stacks, busy) == words


def test_the_daemon_itself_is_ready_alive_and_says_when_it_leaves_with_no_engine_at_all(
    listener: Listener, tmp_path: Path
) -> None:
    config, root = Work(tmp_path / "config"), tmp_path / "root"
    config.commit("First stack", {"web/compose.yaml": "services: {web: {image: web}}\n"})
    root.mkdir()
    (root / "host.yaml").write_text(f"source: {{url: {config.folder}}}\n")
    told = {"NOTIFY_SOCKET": listener.address, "WATCHDOG_USEC": "1000", "DOCKER_HOST": f"unix://{tmp_path}/no-engine"}
    words = [sys.executable, "-c", "from reconciler.cli.main import main; main()", "--root", str(root), "run"]
    daemon = subprocess.Popen(words, env={**os.environ, **told}, stderr=subprocess.PIPE)
    try:
        assert "WATCHDOG=1" in listener.until("READY=1")
        listener.until("WATCHDOG=1")
        listener.until("STATUS=watching 1 stack")
        daemon.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in listener.until("STATUS=leaving (SIGTERM): the steps under way end first")
        assert daemon.wait(60) == 0
    finally:
        daemon.kill()
        daemon.communicate()
