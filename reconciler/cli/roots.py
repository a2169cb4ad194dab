"""Is this folder a root, who may use it, and does a daemon run for it? Opens the journal; loads no SDK."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.layout import Layout

if TYPE_CHECKING:
    from reconciler.adapters.journal import SqliteJournal
    from reconciler.adapters.root_lock import Holder
    from reconciler.ports.books import Journal

_LEAST_FREE = 1024 * 1024  # bytes: a journal's write takes some pages
_MOST_LISTED = 8  # stacks; `reconciler get` shows them all


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of a root. ``mode``: what it is made with; ``holds``: what for, in words."""

    path: Path
    mode: int
    holds: str


def folders(layout: Layout) -> tuple[Folder, ...]:
    """Those of a root. Where secrets and keys lie, nobody else may look."""
    return (
        Folder(layout.root, 0o755, "this host's root folder"),
        Folder(layout.env, 0o700, "variables and secrets of this host: <stack>.env"),
        Folder(layout.certs, 0o700, "certificates: NAME.crt and NAME.key"),
        Folder(layout.data, 0o755, "what containers write; never deleted"),
        Folder(layout.root / "backups", 0o700, "dumps"),
        Folder(layout.state, 0o700, "reconciler's own"),
        Folder(layout.traefik, 0o755, "what Traefik's file provider reads"),
    )


def make_folders(layout: Layout) -> tuple[Folder, ...]:
    """Those that were missing, and are there now. Raises Failure."""
    made = []
    for folder in folders(layout):
        try:
            if not folder.path.is_dir():
                folder.path.mkdir(parents=True)
                folder.path.chmod(folder.mode)
                made.append(folder)
        except OSError as error:
            raise Failure(
                f"{folder.path} cannot be made ({error.strerror}). Run this as a user who may write there, "
                "or name another folder with --root."
            ) from error
    return tuple(made)


def layout_of(root: Path) -> Layout:
    """Raises Failure where ``root`` is no root, or belongs to somebody else."""
    layout = Layout(root)
    with _open_to_us(root):
        if not root.is_dir():
            raise Failure(f"there is no folder {root}. {_how_to_name_one(root)}", WRONG_USE)
        if not layout.settings.exists():
            raise Failure(
                f"{root} is not a root of reconciler: it has no host.yaml. {_how_to_name_one(root)}", WRONG_USE
            )
    check_owner(layout)
    return layout


def _how_to_name_one(root: Path) -> str:
    return f"Name the root with --root or RECONCILER_ROOT, or make one: reconciler init {root} --source URL"


def check_owner(layout: Layout) -> None:
    """Raises Failure where the root is somebody else's: what another user writes there, root included, the daemon can no
    longer write, nor read what is private."""
    with _open_to_us(layout.root):
        if not layout.state.exists():
            return
        owner = layout.state.stat().st_uid
    if owner != os.geteuid():
        name = user_name(owner)
        raise Failure(
            f"{layout.root} belongs to the user {name}, and what another user writes there is lost to the daemon. "
            f"Run this as {name}: sudo -u {name} reconciler ..."
        )


@contextmanager
def _open_to_us(root: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise Failure(f"{error.filename or root} may not be read by this user. Try again with sudo.") from error


def user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def who() -> str:
    """Whoever types, for the record: the person behind sudo, if there is one."""
    return os.environ.get("SUDO_USER") or user_name(os.getuid())


def open_journal(layout: Layout, *, mend: bool = False) -> SqliteJournal:
    """``mend``: only for the holder of the root's lock; that something was mended is then told as an event."""
    from reconciler.adapters.journal import SqliteJournal

    journal = SqliteJournal(layout.journal, mend=mend)
    if journal.recovered_from is not None:
        message = f"state.db was damaged; what could still be read of it is kept, the damaged file is {journal.recovered_from}"
        journal.tell("", "error", "JournalMended", message, "", time.time())
    return journal


def is_full(layout: Layout) -> bool:
    """Whether the next thing that is to be written down there may find no room."""
    with suppress(OSError):
        return shutil.disk_usage(layout.root).free < _LEAST_FREE
    return False


def daemon_of(layout: Layout) -> Holder | None:
    """The process that holds the root's lock, if there is one."""
    from reconciler.adapters.root_lock import holder

    return holder(layout.lock)


def check_stack(journal: Journal, name: str) -> None:
    """Raises Failure where no stack of this name was ever seen."""
    names = [record.name for record in journal.stacks()]
    if name not in names:
        raise unknown_stack(name, names)


def check_release(journal: Journal, stack: str, number: int | None) -> None:
    """Raises Failure where the stack never had it. None is any."""
    if number is not None and all(release.number != number for release in journal.releases(stack)):
        raise Failure(f"{stack} has no release {number}; see: reconciler history {stack}", WRONG_USE)


def unknown_stack(name: str, names: Iterable[str]) -> Failure:
    from reconciler.planning.nearest import did_you_mean

    names = tuple(sorted(names))
    near = did_you_mean(name, names)
    rest = ", ..." if len(names) > _MOST_LISTED else ""
    known = f"known are {', '.join(names[:_MOST_LISTED])}{rest}" if names else "none is known yet"
    return Failure(f'there is no stack "{name}"{near or f"; {known}"}', WRONG_USE)
