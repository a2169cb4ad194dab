"""A registry that dies in the middle of a pull: what runs is not touched, the release is not blamed, and its return is all
that it takes.

On an engine of its own, which tries a layer once; the machine's would try for a minute before it says anything.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.e2e.models import service, stack, version
from tests.e2e.second_engine import SecondEngine
from tests.e2e.test_updates import REGISTRY
from tests.e2e.world import World

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start an engine"),
]

MIB = 2**20


class Line:
    """To the rig's registry, from where the engine is. Cut, it gives each connection ``cut_after`` bytes and no more."""

    def __init__(self, engine: SecondEngine) -> None:
        self.cut_after: int | None = None
        self.cuts = 0
        with engine.thread_inside():
            self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                asking = self._listening.accept()[0]
                answering = socket.create_connection(("127.0.0.1", 5000))
                for one, other, limited in ((asking, answering, False), (answering, asking, True)):
                    threading.Thread(target=self._carry, args=(one, other, limited), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, limited: bool) -> None:
        carried = 0
        with suppress(OSError):
            while content := source.recv(65536):
                carried += len(content)
                if limited and self.cut_after is not None and carried > self.cut_after:
                    self.cuts += 1
                    break
                target.sendall(content)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[SecondEngine]:
    made = SecondEngine(tmp_path)
    try:
        made.start("--max-download-attempts=1")
        made.load("rig/busybox:1")
        yield made
    finally:
        made.clean()


@pytest.fixture
def line(engine: SecondEngine) -> Iterator[Line]:
    made = Line(engine)
    yield made
    made.close()


@pytest.fixture
def image(tmp_path: Path) -> str:
    """What the registry calls an image that has a layer of 4 MiB which nothing makes smaller."""
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "ballast").write_bytes(os.urandom(4 * MIB))
    (folder / "Dockerfile").write_text("FROM rig/busybox:1\nCOPY ballast /\n")
    image = f"rig/e2e-{uuid.uuid4().hex[:8]}:2"
    subprocess.run(["docker", "build", "--quiet", "--tag", image, str(folder)], check=True, capture_output=True)
    done = subprocess.run([str(REGISTRY), "push", image], capture_output=True, text=True, check=True)
    name = done.stdout.split()[-1]
    subprocess.run(["docker", "image", "rm", image, name], check=True, capture_output=True)
    return name.partition("/")[2]


def test_a_registry_that_dies_in_the_middle_of_a_pull_costs_nothing_but_time(
    image: str, engine: SecondEngine, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.address)
    image = f"127.0.0.1:{line.port}/{image}"
    home = tmp_path / "home"
    home.mkdir()
    world = World(home)

    def shop(number: int, image: str) -> dict[str, str]:
        return world.compose("shop", stack(web=service(image=image, environment=version(number), network_mode="none")))

    try:
        first = world.commit(shop(1, "rig/busybox:1"))
        with world.daemon():
            world.await_ready("shop", first)
            before = world.running("shop")
            line.cut_after = MIB
            second = world.commit(shop(2, image))
            status = world.await_failure("shop", "ImagePullFailed")
            assert image in status["message"]
            assert line.cuts > 0
            assert world.running("shop") == before
            line.cut_after = None
            world.await_ready("shop", second)
            assert world.container("shop", "web")["Config"]["Image"] == image
            assert [found["quarantined"] for found in world.releases("shop")] == ["", ""]
    finally:
        world.clean()
        print(world.logs())
