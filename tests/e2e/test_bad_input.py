"""Bad input: a clear message on the stack concerned, the others go on, what ran runs on, and mending the cause mends it.

Everything here happens beside a daemon that is never told anything: a commit, or the host itself, is what changes.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.models import checked, service, stack, version
from tests.e2e.world import World, eventually
from tests.free_ports import free_port

pytestmark = pytest.mark.engine


@contextmanager
def running(world: World) -> Iterator[dict[str, str]]:
    """A daemon over two stacks that are ready, ``bad`` and ``good``; what runs of ``bad``."""
    commit = world.commit(good_files(world, 1) | bad_files(world))
    with world.daemon():
        world.await_ready("good", commit)
        world.await_ready("bad", commit)
        yield world.running("bad")


def good_files(world: World, number: int) -> dict[str, str]:
    return world.compose("good", stack(web=service(environment=version(number))))


def bad_files(world: World) -> dict[str, str]:
    return world.compose("bad", stack(web=service(), db=service()))


def folder(world: World, name: str = "bad") -> str:
    return f"stacks/{world.name(name)}"


WRONG: dict[str, tuple[str, str | bytes, str]] = {
    "broken-yaml": (
        "compose.yaml",
        'services:\n  web:\n    image: "rig/busybox:1\n',
        r"compose\.yaml:3: broken YAML: a quote is opened on this line and never closed",
    ),
    "tab": (
        "compose.yaml",
        "services:\n  web:\n\timage: rig/busybox:1\n",
        r"compose\.yaml:3: a tab indents this line; YAML wants spaces",
    ),
    "duplicate-keys": (
        "compose.yaml",
        "services:\n  web:\n    image: rig/busybox:1\n  web:\n    image: rig/busybox:2\n",
        r'compose\.yaml:4: services\.web: duplicate key "web"; the first is on line 2',
    ),
    "yaml-bomb": (
        "compose.yaml",
        "x-a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"x-{n}: &{n} [{','.join(['*' + p] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True))
        + "services: {web: {image: 'rig/busybox:1', labels: *i}}\n",
        r"compose\.yaml:\d+: .*alias",
    ),
    "not-utf-8": (
        "compose.yaml",
        b"services:\n  web:\n    image: rig/busybox:1\n    labels: {who: Andr\xe9}\n",
        r"compose\.yaml:4: .*UTF-8",
    ),
    "unknown-key-in-stack-yaml": (
        "stack.yaml",
        "rolout: {soak: 1s}\nprune: {enabeld: true}\n",
        r'stack\.yaml:1: rolout: .*"rollout"[\s\S]*stack\.yaml:2: prune\.enabeld: .*"enabled"',
    ),
    "unknown-key-in-compose": (
        "compose.yaml",
        "services:\n  web:\n    image: rig/busybox:1\n    enviroment: {A: b}\n",
        r"compose\.yaml:4: services\.web\.enviroment: this key is unknown here",
    ),
    "refused-by-compose": (
        "compose.yaml",
        "services:\n  web:\n    image: rig/busybox:1\n    depends_on: [nobody]\n",
        r"compose\.yaml:\d+: services\.web: .*nobody",
    ),
    "empty-file": ("compose.yaml", "", r"compose\.yaml"),
    "broken-env-file": (
        "stack.yaml",
        "env: {files: [missing.env]}\n",
        r'stack\.yaml:1: env\.files\[0\]: there is no file "missing\.env"',
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_file_that_is_wrong_stops_its_stack_alone_and_a_commit_mends_it(world: World, mistake: str) -> None:
    name, content, wanted = WRONG[mistake]
    with running(world) as before:
        wrong = world.commit(good_files(world, 2) | {f"{folder(world)}/{name}": content})
        status = world.await_failure("bad", "InvalidConfiguration")
        assert re.search(wanted, status["message"]), status["message"]
        assert f"{folder(world)}/" in status["message"] or "compose.yaml:" in status["message"]
        assert str(world.root) not in status["message"]
        assert (status["sync"], status["attemptedRevision"]) == ("Unknown", wrong)
        world.await_ready("good", wrong)
        assert world.running("bad") == before
        mended = world.commit(bad_files(world))
        world.await_ready("bad", mended)
        assert world.running("bad") == before


def test_a_bind_source_outside_the_repository_is_refused(world: World) -> None:
    with running(world) as before:
        model = stack(web=service(volumes=["../../../outside:/x", "../../state:/y"]), db=service())
        world.commit(world.compose("bad", model))
        status = world.await_failure("bad", "InvalidConfiguration")
        assert "compose.yaml" in status["message"]
        assert "services.web.volumes: leads out of the repository" in status["message"]
        assert world.running("bad") == before
        mended = world.commit(bad_files(world))
        world.await_ready("bad", mended)


def test_a_stack_whose_folder_a_commit_emptied_runs_on_and_says_so(world: World) -> None:
    with running(world) as before:
        emptied = world.commit(dict.fromkeys(bad_files(world)) | good_files(world, 2))
        status = world.await_failure("bad", "StackGone")
        assert "no longer in Git" in status["message"]
        assert "what runs is left alone" in status["message"]
        world.await_ready("good", emptied)
        assert world.running("bad") == before
        back = world.commit(bad_files(world))
        world.await_ready("bad", back)
        assert world.running("bad") == before


def test_a_commit_that_removes_every_service_removes_none(world: World) -> None:
    with running(world) as before:
        world.commit(world.compose("bad", "services: {}\n"))
        status = eventually(lambda: world.status("bad"), lambda seen: seen["ready"] == "False")
        assert status["message"]
        assert world.running("bad") == before
        back = world.commit(bad_files(world))
        world.await_ready("bad", back)
        assert world.running("bad") == before


def test_two_folders_of_one_name_stop_both_and_leave_what_ran(world: World) -> None:
    with running(world) as before:
        twin = f"stacks/twin-{world.suffix}"
        files = {
            f"{twin}/compose.yaml": "services: {web: {image: 'rig/busybox:2'}}\n",
            f"{twin}/stack.yaml": f"name: {world.name('bad')}\n",
        }
        both = world.commit(files | good_files(world, 2))
        message = world.await_failure("bad", "InvalidConfiguration")["message"]
        assert folder(world) in message
        assert twin in message
        assert f'make a stack named "{world.name("bad")}" each' in message
        world.await_ready("good", both)
        assert world.running("bad") == before
        mended = world.commit(dict.fromkeys(files))
        world.await_ready("bad", mended)
        assert world.running("bad") == before


def test_stacks_that_wait_for_each_other_in_a_circle_are_told_the_way_round(world: World) -> None:
    with running(world) as before:
        model = stack(web=service())
        files = {
            **world.compose("other", model, {"dependsOn": [world.name("bad")]}),
            **world.compose("bad", stack(web=service(), db=service()), {"dependsOn": [world.name("other")]}),
        }
        circle = world.commit(files | good_files(world, 2))
        message = world.await_failure("bad", "InvalidConfiguration")["message"]
        assert "the stacks wait for each other in a circle" in message
        assert f"{world.name('bad')} -> {world.name('other')} -> {world.name('bad')}" in message
        world.await_ready("good", circle)
        assert world.running("bad") == before
        mended = world.commit(bad_files(world))
        world.await_ready("bad", mended)
        world.await_ready("other", mended)


def test_a_taken_port_is_waited_for_before_anything_stops(world: World) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as taken, running(world) as before:
        model = stack(web=service(ports=[f"127.0.0.1:{port}:80"]), db=service(environment=version(2)))
        wanted = world.commit(world.compose("bad", model) | good_files(world, 2))
        status = world.await_failure("bad", "PortTaken")
        assert f"127.0.0.1:{port}/tcp is held by another program" in status["message"]
        world.await_ready("good", wanted)
        assert world.running("bad") == before
        taken.close()
        world.await_ready("bad", wanted)


def test_an_image_that_does_not_exist_is_said_of_its_stack_and_the_others_go_on(world: World) -> None:
    with running(world) as before:
        model = stack(web=service(image=f"127.0.0.1:5000/no-such-image-{world.suffix}:1"), db=service())
        wrong = world.commit(world.compose("bad", model) | good_files(world, 2))
        status = world.await_failure("bad", "ImagePullFailed")
        assert f"cannot pull 127.0.0.1:5000/no-such-image-{world.suffix}:1" in status["message"]
        world.await_ready("good", wrong)
        assert world.running("bad") == before
        mended = world.commit(bad_files(world))
        world.await_ready("bad", mended)
        assert world.running("bad") == before


def test_what_is_said_is_about_what_git_says_now_and_not_about_a_mistake_before_it(world: World) -> None:
    """A release is quarantined, then a file is broken, then mended again: the quarantine is what is in the way."""
    with running(world) as before:
        world.commit(world.compose("bad", stack(web=checked(["false"]), db=service())))
        world.await_failure("bad", "HealthCheckFailed")
        world.commit({f"{folder(world)}/compose.yaml": "services: ["})
        world.await_failure("bad", "InvalidConfiguration")
        world.commit(world.compose("bad", stack(web=checked(["false"]), db=service())))
        status = eventually(lambda: world.status("bad"), lambda seen: seen["reason"] != "InvalidConfiguration")
        assert status["ready"] == "False"
        assert "is unhealthy" in status["message"]
        assert world.running("bad") == before


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """The world's ``state`` on a disk of 12 MiB; a file to fill it with."""
    state = world.root / "state"
    state.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", str(state)], capture_output=True, check=False
    )
    if os.getuid() != 0 or mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield state / "filler"
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def fill_up(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def test_a_full_disk_stops_nothing_that_runs_and_room_mends_the_stack(world: World, small_disk: Path) -> None:
    with running(world) as before:
        big = os.urandom(300_000)
        fill_up(small_disk)
        model = stack(web=service(volumes=["./big:/big:ro"]), db=service())
        wanted = world.commit(world.compose("bad", model) | {f"{folder(world)}/big": big})
        eventually(lambda: "is full" in world.logs())
        assert world.running("bad") == before
        small_disk.unlink()
        world.await_ready("bad", wanted)
        assert world.execute(world.container("bad", "web")["Id"], "stat", "-c", "%s", "/big") == "300000"
