"""A host that burnt down: what is left is the repository, ``certs/``, ``env/`` and ``backups/``, and one command brings it back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.test_backups import DATA, Shop
from tests.e2e.world import World

pytestmark = pytest.mark.engine


def lose(world: World) -> None:
    """Another machine: no container, no volume, and of the root only what can be had from elsewhere."""
    world.clean_stacks()
    root, new = world.root, world.home / "new"
    new.mkdir()
    for name in ("certs", "env", "backups"):
        if (root / name).exists():
            shutil.move(root / name, new / name)
    shutil.rmtree(root)
    new.rename(root)


def recover(world: World, *words: str) -> tuple[int, str]:
    done = world.cli("recover", "--source", str(world.repository), "--path", "stacks", *words)
    return done.returncode, done.stdout + done.stderr


def test_one_command_brings_a_lost_host_back_with_its_data(world: World, tmp_path: Path) -> None:
    shop = Shop(world)
    commit = shop.declare()
    with world.daemon():
        world.await_ready("shop", commit)
        shop.sql(DATA)
        assert world.cli("backup", "run", shop.name).returncode == 0
        before = shop.dumped()
    kept = tmp_path / "kept"
    shutil.copytree(shop.folder, kept)

    lose(world)
    shutil.rmtree(shop.folder)
    status, told = recover(world)
    assert (status, f"{shop.name}: no good backup of db" in told) == (1, True)
    assert world.containers("shop") == []

    shutil.copytree(kept, shop.folder)
    status, told = recover(world)
    assert status == 0, told
    assert "recovered in" in told
    assert shop.dumped() == before
    assert world.is_ready_at("shop", commit)
    (applied,) = world.releases("shop")
    steps = world.steps("shop")
    restored = next(at for at, text in enumerate(steps) if text.startswith("restore the data of db-"))
    assert restored < steps.index("start web's new container")
    assert applied["outcome"] == "applied"

    # Once it is there, the same command keeps its hands off the data.
    shop.sql("CREATE TABLE later (id int)")
    status, told = recover(world)
    assert status == 0
    assert "is here already" in told
    assert shop.sql("SELECT to_regclass('later')") == "later"
