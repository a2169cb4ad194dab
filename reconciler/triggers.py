"""Reasons to look again that come from files: a local repository's refs, and folders such as ``env/``.

An event only shortens the wait until the next pass, so a lost one costs time and nothing else. Nothing is decided here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from pathlib import Path

import structlog
from watchdog import events
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from reconciler.layout import RENEWAL
from reconciler.model.event import Event, Trigger
from reconciler.planning.upstreams import service_of

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
from git import Repo
from git.exc import GitError

Emit = Callable[[Event], None]
Watched = tuple[Path, bool]  # a folder, and whether what lies below its folders counts

log = structlog.get_logger()

_LOOK_EVERY_S = 1.0  # whether the watched folders are still those that we watch
_BLIND_LOOK_EVERY_S = 10.0
_STOPS_WITHIN_S = 5.0
ENVIRONMENT_FILES = f"*.env|*{RENEWAL}|age-identity.txt"  # that concern stacks, in env/

# Reading is left out on purpose: the kernel then does not even wake us when a container opens a mounted file.
_CHANGES: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileModifiedEvent,
    events.FileMovedEvent,
    events.FileDeletedEvent,
    events.DirCreatedEvent,
    events.DirMovedEvent,
    events.DirDeletedEvent,
    # A change of mode; before watchdog 7 it was told as a modification.
    *([events.FileAttribEvent] if hasattr(events, "FileAttribEvent") else []),
]


class RefWatcher:
    """Tells when a ref of a repository on this host moves. ``repository``: bare, or with a work tree, or one of those."""

    def __init__(self, repository: Path, emit: Emit) -> None:
        self._repository = repository
        self._emit = emit
        self._watch = _Watch(
            (repository, repository / ".git"),
            self._watched,
            self._changed,
            lambda why: emit(Event(Trigger.SOURCE, detail=f"{repository}: {why}")),
        )

    def start(self) -> None:
        self._watch.start()

    def stop(self) -> None:
        self._watch.stop()

    def _watched(self) -> Iterable[Watched]:
        """Refs lie one by one in ``refs/``, together in ``packed-refs``, or in the tables of ``reftable/``."""
        try:
            common = Path(Repo(self._repository).common_dir).resolve()
        except (GitError, OSError, ValueError):
            return
        yield common, False
        for name in ("refs", "reftable"):
            if (common / name).is_dir():
                yield common / name, True

    def _changed(self, top: Path, path: Path) -> None:
        if path.suffix == ".lock" or (top.name not in ("refs", "reftable") and path.name != "packed-refs"):
            return
        self._emit(Event(Trigger.SOURCE, detail=f"{self._repository}: {path.relative_to(top)} changed"))


class FolderWatcher:
    """Tells when something below ``folder`` is created, changed, renamed or removed; never when it is only read.

    ``stack_of``: the stack that a changed path concerns, None for any. ``pattern``: of the names that count, or several, with
    | between them. The folder
    is made if it is not there. What is named ``.tmp-*`` is our own unfinished work.
    """

    def __init__(
        self,
        folder: Path,
        emit: Emit,
        trigger: Trigger,
        stack_of: Callable[[Path], str | None],
        pattern: str = "*",
    ) -> None:
        self._folder = folder
        self._emit = emit
        self._trigger = trigger
        self._stack_of = stack_of
        self._pattern = pattern
        self._watch = _Watch(
            (folder,),
            self._watched,
            self._changed,
            lambda why: emit(Event(trigger, detail=f"{folder.name}: {why}")),
        )

    def start(self) -> None:
        self._watch.start()

    def stop(self) -> None:
        self._watch.stop()

    def _watched(self) -> Iterable[Watched]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield self._folder.resolve(), True

    def _changed(self, top: Path, path: Path) -> None:
        inside = path.relative_to(top)
        if any(part.startswith(".tmp-") for part in inside.parts) or not any(
            fnmatch(inside.name, pattern) for pattern in self._pattern.split("|")
        ):
            return
        self._emit(Event(self._trigger, self._stack_of(inside), detail=f"{self._folder.name}/{inside} changed"))


def stack_of_env_file(path: Path) -> str | None:
    """``upsignon.env`` is the stack ``upsignon``, as is a variable of it that is being renewed; what else lies there, such as
    the host's key, concerns all."""
    for end in (".env", RENEWAL):
        if path.name.endswith(end):
            return path.name.removesuffix(end) or None
    return None


