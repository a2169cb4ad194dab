"""Finds the Docker Composes of this host, newest first: the ``docker compose`` plugin, or a ``docker-compose`` of its own."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.adapters.compose.running import Program
from reconciler.model.errors import ReconcilerError, StalledError

OLDEST = (2, 20, 0)  # the first with `include`
_LIMIT_S = 20.0
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Compose:
    """``command``: how to call it, the program's path first."""

    command: tuple[str, ...]
    version: str
    numbers: tuple[int, ...]


def usable(environment: Mapping[str, str], commands: tuple[tuple[str, ...], ...] | None = None) -> tuple[Compose, ...]:
    """Newest first, of ``commands``, or of all that there are. Raises StalledError where none is new enough."""
    if commands is None:
        commands = tuple(candidates(environment.get("PATH", "")))
    found = [compose for compose in (_asked(command, environment) for command in commands) if compose is not None]
    found.sort(key=lambda compose: compose.numbers, reverse=True)
    enough = tuple(compose for compose in found if compose.numbers >= OLDEST)
    if not enough:
        there = f"Docker Compose {found[0].version} is too old" if found else "there is no Docker Compose on this host"
        raise StalledError(
            f"{there}: install Docker Compose v2, {'.'.join(map(str, OLDEST))} or newer: apt install docker-compose on "
            "Debian from 13 on, docker-compose-v2 on Ubuntu, docker-compose-plugin where Docker's own packages are used",
            reason="ToolMissing",
        )
    return enough


def candidates(path: str) -> Iterator[tuple[str, ...]]:
    """How to call whatever Composes there are on ``path`` and beside this Python."""
    docker = shutil.which("docker", path=path)
    if docker:
        yield (docker, "compose")
    seen = set()
    for folder in (str(Path(sys.executable).parent), path):
        own = shutil.which("docker-compose", path=folder)
        if own and own not in seen:
            seen.add(own)
            yield (own,)


def _asked(command: tuple[str, ...], environment: Mapping[str, str]) -> Compose | None:
    try:
        answer = Program((*command, "version", "--short"), environment, _LIMIT_S).run()
    except ReconcilerError:
        return None  # It may be broken, but another one is not.
    found = _VERSION.search(answer.out)
    if answer.status or not found:
        return None
    return Compose(command, answer.out.strip().removeprefix("v"), tuple(int(number) for number in found.groups()))
