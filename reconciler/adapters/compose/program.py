"""The Compose port: renders, creates, recreates and builds by Docker Compose's own hand. Decides nothing."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.adapters.compose import find, places, words
from reconciler.adapters.compose.needs import closure
from reconciler.adapters.compose.running import Finished, Program
from reconciler.model.errors import InvalidInputError, Problem, StalledError

# What Compose and the engine's client need of this process's environment. The rest must not leak into interpolation.
_NEEDED = ("PATH", "HOME", "SSH_AUTH_SOCK")
_DEFAULT_HOST = "unix:///var/run/docker.sock"
_MOST_REQUIRED = 50
_NO_FILE = "/dev/null"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. ``recreate_s`` includes stopping the old containers, with their grace."""

    render_s: float = 60.0
    create_s: float = 180.0
    recreate_s: float = 900.0
    build_s: float = 3600.0


class ComposeProgram:
    """Implements ``Compose``. ``environment``: this process's, of which only what Docker needs is passed on.
    ``commands``: the Composes to choose from; None for those of this host. May be used by many threads at once."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str] | None = None,
        commands: Sequence[tuple[str, ...]] | None = None,
        limits: Limits | None = None,
    ) -> None:
        host = os.environ if environment is None else environment
        self._host = {name: value for name, value in host.items() if name in _NEEDED or name.startswith("DOCKER_")}
        # The engine's adapter reads DOCKER_HOST; a `docker context` must not lead Compose to another engine.
        self._host.setdefault("DOCKER_HOST", _DEFAULT_HOST)
        self._host.pop("DOCKER_CONTEXT", None)
        self._commands = None if commands is None else tuple(commands)
        self._limits = limits or Limits()
        self._lock = threading.Lock()
        self._found: tuple[find.Compose, ...] = ()

    def version(self) -> str:
        return self._composes()[0].version

    def render(
        self,
        project: str,
        folder: Path,
        files: Sequence[str],
        env_files: Sequence[Path],
        environment: Mapping[str, str],
    ) -> Mapping[str, Any]:
        """As the port has it. Only ``env_files`` are read, no ``.env`` that lies about. ``$`` in values stays doubled,
        as Compose writes it to be read by Compose again."""
        stack = _Stack(folder, tuple(files), tuple(env_files))
        arguments = [
            *(f"--project-directory={folder}", f"--project-name={project}"),
            *(f"--env-file={file}" for file in env_files or (_NO_FILE,)),
            *(f"--file={folder / file}" for file in files),
            *("config", "--format", "json"),
        ]
        finished, unset = self._rendered(arguments, environment)
        problems = stack.unset_problems(unset)
        if finished.status and not (words.required_variable(finished.err) or _has_stand_ins(unset)):
            problems += (stack.problem(words.complaint(finished.err, stack.paths)),)
        if problems:
            raise InvalidInputError(problems)
        return _parsed(finished.out)

    def create(
        self,
        project: str,
        model: Path,
        services: Sequence[str],
        totals: Mapping[str, int],
        environment: Mapping[str, str],
    ) -> None:
        """As the port has it. Raises WaitingError for what is missing (image, external network or volume) or taken (a
        name), StalledError for what Compose refuses."""
        # Newer ones (2.40) refuse to scale what is neither asked for nor needed; older ones leave it alone.
        concerned = closure(_parsed(_content(model)), services)
        scales = [f"--scale={service}={total}" for service, total in sorted(totals.items()) if service in concerned]
        arguments = ("create", "--no-recreate", "--pull=never", "--no-build", *scales, *services)
        finished = self._on_model(project, model, arguments, environment, self._limits.create_s)
        if finished.status:
            raise words.failure(f"create containers of {', '.join(services)}", finished.err)

    def recreate(
        self, project: str, model: Path, services: Sequence[str], environment: Mapping[str, str], *, anew: bool
    ) -> None:
        """As the port has it. It has no standard input, so Compose's question whether a changed volume's data may go
        is never answered, and the data stay."""
        force = ("--force-recreate",) if anew else ()
        arguments = ("up", "--detach", "--no-deps", "--pull=never", "--no-build", *force, *services)
        finished = self._on_model(project, model, arguments, environment, self._limits.recreate_s)
        if finished.status:
            raise words.failure(f"recreate {', '.join(services)}", finished.err)

    def build(
        self,
        project: str,
        model: Path,
        service: str,
        environment: Mapping[str, str],
        progress: Callable[[str], None],
    ) -> None:
        """``progress`` gets each line of the build's output. A Compose that is too new for the host's buildx (it says
        so before it begins) leaves the work to an older one, if there is one."""
        arguments = self._arguments(project, model, ("build", service), progress="plain")
        finished = Finished(1, "", "")
        for compose in self._composes():
            finished = self._by(compose, arguments, environment, self._limits.build_s).run_telling(progress)
            if not (finished.status and words.wants_newer_buildx(finished.out)):
                break
        if finished.status:
            raise words.failure(f"build {service}", finished.out)

    def command(
        self, project: str, model: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """As the port has it."""
        words = (*self._composes()[0].command, *self._arguments(project, model, arguments))
        return words, {**environment, **self._host}

    def _rendered(
        self, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[Finished, dict[str, str | None]]:
        """The last attempt, and the variables it lacks; with Compose's words for those it insists on, else None. It
        stops at the first that it insists on, so each is stood in for until it has named them all."""
        unset: dict[str, str | None] = {}
        while True:
            stand_ins = {name: "1" for name, said in unset.items() if said is not None}
            finished = self._program(
                ("--ansi=never", *arguments), {**environment, **stand_ins}, self._limits.render_s
            ).run()
            for name in words.unset_variables(finished.err):
                unset.setdefault(name, None)
            required = words.required_variable(finished.err) if finished.status else None
            if required is None or unset.get(required[0]) is not None or len(stand_ins) >= _MOST_REQUIRED:
                return finished, unset
            unset[required[0]] = required[1]

    def _on_model(
        self,
        project: str,
        model: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        limit_s: float,
    ) -> Finished:
        return self._program(self._arguments(project, model, arguments), environment, limit_s).run()

    def _arguments(
        self, project: str, model: Path, arguments: Sequence[str], progress: str = "quiet"
    ) -> tuple[str, ...]:
        return (
            *("--ansi=never", f"--progress={progress}", f"--env-file={_NO_FILE}"),
            *(f"--project-directory={model.parent}", f"--project-name={project}", f"--file={model}"),
            *arguments,
        )

    def _program(self, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float) -> Program:
        return self._by(self._composes()[0], arguments, environment, limit_s)

    def _by(
        self, compose: find.Compose, arguments: Sequence[str], environment: Mapping[str, str], limit_s: float
    ) -> Program:
        return Program((*compose.command, *arguments), {**environment, **self._host}, limit_s)

    def _composes(self) -> tuple[find.Compose, ...]:
        with self._lock:
            self._found = self._found or find.usable(self._host, self._commands)
            return self._found


@dataclass(frozen=True, slots=True)
class _Stack:
    """The files that a render read, to name places in."""

    folder: Path
    files: tuple[str, ...]
    env_files: tuple[Path, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple({str(self.folder.resolve()): None, str(self.folder): None})

    def unset_problems(self, unset: Mapping[str, str | None]) -> tuple[Problem, ...]:
        return tuple(problem for name, said in sorted(unset.items()) for problem in self._unset(name, said))

    def problem(self, complaint: words.Complaint) -> Problem:
        file, line = complaint.file, complaint.line
        if not line and complaint.key:
            candidates = (file,) if file else self.files
            found, file = max((places.line_of(complaint.key, self.folder / name), name) for name in candidates)
            line = found.line
        return Problem(file or ", ".join(self.files), line, complaint.key, complaint.words)

    def _unset(self, name: str, said: str | None) -> tuple[Problem, ...]:
        message = f"variable {name} is not set and has no default; set it, or write ${{{name}:-default}}"
        if said is not None:
            message = f"variable {name} is required" + (f": {said}" if said else "; set it")
        found = places.uses(name, self.folder, self.files, self.env_files)
        if not found:
            return (Problem(", ".join(self.files), 0, "", message),)
        return tuple(Problem(place.file, place.line, "", message) for place in found)


def _has_stand_ins(unset: Mapping[str, str | None]) -> bool:
    return any(said is not None for said in unset.values())


def _content(model: Path) -> str:
    try:
        return model.read_text(encoding="utf-8")
    except OSError as error:
        raise StalledError(f"the model {model} cannot be read: {error.strerror}", reason="ComposeRefused") from error


def _parsed(rendered: str) -> Mapping[str, Any]:
    try:
        model = json.loads(rendered)
    except ValueError as error:
        raise StalledError(f"Compose's model is no JSON: {error}", reason="ComposeRefused") from error
    if not isinstance(model, dict):
        raise StalledError("Compose's model is none", reason="ComposeRefused")
    return model
