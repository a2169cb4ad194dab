"""Files that are there whole or not at all, whatever happens while they are written. Knows nothing of their content."""

from __future__ import annotations

import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TypeGuard

from reconciler.model.errors import WaitingError


def put(path: Path, content: bytes, staging: Path, *, owner: tuple[int, int] | None = None, mode: int = 0o600) -> bool:
    """Let ``path`` hold ``content`` and be ``owner``'s with ``mode``, by one rename out of ``staging``. False if it did and
    was already. On another disk than ``staging`` (``data/`` may be one) it is written beside ``path``, under a hidden name.

    Nobody who watches the folder of ``path`` sees anything but that rename. Raises WaitingError(reason="CannotWrite"),
    and then ``path`` is what it was.
    """
    if _holds(path, content, owner, mode):
        return False
    try:
        staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        is_near = staging.stat().st_dev == path.parent.stat().st_dev
        replace(path, content, staging if is_near else path.parent, owner=owner, mode=mode)
    except OSError as error:
        raise WaitingError(f"{path} cannot be written: {error.strerror}", reason="CannotWrite") from error
    return True


def replace(
    path: Path, content: bytes, staging: Path, *, owner: tuple[int, int] | None = None, mode: int = 0o600
) -> None:
    """The same where whoever calls has words of its own for what goes wrong, and whether or not ``path`` holds that already.
    ``staging``: on the same disk; both folders are there. Raises OSError, and then ``path`` is what it was."""
    staged = staging / f"..tmp-{uuid.uuid4().hex}"
    try:
        _write(staged, content, owner, mode)
        staged.replace(path)
        sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            staged.unlink()  # on a full disk, half a file would keep it full
        raise


def content_of(path: Path) -> bytes | None:
    """None if there is no such file. Raises WaitingError(reason="CannotRead")."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise WaitingError(f"{path} cannot be read: {error.strerror}", reason="CannotRead") from error


def remove(path: Path) -> None:
    """Fine if it is gone. Raises WaitingError(reason="CannotWrite")."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise WaitingError(f"{path} cannot be removed: {error.strerror}", reason="CannotWrite") from error


def clear(staging: Path) -> None:
    """Take away what a process that was killed had begun to write."""
    with suppress(OSError):
        for left in staging.iterdir():
            with suppress(OSError):
                left.unlink()


def _holds(path: Path, content: bytes, owner: tuple[int, int] | None, mode: int) -> bool:
    try:
        status = path.stat()
        is_theirs = not _may_give_away(owner) or (status.st_uid, status.st_gid) == owner
        return is_theirs and stat.S_IMODE(status.st_mode) == mode and path.read_bytes() == content
    except OSError:
        return False


def _may_give_away(owner: tuple[int, int] | None) -> TypeGuard[tuple[int, int]]:
    return owner is not None and os.geteuid() == 0


def _write(path: Path, content: bytes, owner: tuple[int, int] | None, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        if _may_give_away(owner):
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """A rename within it outlives a power cut only once the folder itself is written. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
