"""Runs scripts in containers: inside one that runs, beside one with its mounts, or in a throwaway. Knows no database.

Through the program ``docker``, whose pipes give both directions and back-pressure.
"""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from reconciler.backup.streaming import CLOSES_WITHIN_S, Ended, Piece, Source, no_docker, stream, text
from reconciler.model.errors import StalledError, WaitingError

LABEL = "io.reconciler.backup"  # on throwaway containers: the root that made them, and may take them away
LABEL_OF = "io.reconciler.backup.of"
_UNTIL_READY = """for turn in 1 2 3 4 5 6 7 8 9 10; do
  sh -c "$1" "$0" </dev/null >/dev/null 2>&1 && exit
  sleep 0.2 2>/dev/null || sleep 1
done
exit 1"""
_MOST_PROCESSES = "512"
_READY_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Script:
    """``text``: of a POSIX shell. ``variables``: its environment; never a password, for others may read them.

    ``beside``: it runs in a container of its own that has the mounts of the other, which need not run, and no network."""

    text: str = field(repr=False)
    variables: Mapping[str, str]
    name: str
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """What becomes a throwaway container's first process, and how one knows that it is ready. ``user``: as whom, "" for
    the image's own."""

    serve: Script
    ready: Script
    user: str = ""


class Containers:
    """``root_id``: whose throwaway containers are ours. ``stop``: asked while streaming; a reason to leave, "" to go on."""

    def __init__(self, root_id: str, stop: Callable[[], str] = lambda: "") -> None:
        self._root_id = root_id
        self._stop = stop

    def run(
        self,
        container: str,
        script: Script,
        *,
        source: Source | None = None,
        sink: Piece | None = None,
        to_its_end: bool = False,
    ) -> Ended:
        """Run it in the container, or beside it. Raises WaitingError where it says nothing for too long or is to stop (but
        not ``to_its_end``: what is short and must not be half done), and whatever ``source`` and ``sink`` raise; then it
        is ended."""
        stop = (lambda: "") if to_its_end else self._stop
        if script.beside:
            return self._run_beside(container, script, source, sink, stop, swept=not to_its_end)
        return stream(_inside(container, script, script.text, script.name), script.name, source, sink, stop)

    def _run_beside(
        self,
        container: str,
        script: Script,
        source: Source | None,
        sink: Piece | None,
        stop: Callable[[], str],
        *,
        swept: bool,
    ) -> Ended:
        """``swept``: it may be taken away where this process was killed; else it comes to its end without it."""
        name, image = _drawn_name(), self._image_of(container)
        label = ("--label", f"{LABEL}={self._root_id}") if swept else ()
        command = [
            *("docker", "run", "--rm", "--interactive", "--name", name, "--pull", "never", "--network", "none", *label),
            *("--volumes-from", container, "--user", "0:0", "--no-healthcheck", "--log-driver", "none"),
            *("--cpu-shares", "256", "--pids-limit", _MOST_PROCESSES, *_environment(script)),
            *("--entrypoint", "sh", image, "-c", script.text, script.name),
        ]
        try:
            return stream(command, script.name, source, sink, stop)
        except BaseException:
            self._docker("rm", "--force", name)
            raise

    def _image_of(self, container: str) -> str:
        return self._inspected("{{.Image}}", container)

    def sharing(self, container: str, path: str) -> tuple[str, ...]:
        """The containers that have mounted what ``container`` has at ``path``, itself among them, running or not. Raises
        StalledError where nothing is mounted there: it would not outlive the container."""
        mounts = json.loads(self._inspected("{{json .Mounts}}", container))
        found = next((mount for mount in mounts if mount["Destination"] == path), None)
        if found is None:
            known = ", ".join(sorted(mount["Destination"] for mount in mounts)) or "none"
            raise StalledError(
                f"{path} is no mount of the container, so what lies there does not outlive it; its mounts: {known}",
                reason="NoMount",
            )
        source = found.get("Name") or found["Source"]
        return tuple(self._docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"volume={source}").out.split())

    def _inspected(self, template: str, container: str) -> str:
        found = self._docker("container", "inspect", "--format", template, container)
        if found.status:
            raise WaitingError(f"the container is gone: {_last_line(found.err)}", reason="NotRunning")
        return found.out.strip()

    @contextmanager
    def throwaway(self, image: str, stack: str, server: Server, memory: str) -> Iterator[str]:
        """A container of ``image`` without a network, always taken away with all that it wrote. Raises WaitingError where
        it is not ready in time."""
        container = _drawn_name()
        try:
            self._make(container, image, stack, server, memory)
            self._await(container, server.ready)
            yield container
        finally:
            self._docker("rm", "--force", "--volumes", container)

    def sweep(self, stack: str | None = None) -> None:
        """Take away what a process that was killed left behind; all of this root's, or one stack's."""
        labels = [f"label={LABEL}={self._root_id}"] + ([f"label={LABEL_OF}={stack}"] if stack else [])
        filters = [word for label in labels for word in ("--filter", label)]
        found = self._docker("ps", "--all", "--quiet", *filters).out.split()
        if found:
            self._docker("rm", "--force", "--volumes", *found)

    def was_out_of_memory(self, container: str) -> bool:
        """Whether the kernel ended something in it for want of memory."""
        counted = self._docker("exec", container, "cat", "/sys/fs/cgroup/memory.events").out
        told = self._docker("inspect", "--format", "{{.State.OOMKilled}}", container).out
        kills = [line.split()[-1] for line in counted.splitlines() if line.startswith("oom_kill ")]
        return told.strip() == "true" or any(number != "0" for number in kills)

    def _make(self, container: str, image: str, stack: str, server: Server, memory: str) -> None:
        serve, user = server.serve, ("--user", server.user) if server.user else ()
        made = self._docker(
            *("run", "--detach", "--name", container, "--pull", "never", "--network", "none", "--restart", "no"),
            *("--label", f"{LABEL}={self._root_id}", "--label", f"{LABEL_OF}={stack}"),
            *("--memory", memory, "--memory-swap", memory, "--pids-limit", _MOST_PROCESSES, *user),
            *("--cpu-shares", "256", "--no-healthcheck", "--log-driver", "json-file", "--log-opt", "max-size=1m"),
            *(*_environment(serve), "--entrypoint", "sh", image, "-c", serve.text, serve.name),
        )
        if made.status:
            raise WaitingError(f"the throwaway container cannot be made: {_last_line(made.err)}", reason="NoThrowaway")

    def _await(self, container: str, ready: Script) -> None:
        ends = time.monotonic() + _READY_WITHIN_S
        while self._asked_for_a_while(container, ready).status:
            if self._docker("inspect", "--format", "{{.State.Running}}", container).out.strip() != "true":
                raise WaitingError(
                    f"the throwaway server has ended: {self._last_words(container)}", reason="NoThrowaway"
                )
            if time.monotonic() > ends or self._stop():
                raise WaitingError(
                    f"the throwaway server is not ready: {self._last_words(container)}", reason="NoThrowaway"
                )

    def _asked_for_a_while(self, container: str, ready: Script) -> Ended:
        """In the container, again and again: to begin a command there costs more than what it asks."""
        command = _inside(container, ready, _UNTIL_READY, ready.name, ready.text)
        return stream(command, ready.name, None, None, self._stop)

    def _last_words(self, container: str) -> str:
        logged = self._docker("logs", "--tail", "3", container)
        return _last_line(logged.err) or _last_line(logged.out) or "it said nothing"

    def _docker(self, *words: str) -> Ended:
        try:
            done = subprocess.run(
                ["docker", *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=CLOSES_WITHIN_S, check=False
            )
        except FileNotFoundError as error:
            raise no_docker() from error
        except subprocess.TimeoutExpired as error:
            raise WaitingError(
                f"docker {words[0]} has not ended within {CLOSES_WITHIN_S:g} s", reason="TimedOut"
            ) from error
        return Ended(done.returncode, text(done.stdout), text(done.stderr))


def _inside(container: str, script: Script, *words: str) -> list[str]:
    """A shell with ``words``, and with the variables of ``script``."""
    return ["docker", "exec", "--interactive", *_environment(script), container, "sh", "-c", *words]


def _environment(script: Script) -> list[str]:
    return [word for name, value in script.variables.items() for word in ("--env", f"{name}={value}")]


def _drawn_name() -> str:
    return f"reconciler-backup-{uuid.uuid4().hex[:12]}"


def _last_line(said: str) -> str:
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
