"""Copies files and folders, and believes a copy only when it was read again and is the same. What is copied stays where it is.

A folder is copied beside its place first and gets its name when all of it is there. Nothing that was there is overwritten.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from reconciler.adoption.clone import sha256_of
from reconciler.files import sync_folder
from reconciler.model.errors import StalledError, WaitingError

_ARRIVING = ".adopting"
_PIECE = 1024 * 1024

Stop = Callable[[], None]  # raises where the process is to leave


def carry_file(source: Path, target: Path, sha256: str, mode: int | None = None) -> None:
    """``sha256``: of what was shown to whoever agreed. ``mode``: None for the source's. Raises StalledError, WaitingError."""
    if sha256_of(target) == sha256:
        return
    arriving = target.with_name(f".{target.name}{_ARRIVING}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy_file(source, arriving, mode)
        if sha256_of(arriving) != sha256:
            raise StalledError(f"{source} has changed while it was copied; try again", reason="Changed")
        if target.exists():
            raise StalledError(f"{target} is there already and is another file; move it away", reason="InTheWay")
        arriving.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _told(error, target) from error
    finally:
        arriving.unlink(missing_ok=True)


def carry_folder(source: Path, target: Path, stop: Stop = lambda: None) -> str:
    """All of it, owners, modes and times included; a sum over what was copied. Raises StalledError, WaitingError.

    Whoever writes to it must stand still meanwhile. Sockets, pipes and devices are left out: they mean nothing elsewhere.
    """
    arriving = target.with_name(f".{target.name}{_ARRIVING}")
    try:
        if target.is_dir() and not any(target.iterdir()):
            target.rmdir()
        if target.exists():
            raise StalledError(f"{target} holds something already; move it away", reason="InTheWay")
        if arriving.is_dir():
            shutil.rmtree(arriving)
        arriving.unlink(missing_ok=True)
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _copy(source, arriving, stop)
        found = sum_of(arriving)
        if found != sum_of(source):
            raise StalledError(f"{source} has changed while it was copied; who writes to it?", reason="Changed")
        arriving.replace(target)
        sync_folder(target.parent)
    except OSError as error:
        raise _told(error, target) from error
    return found


def discard(copy: Path) -> None:
    """One that is still what it was copied from. Raises WaitingError."""
    try:
        if copy.is_dir() and not copy.is_symlink():
            shutil.rmtree(copy)
        else:
            copy.unlink()
    except OSError as error:
        raise WaitingError(f"{copy} cannot be removed: {error.strerror}", reason="CannotWrite") from error


def sum_of(place: Path) -> str:
    """Over the names, modes, owners and contents of all that is below ``place``."""
    found = hashlib.sha256()
    for path in sorted((place, *place.rglob("*")) if place.is_dir() else (place,)):
        status = path.lstat()
        if not _is_plain(status):
            continue
        name = "" if path == place else str(path.relative_to(place))
        content = os.readlink(path) if path.is_symlink() else sha256_of(path) if path.is_file() else "folder"
        found.update(
            f"{name}\0{status.st_mode:o} {status.st_uid} {status.st_gid}\0{content}\0".encode(errors="surrogateescape")
        )
    return found.hexdigest()


def holds_something(place: Path) -> bool:
    return any(place.iterdir()) if place.is_dir() else place.exists()


def _copy(source: Path, target: Path, stop: Stop) -> None:
    stop()
    status = source.lstat()
    if stat.S_ISLNK(status.st_mode):
        target.symlink_to(os.readlink(source))
        _own(target, status)
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, target, None)
    elif stat.S_ISDIR(status.st_mode):
        target.mkdir(mode=0o700)
        for entry in sorted(source.iterdir()):
            if _is_plain(entry.lstat()):
                _copy(entry, target / entry.name, stop)
        _own(target, status)
        target.chmod(stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        sync_folder(target)


def _copy_file(source: Path, target: Path, mode: int | None) -> None:
    target.unlink(missing_ok=True)
    with source.open("rb") as reading, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        status = os.fstat(reading.fileno())
        shutil.copyfileobj(reading, file, _PIECE)
        file.flush()
        os.fsync(file.fileno())
    if mode is None:
        _own(target, status)
    target.chmod(stat.S_IMODE(status.st_mode) if mode is None else mode)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _own(path: Path, status: os.stat_result) -> None:
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def _is_plain(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or stat.S_ISLNK(status.st_mode)


def _told(error: OSError, path: Path) -> WaitingError:
    return WaitingError(f"{path} cannot be copied: {error.filename or ''} {error.strerror}", reason="CannotWrite")
