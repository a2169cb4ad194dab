"""How a hook would run: its command and what it would see. Runs nothing and writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from reconciler.hooks.asking import filled
from reconciler.hooks.runner import HookRunner
from reconciler.model.hook import Attempt, BackupGate, Exec, Hook, Http, Run, Script, occasions_of


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """``runs``: whether the hook is for this occasion at all."""

    hook: Hook
    attempt: Attempt
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def runs(self) -> bool:
        return self.attempt.occasion in self.hook.on


def rehearse(hook: Hook, attempt: Attempt, variables: Mapping[str, str], runner: HookRunner) -> Rehearsal:
    """``variables``: the stack's own, for URLs. Raises StalledError for one that is not set."""
    own = occasions_of(hook.phase)
    if len(own) == 1:  # it is about no release, but about what runs
        attempt = replace(attempt, occasion=min(own), changed=(), previous_release=attempt.release)
    environment = {} if isinstance(hook.kind, Http | BackupGate) else runner.environment(hook, attempt, cut_short=False)
    return Rehearsal(hook, attempt, _command(hook, attempt, variables, runner), environment)


def _command(hook: Hook, attempt: Attempt, variables: Mapping[str, str], runner: HookRunner) -> tuple[str, ...]:
    kind = hook.kind
    match kind:
        case Script(_, entry, arguments):
            return (runner.path(entry), *arguments)
        case Exec(service, command, user):
            return ("docker", "compose", "exec", *_as(user), service, *command)
        case Run(service, command, user):
            return ("docker", "compose", "run", "--rm", "--no-deps", *_as(user), service, *command)
        case Http():
            return ("GET", filled(kind.url, variables))
        case BackupGate(backup):
            return ("reconciler", "backup", "run", attempt.stack, backup)
        case _:
            assert_never(kind)


def _as(user: str) -> tuple[str, ...]:
    return (f"--user={user}",) if user else ()
