"""One stack on a host in memory, driven by the real loop: books, shelf, observer, executor, and a journal on disk.

Everything that the product does passes through ``Fate``, which can make the n-th deed fail or end the process there.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reconciler.adapters.journal import SqliteJournal
from reconciler.execution.books import Books
from reconciler.execution.data import DataKeeping
from reconciler.execution.execute import Executor
from reconciler.execution.hooks import HookKeeping
from reconciler.execution.observe import Observer
from reconciler.execution.report import Report
from reconciler.execution.shelf import Shelf
from reconciler.execution.stage import Stage
from reconciler.execution.walk import Hands, StoppedError
from reconciler.execution.work import Work
from reconciler.loop import StackLoop
from reconciler.model.desired import Release
from reconciler.model.errors import EngineUnavailableError, InvalidInputError, Problem, StalledError
from reconciler.model.manifest import Manifest
from reconciler.model.plan import Plan
from reconciler.model.record import StackRecord
from reconciler.model.source import Revision, TreeEntry
from reconciler.model.updates import ImageRecord
from tests.builders import STACK, Services, manifest, release
from tests.fakes.backups import FakeBackups
from tests.fakes.certificates import FakeCertificates
from tests.fakes.clock import FakeClock
from tests.fakes.compose import FakeCompose
from tests.fakes.engine import FakeAsks, FakeEngine, FakePorts
from tests.fakes.hooks import FakeHooks
from tests.fakes.host import Behaviour, Box, FakeHost
from tests.fakes.somebody import Somebody
from tests.fakes.traffic import FakeTraffic

MOST_PASSES = 60  # a loop that needs more does not end
_LOOK_S = 300.0  # the daemon looks at everything this often, whatever happens


LOOKS = frozenset(
    [
        "containers",
        "inspect",
        "networks",
        "image",
        "logs",
        "stacks",
        "stack",
        "releases",
        "open_pass",
        "passes",
        "steps",
        "baselines",
        "events",
        "requests",
        "request",
        "version",
        "load",
        "model_path",
        "root_id",
        "numbers",
        "hook",
        "hooks",
        "astray",
        "unled",
        "under_way",
        "data_change",
        "passed_by",
    ]
)


class Killed(BaseException):
    """The process ends here: ``kill -9``. No handler of the product may see it."""


class Fate:
    """Counts the deeds of the ports, and strikes at one of them. Looking is no deed: killed before a look or after the
    deed that came before it is the same."""

    def __init__(self) -> None:
        self.deeds: list[str] = []
        self._strikes: dict[int, BaseException] = {}
        self._about: tuple[str, ...] = ()

    def strike(self, at: int, blow: BaseException, about: tuple[str, ...] = ()) -> None:
        """Before the ``at``-th deed from now on (from 1); of deeds whose names begin with one of ``about``, if given."""
        self._about = about
        self._strikes[len(self.counted()) + at] = blow

    def spare(self) -> None:
        self._strikes.clear()

    @property
    def pending(self) -> bool:
        return bool(self._strikes)

    def counted(self) -> list[str]:
        return [name for name in self.deeds if name.startswith(self._about)] if self._about else self.deeds

    def around(self, name: str, deed: Callable[[], Any]) -> Any:
        if name.rpartition(".")[2] in LOOKS:
            return deed()
        self.deeds.append(name)
        if not self._about or name.startswith(self._about):
            blow = self._strikes.pop(len(self.counted()), None)
            if blow is not None:
                raise blow
        return deed()


class Fated:
    """A port whose calls pass through ``fate``."""

    def __init__(self, name: str, port: object, fate: Fate) -> None:
        self._name, self._port, self._fate = name, port, fate

    def __getattr__(self, method: str) -> Any:
        deed = getattr(self._port, method)
        if not callable(deed):
            return deed
        return lambda *args, **more: self._fate.around(f"{self._name}.{method}", lambda: deed(*args, **more))


class FatedHost(FakeHost):
    """Also between two containers of one ``compose create``, or in the middle of a recreate, the process can end."""

    fate: Fate | None = None

    def tell(self, box: Box, action: str) -> None:
        super().tell(box, action)
        if self.fate is not None and action in ("create", "destroy"):
            self.fate.around(f"host.{action}", lambda: None)


class PlainReleases:
    """The ``Releases`` port on files, without waiting for a disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def model_path(self, stack: str, number: int) -> Path:
        return self._folder / f"{stack}-{number}.json"

    def save(self, stack: str, number: int, content: Mapping[str, Any]) -> Path:
        path = self.model_path(stack, number)
        path.write_text(json.dumps(content["model"], default=dict))
        path.with_suffix(".rest").write_text(json.dumps(content, default=dict))
        return path

    def load(self, stack: str, number: int) -> Mapping[str, Any]:
        path = self.model_path(stack, number).with_suffix(".rest")
        if not path.is_file():
            raise StalledError(f"release {number} is not kept any more", reason="ReleaseMissing")
        content: Mapping[str, Any] = json.loads(path.read_text())
        return content

    def numbers(self, stack: str) -> frozenset[int]:
        return frozenset(int(path.stem.rpartition("-")[2]) for path in self._folder.glob(f"{stack}-*.json"))

    def remove(self, stack: str, number: int) -> None:
        path = self.model_path(stack, number)
        path.unlink(missing_ok=True)
        path.with_suffix(".rest").unlink(missing_ok=True)


