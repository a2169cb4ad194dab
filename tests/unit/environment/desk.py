"""A stack's variables with a real folder and a real state.db, and a repository that is a few texts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reconciler.adapters.env_files import EnvFolder
from reconciler.adapters.journal import SqliteJournal
from reconciler.execution.environments import Environments, Survey
from reconciler.execution.providing import Providing
from reconciler.execution.work import Work
from reconciler.model.environment import EnvironmentUse
from reconciler.model.manifest import Manifest
from reconciler.model.record import Ready, StackRecord, Sync, Truth
from reconciler.model.source import EntryKind, Revision, TreeEntry
from reconciler.secrets.opening import Opener
from tests.fakes.clock import FakeClock

SCHEMA = """{"required": ["PASSWORD"], "properties": {
"PASSWORD": {"description": "Of the database.", "secret": true},
"SESSION": {"description": "Signs sessions."},
"LEVEL": {"description": "Of the log.", "enum": ["debug", "info"], "default": "info"}}}"""
REVISION = Revision("c0ffee", "tree", "subject", "Ada", 0)


class Killed(BaseException):
    """The process ends here."""


class FragileFolder(EnvFolder):
    """``dies``: "before" or "after" the file is written."""

    dies = ""

    def put(self, stack: str, values: Mapping[str, str], heading: str = "") -> bool:
        if self.dies == "before":
            raise Killed
        done = super().put(stack, values, heading)
        if self.dies == "after":
            raise Killed
        return done


class Repository:
    """The ``Tree`` port, as far as it is asked here."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = dict(files)

    def entries(self, revision: Revision) -> dict[str, TreeEntry]:
        return {path: TreeEntry(path, EntryKind.FILE, path) for path in self.files}

    def read(self, object_id: str) -> bytes:
        return self.files[object_id].encode()


class Desk:
    def __init__(
        self, folder: Path, *, immutable: tuple[str, ...] = (), generate: Mapping[str, int] | None = None
    ) -> None:
        self.folder = folder
        self.repository: Any = Repository({"web/env.schema.json": SCHEMA, "web/stack.env": "SESSION=\n"})
        self.use = EnvironmentUse("env.schema.json", MappingProxyType(dict(generate or {})), immutable)
        self.env = FragileFolder(folder / "env", folder / "state" / "staging")
        self.start()

    def start(self) -> None:
        """A new process."""
        self.env.dies = ""
        self.journal = SqliteJournal(self.folder / "state.db", synchronous="OFF")
        marks = self.journal.marks
        self.environments = Environments(self.repository, self.env, marks, Opener(self.folder / "age-identity.txt"))
        self.providing = Providing(self.environments, self.env, marks, self.journal, FakeClock())

    def write(self, text: str) -> None:
        (self.folder / "env").mkdir(exist_ok=True)
        (self.folder / "env" / "web.env").write_text(text)

    @property
    def file(self) -> str:
        return (self.folder / "env" / "web.env").read_text()

    @property
    def manifest(self) -> Manifest:
        return Manifest("web", "web", ("compose.yaml",), env_files=("stack.env",), environment=self.use)

    def survey(self) -> Survey:
        return self.environments.of(self.manifest, REVISION)

    def told(self) -> list[str]:
        """All that keeps the stack from being rendered."""
        survey = self.survey()
        return [str(problem) for problem in (*survey.problems, *self.environments.changed(self.manifest, survey))]

    @property
    def work(self) -> Work:
        return Work("web", self.manifest, REVISION, environment=dict(self.survey().environment.of_host))

    def reconcile(self, *, applied: bool = True) -> list[str]:
        """A pass, as far as it is about the variables; what was wrong."""
        problems = self.providing.provide(self.work)
        told = [*map(str, problems or ()), *self.told()]
        sync = Sync.SYNCED if applied and not told else Sync.OUT_OF_SYNC
        record = StackRecord("web", sync, ready=Ready(Truth.TRUE, "", ""), applied_release=1 if applied else None)
        self.providing.remember(self.work, record if told else _at(record))
        return told


def _at(record: StackRecord) -> StackRecord:
    from dataclasses import replace

    return replace(record, applied_revision=REVISION.commit)
