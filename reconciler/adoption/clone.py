"""Reads the folder of an old project: its variables, certificates, dumps, what somebody changed in it, who calls its scripts.
Writes nothing.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from reconciler.adoption.cron import Cron
from reconciler.adoption.model import Clone, FileCopy, Kind
from reconciler.certs.folder import DropFolder
from reconciler.certs.reading.grouping import group
from reconciler.certs.reading.pair import read_pair
from reconciler.model.errors import ReconcilerError, StalledError, WaitingError
from reconciler.planning.dotenv import read_dotenv
from reconciler.plumbing.process import Git

ENV_FILE = ".env"
_CERTIFICATES, _DUMPS = "certs", "backup"
_DUMPS_PATH = "DB_BACKUPS_PATH"
_MOST_BYTES = 1024 * 1024  # of a .env
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where things go: folders of the root."""

    certs: Path
    dumps: Path


def read_clone(folder: Path, to: Destinations, cron: Cron, now: float) -> Clone:
    """Raises StalledError where ``folder`` cannot be read, or its .env is none."""
    folder = Path(os.path.realpath(folder))
    if not folder.is_dir():
        raise StalledError(f"there is no folder {folder}", reason="NoProject")
    variables = _variables(folder)
    certificates, notes = _certificates(folder / _CERTIFICATES, to.certs, now)
    dumps = tuple(_files(Kind.DUMP, _dumps_folder(folder, variables), to.dumps))
    changes, told = _changes(folder)
    lines = cron.lines(str(folder))
    return Clone(str(folder), variables, certificates, dumps, changes, lines, (*notes, *told))


def _variables(folder: Path) -> bytes | None:
    path = folder / ENV_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StalledError(f"{path} cannot be read ({error.strerror}); run this as root", reason="NoProject") from error
    problems = read_dotenv(content[:_MOST_BYTES], str(path)).problems
    if problems:
        told = "; ".join(map(str, problems))
        raise StalledError(f"{told}. Mend it there, and try again", reason="InvalidConfiguration")
    return content


def _dumps_folder(folder: Path, variables: bytes | None) -> Path:
    values = read_dotenv(variables, ENV_FILE).values if variables else {}
    return Path(os.path.realpath(folder / (values.get(_DUMPS_PATH, "").strip() or _DUMPS)))


def _certificates(folder: Path, target: Path, now: float) -> tuple[tuple[FileCopy, ...], tuple[str, ...]]:
    """The files of pairs that may be served, and of each other one why it stays."""
    copies: list[FileCopy] = []
    notes: list[str] = []
    try:
        pairs = group(DropFolder(folder).read())
    except WaitingError as error:
        return (), (str(error),)
    for name, files in pairs.items():
        reading = read_pair(name, files, now)
        if reading.pair is None:
            notes.append(f"certs: {name} is not taken along: {'; '.join(reading.problems)}")
            continue
        copies += (_copy(Kind.CERTIFICATE, folder / file.name, target / file.name) for file in files)
    return tuple(copies), tuple(notes)


def _files(kind: Kind, folder: Path, target: Path) -> Iterator[FileCopy]:
    """Plain files only, not those that are hidden or still being written by their names."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
            yield _copy(kind, Path(entry.path), target / entry.name)


def _copy(kind: Kind, source: Path, target: Path) -> FileCopy:
    return FileCopy(kind, str(source), str(target), sha256_of(source), source.stat().st_size, sha256_of(target))


def sha256_of(path: Path) -> str:
    """ "" where there is no such file. Raises WaitingError."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise WaitingError(f"{path} cannot be read: {error.strerror}", reason="CannotRead") from error
    return found.hexdigest()


def size_of(folder: Path) -> int:
    """Bytes of all files below ``folder``, or of the file; what cannot be looked at counts nothing."""
    if not folder.is_dir():
        return folder.stat().st_size if folder.is_file() else 0
    found = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(place, name))
            except OSError:
                continue
            found += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return found


def _changes(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tracked files that somebody changed by hand; and what to say where that cannot be told."""
    if not (folder / ".git").exists():
        return (), (f"{folder} is no Git clone, so what was changed in it by hand is not known",)
    try:
        environment = {"GIT_WORK_TREE": str(folder)}
        found = Git(folder / ".git", environment=environment).run("status", "--porcelain", "--untracked-files=no", "-z")
    except ReconcilerError as error:
        return (), (f"what was changed in {folder} by hand is not known: {error}",)
    return tuple(sorted(entry[3:] for entry in found.decode(errors="replace").split("\0") if len(entry) > 3)), ()
