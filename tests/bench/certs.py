"""What a dropped certificate costs: how soon it is served, and which requests are lost meanwhile.

Peers, in turns in the same run: the least that can serve it (``prototype.py``, the floor), and the script that people have
today: write Traefik's file, restart Traefik.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.certs.probing import fingerprint_at
from tests.certificates import Issued
from tests.e2e.served import STACK, Load, Served, http2, keep_alive, new_connections, served, write
from tests.e2e.world import World

_DOMAIN = "a.example.com"
_AT_MOST_S = 30.0


@dataclass(frozen=True)
class Loss:
    failed: int
    answered: int
    gap_s: float


@contextmanager
def two_proxies() -> Iterator[tuple[Served, Served]]:
    """One that the reconciler looks after, and one that nobody does any more; both of the sample, in containers."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        ours, theirs = World(Path(one)), World(Path(two))
        try:
            with served(theirs, _DOMAIN) as peer:
                peer.drop("a", peer.ca.issue(_DOMAIN))
                peer.await_state("a", "valid")
            with served(ours, _DOMAIN) as mine:
                mine.drop("a", mine.ca.issue(_DOMAIN))
                mine.await_state("a", "valid")
                yield mine, peer
        finally:
            theirs.clean()
            ours.clean()


def drop_to_served(mine: Served, peer: Served, runs: int) -> tuple[list[float], list[float]]:
    """Seconds from the last byte of a pair until a handshake shows it: the reconciler's, and the prototype's."""
    folder = peer.world.root / "state" / "traefik" / peer.world.name(STACK)
    staging = peer.world.root / "state" / "staging"
    program = [sys.executable, str(Path(__file__).with_name("prototype.py")), *map(str, (peer.certs, folder, staging))]
    prototype = subprocess.Popen(program, stdout=subprocess.PIPE)
    assert prototype.stdout is not None
    prototype.stdout.readline()
    times: tuple[list[float], list[float]] = ([], [])
    try:
        for _ in range(runs + 1):
            for proxy, found in zip((mine, peer), times, strict=True):
                issued = proxy.ca.issue(_DOMAIN)
                proxy.drop("a", issued)
                found.append(_shown_within(proxy.port, issued))
                time.sleep(0.3)  # beyond Traefik's own rest between two reloads
    finally:
        prototype.terminate()
    return times[0][1:], times[1][1:]


def _shown_within(port: int, issued: Issued) -> float:
    began = time.monotonic()
    while fingerprint_at("127.0.0.1", port, _DOMAIN) != issued.fingerprint:
        assert time.monotonic() - began < _AT_MOST_S
        time.sleep(0.0005)
    return time.monotonic() - began


def rotations_under_load(mine: Served, peer: Served, rotations: int) -> tuple[Loss, Loss]:
    """Requests lost while certificates are rotated: by dropping them, and by a script that restarts Traefik."""
    return _loss(mine, rotations, lambda issued: mine.drop("a", issued)), _loss(
        peer, rotations, lambda issued: _by_script(peer, issued)
    )


def _by_script(peer: Served, issued: Issued) -> None:
    folder = peer.world.root / "state" / "traefik" / peer.world.name(STACK)
    pair = {"certFile": issued.chain_pem.decode(), "keyFile": issued.key_pem.decode()}
    write(folder / "certificates.yml", json.dumps({"tls": {"certificates": [pair]}}).encode())
    subprocess.run(["docker", "restart", peer.world.container(STACK, "traefik")["Id"]], check=True, capture_output=True)


def _loss(proxy: Served, rotations: int, rotate: Callable[[Issued], None]) -> Loss:
    with Load(proxy.port, _DOMAIN).running([keep_alive, new_connections, http2]) as load:
        for _ in range(rotations):
            issued = proxy.ca.issue(_DOMAIN)
            rotate(issued)
            _shown_within(proxy.port, issued)
            time.sleep(0.5)
    return Loss(len(load.failures), sum(load.answered.values()), load.gap_s)
