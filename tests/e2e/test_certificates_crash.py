"""The plug is pulled, or the disk is full, at every moment of a publication: the newest valid certificate is served after."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.certificates import Issued
from tests.e2e.crashing import names
from tests.e2e.served import STACK, Served
from tests.e2e.starting import crashing
from tests.e2e.world import World, eventually

pytestmark = pytest.mark.engine


def test_a_daemon_that_is_killed_at_any_moment_of_a_publication_serves_the_newest_pair_after_its_next_start(
    world: World,
) -> None:
    proxy, fuse = Served(world), world.home / "fuse"
    commit = proxy.install("a.example.com")
    with world.daemon(crashing("certificates", fuse)):
        world.await_ready(STACK, commit)
        kills = fuse.with_suffix(".kills")
        kills.touch()
        for moment in names("certificates"):
            fuse.with_suffix(".lit").write_text(moment)
            fuse.with_suffix(".lit").rename(fuse)
            issued = proxy.ca.issue("a.example.com")
            proxy.drop("a", issued)
            proxy.await_shown("a.example.com", issued)
            eventually(partial(is_remembered, proxy, issued))
            eventually(partial(was_killed, kills, moment))
        last = proxy.ca.issue("a.example.com")
        proxy.drop("a", last)
        eventually(partial(is_remembered, proxy, last))
    staged = (world.root / "state" / "staging").rglob("*")
    assert not [path.name for path in staged if path.is_file()], "leftovers are cleared at a start"


def is_remembered(proxy: Served, issued: Issued) -> bool:
    """To the last step of a publication: the history knows it."""
    with proxy.world.journal() as journal:
        served = journal.certificates.served(1) if journal else ()
    return [record.fingerprint for record in served] == [issued.fingerprint]


def was_killed(kills: Path, moment: str) -> bool:
    """A kill at the very last moment may be still to come."""
    last = kills.read_text().splitlines()[-1:]
    return bool(last) and last[0].startswith(f"{moment.replace(':', ' ')} ")


@pytest.fixture
def small(world: World) -> Iterator[Path]:
    """A disk of 3 MiB for the root's state."""
    state = world.root / "state"
    state.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m,mode=0700", "none", str(state)], check=True)
    try:
        yield state
    finally:
        subprocess.run(["umount", "-l", str(state)], check=True)


def test_a_full_disk_leaves_what_is_served_and_room_mends_it(world: World, small: Path) -> None:
    proxy = Served(world)
    commit = proxy.install("a.example.com")
    with world.daemon():
        world.await_ready(STACK, commit)
        good, renewed = proxy.ca.issue("a.example.com"), proxy.ca.issue("a.example.com")
        proxy.drop("a", good)
        proxy.await_shown("a.example.com", good)
        filler = small / "filler"
        fill(filler)
        proxy.drop("a", renewed)
        eventually(lambda: "certificates_failed" in world.logs())
        assert proxy.shown("a.example.com") in (good.fingerprint, renewed.fingerprint)
        filler.unlink()
        proxy.await_shown("a.example.com", renewed)


def fill(path: Path) -> None:
    """To the last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
