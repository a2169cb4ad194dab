"""A command inside a running container, streamed, limited in time, and ended whole. Through the program ``docker``; knows
no stack.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler import leash
from reconciler.leash import Ended, Take
from reconciler.model.errors import StalledError


@dataclass(frozen=True, slots=True)
class Command:
    """``container``: its id. ``environment``: what it gets besides that of the container; on no command line. ``given``: what
    it reads, to its end. ``mark``: of its processes, so that none is left behind."""

    container: str
    words: tuple[str, ...]
    mark: str
    limit_s: float
    user: str = ""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    given: bytes = field(default=b"", repr=False)


def run_inside(command: Command, take: Take, take_errors: Take, stop: Callable[[], str]) -> Ended:
    """``take`` and ``take_errors`` get both of its outputs as they come. Raises StalledError without the program docker."""
    docker = shutil.which("docker")
    if docker is None:
        raise StalledError("there is no program docker on this host; install docker-cli", reason="ToolMissing")
    named = (f"--env={name}" for name in (*command.environment, leash.MARK))  # docker takes the values from its own
    user = (f"--user={command.user}",) if command.user else ()
    interactive = ("--interactive",) if command.given else ()
    program = leash.Program(
        arguments=(docker, "exec", *interactive, *user, *named, command.container, *command.words),
        environment={**os.environ, **command.environment},
        folder=Path("/"),
        mark=command.mark,
        limit_s=command.limit_s,
        given=command.given,
    )
    return leash.run(program, take, stop, take_errors)
