"""From a commit to what runs: the daemon against ``git pull && docker compose up -d``, for one service of many and for
all services of many stacks."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from reconciler.adapters.journal import SqliteJournal
from reconciler.model.record import Sync, Truth
from tests.bench.stacks import model, newest_compose
from tests.e2e.world import World, eventually

_SERVICES = 20
_STACKS = 10
_OF_EACH = 5
# The peer looks at nothing after a container was started; neither do we then.
_NO_SOAK = {"rollout": {"soak": "0s"}}


def commit_to_converged(runs: int) -> tuple[list[float], list[float]]:
    """Seconds, run by run, ours and the peer's."""
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home))
        try:
            return _measure(world, Path(home) / "clone", runs)
        finally:
            world.clean()


def _measure(world: World, clone: Path, runs: int) -> tuple[list[float], list[float]]:
    name, peer_name = world.name("ours"), world.name("peer")
    world.write_settings(interval="1h")
    files = {f"stacks/{name}/stack.yaml": json.dumps(_NO_SOAK)}
    commit = world.commit({**files, f"stacks/{name}/compose.yaml": model(_SERVICES, 0)})
    world.git("clone", "--quiet", str(world.repository), str(clone))
    _peer_up(clone, name, peer_name)
    ours: list[float] = []
    peer: list[float] = []
    with world.daemon(), SqliteJournal(world.root / "state" / "state.db") as journal:
        eventually(lambda: _is_at(journal, name, commit))
        for generation in range(1, runs + 2):
            commit = world.commit({f"stacks/{name}/compose.yaml": model(_SERVICES, generation)})
            committed = time.monotonic()
            while not _is_at(journal, name, commit):
                time.sleep(0.002)
            ours.append(time.monotonic() - committed)
            committed = time.monotonic()
            subprocess.run(["git", "pull", "--quiet"], cwd=clone, check=True)
            _peer_up(clone, name, peer_name)
            peer.append(time.monotonic() - committed)
    return ours[1:], peer[1:]


def many_stacks(runs: int) -> tuple[list[float], list[float]]:
    """Seconds, run by run, until every service of ten stacks is another one; the peer takes one stack after the other."""
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home))
        try:
            return _measure_many(world, Path(home) / "clone", runs)
        finally:
            world.clean()


def _measure_many(world: World, clone: Path, runs: int) -> tuple[list[float], list[float]]:
    names = [world.name(f"ours{number}") for number in range(_STACKS)]
    peers = [world.name(f"peer{number}") for number in range(_STACKS)]
    world.write_settings(interval="1h")
    commit = world.commit(_generation(names, 0))
    world.git("clone", "--quiet", str(world.repository), str(clone))
    ours: list[float] = []
    peer: list[float] = []
    with world.daemon(), SqliteJournal(world.root / "state" / "state.db") as journal:
        eventually(lambda: all(_is_at(journal, name, commit) for name in names), within_s=300)
        for generation in range(runs + 1):
            commit = world.commit(_generation(names, generation + 1))
            committed = time.monotonic()
            while not all(_is_at(journal, name, commit) for name in names):
                time.sleep(0.01)
            ours.append(time.monotonic() - committed)
            committed = time.monotonic()
            subprocess.run(["git", "pull", "--quiet"], cwd=clone, check=True)
            for name, project in zip(names, peers, strict=True):
                _peer_up(clone, name, project)
            peer.append(time.monotonic() - committed)
    return ours[1:], peer[1:]


def _generation(names: list[str], generation: int) -> dict[str, str]:
    files = {f"stacks/{name}/compose.yaml": model(_OF_EACH, generation, all_of_them=True) for name in names}
    return {**files, **{f"stacks/{name}/stack.yaml": json.dumps(_NO_SOAK) for name in names}}


def _peer_up(clone: Path, name: str, project: str) -> None:
    command = [*newest_compose(), "--project-name", project, "up", "--detach", "--quiet-pull"]
    subprocess.run(command, cwd=clone / "stacks" / name, check=True, capture_output=True)


def _is_at(journal: SqliteJournal, name: str, commit: str) -> bool:
    record = journal.stack(name)
    return (
        record is not None
        and record.applied_revision == commit
        and record.sync is Sync.SYNCED
        and record.ready.status is Truth.TRUE
    )
