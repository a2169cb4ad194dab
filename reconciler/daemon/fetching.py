"""When Git is fetched: beside the passes, so that a server that hangs stops no drift repair."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from reconciler.host import Host
from reconciler.model.errors import ReconcilerError
from reconciler.model.source import Revision
from reconciler.planning.backoff import delay_s, interval_s
from reconciler.requests import Desk

log = structlog.get_logger()

_MOST_S = 120.0  # between two tries, however many failed


class Fetching:
    """``every_s``: seconds. ``on_news``: called after each fetch that brought another revision."""

    def __init__(self, host: Host, desk: Desk, every_s: float, on_news: Callable[[], None]) -> None:
        self._host = host
        self._desk = desk
        self._every_s = every_s
        self._on_news = on_news
        self._now = threading.Event()
        self._leaving = threading.Event()
        self._last = ""

    def ask(self) -> None:
        """From any thread: now."""
        self._now.set()

    def leave(self) -> None:
        self._leaving.set()
        self._now.set()

    def run(self) -> None:
        """Now, at every interval, and when asked; after a failure ever later, but never given up."""
        attempts = 0
        while not self._leaving.is_set():
            self._now.clear()
            try:
                revision = self._host.fetch()
                attempts = 0
                self._take(revision)
            except ReconcilerError as error:
                attempts += 1
                self._desk.could_not_fetch(error)
            wait = interval_s(self._every_s, random.random())
            if attempts:
                wait = min(wait, delay_s(attempts, random.random(), cap_s=_MOST_S))
            self._now.wait(wait)

    def _take(self, revision: Revision) -> None:
        self._desk.fetched()
        if revision.commit != self._last:
            log.info("fetched", revision=revision.short, subject=revision.subject)
            self._last = revision.commit
            self._on_news()
            self._warn(revision)

    def _warn(self, revision: Revision) -> None:
        """Of what stops nothing, once. A revision that cannot be read is told by who looks at its stacks."""
        with suppress(ReconcilerError):
            for warning in self._host.warnings(revision):
                log.warning("may_be_meant_otherwise", revision=revision.short, what=str(warning))
