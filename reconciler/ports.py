"""Every side effect the product has, as Protocols. Adapters implement them; tests have small behaving fakes.

All raise only ``ReconcilerError`` on purpose: ``WaitingError`` (``EngineUnavailableError``) where time mends it,
``StalledError`` where a person or a commit must.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from reconciler.model.backup import BackupRecord
from reconciler.model.data import DataBackup, DataChange, DataScene
from reconciler.model.desired import Injection, LifecycleHook, Release
from reconciler.model.environment import Mark
from reconciler.model.errors import Problem
from reconciler.model.event import Event
from reconciler.model.hook import HookRecord, HookState, Phase
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.manifest import HttpProbe, Manifest
from reconciler.model.observed import Container, Endpoint, Image, LiveSettings, Network, Room, Takeover
from reconciler.model.record import (
    CertificateRecord,
    EventRecord,
    Outcome,
    PassGoal,
    PassRecord,
    ReleaseRecord,
    Request,
    RequestKind,
    ServedRecord,
    StackRecord,
    StepRecord,
    TrialRecord,
)
from reconciler.model.renewal import Renewal
from reconciler.model.source import Revision, TreeEntry
from reconciler.model.updates import ImageRecord
from reconciler.planning.image_reference import ImageReference

Progress = Callable[[str], None]  # a line for people: "pulling 3f4a... 12 MB of 40 MB"


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds, for delays."""

    def now(self) -> float:
        """Seconds since the epoch, for records, cron and windows only."""

    def sleep(self, seconds: float) -> None: ...


class Source(Protocol):
    """The repository, through a bare mirror of our own."""

    def fetch(self) -> Revision:
        """Bring the mirror up to date; the branch's tip. Raises SourceError, StalledError."""

    def tip(self) -> Revision | None:
        """The last tip that was fetched; no network. None before the first fetch."""

    def revision(self, name: str) -> Revision:
        """The commit that ``name`` (a commit id, tag or branch) means in the mirror. Raises StalledError."""

    def publish(
        self, branch: str, change: Callable[[Callable[[str], bytes | None]], Mapping[str, bytes]], message: str
    ) -> str:
        """Commit what ``change`` makes of a branch's files ("": of the branch that is followed), and push it; the commit's id,
        "" where nothing changes. Raises SourceError, StalledError."""

    def keep(self, commit: str) -> None:
        """Let ``commit`` survive force-pushes and garbage collection until it is released."""

    def release(self, commit: str) -> None: ...

    def kept(self) -> frozenset[str]:
        """The commits that are kept."""


class Tree(Protocol):
    """Reading a revision's files."""

    def entries(self, revision: Revision) -> Mapping[str, TreeEntry]:
        """Every path of the revision's tree, folders included."""

    def read(self, object_id: str) -> bytes: ...

    def target(self, entry: TreeEntry) -> str:
        """The text of a symbolic link."""

    def problems(self, entries: Mapping[str, TreeEntry], folder: str) -> tuple[Problem, ...]:
        """What lies under ``folder`` and cannot be served: submodules, links that lead out of the repository."""

    def export(self, tree_id: str, destination: Path) -> None:
        """Write the whole tree to ``destination``, atomically. Does nothing if it is there."""


class Objects(Protocol):
    """Immutable copies of what Git tracks and containers mount, by Git object id."""

    def path(self, entry: TreeEntry) -> Path:
        """Where ``entry`` lies or will lie; no I/O."""

    def ensure(self, entry: TreeEntry) -> Path: ...

    def verify(self, entries: Sequence[TreeEntry]) -> tuple[TreeEntry, ...]:
        """Those whose content is no longer what Git holds."""

    def restore(self, entry: TreeEntry) -> None: ...

    def laid_out_at(self, entry: TreeEntry) -> float:
        """Seconds since the epoch, 0 if it was there already when this process began: what mounted a folder before that
        looks into one that is gone."""

    def collect(self, keep: frozenset[str]) -> None:
        """Remove every object whose Git object id is not in ``keep``."""


class SeedsData(Protocol):
    """Host data that starts as a copy of what Git tracks."""

    def seed(self, source: Path, destination: Path) -> None:
        """Copy ``source`` to ``destination``, writable, unless something is there. Raises WaitingError, StalledError."""


