"""What people ask of the daemon, row by row, and what is answered. The command line and the daemon meet in state.db."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import suppress

import structlog

from reconciler.host_news import tell_of_host
from reconciler.model.data import DataChange
from reconciler.model.errors import ReconcilerError
from reconciler.model.record import Request, RequestKind, StackRecord, Suspension, Truth
from reconciler.model.source import OF_THE_SOURCE
from reconciler.planning.gate import awaited_release
from reconciler.planning.rollback import being_applied, target_of
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock

log = structlog.get_logger()

FETCH, NOW = "fetch", "now"  # reasons of a request for a pass: what Git says now is meant; and windows are passed, too


class Desk:
    """Safe to use from several threads. ``kept``: the releases of a stack that can be gone back to, None for all."""

    def __init__(
        self, journal: Journal, clock: Clock, kept: Callable[[str], Collection[int] | None] = lambda _: None
    ) -> None:
        self._journal = journal
        self._kept = kept
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, list[int]] = {}  # stack: requests that its next pass answers
        self._asking: dict[str, list[int]] = {}  # stack: requests for which registries are asked first
        self._orders: dict[str, list[Request]] = {}  # stack: what is asked for about its backups
        self._taken: set[int] = set()  # of those, the ones under way
        self._since = clock.now()
        self._fetch_failure = _told_failure(journal)

    def handle(self) -> tuple[Request, ...]:
        """Do what new requests ask of the journal; they ask for a pass, too, which answers them."""
        with self._lock:
            held = (*self._waiting.values(), *self._asking.values())
            seen = {number for numbers in held for number in numbers} | self._taken
            seen |= {request.id for requests in self._orders.values() for request in requests}
            found = tuple(request for request in self._journal.requests() if request.id not in seen)
            for request in found:
                self._take(request)
            return found

    def looked(self, stack: str) -> None:
        """Its registries were asked: a pass that begins from now on answers who wanted that."""
        with self._lock:
            self._waiting.setdefault(stack, []).extend(self._asking.pop(stack, ()))

    def ordered(self) -> frozenset[str]:
        """Stacks about whose backups something is asked for."""
        with self._lock:
            return frozenset(self._orders)

    def take_orders(self, stack: str) -> tuple[Request, ...]:
        """To be answered by whoever takes them."""
        with self._lock:
            found = tuple(self._orders.pop(stack, ()))
            self._taken |= {request.id for request in found}
            return found

    def answer_order(self, request: Request, answer: str) -> None:
        with self._lock:
            self._journal.answer(request.id, answer, self._clock.now())
            self._taken.discard(request.id)

    def waiting(self, stack: str) -> tuple[int, ...]:
        """The requests that a pass which begins now answers."""
        with self._lock:
            return tuple(self._waiting.get(stack, ()))

    def answer(self, stack: str, record: StackRecord, asked: tuple[int, ...] | None = None) -> None:
        """A pass over ``stack`` that began after they were asked has ended. ``asked``: as ``waiting`` told when it
        began; all of the stack's, if None."""
        answer = "ok" if record.ready.status is Truth.TRUE else f"{record.ready.reason}: {record.ready.message}"
        with self._lock:
            for number in self._waiting.get(stack, ()) if asked is None else asked:
                self._journal.answer(number, answer, self._clock.now())
            self._forget(stack, asked)

    def refuse(self, stack: str) -> None:
        """There is no such stack, so no pass will ever answer."""
        with self._lock:
            for number in (*self._waiting.pop(stack, ()), *self._asking.pop(stack, ())):
                self._journal.answer(number, f"there is no stack named {stack}; see: reconciler get", self._clock.now())

    def _forget(self, stack: str, asked: tuple[int, ...] | None) -> None:
        left = [number for number in self._waiting.pop(stack, ()) if asked is not None and number not in asked]
        if left:
            self._waiting[stack] = left

    def fetched(self) -> None:
        if not self._fetch_failure or self._tell("info", "Fetched", "the source answers again"):
            self._fetch_failure = ""

    def could_not_fetch(self, error: ReconcilerError) -> None:
        """Told once for each kind of failure; what runs goes on from the last good revision."""
        text = str(error)
        if text != self._fetch_failure:
            log.error("fetch_failed", reason=error.reason, error=text)
            if self._tell("error", error.reason, text):
                self._fetch_failure = text

    def _tell(self, severity: str, reason: str, message: str) -> bool:
        return tell_of_host(self._journal, self._clock, severity, reason, message)

    def _take(self, request: Request) -> None:
        refused = self._do(request)
        log.info("request", kind=request.kind.value, stack=request.stack, who=request.who, refused=refused)
        if request.kind is RequestKind.BACKUP and not refused:
            self._orders.setdefault(request.stack, []).append(request)
        elif refused or not request.stack or request.kind is not RequestKind.RECONCILE:
            # Done as far as it goes: handled again after a crash, a rollback would go back twice.
            self._journal.answer(request.id, refused or "ok", self._clock.now())
        else:
            held = self._asking if request.reason == NOW else self._waiting
            held.setdefault(request.stack, []).append(request.id)

    def _do(self, request: Request) -> str:
        """What is wrong with it, "" if it was done."""
        if not request.stack:
            return ""
        record = self._journal.stack(request.stack)
        if record is None and request.kind is not RequestKind.RECONCILE:
            return f"there is no stack named {request.stack}; see: reconciler get"
        match request.kind:
            case RequestKind.SUSPEND if record:
                return self._suspend(record, request)
            case RequestKind.RESUME if record:
                return self._resume(record, request)
            case RequestKind.ROLLBACK if record:
                return self._roll_back(record, request)
            case RequestKind.APPROVE if record:
                return self._approve(record, request)
            case RequestKind.BACKUP if request.created_at < self._since:
                return "it was asked for before this daemon began, and may have been half done; ask again"
            case _:
                return ""

    def _suspend(self, record: StackRecord, request: Request) -> str:
        suspension = Suspension(request.reason, request.who, self._clock.now(), request.until)
        self._journal.save_suspension(record.name, suspension)
        self._told(record, "Suspended", f"by {request.who}: {request.reason or 'no reason given'}", request)
        return ""

    def _resume(self, record: StackRecord, request: Request) -> str:
        if record.suspension is None:
            return f"{record.name} is not suspended"
        self._journal.save_suspension(record.name, None)
        self._told(record, "Resumed", f"by {request.who}", request)
        return ""

    def _approve(self, record: StackRecord, request: Request) -> str:
        """The release that is named, or the one that Ready says is waited for."""
        number = request.release if request.release is not None else awaited_release(record.ready)
        releases = self._journal.releases(record.name)
        known = {found.number for found in releases if not found.quarantined} - {record.applied_release}
        if number is None or number not in known:
            named = f"release {number} of {record.name}" if number else f"no release of {record.name}"
            verb = "does not wait" if number else "waits"
            return f"{named} {verb} for an approval; see: reconciler get {record.name}"
        self._journal.approve(record.name, number, request.who, self._clock.now())
        self._told(record, "Approved", f"release {number} by {request.who}", request)
        return ""

    def _roll_back(self, record: StackRecord, request: Request) -> str:
        """Quarantine what is left, and want the other: the next pass goes there."""
        releases = {release.number: release for release in self._journal.releases(record.name)}
        current = record.applied_release
        target, problem = target_of(
            record,
            tuple(releases.values()),
            request.release,
            self._journal.marks.marks(record.name),
            self._kept(record.name),
        )
        trying = being_applied(record, tuple(releases.values()))
        problem = problem or self._data_are_owed(record, trying, request)
        if target is None or problem:
            return problem
        why = f"rolled back to release {target} by {request.who}" + (f": {request.reason}" if request.reason else "")
        left = (releases[number] for number in (current, record.attempted_release) if number in releases)
        for release in left:
            if release.number != target and not release.quarantined:
                self._journal.quarantine(record.name, release.number, why)
        self._journal.quarantine(record.name, target, "")
        self._ask_for_data(record, target, request)
        self._journal.save_wanted(record.name, target)
        self._told(record, "RollbackAsked", why, request)
        return ""

    def _data_are_owed(self, record: StackRecord, trying: int | None, request: Request) -> str:
        """Why nothing else may be done with the data now, "" where it may. ``trying``: the release that is being applied."""
        change = self._journal.data.data_change(record.name)
        if trying is not None and request.data:
            return f"release {trying} of {record.name} is being applied; ask for the data again when that is over"
        if change is None or not (change.back or change.release == trying):
            return ""
        return f"the data of {record.name} are about to change, or to be restored; ask again when that is over"

    def _ask_for_data(self, record: StackRecord, target: int, request: Request) -> None:
        """Before the release is wanted: it is never gone to without the data that were asked for with it."""
        if request.data:
            self._journal.data.save_data_change(DataChange(record.name, target, forth=request.data))
        elif self._journal.data.data_change(record.name) is not None:
            self._journal.data.drop_data_change(record.name)

    def _told(self, record: StackRecord, reason: str, message: str, request: Request) -> None:
        self._journal.tell(record.name, "info", reason, message, record.applied_revision, self._clock.now())


def _told_failure(journal: Journal) -> str:
    """What a process before this one told last of a source that has not answered since."""
    failure = ""
    with suppress(ReconcilerError):
        for event in journal.events(stack=""):
            if event.reason == "Fetched":
                failure = ""
            elif event.reason in OF_THE_SOURCE:
                failure = event.message
    return failure
