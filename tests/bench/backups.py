"""A database of a gibibyte dumped and restored: by the parts that the daemon does it with, and by PostgreSQL's own programs.

Ours also hashes, writes to the disk for good, counts the rows in the dump's snapshot, counts them again after the restore, and
swaps the databases. What the ladder costs on top is not compared: the peer proves nothing.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import docker

from reconciler.model.backup import Verify
from tests.e2e.backing import Backing
from tests.e2e.world import eventually

_ROWS = 7_600_000
_TABLE = f"""
CREATE TABLE t AS SELECT i AS id, i % 1000 AS k, md5(i::text) AS a, md5((i * 7)::text) AS b, now() + i * interval '1 second' AS at
  FROM generate_series(1, {_ROWS}) i;
ALTER TABLE t ADD PRIMARY KEY (id);
"""


@dataclass
class Streamed:
    """Seconds, run by run; ``grown_mib``: by how much resident memory was larger at its peak than before."""

    gib: float = 0.0
    dump: list[float] = field(default_factory=list)
    peer_dump: list[float] = field(default_factory=list)
    restore: list[float] = field(default_factory=list)
    peer_restore: list[float] = field(default_factory=list)
    grown_mib: list[float] = field(default_factory=list)


def a_gibibyte(runs: int) -> Streamed:
    found = Streamed()
    with tempfile.TemporaryDirectory() as home, _server() as server:
        _ask(server, _TABLE)
        found.gib = int(_ask(server, "SELECT pg_database_size('shop')")) / 1024**3
        ours, plain = Backing(server, "postgres", "shop", Path(home), verify=Verify.NONE), Path(home) / "plain"
        for _ in range(runs):
            found.peer_dump.append(_timed(lambda: _dump(server, plain)))
            before = _reset_peak()
            found.dump.append(_timed(ours.good))
            (backup,) = ours.store.all("shop")
            found.peer_restore.append(_timed(lambda: _restore(server, plain)))
            _ask(server, "DROP DATABASE plain")
            found.restore.append(_timed(partial(ours.restored, backup)))
            found.grown_mib.append(_kib("VmHWM") / 1024 - before)
            ours.store.remove(backup.name)
            _drop_old(server)
    return found


@contextmanager
def _server() -> Iterator[Any]:
    engine = docker.from_env()
    settings = {"POSTGRES_USER": "keeper", "POSTGRES_PASSWORD": "x", "POSTGRES_DB": "shop"}
    server = engine.containers.run(
        "rig/postgres:15", ["postgres", "-c", "max_wal_size=4GB"], detach=True, environment=settings
    )
    try:
        eventually(lambda: server.exec_run("pg_isready -q -h 127.0.0.1 -U keeper").exit_code == 0)
        yield server
    finally:
        server.remove(force=True, v=True)
        engine.close()


def _ask(server: Any, sql: str) -> str:
    words = ["docker", "exec", "-i", server.id, "psql", "-XAtq", "-U", "keeper", "shop"]
    return subprocess.run(words, input=sql, capture_output=True, text=True, check=True).stdout.strip()


def _dump(server: Any, path: Path) -> None:
    with path.open("wb") as file:
        words = ["docker", "exec", server.id, "pg_dump", "-U", "keeper", "--format=custom", "--compress=6", "shop"]
        subprocess.run(words, stdout=file, check=True)


def _restore(server: Any, path: Path) -> None:
    subprocess.run(["docker", "exec", server.id, "createdb", "-U", "keeper", "plain"], check=True)
    with path.open("rb") as file:
        words = ["docker", "exec", "-i", server.id, "pg_restore", "-U", "keeper", "--exit-on-error", "--dbname=plain"]
        subprocess.run(words, stdin=file, check=True)


def _drop_old(server: Any) -> None:
    """What a restore leaves to go back to; a plain one has nothing of the kind."""
    for name in _ask(server, "SELECT datname FROM pg_database WHERE datname LIKE 'shop\\_before\\_%'").split():
        _ask(server, f'DROP DATABASE "{name}"')


def _timed(act: Any) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def _reset_peak() -> float:
    Path("/proc/self/clear_refs").write_text("5")
    return _kib("VmRSS") / 1024


def _kib(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
