"""An engine whose disk has no room for another image: what runs runs on, and room is all that it takes to go on.

On an engine of its own, with a small disk.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.models import service, stack, version
from tests.e2e.second_engine import SecondEngine
from tests.e2e.world import World, eventually

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start an engine and mount a disk"),
]

MIB = 2**20
IMAGE = "127.0.0.1:9/nobody/listens:1"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / "disk"
    found.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800m", "tmpfs", str(found)], check=True)
    yield found
    subprocess.run(["umount", "-l", str(found)], check=True)


@pytest.fixture
def world(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    engine = SecondEngine(disk)
    try:
        engine.start()
        engine.load("rig/busybox:1")
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        home = tmp_path / "home"
        home.mkdir()
        made = World(home)
        try:
            yield made
        finally:
            made.clean()
            print(made.logs())
    finally:
        engine.clean()


def test_a_release_whose_image_has_no_room_is_held_back_and_what_runs_is_not_touched(world: World, disk: Path) -> None:
    def shop(number: int, image: str) -> dict[str, str]:
        return world.compose("shop", stack(web=service(image=image, environment=version(number), network_mode="none")))

    first = world.commit(shop(1, "rig/busybox:1"))
    filler = disk / "filler"
    with world.daemon():
        world.await_ready("shop", first)
        before = world.running("shop")
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 400 * MIB)
        world.commit(shop(2, IMAGE))
        status = world.await_failure("shop", "DiskFull")
        assert f"MiB are free where the engine keeps images ({disk}/data), and it wants" in status["message"]
        assert "docker system df" in status["message"]
        filler.unlink()
        # Without any further command the pull is tried: nobody listens there.
        eventually(lambda: world.status("shop"), lambda seen: seen["reason"] == "ImagePullFailed")
        assert world.running("shop") == before
        assert [bool(found["quarantined"]) for found in world.releases("shop")] == [False, False]
        mended = world.commit(shop(3, "rig/busybox:1"))
        world.await_ready("shop", mended)
