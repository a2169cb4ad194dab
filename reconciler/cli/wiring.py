"""Which adapter stands behind which port: everything of a root, each part made when it is first asked for.

Decides nothing and does nothing by itself. SDKs are imported with the part that needs them.
"""

from __future__ import annotations

import os
import posixpath
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
    from reconciler.daemon import Daemon
    from reconciler.execution.data import DataKeeping
    from reconciler.execution.desire import Desire
    from reconciler.execution.execute import Executor
    from reconciler.execution.hooks import HookKeeping
    from reconciler.execution.shelf import Shelf
    from reconciler.hooks.runner import HookRunner
    from reconciler.host import Host
    from reconciler.model.desired import Release
    from reconciler.model.event import Event
    from reconciler.model.hook import BackupGate
    from reconciler.model.hook_call import HookCall, HookEnd
    from reconciler.model.manifest import HostSettings, Manifest
    from reconciler.model.record import ServedRecord
    from reconciler.model.updates import ImageRecord
    from reconciler.ports import Progress
    from reconciler.traffic.known import KnownProxies
    from reconciler.traffic.switch import Switch
    from reconciler.updates.keeper import Keeper as UpdateKeeper
    from reconciler.updates.keeper import Tracked
    from reconciler.updates.lookout import Lookout
    from reconciler.updates.preview import Preview
    from reconciler.updates.writing import WriteBacks


