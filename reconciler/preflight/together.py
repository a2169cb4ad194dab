"""Looks side by side, each with a limit: one that hangs holds up nobody for longer, and is said."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from reconciler.preflight.finding import Finding, Level

log = structlog.get_logger()

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Look:
    """``within_s``: after which it counts as unanswered, and as bad as ``level``. It raises nothing."""

    name: str
    see: Callable[[], Sequence[Finding]]
    within_s: float
    level: Level = Level.WARNING
    stack: str = ""


def together(looks: Sequence[Look]) -> Iterator[Finding]:
    """The findings in the order of the looks, each as soon as those before it are there."""
    waiting: queue.SimpleQueue[tuple[Look, queue.SimpleQueue[Sequence[Finding]]]] = queue.SimpleQueue()
    answers = [(look, queue.SimpleQueue[Sequence[Finding]]()) for look in looks]
    for answer in answers:
        waiting.put(answer)
    for _ in range(min(_AT_ONCE, len(looks))):
        # Not a pool: its threads would be waited for at the end of the process, however long a resolver hangs.
        threading.Thread(target=_work, args=(waiting,), name="preflight", daemon=True).start()
    began = time.monotonic()
    for look, answer_queue in answers:
        try:
            yield from answer_queue.get(timeout=max(0.0, began + look.within_s - time.monotonic()))
        except queue.Empty:
            yield _unanswered(look)


def _work(waiting: queue.SimpleQueue[tuple[Look, queue.SimpleQueue[Sequence[Finding]]]]) -> None:
    while True:
        try:
            look, answer = waiting.get_nowait()
        except queue.Empty:
            return
        answer.put(_seen(look))


def _seen(look: Look) -> Sequence[Finding]:
    """A look that fails on its own account is a finding like others: the rest must be said all the same."""
    try:
        return look.see()
    except Exception as error:
        log.exception("look_crashed", look=look.name)
        mend = f"this is a mistake in reconciler ({type(error).__name__}: {error}); please report it"
        return (Finding(look.name, look.level, "it could not be looked at", "an answer", mend, look.stack),)


def _unanswered(look: Look) -> Finding:
    found = f"no answer within {look.within_s:g} s"
    mend = "look at the network and the resolver of this host (/etc/resolv.conf), and try again"
    return Finding(look.name, look.level, found, "an answer", mend, look.stack)
