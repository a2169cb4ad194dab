"""One host: its stacks in their order, and what is asked about or of them. Assembled from ports; knows no SDK."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from reconciler.execution.around import Around
from reconciler.execution.books import Books
from reconciler.execution.hooks import HookKeeping
from reconciler.execution.observe import Snapshot
from reconciler.execution.providing import Providing
from reconciler.execution.renewing import Renewing
from reconciler.execution.roster import Roster
from reconciler.execution.shelf import Shelf
from reconciler.execution.stage import Stage
from reconciler.execution.tidying import Tidier
from reconciler.execution.work import Work
from reconciler.loop import StackLoop
from reconciler.model.desired import Release
from reconciler.model.errors import EngineUnavailableError, Problem, StalledError
from reconciler.model.hook import Attempt
from reconciler.model.manifest import HostSettings
from reconciler.model.plan import Plan
from reconciler.model.record import Health, Ready, StackRecord, Sync, Truth
from reconciler.model.source import Revision
from reconciler.planning.drift import is_only_told
from reconciler.planning.renewal import cut_short
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock
from reconciler.ports.repository import Source

_LOOK_FOR_THE_END_S = 0.5  # of the renewal of a variable


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a host is made of. ``leads_others``: whether a stack runs a proxy that leads to services of other stacks."""

    settings: HostSettings
    source: Source
    journal: Journal
    shelf: Shelf
    roster: Roster
    books: Books
    stage: Stage
    loop: StackLoop
    hooks: HookKeeping
    providing: Providing
    renewing: Renewing
    tidier: Tidier
    clock: Clock
    leads_others: Callable[[str], bool]


