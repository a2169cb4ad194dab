"""A root with a journal that says whatever a test wants, and the program as a person calls it. No engine, no daemon."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from reconciler.adapters.clock import SystemClock
from reconciler.adapters.journal import SqliteJournal
from reconciler.adapters.release_store import ReleaseFiles
from reconciler.adapters.root_lock import RootLock
from reconciler.cli.main import cli
from reconciler.layout import Layout
from reconciler.model.record import Health, Ready, Request, StackRecord, Sync, Truth
from reconciler.requests import Desk

os.environ["TZ"] = "UTC"  # times are printed in the host's zone
time.tzset()

NOON = 1_767_268_800.0  # 2026-01-01 12:00:00 UTC
COMMIT = "3f4a2b1c9d0e8f7a6b5c4d3e2f1a0b9c8d7e6f5a"
OLDER = "aaaabbbbccccddddeeeeffff0000111122223333"
NO_DAEMON = "no daemon runs: start one with `reconciler run`, or make one pass with `reconciler once`\n"

WEB = StackRecord(
    "web",
    Sync.SYNCED,
    Health.HEALTHY,
    Ready(Truth.TRUE, "ReconciliationSucceeded", "release 2 is healthy"),
    attempted_revision=COMMIT,
    applied_revision=COMMIT,
    attempted_release=2,
    applied_release=2,
)
DATABASE = StackRecord(
    "database",
    Sync.OUT_OF_SYNC,
    Health.DEGRADED,
    Ready(Truth.FALSE, "StartFailed", "release 1 failed at step 2\nIts last lines:\nno space"),
    attempted_revision=COMMIT,
    attempted_release=1,
)


class Root:
    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        folder.mkdir()
        self.layout.settings.write_text("source: {url: /srv/git/config.git}\n")
        self.journal = SqliteJournal(self.layout.journal, synchronous="OFF")

    def save(self, *records: StackRecord) -> None:
        for record in records:
            self.journal.save_stack(record)

    def record(self, stack: str) -> StackRecord:
        found = self.journal.stack(stack)
        assert found is not None
        return found

    def call(self, *words: str, **environment: str) -> Result:
        return call("--root", str(self.layout.root), *words, **environment)

    def json(self, *words: str) -> list[dict[str, Any]]:
        """What the program prints, which must be one list of objects and nothing else."""
        found = json.loads(self.call(*words, "-o", "json").stdout)
        assert isinstance(found, list)
        return found

    @contextmanager
    def daemon(self, make_pass: Callable[[Request], None] = lambda _: None) -> Iterator[None]:
        """Holds the root's lock and handles requests, as the daemon does; ``make_pass`` stands in for what follows."""
        leaving = threading.Event()
        desk = Desk(self.journal, SystemClock(), ReleaseFiles(self.layout.root).numbers)

        def serve() -> None:
            while not leaving.wait(0.01):
                for request in desk.handle():
                    make_pass(request)

        thread = threading.Thread(target=serve, daemon=True)
        with RootLock(self.layout.lock):
            thread.start()
            try:
                yield
            finally:
                leaving.set()
                thread.join(10)


def call(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, words, prog_name="reconciler", env=environment)
