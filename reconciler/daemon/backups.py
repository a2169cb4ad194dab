"""When backups are made: as jobs of their stacks' own turns, so that none runs beside a pass over the same stack."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

from reconciler.backup.keeper import Keeper
from reconciler.backup.kit import Wanted
from reconciler.backup.orders import order_of
from reconciler.backup.pace import Pace
from reconciler.execution.work import Work
from reconciler.host import Host
from reconciler.model.errors import ReconcilerError
from reconciler.model.record import Request
from reconciler.ports.clock import Clock
from reconciler.requests import Desk

log = structlog.get_logger()

_AFTER_A_MISTAKE_S = 15.0
_AFTER_ANOTHER_S = 1.0  # who works on the stack just now
_AFTER_TROUBLE_S = 5.0  # what could not even be looked at is looked at again


class BackupTurns:
    """``running``: the stacks whose turn it is already. ``take``: give a stack's turn to a job, in a thread of its own, and
    tell somebody what it answered once the turn is over."""

    def __init__(
        self,
        backups: Keeper,
        host: Host,
        desk: Desk,
        clock: Clock,
        running: Callable[[], frozenset[str]],
        take: Callable[[str, Callable[[], float], Callable[[float], None]], None],
    ) -> None:
        self._backups = backups
        self._host = host
        self._desk = desk
        self._clock = clock
        self._running = running
        self._take = take
        self._pace = Pace()

    def begin(self) -> None:
        """Clear what a backup left that was cut short by a kill. An engine that is away is no reason not to begin."""
        with suppress(ReconcilerError):
            self._backups.begin()

    def wake(self) -> None:
        """From any thread: something happened that a backup may have waited for."""
        self._pace.wake()

    def take_those_due(self) -> None:
        """Cheap while nothing is: called at every turn of the daemon."""
        running = self._running()
        ordered = self._desk.ordered() - running
        if not self._pace.begins(self._clock.monotonic()) and not ordered:
            return
        self._pace.later(self._clock.monotonic(), _AFTER_TROUBLE_S)
        try:
            self._look(running, ordered)
        except ReconcilerError as error:
            log.warning("backups_not_looked_at", reason=error.reason, error=str(error))
            for name in sorted(ordered):
                self._answer(name, str(error))
        except Exception:
            log.exception("backups_look_crashed")  # a mistake of ours, which must not end the passes

    def _look(self, running: frozenset[str], ordered: frozenset[str]) -> None:
        every = self._host.works()
        works = {work.name: work for work in every if work.name not in running}
        look = self._backups.look(self._wanted(work) for work in works.values() if not work.gone)
        self._pace.next(self._clock.monotonic(), look.wait_s, any(work.manifest.backups for work in every))
        for name in sorted(ordered - works.keys()):
            self._answer(name, f"there is no stack named {name}; see: reconciler get")
        for name in sorted((look.due | ordered) & works.keys()):
            self._take(name, partial(self._back_up, works[name]), self._look_again_after)

    def _look_again_after(self, pause_s: float) -> None:
        if pause_s:
            self._pace.later(self._clock.monotonic(), pause_s)
        else:
            self._pace.wake()  # which no look that is under way can put off

    def _back_up(self, work: Work) -> float:
        """Seconds until it makes sense to look again."""
        try:
            with self._host.turn(work.name) as is_mine:
                return self._in_turn(work) if is_mine else _AFTER_ANOTHER_S
        except ReconcilerError as error:
            log.info("backup_interrupted", stack=work.name, why=work.mask.clean(str(error)))
            return _AFTER_TROUBLE_S
        except Exception as error:
            log.exception("backup_crashed", stack=work.name, error=work.mask.clean(repr(error)))
            return _AFTER_A_MISTAKE_S

    def _in_turn(self, work: Work) -> float:
        wanted = self._wanted(work)
        for request in self._desk.take_orders(work.name):
            self._desk.answer_order(request, self._perform(wanted, request))
        self._backups.run_due(wanted)
        return 0.0

    def _wanted(self, work: Work) -> Wanted:
        return self._backups.wanted(work.name, work.manifest.backups, work.variables, self._host.around(work))

    def _perform(self, wanted: Wanted, request: Request) -> str:
        try:
            order = order_of(request.reason)
        except ValueError as error:
            return str(error)
        return self._backups.perform(wanted, order, request.who) or "ok"

    def _answer(self, stack: str, answer: str) -> None:
        for request in self._desk.take_orders(stack):
            self._desk.answer_order(request, answer)
