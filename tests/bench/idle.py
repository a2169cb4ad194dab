"""What the daemon costs when nothing is to be done: a pass over 100 services, and the process that waits."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.wiring import Parts
from reconciler.layout import Layout
from tests.bench.stacks import model, newest_compose
from tests.e2e.world import World, eventually

_SERVICES = 100
_SETTLES_S = 10.0  # after its first looks


@dataclass(frozen=True)
class NothingToDo:
    world: World
    ours: list[float]
    peer: list[float]


@dataclass(frozen=True)
class Idle:
    resident_mib: float
    cpu_percent: float


@contextmanager
def nothing_to_do(runs: int) -> Iterator[NothingToDo]:
    """Seconds of a pass in a process that follows the engine's events, and of ``docker compose up -d`` on its model."""
    with tempfile.TemporaryDirectory() as home:
        world = World(Path(home))
        try:
            name = world.name("idle")
            world.write_settings(interval="1h")
            settings = json.dumps({"rollout": {"soak": "0s", "timeout": "5m"}})
            world.commit({f"stacks/{name}/compose.yaml": model(_SERVICES, 0), f"stacks/{name}/stack.yaml": settings})
            done = world.cli("once", within_s=600)
            assert done.returncode == 0, done.stdout + done.stderr
            yield _measure(world, name, runs)
        finally:
            world.clean()


def _measure(world: World, name: str, runs: int) -> NothingToDo:
    parts = Parts(Layout(world.root))
    host = parts.host(lambda _: None)
    connected = threading.Event()
    threading.Thread(target=_follow, args=(parts, connected), daemon=True).start()
    assert connected.wait(30)
    ours: list[float] = []
    peer: list[float] = []
    command = [*newest_compose(), "--project-name", name, "--file", str(_model_file(world, name)), "up", "--detach"]
    try:
        for _ in range(runs + 1):
            ours.append(_timed(lambda: [host.reconcile(work, host.look()) for work in host.works()]))
            peer.append(_timed(lambda: subprocess.run(command, check=True, capture_output=True)))
    finally:
        parts.close()
    return NothingToDo(world, ours[1:], peer[1:])


def _follow(parts: Parts, connected: threading.Event) -> None:
    for _ in parts.engine.events():
        connected.set()


def _model_file(world: World, name: str) -> Path:
    (found,) = (world.root / "state" / "releases" / name).glob("*/compose.json")
    return found


def _timed(act: object) -> float:
    assert callable(act)
    began = time.monotonic()
    act()
    return time.monotonic() - began


def idle_daemon(world: World, seconds: float) -> Idle:
    """Resident memory at the end, and the CPU time used meanwhile in percent of one core."""
    with world.daemon() as daemon:
        eventually(lambda: "fetched" in daemon.log.read_text())
        time.sleep(_SETTLES_S)
        before = _cpu_seconds(daemon.process.pid)
        time.sleep(seconds)
        used = _cpu_seconds(daemon.process.pid) - before
        return Idle(_resident_mib(daemon.process.pid), 100 * used / seconds)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
