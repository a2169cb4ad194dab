"""Starts of ``reconciler`` that cost no second of imports each: forked from a process that has imported everything.

Each start is a process of its own, with its own signals, environment and output, and ends or is killed like one that
was started by name; what it does from its first line on is the program's own ``main``. Scenarios that are about the
program's start itself run the installed script.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([f"{__package__}.imported"])


class Started:
    """What ``subprocess.Popen`` tells of a process, as far as scenarios ask."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], output: Path, errors: Path) -> None:
        self.words = ("reconciler", *words)
        self._process = _SERVER.Process(
            target=_run, args=(self.words, dict(environment), str(output), str(errors)), daemon=True
        )
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, negative for a signal. Raises ``subprocess.TimeoutExpired``."""
        self._process.join(timeout)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(self.words, timeout or 0.0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid


def _run(words: tuple[str, ...], environment: dict[str, str], output: str, errors: str) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for number, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.argv = list(words)
    from reconciler.cli.main import main

    main()


def crashing(kind: str, fuse: Path) -> list[str]:
    """What runs the program as one that kills itself at its moments of that kind, when ``fuse`` says so: see crashing.py."""
    return [
        "env",
        f"PYTHONPATH={Path(__file__).parents[2]}",
        sys.executable,
        "-m",
        f"{__package__}.crashing",
        kind,
        str(fuse),
    ]


def import_everything() -> None:
    """Every module of the program, and with them the packages that it uses."""
    import reconciler

    for found in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        __import__(found.name)


def know_composes() -> None:
    """Each start would ask every Compose of this machine for its version: four programs, and they answer alike each time."""
    from reconciler.adapters.compose import find

    ask = find._asked
    commands = tuple(find.candidates(os.environ.get("PATH", "")))
    known = {command: ask(command, os.environ) for command in commands}

    def asked(command: tuple[str, ...], environment: Mapping[str, str]) -> find.Compose | None:
        return known[command] if command in known else ask(command, environment)

    find._asked = asked
