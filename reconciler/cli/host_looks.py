"""The looks of a preflight at the host itself, whatever its stacks: the root, the engine, the tools, the repository.

Beside ``preflight``, which wires them; each answers with findings and raises nothing.
"""

from __future__ import annotations

import errno
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli import roots
from reconciler.cli.errors import told
from reconciler.preflight import looks, machine
from reconciler.preflight.facts import ClockSeen
from reconciler.preflight.finding import Finding, judged

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.layout import Layout

_OLDEST_DOCKER = (25, 0)
_OLDEST_GIT = (2, 30)
_GIT_LIMIT_S = 10.0


def settings(parts: Parts) -> Finding:
    from reconciler.model.errors import ReconcilerError

    wanted = "settings that schemas/host.schema.json describes"
    try:
        source = parts.settings.source
    except (ReconcilerError, click.ClickException) as error:
        return judged("host.yaml", "it has problems", wanted, _words(error))
    followed = f"tags within {source.tag}" if source.tag else f"branch {source.branch}"
    return judged("host.yaml", f"{followed}, folder {source.path or '/'}", wanted, "")


def root(layout: Layout) -> Finding:
    wanted = "folders that this user may write to"
    for folder in roots.folders(layout):
        try:
            folder.path.mkdir(parents=True, exist_ok=True, mode=folder.mode)
            with tempfile.TemporaryFile(dir=folder.path):
                pass
        except OSError as error:
            mend = f"chown and chmod {folder.path}, or run this as the user that owns it"
            if error.errno == errno.EROFS:
                mend = f"let the file system be written to that holds it: findmnt -T {folder.path}"
            return judged("root", f"{folder.path}: {error.strerror}", wanted, mend)
    return judged("root", str(layout.root), wanted, "")


def secrets(parts: Parts) -> Finding:
    wanted = "env/ and its files for their owner alone"
    layout = parts.layout
    try:
        files = (layout.env, *sorted(layout.env.glob("*.env")), *_token(parts))
        open_to_others = [path for path in files if path.stat().st_mode & 0o077]
    except OSError as error:
        return judged("secrets", f"{layout.env}: {error.strerror}", wanted, f"chown and chmod {layout.env}")
    if open_to_others:
        named = " ".join(str(path) for path in open_to_others)
        return judged("secrets", "others may read them", wanted, f"chmod go= {named}")
    return judged("secrets", f"{layout.env} is private", wanted, "")


def _token(parts: Parts) -> tuple[Path, ...]:
    """The file with the repository's password, where one is named and there. Of its key ssh itself takes care."""
    from reconciler.model.errors import ReconcilerError

    try:
        named = parts.settings.source.password_file
    except (ReconcilerError, click.ClickException):
        return ()
    return (Path(named),) if named and Path(named).is_file() else ()


def disks(layout: Layout, folder_of_engine: str) -> tuple[Finding, ...]:
    try:
        own = machine.least_disk(looks.disk(layout.root))
        if not folder_of_engine or _on_one(layout.root, Path(folder_of_engine)):
            return (own,)
        return own, machine.least_disk(looks.disk(Path(folder_of_engine)))
    except OSError as error:
        return (judged("disk", str(error.strerror), "a disk that answers", "check the disk"),)


def _on_one(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def engine() -> Finding:
    from reconciler.adapters.docker_engine.machine import engine_machine
    from reconciler.model.errors import ReconcilerError

    wanted = f"Docker {_OLDEST_DOCKER[0]} or newer"
    try:
        found = engine_machine()
    except ReconcilerError as error:
        return judged("engine", "it does not answer", wanted, str(error))
    mend = "" if _numbers(found.version) >= _OLDEST_DOCKER else "upgrade Docker (Debian's docker.io, or docker-ce)"
    return judged("engine", f"Docker {found.version} at {found.address}", wanted, mend)


def compose(parts: Parts) -> Finding:
    from reconciler.adapters.compose.find import OLDEST
    from reconciler.model.errors import ReconcilerError

    wanted = f"Docker Compose {'.'.join(map(str, OLDEST[:2]))} or newer"
    try:
        return judged("compose", f"Docker Compose {parts.compose.version()}", wanted, "")
    except ReconcilerError as error:
        return judged("compose", "none that can be used", wanted, str(error))


def git() -> Finding:
    wanted = f"git {'.'.join(map(str, _OLDEST_GIT))} or newer"
    try:
        found = _version_of_git()
    except (OSError, subprocess.SubprocessError):
        return judged("git", "git cannot be run", wanted, "install git (apt-get install git)")
    return judged("git", found, wanted, "" if _numbers(found) >= _OLDEST_GIT else "upgrade git")


def _version_of_git() -> str:
    git_program = shutil.which("git") or "git"
    done = subprocess.run([git_program, "--version"], capture_output=True, text=True, timeout=_GIT_LIMIT_S, check=True)
    return done.stdout.strip()


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def source(parts: Parts) -> Finding:
    from reconciler.model.errors import ReconcilerError

    wanted = "a repository that can be fetched"
    try:
        revision = parts.source.fetch()
    except (ReconcilerError, click.ClickException) as error:
        if isinstance(error, ReconcilerError) and error.reason == "InvalidConfiguration":
            return judged("source", "unknown while host.yaml has problems", wanted, "mend host.yaml first")
        return judged("source", "it could not be fetched", wanted, _words(error))
    return judged("source", f"{revision.short} ({revision.subject})", wanted, "")


def clock(parts: Parts) -> Finding:
    from urllib.parse import urlsplit

    from reconciler.model.errors import ReconcilerError

    url, committed_at = "", None
    try:
        url, tip = parts.settings.source.url, parts.source.tip()
        committed_at = None if tip is None else tip.committed_at
    except (ReconcilerError, click.ClickException):
        pass  # told already; the kernel may still say something
    told_at = looks.time_told_by(url)
    name = urlsplit(url).hostname or "" if told_at is not None else ""
    return machine.clock(ClockSeen(looks.now(), looks.clock_is_kept(), name, told_at or 0.0, committed_at))


def _words(error: Exception) -> str:
    from reconciler.model.errors import ReconcilerError

    if isinstance(error, ReconcilerError):
        return told(error)
    return error.format_message() if isinstance(error, click.ClickException) else str(error)
