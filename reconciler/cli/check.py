"""``reconciler check``: is all there that the product needs on this host? Each finding says how to mend it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from reconciler.cli import output, roots
from reconciler.cli.errors import FAILED, told
from reconciler.cli.logs import level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.cli.wiring import Parts
    from reconciler.layout import Layout

_OLDEST_DOCKER = (25, 0)
_OLDEST_GIT = (2, 30)
_DISK_WANTED = 1 << 30
_GIT_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """``mend``: how, "" where all is well."""

    name: str
    ok: bool
    found: str
    wanted: str
    mend: str = ""


@click.command(epilog="Example: reconciler --root /srv/reconciler check -o json")
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="JSON for programs.")
@click.pass_obj
def check(options: Options, form: str | None) -> int:
    """Check whether this host has all that is needed, and say how to mend what is missing.

    Looks at the engine, Compose, Git, the root folder, the repository (by fetching it) and the disk. Ends with 0 when
    all is well and with 1 otherwise; containers are not touched.
    """
    from reconciler.cli.wiring import opened

    layout = roots.layout_of(options.root)
    level = level_of(options, tells_itself=True)
    with opened(layout, log_level=level) as parts:
        findings = []
        for look in _looks(layout, parts):
            finding = look()
            findings.append(finding)
            if form is None:
                _print(finding)
    if form == "json":
        output.print_json([_object(finding) for finding in findings])
    return 0 if all(finding.ok for finding in findings) else FAILED


def _looks(layout: Layout, parts: Parts) -> Iterator[Callable[[], Finding]]:
    yield lambda: _settings(parts)
    yield lambda: _root(layout)
    yield lambda: _secrets(layout)
    yield lambda: _disk(layout)
    yield _engine
    yield lambda: _compose(parts)
    yield _git
    yield lambda: _source(parts)


def _print(finding: Finding) -> None:
    colour = "green" if finding.ok else "red"
    mark = "ok  " if finding.ok else "FAIL"
    click.secho(mark, fg=colour, nl=False, color=False if output.no_colour() else None)
    output.line(f"  {finding.name:<10}  {finding.found}  (wanted: {finding.wanted})")
    if finding.mend:
        output.line("\n".join(f"      {line}" for line in f"to mend: {finding.mend}".splitlines()))


def _object(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "ok": finding.ok,
        "found": finding.found,
        "wanted": finding.wanted,
        "mend": finding.mend,
    }


def _settings(parts: Parts) -> Finding:
    from reconciler.model.errors import ReconcilerError

    wanted = "settings that schemas/host.schema.json describes"
    try:
        source = parts.settings.source
    except (ReconcilerError, click.ClickException) as error:
        text = told(error) if isinstance(error, ReconcilerError) else error.format_message()
        return Finding("host.yaml", False, "it has problems", wanted, text)
    followed = f"tags within {source.tag}" if source.tag else f"branch {source.branch}"
    return Finding("host.yaml", True, f"{followed}, folder {source.path or '/'}", wanted)


def _root(layout: Layout) -> Finding:
    wanted = "folders that this user may write to"
    try:
        for folder in roots.folders(layout):
            folder.path.mkdir(parents=True, exist_ok=True, mode=folder.mode)
            with tempfile.TemporaryFile(dir=folder.path):
                pass
    except OSError as error:
        mend = f"chown and chmod {error.filename or layout.root}, or run this as the user that owns it"
        return Finding("root", False, f"{error.filename or layout.root}: {error.strerror}", wanted, mend)
    return Finding("root", True, str(layout.root), wanted)


def _secrets(layout: Layout) -> Finding:
    wanted = "env/ and its files for their owner alone"
    try:
        open_to_others = [
            path for path in (layout.env, *sorted(layout.env.glob("*.env"))) if path.stat().st_mode & 0o077
        ]
    except OSError as error:
        return Finding("secrets", False, f"{layout.env}: {error.strerror}", wanted, f"chown and chmod {layout.env}")
    if open_to_others:
        named = " ".join(str(path) for path in open_to_others)
        return Finding("secrets", False, "others may read them", wanted, f"chmod go= {named}")
    return Finding("secrets", True, f"{layout.env} is private", wanted)


def _disk(layout: Layout) -> Finding:
    wanted = f"{_size(_DISK_WANTED)} free"
    try:
        free = shutil.disk_usage(layout.root).free
    except OSError as error:
        return Finding("disk", False, f"{error.strerror}", wanted, "check the disk")
    mend = "" if free >= _DISK_WANTED else f"free some space where {layout.root} lies (docker image prune helps)"
    return Finding("disk", not mend, f"{_size(free)} free", wanted, mend)


def _size(number: int) -> str:
    return f"{number / (1 << 30):.1f} GiB"


def _engine() -> Finding:
    from reconciler.model.errors import ReconcilerError

    wanted = f"Docker {_OLDEST_DOCKER[0]} or newer"
    try:
        address, version = _ask_engine()
    except ReconcilerError as error:
        return Finding("engine", False, "it does not answer", wanted, str(error))
    mend = "" if _numbers(version) >= _OLDEST_DOCKER else "upgrade Docker (Debian's docker.io, or docker-ce)"
    return Finding("engine", not mend, f"Docker {version} at {address}", wanted, mend)


def _ask_engine() -> tuple[str, str]:
    """Its address and version. Raises EngineUnavailableError."""
    from reconciler.adapters.docker_engine.connection import Connection
    from reconciler.model.errors import EngineUnavailableError

    connection = Connection(os.environ)
    with connection.speaking(lambda _, words: EngineUnavailableError(words)) as client:
        answer = client.version(api_version=False)
    return connection.address, str(answer.get("Version", ""))


def _compose(parts: Parts) -> Finding:
    from reconciler.adapters.compose.find import OLDEST
    from reconciler.model.errors import ReconcilerError

    wanted = f"Docker Compose {'.'.join(map(str, OLDEST[:2]))} or newer"
    try:
        return Finding("compose", True, f"Docker Compose {parts.compose.version()}", wanted)
    except ReconcilerError as error:
        return Finding("compose", False, "none that can be used", wanted, str(error))


def _git() -> Finding:
    wanted = f"git {'.'.join(map(str, _OLDEST_GIT))} or newer"
    try:
        found = _version_of_git()
    except (OSError, subprocess.SubprocessError):
        return Finding("git", False, "git cannot be run", wanted, "install git (apt-get install git)")
    mend = "" if _numbers(found) >= _OLDEST_GIT else "upgrade git"
    return Finding("git", not mend, found, wanted, mend)


def _version_of_git() -> str:
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=_GIT_LIMIT_S, check=True)
    return done.stdout.strip()


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def _source(parts: Parts) -> Finding:
    from reconciler.model.errors import ReconcilerError

    wanted = "a repository that can be fetched"
    try:
        revision = parts.source.fetch()
    except (ReconcilerError, click.ClickException) as error:
        text = told(error) if isinstance(error, ReconcilerError) else error.format_message()
        if isinstance(error, ReconcilerError) and error.reason == "InvalidConfiguration":
            return Finding("source", False, "unknown while host.yaml has problems", wanted, "mend host.yaml first")
        return Finding("source", False, "it could not be fetched", wanted, text)
    return Finding("source", True, f"{revision.short} ({revision.subject})", wanted)
