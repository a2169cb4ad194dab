"""From a commit to what runs: the daemon against ``git pull && docker compose up -d``."""

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
