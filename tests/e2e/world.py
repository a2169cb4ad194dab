"""A world of its own for one scenario: a Git repository, a root folder, a daemon, and the real engine.

Every stack gets a name that nobody else has; ``clean`` takes away all containers, networks and volumes of them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import docker

from reconciler.adapters.journal import SqliteJournal
from reconciler.cli.get import as_object
from reconciler.layout import Layout
from reconciler.model.record import EventRecord
from tests.e2e.starting import Started
from tests.integration.local_git import QUIETLY

T = TypeVar("T")
RECONCILER = str(Path(sys.executable).with_name("reconciler"))
PATIENCE_S = 60.0  # no scenario needs as much; a wait that fails says what it saw instead


def eventually(look: Callable[[], T], wanted: Callable[[T], bool] = bool, within_s: float = PATIENCE_S) -> T:
    """Look again and again until ``wanted`` says yes; fails with the last thing seen."""
    end = time.monotonic() + within_s
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"not within {within_s:g} s; last seen: {seen!r}")
        time.sleep(0.05)


class Daemon:
    def __init__(self, process: subprocess.Popen[bytes] | Started, log: Path) -> None:
        self.process = process
        self.log = log

    def kill(self) -> None:
        """As pulling the plug does it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self, within_s: float = 30.0) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(within_s)

    @property
    def running(self) -> bool:
        return self.process.poll() is None


