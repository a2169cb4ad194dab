"""Which adapter stands behind which port: everything of a root, each part made when it is first asked for.

Decides nothing and does nothing by itself. SDKs are imported with the part that needs them.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from reconciler.cli import logs, roots
from reconciler.cli.errors import WRONG_USE, Failure
from reconciler.layout import Layout

if TYPE_CHECKING:
    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.compose import ComposeProgram
    from reconciler.adapters.docker_engine import DockerEngine
    from reconciler.adapters.env_files import EnvFolder
    from reconciler.adapters.git_source import GitSource
    from reconciler.adapters.git_tree import GitTree
    from reconciler.adapters.journal import SqliteJournal
    from reconciler.adapters.object_store import ObjectStore
    from reconciler.backup.keeper import Keeper as BackupKeeper
    from reconciler.certs.keeper import Keeper
    from reconciler.execution.data import DataKeeping
    from reconciler.execution.desire import Desire
    from reconciler.execution.hooks import HookKeeping
    from reconciler.execution.providing import Providing
    from reconciler.execution.shelf import Shelf
    from reconciler.hooks.runner import HookRunner
    from reconciler.host import Host
    from reconciler.model.desired import Release
    from reconciler.model.event import Event
    from reconciler.model.manifest import HostSettings, Manifest
    from reconciler.ports.engine import Progress
    from reconciler.traffic.known import KnownProxies
    from reconciler.traffic.switch import Switch
    from reconciler.updates.keeper import Keeper as UpdateKeeper
    from reconciler.updates.lookout import Lookout
    from reconciler.updates.preview import Preview


class Leaving:
    """Why the process is to leave, "" while it is not. Set once by a signal, asked by whoever works."""

    def __init__(self) -> None:
        self.why = ""
        self.asked = threading.Event()

    def ask(self, why: str) -> None:
        self.why = why
        self.asked.set()

    def __call__(self) -> str:
        return self.why


class Parts:
    """``mend``: whether a damaged state.db may be mended: only by the holder of the root's lock.

    Raises, whatever part is asked for, InvalidInputError for a ``host.yaml`` that is wrong.
    """

    def __init__(self, layout: Layout, *, mend: bool = False, leaving: Leaving | None = None) -> None:
        self.layout = layout
        self.leaving = leaving or Leaving()
        self._mend = mend
        self.on_news: Callable[[], None] = lambda: None  # something about certificates was found out
        self.on_wish: Callable[[Event], None] = lambda _: None  # a stack's pass has something to do
        self.ahead: Preview | None = None  # what registries say now, for one who only looks
        self._open = ExitStack()

    def close(self) -> None:
        self._open.close()

    def at_end(self, call: Callable[[], None]) -> None:
        """When the parts are closed, before whatever was opened until now."""
        self._open.callback(call)

    @cached_property
    def settings(self) -> HostSettings:
        return read_settings(self.layout)

    @cached_property
    def journal(self) -> SqliteJournal:
        journal = self._open.enter_context(roots.open_journal(self.layout, mend=self._mend))
        if self._mend and not journal.stacks():
            self._recall_identity(journal)
        return journal

    def _recall_identity(self, journal: SqliteJournal) -> None:
        """Where ``state/`` was lost, what runs still says whose it is; under a new identity it would be a stranger's."""
        from reconciler.adapters.docker_engine import owners
        from reconciler.model.errors import EngineUnavailableError

        with suppress(EngineUnavailableError):
            found = owners(self.layout.releases)
            if len(found) == 1 and journal.root_id() not in found:
                journal.take_root_id(*found)

    @cached_property
    def clock(self) -> SystemClock:
        from reconciler.adapters.clock import SystemClock

        return SystemClock(self.leaving.asked)

    @cached_property
    def source(self) -> GitSource:
        from reconciler.adapters.git_source import GitSource

        return GitSource(self.settings.source, self.layout.mirror)

    @cached_property
    def tree(self) -> GitTree:
        from reconciler.adapters.git_tree import GitTree

        return GitTree(self.layout.mirror)

    @cached_property
    def objects(self) -> ObjectStore:
        from reconciler.adapters.object_store import ObjectStore

        return ObjectStore(self.layout.objects, self.layout.mirror)

    @cached_property
    def environment(self) -> EnvFolder:
        from reconciler.adapters.env_files import EnvFolder

        return EnvFolder(self.layout.env, self.layout.env_staging)

    @cached_property
    def providing(self) -> Providing:
        from reconciler.execution.providing import Providing

        journal = self.journal
        return Providing(self.desire.environments, self.environment, journal.marks, journal, self.clock)

    @cached_property
    def compose(self) -> ComposeProgram:
        from reconciler.adapters.compose import ComposeProgram

        return ComposeProgram()

    @cached_property
    def engine(self) -> DockerEngine:
        from reconciler.adapters.docker_engine import DockerEngine

        engine = DockerEngine(self.journal.root_id())
        self._open.callback(engine.close)
        return engine

    @cached_property
    def desire(self) -> Desire:
        from reconciler.execution.desire import Desire
        from reconciler.execution.rendering import Reading
        from reconciler.secrets.opening import Opener

        journal = self.journal
        updates = self.ahead or journal.updates
        sealed = Opener(self.layout.age_identity)
        reading = Reading(self.tree, self.objects, self.compose, self.environment, updates, journal.marks, sealed)
        return Desire(self.layout, self.settings, self.journal.root_id(), reading, self.proxies.running)

    @cached_property
    def proxies(self) -> KnownProxies:
        from reconciler.cli.rooms.traffic import known

        return known(self)

    @cached_property
    def traffic(self) -> Switch:
        from reconciler.cli.rooms.traffic import switch

        return switch(self)

    @cached_property
    def shelf(self) -> Shelf:
        from reconciler.adapters.release_store import ReleaseFiles
        from reconciler.execution.shelf import Shelf

        return Shelf(
            self.journal,
            ReleaseFiles(self.layout.root),
            self.source.keep,
            self.source.release,
            self.settings.kept_releases,
        )

    def host(self, progress: Progress) -> Host:
        from reconciler.cli.rooms.passes import host

        return host(self, progress)

    @cached_property
    def certificates(self) -> Keeper:
        from reconciler.cli.rooms.certificates import keeper

        return keeper(self)

    def applied(self) -> Iterator[tuple[Release, Manifest]]:
        """What runs, as it was last proven, and what its ``stack.yaml`` says now."""
        tip = self.source.tip()
        manifests = {} if tip is None else {found.name: found for found in self.desire.stacks(tip).manifests}
        for record in self.journal.stacks():
            if record.applied_release is None:
                continue
            release = self.shelf.load(record.name, record.applied_release)
            manifest = manifests.get(record.name) or self.shelf.manifest(record.name, record.applied_release)
            if release is not None and manifest is not None:
                yield release, manifest

    @cached_property
    def hook_keeping(self) -> HookKeeping:
        from reconciler.execution.hooks import HookKeeping

        return HookKeeping(self.hooks, self.journal.hooks, self.journal, self.clock, self.data_keeping.begin)

    @cached_property
    def data_keeping(self) -> DataKeeping:
        from reconciler.execution.data import DataKeeping

        return DataKeeping(self.journal.data, self.backups.restores)

    @cached_property
    def hooks(self) -> HookRunner:
        from reconciler.cli.rooms.backups import pass_gate
        from reconciler.hooks.runner import HookRunner, Means

        gate = partial(pass_gate, self)
        return HookRunner(self.layout, Means(self.objects, self.compose, self.engine, self.clock, gate))

    @cached_property
    def backups(self) -> BackupKeeper:
        from reconciler.cli.rooms.backups import keeper

        return keeper(self)

    @cached_property
    def updates(self) -> UpdateKeeper:
        from reconciler.cli.rooms.updates import keeper

        return keeper(self)

    @cached_property
    def lookout(self) -> Lookout:
        from reconciler.cli.rooms.updates import lookout

        return lookout(self)


def read_settings(layout: Layout) -> HostSettings:
    """Of ``host.yaml``. Raises InvalidInputError with all that is wrong, Failure where it cannot be read."""
    from reconciler.settings import load_settings

    try:
        content = layout.settings.read_bytes()
    except OSError as error:
        raise Failure(
            f"{layout.settings} cannot be read ({error.strerror}). Check its owner and mode.", WRONG_USE
        ) from error
    settings = load_settings(content, str(layout.settings))
    return replace(settings, name=settings.name or socket.gethostname().partition(".")[0].lower())


@contextmanager
def opened(layout: Layout, *, log_level: int, mend: bool = False, leaving: Leaving | None = None) -> Iterator[Parts]:
    """The parts of a root, closed at the end; logging is set up before any of them can log."""
    logs.configure(log_level)
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    parts = Parts(layout, mend=mend, leaving=leaving)
    try:
        yield parts
    finally:
        parts.close()