class EnvironmentFiles(Protocol):
    """``env/<stack>.env``: this host's variables and secrets of a stack."""

    def path(self, stack: str) -> Path | None:
        """None if there is no such file."""

    def read(self, stack: str) -> bytes | None: ...

    def put(self, stack: str, values: Mapping[str, str], heading: str = "") -> bool:
        """Let the file set ``values``, its comments and all else as they are; False if it did already. New variables
        stand below ``heading``, a comment. Raises InvalidInputError, WaitingError, StalledError."""


class SealedFiles(Protocol):
    """What lies encrypted in Git, and this host's keys for it."""

    def state(self) -> str:
        """Changes whenever the keys may have changed."""

    def open(self, file: str, content: bytes) -> bytes:
        """``content`` decrypted, in memory. ``file``: its name, for messages. Raises InvalidInputError."""

    def held(self, content: bytes) -> AbstractContextManager[Path]:
        """A path that programs which we start can read ``content`` from, while the block lasts, and no disk holds."""


class Engine(Protocol):
    """The Docker engine. Containers and networks are named by id."""

    def containers(self) -> tuple[Container, ...]:
        """Every container of any Compose project, ours (``owned``) and foreign. One list call; details are cached by
        id and dropped when the engine reports a change of the container."""

    def inspect(self, container_id: str) -> Container | None:
        """One container, read anew; None if it is gone."""

    def networks(self) -> tuple[Network, ...]:
        """Every network of a Compose project."""

    def image(self, reference: str) -> Image | None: ...

    def pull(self, reference: str, progress: Progress) -> Image:
        """Raises WaitingError when the registry does not give it (also for a tag that does not exist: it may be pushed
        later)."""

    def tag(self, image_id: str, reference: str) -> None: ...

    def remove_image(self, image_id: str) -> bool:
        """With all its tags. False where it is in use, or not there: nothing is forced."""

    def room(self) -> Room | None:
        """None where the engine's images are not on this host."""

    def start(self, container_id: str) -> None:
        """Raises WaitingError(reason="PortTaken"), and StalledError where the container cannot ever run."""

    def stop(self, container_id: str, grace_s: float | None) -> None:
        """SIGTERM (or its stop signal), then SIGKILL after ``grace_s`` (None: the container's own). Fine if stopped."""

    def restart(self, container_id: str, grace_s: float | None) -> None: ...

    def unpause(self, container_id: str) -> None: ...

    def remove(self, container_id: str) -> None:
        """Fine if it is gone. Never takes volumes along, anonymous ones included."""

    def rename(self, container_id: str, name: str) -> None: ...

    def update(self, container_id: str, resources: Mapping[str, str | int]) -> None: ...

    def connect(self, container_id: str, endpoint: Endpoint) -> None: ...

    def disconnect(self, container_id: str, network: str) -> None: ...

    def remove_network(self, network_id: str) -> None: ...

    def inject(self, container_id: str, files: Sequence[Injection]) -> None:
        """Copy the files into the container's file system."""

    def execute(self, container_id: str, hook: LifecycleHook, within_s: float | None = None) -> int:
        """Run a command inside; its exit status. ``within_s``: None for the adapter's own limit."""

    def signal(self, container_id: str, name: str) -> None:
        """Send the signal ``name`` (SIGHUP) to its first process. Fine if it does not run."""

    def process(self, container_id: str) -> int:
        """The number that this host knows its first process by; 0 while it has none."""

    def address(self, container_id: str) -> str:
        """Where it answers: one of its addresses on a bridge of this host, or this host's own; "" if it has none."""

    def logs(self, container_id: str, lines: int) -> str:
        """The last lines of its output, standard error included; "" if there is none."""

    def events(self) -> Iterator[Event]:
        """Blocks; ends by raising EngineUnavailableError when the connection is lost."""


