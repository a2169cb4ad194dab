"""The daemon: turns reasons to look again into passes. Coalesces, backs off, never runs a stack twice at once.

Fetching and passing are separate: a Git server that hangs stops no drift repair.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import structlog

from reconciler.backup.keeper import Keeper
from reconciler.backup_turns import BackupTurns
from reconciler.certs.vigil import Vigil
from reconciler.execution.observe import Snapshot
from reconciler.execution.walk import StoppedError
from reconciler.execution.work import Work
from reconciler.host import Host
from reconciler.model.errors import EngineUnavailableError, ReconcilerError
from reconciler.model.event import Event, Trigger
from reconciler.model.record import RequestKind
from reconciler.model.source import Revision
from reconciler.planning.backoff import delay_s, interval_s
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine
from reconciler.requests import FETCH, NOW, Desk
from reconciler.updates.lookout import Lookout

log = structlog.get_logger()

_GATHER_S = 0.02  # a burst of events is one more pass
_LOOK_FOR_REQUESTS_EVERY_S = 0.25
_FULL_LOOK_EVERY_S = 300.0
_SNAPSHOT_LASTS_S = 1.0
_RECONNECT_S = 1.0
_MOST_TO_FETCH_S = 120.0
_TIDY_EVERY_S = 3600.0
_PAST_WINDOWS_FOR_S = 120.0  # what is found within it was asked for by hand
_AFTER_TROUBLE_S = 5.0  # a full disk, a journal that is busy: what could not even be looked at is looked at again


@dataclass
class _Turns:
    """Which stacks are being passed over, which must be looked at again afterwards, which at a time of their own (``due``),
    and when the last pass over each ``ended``; both in monotonic seconds."""

    running: set[str] = field(default_factory=set)
    again: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)
    hurried: set[str] = field(default_factory=set)
    past_windows: dict[str, float] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)


class Daemon:
    """``watchers``: started and stopped with it; each puts events on the queue through ``emit``."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        clock: Clock,
        interval: float,
        concurrency: int,
        vigil: Vigil,
        backups: Keeper | None = None,
        lookout: Lookout | None = None,
    ) -> None:
        self._host = host
        self._vigil = vigil
        self._lookout = lookout
        self._engine = engine
        self._clock = clock
        self._interval = interval
        self._pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="pass")
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._desk = Desk(host.journal, clock, host.kept)
        self._turns = _Turns()
        self._known: frozenset[str] = frozenset()  # the stacks of this host, as of the last look
        self._tidy_at = clock.monotonic() + _TIDY_EVERY_S
        self._lock = threading.Lock()
        self._backups = (
            BackupTurns(backups, host, self._desk, clock, self._running, self._take) if backups is not None else None
        )
        self._fetch_now = threading.Event()
        self._leaving = threading.Event()
        self.leaving_because = ""
        # Called after each turn of the main loop, with the stacks of this host and those that are worked on.
        self.turned: Callable[[Collection[str], Collection[str]], None] = lambda *_: None

    def emit(self, event: Event) -> None:
        """From any thread: there is a reason to look again."""
        self._events.put(event)

    def leave(self, why: str) -> None:
        """From a signal handler: end the running steps, start no other, return from ``run``."""
        self.leaving_because = why
        self._leaving.set()
        self._fetch_now.set()
        self._vigil.leave()
        if self._lookout is not None:
            self._lookout.leave()
        self._events.put(Event(Trigger.TIMER, detail=why))

    def run(self) -> None:
        """Until ``leave``. The caller holds the root's lock."""
        threads = [
            threading.Thread(target=self._keep_fetching, name="fetch", daemon=True),
            threading.Thread(target=self._follow_the_engine, name="engine", daemon=True),
            threading.Thread(target=self._vigil.run, name="certificates", daemon=True),
        ]
        if self._lookout is not None:
            threads.append(threading.Thread(target=self._lookout.run, name="updates", daemon=True))
        self._vigil.turn()  # before any service starts that reads a certificate
        if self._backups is not None:
            self._backups.begin()
        for thread in threads:
            thread.start()
        self.emit(Event(Trigger.TIMER, detail="start"))
        next_full = self._clock.monotonic() + _FULL_LOOK_EVERY_S
        while not self._leaving.is_set():
            events = self._gather()
            if self._clock.monotonic() >= next_full:
                next_full = self._clock.monotonic() + _FULL_LOOK_EVERY_S
                events = (*events, Event(Trigger.TIMER, detail="periodic look"))
            try:
                self._turn(events)
                self._tidy_if_due()
            except ReconcilerError as error:
                log.error("look_failed", reason=error.reason, error=str(error))
                next_full = min(next_full, self._clock.monotonic() + _AFTER_TROUBLE_S)
            self.turned(self._known, self._running())
        self._pool.shutdown(wait=True)

    def _tidy_if_due(self) -> None:
        """First after an hour, when every stack has long been looked at."""
        now = self._clock.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_EVERY_S
            self._pool.submit(self._tidy)

    def _tidy(self) -> None:
        try:
            self._host.tidy()
        except ReconcilerError as error:
            log.warning("tidying_failed", reason=error.reason, error=str(error))
        except Exception:
            log.exception("tidying_crashed")

    def _gather(self) -> tuple[Event, ...]:
        """All events of a burst; none when it is just time to look for requests and waits that are over."""
        try:
            first = self._events.get(timeout=_LOOK_FOR_REQUESTS_EVERY_S)
        except queue.Empty:
            return ()
        self._clock.sleep(_GATHER_S)
        found = [first]
        while True:
            try:
                found.append(self._events.get_nowait())
            except queue.Empty:
                return tuple(found)

    def _turn(self, events: tuple[Event, ...]) -> None:
        """From events, requests and waits that are over to passes."""
        if any(event.trigger is Trigger.SOURCE and event.detail != "fetched" for event in events):
            self._fetch_now.set()
        stacks: set[str | None] = {event.stack for event in events if self._asks_for_a_pass(event)}
        self._turns.hurried |= {e.stack for e in events if e.trigger is Trigger.CERTIFICATE and e.stack is not None}
        stacks |= self._due()
        stacks |= self._requested()
        if self._backups is not None:
            self._backups.take_those_due()  # first: where much happens, a pass would be under way at every look
        if stacks:
            self._dispatch(stacks)

    def _asks_for_a_pass(self, event: Event) -> bool:
        """Not what is only a reason to fetch, nor what happens to other people's projects on the same engine."""
        if event.trigger is Trigger.ENGINE and event.stack is not None:
            return event.stack in self._known
        return event.trigger is not Trigger.SOURCE or event.detail == "fetched"

    def _due(self) -> set[str | None]:
        """Stacks whose wait is over: each once, and the pass says when it wants the next one."""
        now = self._clock.monotonic()
        with self._lock:
            found = {name for name, at in self._turns.due.items() if at <= now}
            for name in found:
                del self._turns.due[name]
        return set(found)

    def _requested(self) -> set[str | None]:
        found: set[str | None] = set()
        for request in self._desk.handle():
            if request.kind is RequestKind.BACKUP:
                continue  # done in a turn of its own
            found.add(request.stack or None)
            if request.force:
                self._turns.forced |= {request.stack} if request.stack else set()
            if request.stack == "" or request.reason in (FETCH, NOW):
                self._fetch_now.set()
            if request.reason == NOW and request.kind is RequestKind.RECONCILE:
                self._turns.past_windows[request.stack] = self._clock.monotonic() + _PAST_WINDOWS_FOR_S
                if self._lookout is not None:
                    self._lookout.ask(request.stack)
        return found

    def _dispatch(self, stacks: set[str | None]) -> None:
        works = self._host.works()
        self._known = frozenset(work.name for work in works)
        looked_at = self._clock.monotonic()
        try:
            snapshot = self._host.look() if None in stacks or len(stacks) > 1 else None
        except EngineUnavailableError:
            snapshot = None
        for name in stacks - {None} - self._known:
            self._desk.refuse(str(name))
        for work in works:
            if None in stacks or work.name in stacks:
                self._submit(work, snapshot, looked_at)

    def _submit(self, work: Work, snapshot: Snapshot | None, looked_at: float) -> None:
        with self._lock:
            if work.name in self._turns.running:
                self._turns.again.add(work.name)
                return
            self._turns.running.add(work.name)
        forced = work.name in self._turns.forced
        hurried = work.name in self._turns.hurried
        self._turns.forced.discard(work.name)
        work = replace(work, forced=forced, hurried=hurried, past_windows=self._is_past_windows(work.name))
        self._turns.hurried.discard(work.name)
        self._pool.submit(self._pass, work, snapshot, looked_at)

    def _is_past_windows(self, stack: str) -> bool:
        return self._turns.past_windows.get(stack, 0.0) > self._clock.monotonic()

    def _pass(self, work: Work, snapshot: Snapshot | None, looked_at: float) -> None:
        began = self._clock.monotonic()
        wait: float | None = _AFTER_TROUBLE_S
        if self._leaving.is_set():
            return
        try:
            self._take_turn(work, snapshot if self._still_holds(work.name, looked_at) else None)
            wait = self._host.due_in_s(work.name, began)
        except StoppedError as stopped:
            log.info("pass_interrupted", stack=work.name, why=str(stopped))
        except ReconcilerError as error:
            log.error("pass_failed", stack=work.name, reason=error.reason, error=work.mask.clean(str(error)))
        except Exception as error:
            log.exception("pass_crashed", stack=work.name, error=work.mask.clean(repr(error)))
        finally:
            self._end_turn(work.name, wait)
            if self._backups is not None:
                self._backups.wake()  # a backup may have waited for this very turn to end, or for what it brought

    def _running(self) -> frozenset[str]:
        with self._lock:
            return frozenset(self._turns.running)

    def _take(self, stack: str, job: Callable[[], float], ended: Callable[[float], None]) -> None:
        """Give the stack's turn to something that is no pass; ``ended`` is told what it answered once the turn is over."""
        with self._lock:
            self._turns.running.add(stack)
        self._pool.submit(self._job, stack, job, ended)

    def _job(self, stack: str, job: Callable[[], float], ended: Callable[[float], None]) -> None:
        try:
            answer = job()
        finally:
            self._end_turn(stack, self._left_of_wait(stack))
        ended(answer)

    def _left_of_wait(self, stack: str) -> float | None:
        """What is no pass changes nothing about when the stack is to be looked at next."""
        with self._lock:
            at = self._turns.due.get(stack)
        return None if at is None else max(0.0, at - self._clock.monotonic())

    def _still_holds(self, stack: str, looked_at: float) -> bool:
        """Of a look that began at ``looked_at`` (monotonic seconds): a pass that ended since changed what it saw."""
        with self._lock:
            ended = self._turns.ended.get(stack, float("-inf"))
        return ended < looked_at and self._clock.monotonic() - looked_at <= _SNAPSHOT_LASTS_S

    def _take_turn(self, work: Work, snapshot: Snapshot | None) -> None:
        before, last_pass = self._host.journal.stack(work.name), self._host.journal.passes(work.name, 1)
        asked = self._desk.waiting(work.name)
        record = self._host.reconcile(work, snapshot)
        self._desk.answer(work.name, record, asked)
        if self._lookout is not None:
            self._lookout.passed(record)
        if before is None or before.ready != record.ready or before.applied_revision != record.applied_revision:
            self._wake_dependents(work.name)
        if last_pass != self._host.journal.passes(work.name, 1):
            if self._lookout is not None:
                self._lookout.wake()  # what is proven now may be written back
            self._vigil.stacks_changed()

    def _end_turn(self, stack: str, wait_s: float | None) -> None:
        with self._lock:
            self._turns.due.pop(stack, None)
            if wait_s is not None:
                self._turns.due[stack] = self._clock.monotonic() + wait_s
            self._turns.ended[stack] = self._clock.monotonic()
            self._turns.running.discard(stack)
            again = stack in self._turns.again
            self._turns.again.discard(stack)
        if again and not self._leaving.is_set():
            self.emit(Event(Trigger.TIMER, stack, "something happened during the pass"))

    def _wake_dependents(self, stack: str) -> None:
        for name in self._host.turn_with(stack):
            self.emit(Event(Trigger.TIMER, name, f"{stack} turned"))

    def _keep_fetching(self) -> None:
        """Now, at every interval, and when asked; after a failure ever later, but never given up."""
        attempts, last = 0, ""
        while not self._leaving.is_set():
            self._fetch_now.clear()
            try:
                revision = self._host.fetch()
                attempts = 0
                self._desk.fetched()
                if revision.commit != last:
                    log.info("fetched", revision=revision.short, subject=revision.subject)
                    last = revision.commit
                    self.emit(Event(Trigger.SOURCE, detail="fetched"))
                    if self._lookout is not None:
                        self._lookout.wake()
                    self._vigil.stacks_changed()  # what they ask for may be other pairs
                    self._warn(revision)
            except ReconcilerError as error:
                attempts += 1
                self._desk.could_not_fetch(error)
            wait = interval_s(self._interval, random.random())
            if attempts:
                wait = min(wait, delay_s(attempts, random.random(), cap_s=_MOST_TO_FETCH_S))
            self._fetch_now.wait(wait)

    def _warn(self, revision: Revision) -> None:
        """Of what stops nothing, once. A revision that cannot be read is told by who looks at its stacks."""
        with suppress(ReconcilerError):
            for warning in self._host.warnings(revision):
                log.warning("may_be_meant_otherwise", revision=revision.short, what=str(warning))

    def _follow_the_engine(self) -> None:
        while not self._leaving.is_set():
            try:
                for event in self._engine.events():
                    self.emit(event)
                    if self._leaving.is_set():
                        return
            except ReconcilerError as error:
                log.warning("engine_away", error=str(error))
                self.emit(Event(Trigger.ENGINE, detail="the engine is away"))
            self._leaving.wait(_RECONNECT_S)
