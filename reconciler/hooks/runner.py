"""The ``Hooks`` port: runs one hook of each kind and leaves nothing of it behind. Decides nothing about releases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

from reconciler import leash
from reconciler.hooks.asking import ask
from reconciler.hooks.one_off import one_off_model
from reconciler.hooks.tail import Tail
from reconciler.layout import Layout
from reconciler.model.errors import StalledError, WaitingError
from reconciler.model.hook import Attempt, BackupGate, Exec, Hook, Http, Phase, Run, Script
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.observed import Container, State
from reconciler.model.source import TreeEntry
from reconciler.planning.hooks import Places, context, variables
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Compose, Engine
from reconciler.ports.repository import Objects

LABEL_HOOK = "io.reconciler.hook"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CONTEXT = "RECONCILER_CONTEXT"
_CONTEXT_INSIDE = "/run/reconciler/context.json"


@dataclass(frozen=True, slots=True)
class Means:
    """The ports that hooks are run through. ``gate``: lets a release pass when a backup is good enough, see backup.gate."""

    objects: Objects
    compose: Compose
    engine: Engine
    clock: Clock
    gate: Callable[[BackupGate, HookCall], HookEnd]


class HookRunner:
    """May be used by many threads at once, for different stacks."""

    def __init__(self, layout: Layout, means: Means) -> None:
        self._layout = layout
        self._means = means

    def run(self, call: HookCall) -> HookEnd:
        kind = call.hook.kind
        match kind:
            case Script():
                return self._script(kind, call)
            case Exec():
                return self._exec(kind, call)
            case Run():
                return self._run(kind, call)
            case Http():
                return ask(kind, call, self._means.clock)
            case BackupGate():
                return self._means.gate(kind, call)
            case _:
                assert_never(kind)

    def clear(self, stack: str, phase: Phase, name: str) -> None:
        leash.end_all(self._mark(stack, phase, name))
        self._remove_container(stack, _container_name(stack, phase, name))

    def path(self, entry: TreeEntry) -> str:
        """Where the copy of a script lies, or will lie."""
        return str(self._means.objects.path(entry))

    def environment(self, hook: Hook, attempt: Attempt, *, cut_short: bool) -> dict[str, str]:
        """What a hook sees of us. A script sees the host's PATH, HOME and LANG besides, and nothing else."""
        stack = attempt.stack
        found = variables(hook, attempt, self._places(stack), cut_short=cut_short)
        found[leash.MARK] = self._mark(stack, hook.phase, hook.name)
        match hook.kind:
            case Script():
                host = {"PATH": _PATH, "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8"}
                return {**host, **found, _CONTEXT: str(self._file(stack, hook, "json"))}
            case Run():
                return {**found, _CONTEXT: _CONTEXT_INSIDE}
            case _:
                return found

    def _script(self, script: Script, call: HookCall) -> HookEnd:
        objects = self._means.objects
        path = objects.ensure(script.entry)
        if objects.verify([script.entry]):
            objects.restore(script.entry)
        with self._handed(call, "json", self._context(call)):
            words = (str(path), *script.arguments)
            environment = self.environment(call.hook, call.attempt, cut_short=call.cut_short)
            return self._followed(words, environment, self._layout.root, call)

    def _exec(self, kind: Exec, call: HookCall) -> HookEnd:
        container = self._container_of(kind.service, call)
        user = (f"--user={kind.user}",) if kind.user else ()
        words = ("exec", "-T", f"--index={container.number}", *user, *self._told_by_variables(call), kind.service)
        return self._by_compose((*words, *kind.command), call.model, call)

    def _run(self, kind: Run, call: HookCall) -> HookEnd:
        name = _container_name(call.attempt.stack, call.hook.phase, call.hook.name)
        user = (f"--user={kind.user}",) if kind.user else ()
        model = one_off_model(call.release.model, kind.service, self._networks(call.attempt.stack))
        with (
            self._handed(call, "json", self._context(call), mode=0o644) as file,
            self._handed(call, "model.json", model) as model_file,
        ):
            words = (
                *("run", "--rm", "--no-deps", "-T", f"--name={name}", f"--volume={file}:{_CONTEXT_INSIDE}:ro"),
                *(f"--label={LABEL_HOOK}={call.hook.phase}/{call.hook.name}", *user, *self._told_by_variables(call)),
                *(kind.service, *kind.command),
            )
            try:
                return self._by_compose(words, model_file, call)
            finally:
                self._remove_container(call.attempt.stack, name)

    def _by_compose(self, words: tuple[str, ...], model: Path, call: HookCall) -> HookEnd:
        compose = self._means.compose
        arguments, environment = compose.command(call.attempt.stack, model, words, call.environment)
        end = self._followed(arguments, environment, Path("/"), call)
        if end.fault:
            self._means.engine.networks()  # raises where the engine went: then it is not the hook that failed
        return end

    def _followed(
        self, arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path, call: HookCall
    ) -> HookEnd:
        hook = call.hook
        mark = self._mark(call.attempt.stack, hook.phase, hook.name)
        tail = Tail(call.told, call.clean)
        ended = leash.run(leash.Program(arguments, environment, folder, mark, hook.timeout_s), tail.take, call.stop)
        said = tail.end()
        if ended.interrupted:
            return HookEnd(None, said, interrupted=True)
        if ended.status is None:
            return HookEnd(
                None, said, f"it has not ended within {hook.timeout_s:g} s and was ended, with all it started"
            )
        return HookEnd(ended.status, said, _fault(ended.status))

    def _told_by_variables(self, call: HookCall) -> tuple[str, ...]:
        told = self.environment(call.hook, call.attempt, cut_short=call.cut_short)
        return tuple(f"--env={name}={value}" for name, value in told.items())

    def _container_of(self, service: str, call: HookCall) -> Container:
        """One that runs; of the release rather than of the one before it."""
        spec = call.release.service(service)
        digest = spec.digest if spec else ""
        running = (
            found
            for found in self._means.engine.containers(call.attempt.stack)
            if found.is_ours_of(call.attempt.stack, service) and not found.oneoff and found.state is State.RUNNING
        )
        found = sorted(running, key=lambda found: (found.definition != digest, found.number))
        if not found:
            raise StalledError(f"no container of {service} runs that it could be run in", reason="HookFailed")
        return found[0]

    def _networks(self, stack: str) -> frozenset[str]:
        return frozenset(found.name for found in self._means.engine.networks() if found.stack == stack)

    def _remove_container(self, stack: str, name: str) -> None:
        engine = self._means.engine
        for found in engine.containers(stack):
            if found.oneoff and found.owned and found.name == name:
                if found.state is State.RUNNING:
                    engine.stop(found.id, None)
                engine.remove(found.id)

    def _context(self, call: HookCall) -> dict[str, Any]:
        return context(call.hook, call.attempt, self._places(call.attempt.stack), cut_short=call.cut_short)

    def _places(self, stack: str) -> Places:
        layout = self._layout
        return Places(str(layout.root), str(layout.data / stack), str(layout.env_file(stack)))

    def _file(self, stack: str, hook: Hook, kind: str) -> Path:
        return self._layout.hooks / f"{stack}.{hook.phase}.{hook.name}.{kind}"

    @contextmanager
    def _handed(self, call: HookCall, kind: str, content: Mapping[str, Any], mode: int = 0o600) -> Iterator[Path]:
        """A file that the hook can read while it runs. A killed process leaves it; the next run writes it anew."""
        path = self._file(call.attempt.stack, call.hook, kind)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                json.dump(content, file, indent=2, default=dict)
        except OSError as error:
            raise WaitingError(f"{path} cannot be written: {error.strerror}", reason="DiskFull") from error
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _mark(self, stack: str, phase: Phase, name: str) -> str:
        """The same for each run of a hook of this root, so that the next one finds what the last one left."""
        return leash.mark_of(self._layout.root, stack, phase, name)


def _container_name(stack: str, phase: Phase, name: str) -> str:
    return f"{stack}-hook-{phase}-{name}"


def _fault(status: int) -> str:
    if status < 0:
        return f"it was ended by signal {-status}"
    return f"it ended with exit status {status}" if status else ""