class Compose(Protocol):
    """Docker Compose as a program: it renders, creates and builds; it decides nothing for us."""

    def version(self) -> str: ...

    def render(
        self,
        project: str,
        folder: Path,
        files: Sequence[str],
        env_files: Sequence[Path],
        environment: Mapping[str, str],
    ) -> Mapping[str, Any]:
        """``config --format json``: the resolved model. ``files`` are relative to ``folder``; later ``env_files`` win;
        ``environment`` is all of the process environment that interpolation sees. Raises InvalidInputError for what
        Compose refuses and for variables that are unset and have no default (all of them at once)."""

    def create(
        self,
        project: str,
        model: Path,
        services: Sequence[str],
        totals: Mapping[str, int],
        environment: Mapping[str, str],
    ) -> None:
        """``create --no-recreate --pull never --no-build`` with ``--scale`` for every service of ``totals``."""

    def recreate(self, project: str, model: Path, services: Sequence[str], environment: Mapping[str, str]) -> None:
        """``up -d --no-deps --pull never --no-build`` for ``services``."""

    def build(
        self, project: str, model: Path, service: str, environment: Mapping[str, str], progress: Progress
    ) -> None: ...

    def command(
        self, project: str, model: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command line that does ``arguments`` (``exec ...``, ``run ...``) on ``model``, and all of its environment:
        for whoever must look after the program itself, since it may run long and be ended."""


class Ports(Protocol):
    def taken(self, ports: Sequence[str]) -> tuple[str, ...]:
        """Of ``address:port/protocol``, those that cannot be bound now."""


class Journal(Protocol):
    """state.db: one SQLite file. Every write is durable when the call returns."""

    def root_id(self) -> str:
        """This root's identity, made once: the value of LABEL_ROOT."""

    def stacks(self) -> tuple[StackRecord, ...]: ...

    def stack(self, name: str) -> StackRecord | None: ...

    def save_stack(self, record: StackRecord) -> None: ...

    def forget_stack(self, name: str) -> None: ...

    def add_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        """A new PENDING release with the stack's next number; the one of this digest, if there is one already."""

    def await_release(
        self, stack: str, digest: str, revision: str, subject: str, asked_by: str, now: float
    ) -> ReleaseRecord:
        """As ``add_release``, of one that does not begin yet: a new one is WAITING."""

    def approve(self, stack: str, number: int, who: str, now: float) -> None: ...

    def approved_by(self, stack: str, number: int) -> str:
        """ "" where nobody did."""

    def releases(self, stack: str) -> tuple[ReleaseRecord, ...]:
        """Oldest first."""

    def pin_images(self, stack: str, number: int, images: Mapping[str, str]) -> None: ...

    def end_release(self, stack: str, number: int, outcome: Outcome, now: float, quarantined: str = "") -> None:
        """``quarantined``: why it is not tried again; both are known, or neither is."""

    def reopen_release(self, stack: str, number: int, revision: str, now: float) -> None:
        """PENDING again, out of quarantine."""

    def quarantine(self, stack: str, number: int, why: str) -> None: ...

    def begin_pass(self, stack: str, release: int | None, goal: PassGoal, now: float) -> int:
        """The pass's id."""

    def end_pass(self, pass_id: int, outcome: str, now: float) -> None: ...

    def open_pass(self, stack: str) -> PassRecord | None:
        """The newest pass that never ended: the process was killed while it ran."""

    def passes(self, stack: str, limit: int) -> tuple[PassRecord, ...]:
        """Newest first."""

    def intend(self, pass_id: int, index: int, service: str, text: str, now: float) -> None: ...

    def done(self, pass_id: int, index: int, now: float) -> None: ...

    def failed(self, pass_id: int, index: int, error: str, now: float) -> None: ...

    def steps(self, pass_id: int) -> tuple[StepRecord, ...]: ...

    def baselines(self) -> Mapping[str, LiveSettings]:
        """By container id."""

    def save_baseline(self, container_id: str, stack: str, settings: LiveSettings) -> None: ...

    def forget_baselines(self, keep: frozenset[str]) -> None:
        """Drop those of containers that are not in ``keep``."""

    def tell(self, stack: str, severity: str, reason: str, message: str, revision: str, now: float) -> EventRecord: ...

    def events(self, after: int = 0, stack: str | None = None, limit: int = 1000) -> tuple[EventRecord, ...]:
        """Oldest first, of those with an id above ``after``; the newest ``limit`` of them."""

    def ask(self, kind: RequestKind, stack: str, who: str, now: float, **details: Any) -> int:
        """Write a request row; its id. ``details`` are Request's own fields."""

    def requests(self) -> tuple[Request, ...]:
        """Those that are not handled yet, oldest first."""

    def request(self, request_id: int) -> Request | None: ...

    def answer(self, request_id: int, answer: str, now: float) -> None: ...

    @property
    def data(self) -> DataBook: ...

    @property
    def marks(self) -> MarkBook: ...

    def version(self) -> int:
        """Changes whenever anybody, another process included, wrote: a cheap way to wait for news."""


class Certificates(Protocol):
    """What passes over stacks have to do with certificates."""

    def lay_out(self, release: Release, manifest: Manifest) -> None:
        """What the release's containers read of ours is there before they start. Raises WaitingError."""

    def takeovers(self, release: Release) -> tuple[Takeover, ...]:
        """Names that a proxy of the release holds certificates for, and that belong to a pair now."""

    def renewed_at(self, manifest: Manifest) -> Mapping[str, float]:
        """Of services that are replaced for a new pair, when theirs last changed: seconds since the epoch."""

    def refuse(self, manifest: Manifest, service: str, why: str) -> None:
        """The service could not be replaced for its pair: what it read before lies there again. Raises WaitingError."""

    def forget(self, storage: str, names: Sequence[str]) -> None:
        """Take ``names`` out of a stopped proxy's ACME file. Raises WaitingError."""


class Traffic(Protocol):
    """What the proxies of this host are told of where our services are."""

    def astray(self, release: Release) -> frozenset[str]:
        """Services of the release that proxies are told something else of than that they have their name."""

    def unled(self, release: Release) -> frozenset[str]:
        """Services that proxies are told of although the release does not ask for it."""

    def shift(self, release: Release, service: str, containers: Sequence[Container]) -> None:
        """Send what is for ``service`` to ``containers`` alone; to whoever has its name, if there are none. Returns once
        every proxy that runs has said that it does. Raises WaitingError(reason="TrafficNotShifted"), and then what was
        told before is told again."""

    def drop(self, release: Release, services: Sequence[str]) -> None:
        """Tell no more of those of ``unled``."""

    def under_way(self, release: Release, container: Container) -> int | None:
        """How many requests to it are not answered yet; None where that cannot be seen."""


class Hooks(Protocol):
    """Running what a stack declares around its releases."""

    def run(self, call: HookCall) -> HookEnd:
        """Until it ends, or is ended with all that it started. Raises StalledError where it cannot be run at all, and
        EngineUnavailableError."""

    def clear(self, stack: str, phase: Phase, name: str) -> None:
        """End and take away what a run that was cut short has left. Raises EngineUnavailableError."""


class HookBook(Protocol):
    """What is known of hooks across restarts. Durable when a call returns; no secret is ever part of it."""

    def begin_attempt(self, stack: str, release: int) -> int:
        """The number of the try at this release: the same as before where that one never ended."""

    def save_hook(self, record: HookRecord) -> None: ...

    def hook(self, stack: str, release: int, attempt: int, phase: Phase, name: str) -> HookRecord | None: ...

    def hooks(self, stack: str, state: HookState | None = None) -> tuple[HookRecord, ...]:
        """Oldest first; those in ``state`` only, if it is given."""

    def drop_hook(self, record: HookRecord) -> None: ...


class CertificateBook(Protocol):
    """What is known of certificates across restarts. Durable when a call returns; no key is ever part of it."""

    def certificates(self) -> tuple[CertificateRecord, ...]:
        """By origin and name."""

    def save_certificates(self, records: Sequence[CertificateRecord]) -> None:
        """In place of all that were there."""

    def served(self, limit: int) -> tuple[ServedRecord, ...]:
        """Newest first."""

    def serves(self, records: Sequence[ServedRecord]) -> None: ...

    def trials(self) -> tuple[TrialRecord, ...]: ...

    def save_trials(self, records: Sequence[TrialRecord]) -> None:
        """In place of all that were there."""


class BackupBook(Protocol):
    """What the last run of each backup came to. Durable when a call returns."""

    def backups(self, stack: str | None = None) -> tuple[BackupRecord, ...]:
        """By stack and plan."""

    def save_backup(self, record: BackupRecord) -> None: ...


class Asks(Protocol):
    """Asks a container whether it answers."""

    def trouble(self, address: str, probe: HttpProbe) -> str:
        """Why it does not answer as it should, "" if it does. Raises nothing: a new container may take its time."""


class ImageBook(Protocol):
    """The images that this root pulled or built, which are its own to take away. Durable when a call returns."""

    def brought(self) -> Mapping[str, frozenset[str]]:
        """The names that each was brought under, by image id."""

    def save_brought(self, image_id: str, name: str) -> None: ...

    def forget_brought(self, image_id: str) -> None: ...


class UpdateBook(Protocol):
    """What is known of images that stacks track. Durable when a call returns."""

    def images(self, stack: str | None = None) -> tuple[ImageRecord, ...]:
        """By stack and service."""

    def save_image(self, record: ImageRecord) -> None: ...

    def forget_images(self, stack: str, keep: Sequence[str]) -> None:
        """Those of services that are not in ``keep``."""


class Registry(Protocol):
    """Image registries, asked without pulling anything."""

    def digest(self, image: ImageReference, tag: str) -> str:
        """What ``tag`` of ``image``'s repository means. Raises WaitingError (RegistryUnavailable, RateLimited, TagNotFound),
        StalledError (RegistryDenied)."""

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        """All of the repository's. Raises as ``digest`` does."""


class Backups(Protocol):
    """What passes over stacks have to do with backups."""

    def passed_by(self, scene: DataScene, release: int) -> tuple[DataBackup, ...]:
        """The good backups that let ``release`` pass, one of each plan."""

    def save(self, scene: DataScene, backups: Sequence[DataBackup]) -> tuple[DataBackup, ...]:
        """Back up what these were made of, as it is now. Raises StalledError, WaitingError."""

    def restore(
        self,
        scene: DataScene,
        name: str,
        *,
        must_ask: bool,
        for_good: Collection[str],
        swapping: Callable[[], None],
        swapped: Callable[[], None],
    ) -> None:
        """In the place of the live database. ``must_ask``: whether a preRestore hook can forbid it. ``for_good``: containers
        (ids) that stop when it changes, and stay so. ``swapping`` and ``swapped`` are called right before and after the live one changes, while nobody uses it. Raises StalledError,
        WaitingError; where ``swapped`` was not called, the live database is what it was."""


class DataBook(Protocol):
    """What is known of data that a release changes, across restarts. Durable when a call returns."""

    def data_change(self, stack: str) -> DataChange | None: ...

    def save_data_change(self, change: DataChange) -> None:
        """In place of the one that the stack has."""

    def drop_data_change(self, stack: str) -> None: ...


class MarkBook(Protocol):
    """What is remembered of variables that are made once or may not change, across restarts. Durable when a call returns."""

    def marks(self, stack: str) -> tuple[Mark, ...]: ...

    def save_mark(self, mark: Mark) -> None:
        """In place of the one that the variable has."""


class Renewals(Protocol):
    """Variables that are being renewed, and whose turn it is to work on a stack: a pass's, or somebody's who renews one."""

    def pending(self, stack: str) -> Renewal | None:
        """Raises WaitingError, StalledError where it is there and cannot be read."""

    def save(self, renewal: Renewal) -> None:
        """Durable when it returns. Raises WaitingError."""

    def drop(self, stack: str) -> None: ...

    def turn(self, stack: str) -> AbstractContextManager[bool]:
        """Whether nobody else works on the stack until this ends; the death of the process ends it."""


class Releases(Protocol):
    """The resolved models of kept releases, as files that Compose can be handed (0600: they hold secrets)."""

    def save(self, stack: str, number: int, content: Mapping[str, Any]) -> Path:
        """Where the model lies; ``content`` holds ``model`` and what else makes the release up again."""

    def load(self, stack: str, number: int) -> Mapping[str, Any]: ...

    def model_path(self, stack: str, number: int) -> Path: ...

    def remove(self, stack: str, number: int) -> None: ...
