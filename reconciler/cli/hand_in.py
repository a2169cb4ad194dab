"""Hands a request in: to the daemon as a row in state.db, or, where none runs and it only changes what is remembered, to
ourselves under the root's lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reconciler.cli import roots
from reconciler.cli.errors import Failure
from reconciler.cli.logs import configure, level_of
from reconciler.cli.options import Options

if TYPE_CHECKING:
    from reconciler.adapters.root_lock import RootLock
    from reconciler.layout import Layout
    from reconciler.model.record import RequestKind
    from reconciler.ports.books import Journal

_HANDLED_WITHIN_S = 15.0
_LOOK_EVERY_S = 0.05


def hand_in(
    options: Options,
    layout: Layout,
    journal: Journal,
    is_done: Callable[[], bool],
    kind: RequestKind,
    stack: str,
    **details: Any,
) -> bool:
    """Have it done, by the daemon or here; whether it was done here. Raises Failure where it is refused."""
    lock = lock_unless_daemon(layout)
    if lock is None:
        _let_the_daemon_do(journal, is_done, journal.ask(kind, stack, roots.who(), time.time(), **details))
        return False
    with lock:
        _do_here(options, layout, journal, is_done, journal.ask(kind, stack, roots.who(), time.time(), **details))
    return True


def lock_unless_daemon(layout: Layout) -> RootLock | None:
    """The root's lock, held by us now; None where a daemon holds it. Raises StalledError where it cannot be taken."""
    from reconciler.adapters.root_lock import RootLock
    from reconciler.model.errors import StalledError

    lock = RootLock(layout.lock)
    try:
        lock.acquire(time.time())
    except StalledError as error:
        if error.reason != "AlreadyRunning":
            raise
        return None
    return lock


def _let_the_daemon_do(journal: Journal, is_done: Callable[[], bool], row: int) -> None:
    """The effect is looked for besides the answer, which comes only after the stack's next pass."""
    deadline = time.monotonic() + _HANDLED_WITHIN_S
    if not eventually(lambda: is_done() or bool(answer(journal, row)), deadline):
        raise Failure(
            f"the daemon has not answered within {_HANDLED_WITHIN_S:g} s; the request stays, see reconciler events"
        )
    if not is_done():
        raise Failure(answer(journal, row))


def _do_here(options: Options, layout: Layout, journal: Journal, is_done: Callable[[], bool], row: int) -> None:
    configure(level_of(options, tells_itself=True))
    from reconciler.adapters.clock import SystemClock
    from reconciler.adapters.release_store import ReleaseFiles
    from reconciler.model.record import RequestKind
    from reconciler.requests import Desk

    handled = Desk(journal, SystemClock(), ReleaseFiles(layout.root).numbers).handle()
    for request in handled:
        # Done as far as the journal goes. Left open, the next pass's desk would do it once more.
        if request.kind is not RequestKind.RECONCILE and not answer(journal, request.id):
            journal.answer(request.id, "ok", time.time())
    if not is_done():
        raise Failure(answer(journal, row))


def eventually(is_so: Callable[[], bool], deadline: float) -> bool:
    while not is_so():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def answer(journal: Journal, row: int) -> str:
    """Nothing until it is handled; a row that is gone was handled long ago."""
    request = journal.request(row)
    return request.answer if request is not None else "ok"