@dataclass
class PlainObjects:
    """The ``Objects`` and ``SeedsData`` ports without a disk. ``touched``: object ids that somebody edited."""

    touched: set[str] = field(default_factory=set)
    laid_out: list[str] = field(default_factory=list)

    def path(self, entry: TreeEntry) -> Path:
        return Path("/objects") / entry.object_id / entry.path

    def ensure(self, entry: TreeEntry) -> Path:
        self.laid_out.append(entry.path)
        return self.path(entry)

    def verify(self, entries: Sequence[TreeEntry]) -> tuple[TreeEntry, ...]:
        return tuple(entry for entry in entries if entry.object_id in self.touched)

    def restore(self, entry: TreeEntry) -> None:
        self.touched.discard(entry.object_id)

    def laid_out_at(self, entry: TreeEntry) -> float:
        return 0.0

    def collect(self, keep: frozenset[str]) -> None: ...

    def seed(self, source: Path, destination: Path) -> None: ...


class Git:
    """Stands in for ``Desire``: what each commit says, by its number."""

    def __init__(self) -> None:
        self.commits: list[tuple[Services | None, dict[str, Any]]] = []
        self._known: dict[str, Release] = {}
        self._put: dict[int, Release] = {}
        self.found: dict[str, str] = {}  # images by service, as registries told; "" while they did not

    def put(self, number: int, found: Release) -> None:
        """A release that the builder's few words cannot say."""
        self._put[number] = found

    def unknown_images(self, declared: Manifest, revision: Revision) -> tuple[str, ...]:
        return tuple(name for name in declared.updates.images if not self.found.get(name))

    def found_images(self, declared: Manifest) -> tuple[ImageRecord, ...]:
        return ()

    def release(self, declared: Manifest, revision: Revision, instead: Mapping[str, str] | None = None) -> Release:
        if int(revision.commit) in self._put:
            return self._put[int(revision.commit)]
        services, top = self.commits[int(revision.commit)]
        if services is None:
            raise InvalidInputError((Problem("shop/compose.yaml", 3, "services", "is no mapping"),))
        images = {name: image for name, image in {**self.found, **(instead or {})}.items() if name in services}
        services = {
            **services,
            **{name: {**(services[name] or {}), "image": image} for name, image in images.items() if image},
        }
        key = f"{revision.commit} {declared!r} {images}"
        if key not in self._known:
            found = release(services, declared=declared, pinned=False, revision=revision.commit, **top)
            self._known[key] = found
        return self._known[key]


