"""Runs the real command line as a service manager does: starts it again when it was killed. And pulls the plug.

``python -m tests.e2e.crashing KIND FUSE ARGUMENTS...``: once the file FUSE holds ``N``, the process kills itself (SIGKILL) at the N-th of
its moments of that KIND (``passes``, ``certificates``, ``users``, ``hooks``) from then on; with ``N M`` the process that is started
after it dies at its own M-th, too. With a moment's name for ``N``, such as ``before:save``, it dies at the first of that name.
Each kill is written down in ``FUSE.kills``. The product knows nothing of this: it is wrapped from outside.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from reconciler import files
from reconciler.adapters.journal import SqliteJournal
from reconciler.adapters.journal.certificates import CertificateTables
from reconciler.adapters.journal.hooks import HookTables
from reconciler.certs.publishing import Publisher
from reconciler.certs.recipients import Recipients
from reconciler.certs.vault import Vault
from reconciler.cli.main import main
from reconciler.hooks.runner import HookRunner
from tests.e2e.starting import import_everything, know_composes

Moments = list[tuple[Any, str, tuple[str, ...]]]  # whose, which of its methods, on which sides of it

BOTH = ("before", "after")
# Moments of a pass: the intent is written and nothing is done yet; it is done and not written; both.
PASSES: Moments = [
    (SqliteJournal, "begin_pass", ("after",)),
    (SqliteJournal, "intend", ("after",)),
    (SqliteJournal, "done", BOTH),
    (SqliteJournal, "failed", BOTH),
    (SqliteJournal, "quarantine", BOTH),
    (SqliteJournal, "end_pass", BOTH),
]
# Of a publication: staged and not renamed; renamed; proven and not remembered; remembered and not told; told.
CERTIFICATES: Moments = [
    (files, "_write", BOTH),
    (files, "sync_folder", BOTH),
    (Publisher, "publish", BOTH),
    (Vault, "save", BOTH),
    (SqliteJournal, "tell", BOTH),
    (CertificateTables, "save_certificates", BOTH),
    (CertificateTables, "serves", BOTH),
]
# Of a pair that a service reads itself: staged; put there; told; marked.
USERS: Moments = [(files, "_write", BOTH), (files, "sync_folder", BOTH), (Recipients, "tell", BOTH)]
# Around hooks: an attempt is begun; a hook's intent or end is written; it has ended and that is not written.
HOOKS: Moments = [
    (HookTables, "begin_attempt", BOTH),
    (HookTables, "save_hook", BOTH),
    (HookRunner, "run", ("after",)),
    (SqliteJournal, "end_release", BOTH),
    (SqliteJournal, "end_pass", BOTH),
]
MOMENTS: dict[str, Moments] = {
    "passes": PASSES,
    "certificates": CERTIFICATES,
    "users": USERS,
    "hooks": HOOKS,
}
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, see prctl(2)


class Fuse:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = 0
        self._name = ""
        self._lock = threading.Lock()

    def burn(self, moment: str) -> None:
        with self._lock:
            if self._left == 0:
                self._light()
            if self._left == 0 or not f"{moment} ".startswith(self._name):
                return
            self._left -= 1
            if self._left == 0:
                with self._path.with_suffix(".kills").open("a") as kills:
                    kills.write(f"{moment}\n")
                os.kill(os.getpid(), signal.SIGKILL)

    def _light(self) -> None:
        try:
            first, *rest = self._path.read_text().split()
        except (FileNotFoundError, ValueError):
            return
        self._left = int(first) if first.isdigit() else 1
        self._name = "" if first.isdigit() else f"{first.replace(':', ' ')} "
        self._path.unlink()
        if rest:
            self._path.write_text(rest[0])


def names(kind: str) -> list[str]:
    """Of the moments of that kind."""
    return [f"{side}:{name}" for _, name, sides in MOMENTS[kind] for side in sides]


def wrap(kind: str, fuse: Fuse) -> None:
    for owner, name, sides in MOMENTS[kind]:
        setattr(owner, name, _wrapped(getattr(owner, name), fuse, sides))


def _wrapped(method: Any, fuse: Fuse, sides: tuple[str, ...]) -> Any:
    @functools.wraps(method)
    def wrapper(*words: Any, **more: Any) -> Any:
        told = f"{method.__name__} {str(words)[:200]}"
        if "before" in sides:
            fuse.burn(f"before {told}")
        answer = method(*words, **more)
        if "after" in sides:
            fuse.burn(f"after {told}")
        return answer

    return wrapper


def serve() -> int:
    """Forks rather than starts, since what is loaded once need not be loaded after each kill. Until it ends by itself."""
    import_everything()
    know_composes()
    while True:
        status = _serve_once()
        if status != -signal.SIGKILL:
            return status


def _serve_once() -> int:
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        main()
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    wrap(sys.argv.pop(1), Fuse(Path(sys.argv.pop(1))))
    sys.exit(serve())
