"""The daemon: turns reasons to look again into passes. Coalesces, backs off, never runs a stack twice at once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import structlog

from reconciler.backup.keeper import Keeper
from reconciler.certs.vigil import Vigil
from reconciler.daemon.backups import BackupTurns
from reconciler.daemon.fetching import Fetching
from reconciler.daemon.turns import Turns
from reconciler.execution.observe import Snapshot
from reconciler.execution.walk import StoppedError
from reconciler.execution.work import Work
from reconciler.host import Host
from reconciler.model.errors import EngineUnavailableError, ReconcilerError
from reconciler.model.event import Event, Trigger
from reconciler.model.record import RequestKind
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine
from reconciler.requests import FETCH, NOW, Desk
from reconciler.updates.lookout import Lookout

log = structlog.get_logger()

_GATHER_S = 0.02  # a burst of events is one more pass
_LOOK_FOR_REQUESTS_EVERY_S = 0.25
_FULL_LOOK_EVERY_S = 300.0
_RECONNECT_S = 1.0
_TIDY_EVERY_S = 3600.0
_AFTER_TROUBLE_S = 5.0  # a full disk, a journal that is busy: what could not even be looked at is looked at again


class Daemon:
    """``fetch_every_s``: seconds. ``concurrency``: how many stacks are worked on at once."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        clock: Clock,
        fetch_every_s: float,
        concurrency: int,
        vigil: Vigil,
        backups: Keeper,
        lookout: Lookout,
    ) -> None:
        self._host = host
        self._vigil = vigil
        self._lookout = lookout
        self._engine = engine
        self._clock = clock
        self._pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="pass")
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._desk = Desk(host.journal, clock, host.kept)
        self._turns = Turns(clock)
        self._fetching = Fetching(host, self._desk, fetch_every_s, self._revision_came)
        self._backups = BackupTurns(backups, host, self._desk, clock, self._turns.running, self._take)
        self._known: frozenset[str] = frozenset()  # the stacks of this host, as of the last look
        self._tidy_at = clock.monotonic() + _TIDY_EVERY_S
        lookout.looked = self._registries_were_asked
        self._leaving = threading.Event()
        self.leaving_because = ""
        # Called after each turn of the main loop, with the stacks of this host and those that are worked on.
        self.turned: Callable[[Collection[str], Collection[str]], None] = lambda *_: None

    def emit(self, event: Event) -> None:
        """From any thread: there is a reason to look again."""
        self._events.put(event)

    def _registries_were_asked(self, stack: str) -> None:
        self._desk.looked(stack)
        self.emit(Event(Trigger.REGISTRY, stack, "somebody wanted it asked"))

    def leave(self, why: str) -> None:
        """From a signal handler: end the running steps, start no other, return from ``run``."""
        self.leaving_because = why
        self._leaving.set()
        self._fetching.leave()
        self._vigil.leave()
        self._lookout.leave()
        self._events.put(Event(Trigger.TIMER, detail=why))

    def run(self) -> None:
        """Until ``leave``. The caller holds the root's lock."""
        threads = (
            threading.Thread(target=self._fetching.run, name="fetch", daemon=True),
            threading.Thread(target=self._follow_the_engine, name="engine", daemon=True),
            threading.Thread(target=self._vigil.run, name="certificates", daemon=True),
            threading.Thread(target=self._lookout.run, name="updates", daemon=True),
        )
        self._vigil.turn()  # before any service starts that reads a certificate
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
            self.turned(self._known, self._turns.running())
        self._pool.shutdown(wait=True)

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
        for event in events:
            if event.trigger is Trigger.SOURCE and event.detail != "fetched":
                self._fetching.ask()
            if event.trigger is Trigger.CERTIFICATE and event.stack is not None:
                self._turns.hurry(event.stack)
        stacks: set[str | None] = {event.stack for event in events if self._asks_for_a_pass(event)}
        stacks |= self._turns.due()
        stacks |= self._requested()
        self._backups.take_those_due()  # first: where much happens, a pass would be under way at every look
        if stacks:
            self._dispatch(stacks)

    def _asks_for_a_pass(self, event: Event) -> bool:
        """Not what is only a reason to fetch, nor what happens to other people's projects on the same engine."""
        if event.trigger is Trigger.ENGINE and event.stack is not None:
            return event.stack in self._known
        return event.trigger is not Trigger.SOURCE or event.detail == "fetched"

    def _requested(self) -> set[str | None]:
        found: set[str | None] = set()
        for request in self._desk.handle():
            if request.kind is RequestKind.BACKUP:
                continue  # done in a turn of its own
            found.add(request.stack or None)
            if request.force and request.stack:
                self._turns.force(request.stack)
            if request.stack == "" or request.reason in (FETCH, NOW):
                self._fetching.ask()
            if request.reason == NOW and request.kind is RequestKind.RECONCILE:
                self._turns.let_past_windows(request.stack)
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
            if (None in stacks or work.name in stacks) and self._turns.take(work.name):
                self._pool.submit(self._pass, self._turns.as_asked(work), snapshot, looked_at)

    def _pass(self, work: Work, snapshot: Snapshot | None, looked_at: float) -> None:
        began = self._clock.monotonic()
        wait: float | None = _AFTER_TROUBLE_S
        if self._leaving.is_set():
            return
        try:
            self._reconcile(work, snapshot if self._turns.still_holds(work.name, looked_at) else None)
            wait = self._host.due_in_s(work.name, began)
        except StoppedError as stopped:
            log.info("pass_interrupted", stack=work.name, why=str(stopped))
        except ReconcilerError as error:
            log.error("pass_failed", stack=work.name, reason=error.reason, error=work.mask.clean(str(error)))
        except Exception as error:
            log.exception("pass_crashed", stack=work.name, error=work.mask.clean(repr(error)))
        finally:
            self._end_turn(work.name, wait)
            self._backups.wake()  # a backup may have waited for this very turn to end, or for what it brought

    def _reconcile(self, work: Work, snapshot: Snapshot | None) -> None:
        before, last_pass = self._host.journal.stack(work.name), self._host.journal.passes(work.name, 1)
        asked = self._desk.waiting(work.name)
        record = self._host.reconcile(work, snapshot)
        self._desk.answer(work.name, record, asked)
        self._lookout.passed(record)
        if before is None or before.ready != record.ready or before.applied_revision != record.applied_revision:
            self._wake_dependents(work.name)
        if last_pass != self._host.journal.passes(work.name, 1):
            self._lookout.wake()  # what is proven now may be written back
            self._vigil.stacks_changed()

    def _wake_dependents(self, stack: str) -> None:
        for name in self._host.turn_with(stack):
            self.emit(Event(Trigger.TIMER, name, f"{stack} turned"))

    def _take(self, stack: str, job: Callable[[], float], ended: Callable[[float], None]) -> None:
        """Give the stack's turn to something that is no pass; ``ended`` is told what it answered once the turn is over."""
        self._turns.take(stack)
        self._pool.submit(self._job, stack, job, ended)

    def _job(self, stack: str, job: Callable[[], float], ended: Callable[[float], None]) -> None:
        try:
            answer = job()
        finally:
            self._end_turn(stack, self._turns.left_of_wait(stack))
        ended(answer)

    def _end_turn(self, stack: str, wait_s: float | None) -> None:
        if self._turns.end(stack, wait_s) and not self._leaving.is_set():
            self.emit(Event(Trigger.TIMER, stack, "something happened during the pass"))

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

    def _revision_came(self) -> None:
        self.emit(Event(Trigger.SOURCE, detail="fetched"))
        self._lookout.wake()
        self._vigil.stacks_changed()  # what they ask for may be other pairs

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