class World:
    def __init__(self, folder: Path, declared: Manifest | None = None, clock: FakeClock | None = None) -> None:
        self.folder = folder
        self.declared = declared or manifest(timeout_s=20, soak_s=1)
        self.clock = clock or FakeClock()
        self.fate = Fate()
        self.host = FatedHost(self.clock)
        self.host.fate = self.fate
        self.somebody = Somebody(self.host)
        self.objects = PlainObjects()
        self.git = Git()
        self.hooks = FakeHooks()
        self.backups = FakeBackups()
        self.said: list[str] = []
        self.journal = SqliteJournal(folder / "state.db", synchronous="OFF")
        self._assemble()

    def start(self) -> None:
        """A new process on the same host."""
        self.fate.spare()
        self.journal.close()
        self.journal = SqliteJournal(self.folder / "state.db", synchronous="OFF")
        self._assemble()

    def _assemble(self) -> None:
        fated: Any = Fated("journal", self.journal, self.fate)
        engine: Any = Fated("engine", FakeEngine(self.host), self.fate)
        compose: Any = Fated("compose", FakeCompose(self.host), self.fate)
        releases: Any = Fated("releases", PlainReleases(self.folder), self.fate)
        self.shelf = shelf = Shelf(fated, releases, lambda commit: None, lambda commit: None)
        git: Any = self.git
        self.books = Books(fated, shelf, git, self.clock)
        self.certificates = FakeCertificates()
        hooks: Any = Fated("hooks", self.hooks, self.fate)
        book: Any = Fated("book", self.journal.hooks, self.fate)
        data: Any = Fated("data", self.journal.data, self.fate)
        backups: Any = Fated("backups", self.backups, self.fate)
        data_keeping = DataKeeping(data, backups)
        self.backups.stop = lambda container: FakeEngine(self.host).stop(container, None)
        self.keeping = HookKeeping(hooks, book, fated, self.clock, data_keeping.begin)
        self.traffic = FakeTraffic(self.host)
        traffic: Any = Fated("traffic", self.traffic, self.fate)
        self.asks = FakeAsks()
        self.hands = Hands(
            engine,
            compose,
            fated,
            self.journal.images,
            self.objects,
            self.objects,
            FakePorts(self.host),
            self.asks,
            self.certificates,
            self.clock,
            self.keeping,
            traffic,
            data_keeping,
        )
        self.observer = Observer(engine, fated, self.objects, self.certificates, traffic)
        report = Report(self.books, fated, shelf, self.clock)
        self.stage = Stage(self.books, self.observer, Executor(self.hands))
        self.loop = StackLoop(self.stage, report, self.keeping, data_keeping)

    def fork(self, folder: Path) -> World:
        """Another world that went the same way so far. This one must be stopped: its files are copied."""
        shutil.copytree(self.folder, folder)
        world = World(folder, self.declared, FakeClock(self.clock.now(), self.clock.monotonic()))
        for name in (
            "boxes",
            "networks",
            "told",
            "images",
            "registry",
            "image_details",
            "behaviours",
            "taken_ports",
            "_serial",
        ):
            setattr(world.host, name, copy.deepcopy(getattr(self.host, name)))
        world.git.commits = list(self.git.commits)
        return world

    def stop(self) -> None:
        self.journal.close()

    # What Git says

    def commit(self, services: Services | None, **top: Any) -> None:
        """None: a Compose file that cannot be rendered. ``top``: its networks, volumes, configs, secrets."""
        self.git.commits.append((services, top))

    def work(self, **changes: Any) -> Work:
        number = len(self.git.commits) - 1
        revision = Revision(str(number), f"tree{number}", f"commit {number}", "Ada", 0) if number >= 0 else None
        return replace(Work(STACK, self.declared, revision, progress=self.said.append), **changes)

    def behaves(self, image: str, **changes: Any) -> None:
        """What containers of an image do, see ``Behaviour``."""
        known = self.host.behaviours.get(image, Behaviour())
        self.host.behaviours[image] = replace(known, **changes)

    # Passes

    def once(self, **changes: Any) -> StackRecord:
        """One pass, as the daemon makes it: an engine that is away is looked for again."""
        try:
            return self.loop.reconcile(self.work(**changes))
        except (EngineUnavailableError, StoppedError):
            return self.record

    @property
    def record(self) -> StackRecord:
        return self.journal.stack(STACK) or StackRecord(STACK)

    def settle(self, **changes: Any) -> StackRecord:
        """Passes as the daemon would make them, until nothing is left to do, or until nothing is done any more but to wait
        for what only time mends. Bounded."""
        waited = 0
        for _ in range(MOST_PASSES):
            began, touched = self.clock.monotonic(), len(self.host.touched)
            self.once(**changes)
            wait = self.books.due_in_s(STACK, began)
            waited = waited + 1 if len(self.host.touched) == touched else 0
            if wait is not None and waited > 3:
                return self.record
            if wait is not None:
                self.clock.advance(wait + 0.01)
            elif self.is_quiet():
                return self.record
            else:
                self.clock.advance(_LOOK_S)
        raise AssertionError(f"not quiet after {MOST_PASSES} passes; the last: {self.record.ready.message}")

    def is_quiet(self) -> bool:
        """A pass more would change nothing, however often it were made."""
        before = (list(self.host.touched), self.record.ready.reason)
        self.once()
        return before == (list(self.host.touched), self.record.ready.reason)

    def next_plan(self) -> Plan:
        """What a pass would do now, towards what is applied."""
        work = self.work()
        applied = self.books.applied(work)
        assert applied is not None, "nothing was ever applied"
        return self.stage.plan(work, applied, self.observer.of(STACK, applied, applied))

    # The host

    def boxes(self, service: str | None = None) -> list[Box]:
        mine = [box for box in self.host.boxes.values() if box.stack == STACK and box.owned]
        return sorted((box for box in mine if service in (None, box.service)), key=lambda box: box.number)

    def names(self) -> list[str]:
        return sorted(box.name for box in self.boxes())

    def applied(self) -> Release | None:
        return self.books.applied(self.work())