def stack_of_upstreams(path: Path) -> str | None:
    """``proxy/upstreams-shop.web.yml`` is of the stack ``shop``."""
    found = service_of(path.name)
    return found[0] if found else None


class _Watch:
    """Watches folders, and goes on when they are removed and made anew: a watch belongs to an inode, not to a path.

    That a folder was removed is told by its watch, since what is made in its place may get the very same inode; that it
    was moved away, or is there at last, shows when its path is looked at.

    ``watched``: the folders as they are now; they are asked for anew when one of them, or of the ``anchors``, is no
    longer the same. ``changed(folder, path)`` is called for every change; ``may_have_changed`` with a reason where
    changes may have gone by unseen.
    """

    def __init__(
        self,
        anchors: tuple[Path, ...],
        watched: Callable[[], Iterable[Watched]],
        changed: Callable[[Path, Path], None],
        may_have_changed: Callable[[str], None],
    ) -> None:
        self._anchors = anchors
        self._watched = watched
        self._changed = changed
        self._may_have_changed = may_have_changed
        self._observer: BaseObserver | None = None
        self._armed: dict[Path, tuple[int, int] | None] = {}
        self._watches_nothing = False  # there is nothing yet: also half a repository is none
        self._lost = threading.Event()
        self._stopped = threading.Event()
        self._guard = threading.Thread(target=self._stay_armed, name="watch-guard", daemon=True)

    def start(self) -> None:
        """When this returns, the next change is seen."""
        self._arm()
        self._guard.start()

    def stop(self) -> None:
        self._stopped.set()
        self._lost.set()
        if self._guard.is_alive():
            self._guard.join(_STOPS_WITHIN_S)
        self._disarm()

    def _stay_armed(self) -> None:
        while not self._stopped.is_set():
            was_blind, had_nothing = self._observer is None, self._watches_nothing
            is_lost = self._lost.wait(_BLIND_LOOK_EVERY_S if was_blind else _LOOK_EVERY_S)
            self._lost.clear()
            if self._stopped.is_set():
                return
            is_same = all(_identity(path) == known for path, known in self._armed.items())
            if is_same and not (is_lost or was_blind or had_nothing):
                continue
            self._arm()
            if not (had_nothing and self._watches_nothing):
                self._may_have_changed("watching anew" if self._observer is not None else "cannot watch, so looking")

    def _arm(self) -> None:
        self._disarm()
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            observer.start()
            armed = {anchor: _identity(anchor) for anchor in self._anchors}
            watched = tuple(self._watched())
            for folder, recursive in watched:
                armed[folder] = _identity(folder)
                handler = _Handler(folder, self._changed, self._lost)
                observer.schedule(handler, str(folder), recursive=recursive, event_filter=_CHANGES)
            self._observer, self._armed, self._watches_nothing = observer, armed, not watched
        except OSError as error:
            # No more inotify watches or instances, or no right to look: the next attempt may find some.
            if observer is not None:
                observer.stop()
            log.warning("cannot_watch", why=str(error))

    def _disarm(self) -> None:
        observer, self._observer = self._observer, None
        self._armed, self._watches_nothing = {}, False
        if observer is not None:
            observer.stop()
            observer.join(_STOPS_WITHIN_S)


class _Handler(events.FileSystemEventHandler):
    def __init__(self, top: Path, changed: Callable[[Path, Path], None], lost: threading.Event) -> None:
        self._top = top
        self._changed = changed
        self._lost = lost

    def on_any_event(self, event: events.FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if not path:
                continue
            changed = Path(os.fsdecode(path))
            if changed == self._top:
                self._lost.set()
            elif changed.is_relative_to(self._top):
                self._changed(self._top, changed)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