class Watcher(Protocol):
    def start(self) -> None: ...

    def stop(self) -> None: ...


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
        from reconciler.execution.desire import Desire, Reading

        reading = Reading(self.tree, self.objects, self.compose, self.environment, self.ahead or self.journal.updates)
        return Desire(self.layout, self.settings, self.journal.root_id(), reading, self.proxies.running)

    @cached_property
    def proxies(self) -> KnownProxies:
        from reconciler.traffic.known import KnownProxies

        return KnownProxies(self._applied_numbers, self.shelf.load, lambda stack: str(self.layout.traefik_of(stack)))

    def _leads_others(self, stack: str) -> bool:
        return any(proxy.reads_us and proxy.front.sees_others for proxy in self.proxies.running(stack))

    def _applied_numbers(self) -> Iterator[tuple[str, int]]:
        for record in self.journal.stacks():
            if record.applied_release is not None:
                yield record.name, record.applied_release

    @cached_property
    def traffic(self) -> Switch:
        from reconciler.traffic import switch
        from reconciler.traffic.asking import has_read
        from reconciler.traffic.connections import connections_of

        return switch.Switch(
            switch.Kit(
                folder=self.layout.traefik,
                staging=self.layout.upstreams_staging,
                engine=self.engine,
                clock=self.clock,
                proxies=self.proxies.serving,
                ask=has_read,
                connections=connections_of,
            )
        )

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
        from reconciler.cli import preflight
        from reconciler.execution.books import Books
        from reconciler.execution.observe import Observer
        from reconciler.execution.report import Report
        from reconciler.execution.stage import Stage
        from reconciler.execution.tidying import Tidier
        from reconciler.host import Assembly, Host
        from reconciler.loop import StackLoop

        books = Books(self.journal, self.shelf, self.desire, self.clock, preflight.gate_of(self).hold)
        report = Report(books, self.journal, self.shelf, self.clock)
        observer = Observer(self.engine, self.journal, self.objects, self.certificates, self.traffic)
        assembly = Assembly(
            settings=self.settings,
            source=self.source,
            journal=self.journal,
            shelf=self.shelf,
            desire=self.desire,
            books=books,
            observer=observer,
            stacks=StackLoop(Stage(books, observer, self._executor()), report, self.hook_keeping, self.data_keeping),
            hooks=self.hook_keeping,
            tidier=Tidier(
                source=self.source,
                objects=self.objects,
                journal=self.journal,
                images=self.journal.images,
                shelf=self.shelf,
                observer=observer,
                engine=self.engine,
            ),
            clock=self.clock,
            leads_others=self._leads_others,
        )
        return Host(assembly, self.leaving, progress)

    @cached_property
    def certificates(self) -> Keeper:
        from reconciler.certs.chronicle import Chronicle
        from reconciler.certs.consumers import Consumers
        from reconciler.certs.folder import DropFolder
        from reconciler.certs.keeper import Keeper, Kit
        from reconciler.certs.ordering import AcmeFiles, Ordering
        from reconciler.certs.probing import fingerprint_at
        from reconciler.certs.proving import Prover
        from reconciler.certs.publishing import Publisher
        from reconciler.certs.reach import Reach
        from reconciler.certs.vault import Vault
        from reconciler.model.event import Event, Trigger

        layout, book, settings = self.layout, self.journal.certificates, self.settings.certificates
        reach = Reach(self.clock, self._tell_news)
        self._open.callback(reach.close)
        return Keeper(
            Kit(
                addresses=frozenset(settings.addresses),
                folder=DropFolder(layout.certs),
                vault=Vault(layout.pairs, layout.staging),
                publisher=Publisher(layout.traefik_of, layout.staging),
                prover=Prover(self.engine, self.clock, fingerprint_at),
                ordering=Ordering(AcmeFiles(layout.staging), reach, book, self.engine),
                consumers=Consumers(self._host_data, layout.staging, self.engine, self.clock, fingerprint_at),
                chronicle=Chronicle(settings, self.journal, book, self.clock, on_shown=self._owe_certificate_hooks),
                clock=self.clock,
                stacks=self.applied,
                folder_of=lambda stack: str(layout.traefik_of(stack)),
                wants_pass=lambda stack, why: self.on_wish(Event(Trigger.CERTIFICATE, stack, why)),
            )
        )

    def _owe_certificate_hooks(self, shown: Sequence[ServedRecord]) -> None:
        """postCert hooks run in a pass of the stack whose service showed another certificate."""
        from reconciler.model.event import Event, Trigger

        for release, manifest in self.applied():
            mine = [record.domain for record in shown if record.service.partition("/")[0] == release.stack]
            if mine and self.hook_keeping.owe_for_certificates(manifest, release, mine):
                self.on_wish(Event(Trigger.CERTIFICATE, release.stack, "another certificate is shown"))

    def _tell_news(self) -> None:
        self.on_news()

    def _host_data(self, stack: str, path: str) -> Path:
        return self.layout.data / stack / path

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

    def _executor(self) -> Executor:
        from reconciler.adapters.host_data import HostData
        from reconciler.adapters.host_ports import HostPorts
        from reconciler.adapters.http_asks import HttpAsks
        from reconciler.execution.execute import Executor
        from reconciler.execution.walk import Hands

        return Executor(
            Hands(
                engine=self.engine,
                compose=self.compose,
                journal=self.journal,
                images=self.journal.images,
                objects=self.objects,
                data=HostData(),
                ports=HostPorts(),
                asks=HttpAsks(),
                certificates=self.certificates,
                clock=self.clock,
                hooks=self.hook_keeping,
                traffic=self.traffic,
                restores=self.data_keeping,
            )
        )

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
        from reconciler.hooks.runner import HookRunner, Means

        return HookRunner(self.layout, Means(self.objects, self.compose, self.engine, self.clock, self._pass_gate))

    def _pass_gate(self, gate: BackupGate, call: HookCall) -> HookEnd:
        from reconciler.execution.around import Around
        from reconciler.execution.hooks import scene_of

        journal, stack = self.journal, call.attempt.stack
        newest = next((found.id for found in journal.passes(stack, 1)), 0)
        around = Around(self.hook_keeping, self.clock, lambda: scene_of(call), lambda: newest)
        return self.backups.pass_gate(gate, call, around)

    @cached_property
    def backups(self) -> BackupKeeper:
        from reconciler.backup.containers import Containers
        from reconciler.backup.engines import scripts_of
        from reconciler.backup.keeper import Keeper
        from reconciler.backup.kit import Kit, Stop
        from reconciler.backup.making import Maker
        from reconciler.backup.proving import Prover
        from reconciler.backup.restoring import Restorer
        from reconciler.backup.sealing import Sealing
        from reconciler.backup.standstill import Standstill

        sealing = Sealing(self.layout.age_identity)
        standstill = Standstill(self.engine, self._dependents)

        def maker(stop: Stop) -> Maker:
            containers = Containers(self.journal.root_id(), stop)
            return Maker(containers, Prover(containers, self.clock, stop, sealing), self.clock, standstill, sealing)

        containers = Containers(self.journal.root_id(), self.leaving)
        return Keeper(
            Kit(
                root_id=self.journal.root_id(),
                engine=self.engine,
                containers=containers,
                maker=maker,
                restorer=Restorer(containers, standstill, self.clock, self.leaving, sealing),
                journal=self.journal,
                book=self.journal.backups,
                clock=self.clock,
                stop=self.leaving,
                folder_of=self.layout.backups_of,
                data_of=lambda stack: self.layout.data / stack,
                engines=lambda name: scripts_of(name, self._own_engine),
                kept_releases=self.settings.kept_releases,
            )
        )

    def _own_engine(self, name: str) -> Mapping[str, bytes]:
        """The files of the repository's hooks/<name>/, as of the last fetched tip."""
        from reconciler.model.source import EntryKind

        tip = self.source.tip()
        entries = {} if tip is None else self.tree.entries(tip)
        return {
            posixpath.basename(path): self.tree.read(entry.object_id)
            for path, entry in entries.items()
            if posixpath.dirname(path) == f"hooks/{name}" and entry.kind in (EntryKind.FILE, EntryKind.EXECUTABLE)
        }

    def _dependents(self, stack: str, service: str) -> tuple[str, ...]:
        """The services of what runs that depend on ``service``, those that depend on the others first."""
        record = self.journal.stack(stack)
        number = record.applied_release if record else None
        release = None if number is None else self.shelf.load(stack, number)
        found: list[str] = []
        ahead = [service]
        while ahead and release is not None:
            name = ahead.pop(0)
            users = [spec.name for spec in release.services if any(d.service == name for d in spec.depends_on)]
            found = [*(user for user in users), *(known for known in found if known not in users)]
            ahead += [user for user in users if user != service and user not in ahead]
        return tuple(found)

    @cached_property
    def lookout(self) -> Lookout:
        from reconciler.updates.lookout import Lookout

        return Lookout(lambda: self.updates, self.tracked, self._write_back)

    @cached_property
    def updates(self) -> UpdateKeeper:
        from reconciler.model.event import Event, Trigger
        from reconciler.updates.keeper import Keeper
        from reconciler.updates.registry import HttpRegistry

        registry = HttpRegistry(self.clock)
        self._open.callback(registry.close)

        def wants_pass(stack: str, why: str) -> None:
            self.on_wish(Event(Trigger.REGISTRY, stack, why))

        return Keeper(registry, self.journal.updates, self.journal, self.clock, wants_pass)

    @cached_property
    def write_backs(self) -> WriteBacks:
        from reconciler.updates.writing import WriteBacks

        return WriteBacks(self.source, self.journal.updates, self.journal, self.clock)

    def _write_back(self) -> float:
        from reconciler.updates.writing import Written

        tip = self.source.tip()
        if tip is None or not any(found.updates.write_back for found in self.desire.stacks(tip).manifests):
            return float("inf")
        return self.write_backs.turn(
            Written(manifest, release, frozenset(self.desire.process_environment(manifest.name)))
            for release, manifest in self.applied()
            if manifest.updates.write_back
        )

    def look_ahead(self, stacks: Collection[str]) -> tuple[tuple[ImageRecord, ImageRecord | None], ...]:
        """What a look at the registries would find now, and what is known; ``desire`` then is what would come of it."""
        assert self.ahead is not None, "made before desire is asked for"
        known = {(record.stack, record.service): record for record in self.journal.updates.images()}
        mine = (tracked for tracked in self.tracked() if tracked.stack in stacks)
        found = [record for tracked in mine for record in self.updates.preview(tracked)]
        self.ahead.lay_over(found)
        return tuple((record, known.get((record.stack, record.service))) for record in found)

    def tracked(self) -> Iterator[Tracked]:
        """The stacks that track images, as Git has them now. One that cannot be rendered is told of by its pass."""
        from reconciler.model.errors import ReconcilerError
        from reconciler.updates.keeper import Tracked

        tip = self.source.tip()
        if tip is None:
            return
        known = {record.stack for record in self.journal.updates.images()}
        for manifest in self.desire.stacks(tip).manifests:
            if manifest.updates.images:
                with suppress(ReconcilerError):
                    declared = self.desire.declared_images(manifest, tip)
                    yield Tracked(manifest.name, manifest.updates, declared)
            elif manifest.name in known:
                yield Tracked(manifest.name, manifest.updates, {})  # it tracks none any more

    def daemon(self, progress: Progress) -> Daemon:
        from reconciler.certs.vigil import Vigil
        from reconciler.daemon import Daemon

        settings, host = self.settings, self.host(progress)
        self.traffic.clear_leftovers()
        vigil = Vigil(self.certificates, self.clock)
        interval_s, concurrency = settings.source.interval_s, settings.concurrency
        daemon = Daemon(host, self.engine, self.clock, interval_s, concurrency, vigil, self.backups, self.lookout)
        self.on_news, self.on_wish = vigil.wake, daemon.emit
        return daemon

    def watchers(self, emit: Callable[[Event], None]) -> Sequence[Watcher]:
        """A repository on this host, ``env/``, ``certs/``, the mounted objects and what proxies are told: a change is a
        reason to look again."""
        from reconciler.model.event import Trigger
        from reconciler.model.remote import Transport, parse_remote
        from reconciler.planning.upstreams import PREFIX
        from reconciler.triggers import FolderWatcher, RefWatcher, stack_of_env_file, stack_of_upstreams

        env = FolderWatcher(self.layout.env, emit, Trigger.ENVIRONMENT, stack_of_env_file, "*.env")
        objects = FolderWatcher(self.layout.objects, emit, Trigger.OBJECT, lambda _: None)
        certs = FolderWatcher(self.layout.certs, lambda _: self.on_news(), Trigger.CERTIFICATE, lambda _: None)
        told = FolderWatcher(self.layout.traefik, emit, Trigger.UPSTREAMS, stack_of_upstreams, f"{PREFIX}*.yml")
        remote = parse_remote(self.settings.source.url)
        if remote.transport is not Transport.LOCAL:
            return (env, certs, objects, told)
        return (RefWatcher(Path(remote.path), emit), env, certs, objects, told)


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