class Host:
    def __init__(self, assembly: Assembly) -> None:
        self._made = assembly
        self._others = set[str]()  # stacks that somebody else worked on when it was their turn

    @property
    def journal(self) -> Journal:
        return self._made.journal

    def fetch(self) -> Revision:
        """Raises SourceError, StalledError."""
        return self._made.source.fetch()

    def turn_with(self, stack: str) -> tuple[str, ...]:
        """Stacks that may have something to do because ``stack`` turned."""
        leads = self._made.leads_others(stack)
        return tuple(
            work.name for work in self.works() if work.name != stack and (leads or stack in work.manifest.depends_on)
        )

    def works(self, revision: Revision | None = None) -> tuple[Work, ...]:
        """Every stack of this host, those depended on first, as of ``revision`` (of the last fetched tip, if None)."""
        return self._made.roster.works(revision)

    def warnings(self, revision: Revision) -> tuple[Problem, ...]:
        """What somebody may have meant otherwise. Raises InvalidInputError, SourceError, as ``works`` does."""
        return self._made.roster.warnings(revision)

    def look(self) -> Snapshot:
        """Raises EngineUnavailableError."""
        return self._made.stage.observer.look()

    def turn(self, stack: str) -> AbstractContextManager[bool]:
        """Whether nobody else works on the stack until it ends."""
        return self._made.renewing.turn(stack)

    def reconcile(self, work: Work, snapshot: Snapshot | None = None) -> StackRecord:
        """One pass over one stack; an engine that is away is said in its record. While somebody renews a variable of it,
        nothing is done, and the record stays what it is."""
        with self.turn(work.name) as is_mine:
            if not is_mine:
                self._others.add(work.name)
                return self._made.journal.stack(work.name) or StackRecord(work.name)
            self._others.discard(work.name)
            return self._in_turn(work, snapshot)

    def _in_turn(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        """A variable whose renewal was cut short at its very end is one that was renewed; else nobody knows which value is in
        use, and what runs is left as it is until somebody went on with it."""
        renewing = self._made.renewing
        try:
            left = renewing.pending(work.name)
            is_over = left is not None and renewing.finish(left, work.manifest, lambda: self.release(work).digest)
        except StalledError as error:
            return self._is_blocked(work, error.reason, str(error))
        if left is not None and not is_over:
            return self._is_blocked(work, "RenewalCutShort", cut_short(left))
        return self._pass(self._made.roster.anew(work) if is_over else work, snapshot)

    def _pass(self, work: Work, snapshot: Snapshot | None) -> StackRecord:
        try:
            work = self._with_secrets(self._with_dependencies(work))
            record = self._made.loop.reconcile(work, snapshot)
            self._made.providing.remember(work, record)
            return record
        except EngineUnavailableError as error:
            return self._engine_is_away(work, error)

    def _is_blocked(self, work: Work, reason: str, why: str) -> StackRecord:
        journal, ready = self._made.journal, Ready(Truth.FALSE, reason, why)
        record = journal.stack(work.name) or StackRecord(work.name)
        if record.ready != ready:
            record = replace(record, ready=ready)
            journal.save_status(record)
            journal.tell(work.name, "error", reason, why, work.commit, self._made.clock.now())
        return record

    def _with_secrets(self, work: Work) -> Work:
        """With those that are generated here; where one was made just now, all that is known of the variables is new."""
        problems = self._made.providing.provide(work)
        if problems is None:
            return work
        return replace(self._made.roster.anew(work), problems=problems)

    def _with_dependencies(self, work: Work) -> Work:
        """A dependency counts when it is Ready at the very revision (as Flux has it)."""
        commit = work.revision.commit if work.revision else ""
        for name in work.manifest.depends_on:
            record = self._made.journal.stack(name)
            if record is None or record.ready.status is not Truth.TRUE or record.applied_revision != commit:
                return replace(work, waits_for=name)
        return work

    def _engine_is_away(self, work: Work, error: EngineUnavailableError) -> StackRecord:
        record = self._made.journal.stack(work.name) or StackRecord(work.name)
        ready = Ready(Truth.UNKNOWN, error.reason, str(error))
        record = replace(record, sync=Sync.UNKNOWN, health=Health.UNKNOWN, ready=ready)
        self._made.journal.save_status(record)
        return record

    def reconcile_all(self, forced: frozenset[str]) -> tuple[StackRecord, ...]:
        """One pass over every stack, side by side where they do not depend on each other."""
        works = tuple(replace(work, forced=work.name in forced) for work in self.works())
        done: dict[str, StackRecord] = {}
        with ThreadPoolExecutor(max_workers=self._made.settings.concurrency) as pool:
            while len(done) < len(works):
                ready = [work for work in works if work.name not in done and self._is_free(work, works, done)]
                for work, record in zip(ready, pool.map(self.reconcile, ready), strict=True):
                    done[work.name] = record
        return tuple(done[work.name] for work in works)

    def _is_free(self, work: Work, works: tuple[Work, ...], done: dict[str, StackRecord]) -> bool:
        here = {other.name for other in works}
        return all(name in done or name not in here for name in work.manifest.depends_on)

    def due_in_s(self, stack: str, since: float) -> float | None:
        """Seconds until a pass over the stack makes sense by itself, of waits that were not over at ``since``
        (monotonic seconds); None if nothing waits."""
        waits = [self._made.books.due_in_s(stack, since), self._suspended_for_s(stack), self._renewed_in_s(stack)]
        return min((wait for wait in waits if wait is not None), default=None)

    def _suspended_for_s(self, stack: str) -> float | None:
        record = self._made.journal.stack(stack)
        suspension = record.suspension if record else None
        if suspension is None or suspension.until is None:
            return None
        return max(0.0, suspension.until - self._made.clock.now())

    def _renewed_in_s(self, stack: str) -> float | None:
        """No event tells of its end where the process that did it was killed."""
        is_someones = stack in self._others or self._made.renewing.is_pending(stack)
        return _LOOK_FOR_THE_END_S if is_someones else None

    def around(self, work: Work) -> Around:
        """The hooks around the stack's backups and restores."""
        made = self._made
        return Around(
            made.hooks, made.clock, lambda: made.stage.scene_of_what_runs(work), lambda: made.books.newest_pass(work)
        )

    def release(self, work: Work) -> Release:
        """What Git says the stack should be. Raises InvalidInputError, StalledError."""
        release = self._made.books.rendered(work)
        if release is None:
            raise StalledError(f"{work.name}: {work.gone_because}", reason="StackGone")
        return release

    def quarantine_of(self, work: Work) -> str:
        """Why what Git says is not tried, "" where it is. Raises as ``release`` does."""
        return self._made.books.quarantined(work).get(self.release(work).digest, "")

    def attempt(self, work: Work) -> Attempt:
        """A try at what Git says, as its hooks would be told of it. Raises as ``release`` does."""
        release = self.release(work)
        if release.number is None:
            newest = max((found.number for found in self._made.journal.releases(work.name)), default=0)
            release = replace(release, number=newest + 1)
        return self._made.books.attempt_at(work, release, 1)

    def diff(self, work: Work) -> Plan:
        """What ``reconcile`` would do. Touches nothing. Raises InvalidInputError, StalledError, EngineUnavailableError."""
        release = self.release(work)
        observed = self._made.stage.observe(work, release)
        return self._made.stage.announce(work, release, observed)

    def is_only_told(self, work: Work, found: Plan) -> bool:
        """Whether a pass reports ``found``, which ``diff`` made, and leaves it at that. Raises as ``diff`` does."""
        release, applied = self.release(work), self._made.books.applied(work)
        if found.empty or applied is None or applied.digest != release.digest:
            return False
        has_begun = self._made.stage.observe(work, release).unfinished
        return is_only_told(found, work.manifest.drift, has_begun=has_begun)

    def kept(self, stack: str) -> frozenset[int]:
        """The releases that can be gone back to."""
        return self._made.shelf.numbers(stack)

    def tidy(self) -> None:
        """Raises EngineUnavailableError, WaitingError."""
        self._made.tidier.tidy()
