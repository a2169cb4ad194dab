"""`make bench`: each figure as a ratio against the peer, measured in turns in the same run. Figures, no verdicts.

commit to converged   one changed service of 20: the daemon          against  git pull && docker compose up -d
many stacks           all services of 10 stacks of 5: the daemon     against  docker compose up -d, one after the other
nothing to do         a pass over 100 services in the daemon         against  docker compose up -d
idle                  the daemon with 100 containers: memory and CPU
drop to served        a certificate, until a handshake shows it      against  the least that can do it
rotations             requests lost under load                       against  writing the file and restarting Traefik
dump, restore         a PostgreSQL database of 1 GiB                 against  pg_dump and pg_restore
releases              requests lost under load                       against  docker compose up -d, and a second container first
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench.backups import a_gibibyte
from tests.bench.certs import Loss, drop_to_served, rotations_under_load, two_proxies
from tests.bench.converge import commit_to_converged, many_stacks
from tests.bench.idle import idle_daemon, nothing_to_do
from tests.bench.traffic import releases_under_load

_RESTARTS = 5


@dataclass(frozen=True)
class Row:
    name: str
    ours: str
    peer: str
    ratio: str
    goal: str


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=7, help="measured runs of each side (default 7)")
    parser.add_argument("--idle-seconds", type=float, default=20.0, help="how long the idle daemon is watched")
    parser.add_argument("--rotations", type=int, default=50, help="certificates that are dropped (default 50)")
    parser.add_argument("--backups", type=int, default=2, help="dumps and restores of 1 GiB (default 2)")
    parser.add_argument("--releases", type=int, default=20, help="releases under load (default 20)")
    asked = parser.parse_args(arguments)
    console = Console()
    rows: list[Row] = []
    ours, peer = commit_to_converged(asked.runs)
    rows.append(_row("commit to converged, 1 of 20 services", ours, peer, "<= 1.2"))
    ours, peer = many_stacks(min(asked.runs, 3))
    rows.append(_row("commit to converged, all of 10 stacks of 5", ours, peer, ""))
    with nothing_to_do(asked.runs) as found:
        rows.append(_row("nothing to do, 100 services", found.ours, found.peer, "<= 0.2"))
        idle = idle_daemon(found.world, asked.idle_seconds)
    rows.append(
        Row("idle daemon, 100 containers: resident memory", f"{idle.resident_mib:.1f} MiB", "", "", "<= 64 MiB")
    )
    rows.append(Row("idle daemon, 100 containers: CPU", f"{idle.cpu_percent:.2f} % of a core", "", "", "<= 0.2 %"))
    rows.extend(_certificates(asked.rotations))
    rows.extend(_backups(asked.backups))
    rows.extend(_releases(asked.releases))
    console.print(_table(rows))


def _certificates(rotations: int) -> list[Row]:
    with two_proxies() as (mine, peer):
        ours, floor = drop_to_served(mine, peer, rotations)
        first = _row("certificate: drop to served, against the floor", ours, floor, "<= 1.5")
        lost, theirs = rotations_under_load(mine, peer, _RESTARTS)
    late = sorted(ours)[int(len(ours) * 0.95)]
    return [
        first,
        Row("certificate: drop to served, 95 % within", f"{late * 1000:.0f} ms", "", "", "< 50 ms"),
        Row(f"{_RESTARTS} rotations under load: requests lost", _lost(lost), _lost(theirs), "", "0"),
        Row("the same: longest time without an answer", f"{lost.gap_s:.2f} s", f"{theirs.gap_s:.2f} s", "", ""),
    ]


def _backups(runs: int) -> list[Row]:
    found = a_gibibyte(runs)
    grown = f"{max(found.grown_mib):.1f} MiB"
    return [
        _row(f"dump of {found.gib:.2f} GiB: hashed, synced, counted", found.dump, found.peer_dump, "<= 1.1"),
        _row("restore of it: read, counted, swapped", found.restore, found.peer_restore, "<= 1.1"),
        Row("resident memory that streaming it takes", grown, "", "", "bounded"),
    ]


def _releases(releases: int) -> list[Row]:
    found = releases_under_load(releases)
    name = f"{releases} releases under load: requests lost"
    gap = f"{found.ours.gap_s:.2f} s"
    return [
        Row(f"{name}, against compose up -d", _lost(found.ours), _lost(found.compose), "", "0"),
        Row("the same: longest time without an answer", gap, f"{found.compose.gap_s:.2f} s", "", ""),
        Row(f"{name}, against a second container first", _lost(found.ours), _lost(found.second), "", "0"),
        Row("the same: longest time without an answer", gap, f"{found.second.gap_s:.2f} s", "", ""),
    ]


def _lost(loss: Loss) -> str:
    return f"{loss.failed} of {loss.failed + loss.answered}"


def _row(name: str, ours: list[float], peer: list[float], goal: str) -> Row:
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, peer, strict=True))
    return Row(name, _ms(ours), _ms(peer), f"{ratio:.2f}", goal)


def _ms(seconds: list[float]) -> str:
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    return f"{middle * 1000:.0f} ms ({low * 1000:.0f}-{high * 1000:.0f})"


def _table(rows: list[Row]) -> Table:
    table = Table("what", "reconciler: median (min-max)", "peer", "ratio", "goal", title="medians; ratios run by run")
    for row in rows:
        table.add_row(row.name, row.ours, row.peer, row.ratio, row.goal)
    return table


if __name__ == "__main__":
    main()