class World:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "root"
        self.repository = home / "config"
        self.suffix = uuid.uuid4().hex[:8]
        self.engine = docker.from_env()
        self._stacks: set[str] = set()
        self._daemons: list[Daemon] = []
        self._commands = 0
        self.root.mkdir()
        self.repository.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.write_settings()

    # The repository

    def git(self, *words: str) -> str:
        environment = {
            **os.environ,
            **QUIETLY,
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
        }
        done = subprocess.run(
            ["git", *words], cwd=self.repository, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def name(self, stack: str) -> str:
        """The stack's real name: unique on this engine."""
        name = f"{stack}-{self.suffix}"
        self._stacks.add(name)
        return name

    def write(self, path: str, content: str | bytes) -> Path:
        """A file of the repository's work tree; not committed yet."""
        target = self.repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        return target

    def commit(self, files: Mapping[str, str | bytes | None] | None = None, message: str = "change") -> str:
        """Write (None: delete) and commit; the commit's id."""
        for path, content in (files or {}).items():
            if content is None:
                (self.repository / path).unlink()
            else:
                self.write(path, content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def compose(
        self, stack: str, model: dict[str, Any] | str, manifest: dict[str, Any] | None = None
    ) -> dict[str, str]:
        """Files for ``commit``: a stack under its unique name, quick to prove."""
        name = self.name(stack)
        settings: dict[str, Any] = {"rollout": {"soak": "300ms", "timeout": "20s"}, **(manifest or {})}
        text = model if isinstance(model, str) else json.dumps(model, indent=2)
        return {f"stacks/{name}/compose.yaml": text, f"stacks/{name}/stack.yaml": json.dumps(settings)}

    # The host

    def write_settings(self, **source: Any) -> None:
        settings = {"source": {"url": str(self.repository), "path": "stacks", **source}}
        (self.root / "host.yaml").write_text(json.dumps(settings))

    def write_environment(self, stack: str, text: str) -> None:
        folder = self.root / "env"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.name(stack)}.env"
        path.write_text(text)
        path.chmod(0o600)

    def cli(self, *words: str, within_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """``reconciler --root ROOT ...`` as a person types it; its output is text without colours."""
        self._commands += 1
        out, err = (self.home / f"command-{self._commands}.{end}" for end in ("out", "err"))
        words = ("--root", str(self.root), *words)
        command = Started(words, {**os.environ, "NO_COLOR": "1"}, out, err)
        try:
            status = command.wait(within_s)
        finally:
            command.kill()
        return subprocess.CompletedProcess(command.words, status, out.read_text(), err.read_text())

    def once(self) -> subprocess.CompletedProcess[str]:
        return self.cli("once")

    def status(self, stack: str) -> dict[str, Any]:
        """The stack's object of ``get -o json``; empty if it is not known yet.

        Made in this process: what is asked for many times a second must not cost a start of Python each time.
        """
        with self.journal() as journal:
            record = journal.stack(self.name(stack)) if journal else None
        return as_object(record) if record else {}

    def told(self, stack: str, *reasons: str) -> list[EventRecord]:
        """The events of the stack ("": of the host itself), oldest first; of these ``reasons`` only, if any are named."""
        with self.journal() as journal:
            found = journal.events(stack=self.name(stack) if stack else "") if journal else ()
        return [event for event in found if not reasons or event.reason in reasons]

    @contextmanager
    def journal(self) -> Iterator[SqliteJournal | None]:
        """state.db as the command line opens it, None while there is none: opening would make one."""
        path = Layout(self.root).journal
        if not path.exists():
            yield None
            return
        with SqliteJournal(path) as journal:
            yield journal

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.cli("events", "-o", "json").stdout)
        return found

    def message(self, stack: str) -> str:
        """What Ready says."""
        return str(self.status(stack).get("message", ""))

    def passes(self, stack: str) -> list[dict[str, Any]]:
        """The newest first, each with its steps."""
        found: list[dict[str, Any]] = json.loads(self.cli("history", self.name(stack), "--steps", "-o", "json").stdout)
        return found

    def steps(self, stack: str) -> list[str]:
        """What the newest pass did, in words, in order."""
        return [step["text"] for step in self.passes(stack)[0]["steps"]]

    def releases(self, stack: str) -> list[dict[str, Any]]:
        """The newest first."""
        found: list[dict[str, Any]] = json.loads(self.cli("history", self.name(stack), "-o", "json").stdout)
        return found

    def is_ready_at(self, stack: str, commit: str) -> bool:
        status = self.status(stack)
        return status.get("ready") == "True" and status.get("appliedRevision") == commit and status["sync"] == "Synced"

    def await_ready(self, stack: str, commit: str) -> dict[str, Any]:
        return eventually(
            lambda: self.status(stack),
            lambda seen: seen.get("ready") == "True" and seen["appliedRevision"] == commit and seen["sync"] == "Synced",
        )

    def await_failure(self, stack: str, reason: str | None = None) -> dict[str, Any]:
        """Until the stack's Ready is False (for ``reason``)."""
        return eventually(
            lambda: self.status(stack),
            lambda seen: seen.get("ready") == "False" and (reason is None or seen["reason"] == reason),
        )

    @contextmanager
    def daemon(self, command: list[str] | None = None, **environment: str) -> Iterator[Daemon]:
        found = self.start_daemon(command, **environment)
        try:
            yield found
        finally:
            if found.running:
                found.terminate()

    def start_daemon(self, command: list[str] | None = None, **environment: str) -> Daemon:
        log = self.home / f"daemon-{len(self._daemons)}.log"
        words = ["--root", str(self.root), "run"]
        environment = {**os.environ, **environment}
        process: subprocess.Popen[bytes] | Started
        log.touch()
        if command is None:
            process = Started(words, environment, log, log)
        else:
            with log.open("wb") as output:
                process = subprocess.Popen([*command, *words], stdout=output, stderr=subprocess.STDOUT, env=environment)
        found = Daemon(process, log)
        self._daemons.append(found)
        return found

    # The engine

    def containers(self, stack: str, service: str | None = None) -> list[dict[str, Any]]:
        """``docker inspect`` of every container of the stack, stopped ones included, by name."""
        labels = [f"com.docker.compose.project={self.name(stack)}"]
        if service is not None:
            labels.append(f"com.docker.compose.service={service}")
        found = []
        for container in self.engine.api.containers(all=True, filters={"label": labels}):
            try:
                found.append(self.engine.api.inspect_container(container["Id"]))
            except docker.errors.NotFound:
                continue
        return sorted(found, key=lambda container: container["Name"])

    def container(self, stack: str, service: str) -> dict[str, Any]:
        """The only container of a service."""
        found = self.containers(stack, service)
        assert len(found) == 1, [entry["Name"] for entry in found]
        return found[0]

    def ids(self, stack: str) -> dict[str, str]:
        """Ids by name, of stopped containers, too."""
        return {entry["Name"].removeprefix("/"): entry["Id"] for entry in self.containers(stack)}

    def running(self, stack: str) -> dict[str, str]:
        """The same of those that run, with the time they were started: equal while nobody touched them."""
        found = [entry for entry in self.containers(stack) if entry["State"]["Status"] == "running"]
        return {entry["Name"].removeprefix("/"): f"{entry['Id']} {entry['State']['StartedAt']}" for entry in found}

    def execute(self, container: str, *words: str) -> str:
        """What a command in the container (id or name) prints."""
        return self.docker("exec", container, *words)

    def docker(self, *words: str) -> str:
        return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()

    def clean(self) -> None:
        self.clean_stacks()
        self.engine.close()

    def clean_stacks(self) -> None:
        """Nothing runs any more, and nothing is left on the engine but images."""
        for daemon in self._daemons:
            if daemon.running:
                daemon.kill()
        labels = [{"label": f"com.docker.compose.project={stack}"} for stack in self._stacks]
        # A container of one may hold the network of another, so all of them go first.
        for label in labels:
            for container in self.engine.api.containers(all=True, filters=label):
                self.engine.api.remove_container(container["Id"], force=True, v=True)
        for label in labels:
            for network in self.engine.api.networks(filters=label):
                self.engine.api.remove_network(network["Id"])
            for volume in self.engine.api.volumes(filters=label)["Volumes"] or ():
                self.engine.api.remove_volume(volume["Name"], force=True)

    def logs(self) -> str:
        """Every daemon's log, for a failing test."""
        return "\n".join(f"== {daemon.log.name}\n{daemon.log.read_text()}" for daemon in self._daemons)
