"""Runs actions: in the container that serves, beside whatever passes do, and never without a trace of who did it.

Takes no lock: an action changes nothing that is ours, and a link must not wait for a rollout. What it prints is handed on
and kept nowhere, least of all in the journal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from reconciler.actions.inside import Command, run_inside
from reconciler.leash import Ended, Take, mark_of
from reconciler.model.action import Action, ActionEnd
from reconciler.model.desired import Release
from reconciler.model.errors import ReconcilerError, StalledError
from reconciler.model.observed import Container
from reconciler.planning.actions import serving
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine


@dataclass(frozen=True, slots=True)
class Asked:
    """An action that somebody wants run. ``applied``: the release that is proven, None where there is none. ``variables``: the
    stack's own. ``words``: what was typed behind its name. ``who``: for the record. ``given``: what it reads."""

    stack: str
    action: Action
    applied: Release | None
    variables: Mapping[str, str] = field(repr=False)
    words: tuple[str, ...] = ()
    who: str = ""
    given: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who gets what is said: its output, and its complaints. ``stop``: asked all the time; a reason to end it, "" to go on."""

    take: Take
    take_errors: Take
    stop: Callable[[], str] = lambda: ""


class ActionRuns:
    """``root``: of this host; what runs for it is known by it."""

    def __init__(self, root: Path, engine: Engine, journal: Journal, clock: Clock) -> None:
        self._root = root
        self._engine = engine
        self._journal = journal
        self._clock = clock

    def run(self, asked: Asked, hearing: Hearing) -> ActionEnd:
        """Raises StalledError where no container runs that it could be run in, EngineUnavailableError."""
        container = self.container(asked)
        began_at, began = self._clock.now(), self._clock.monotonic()
        self._tell(asked, "info", "ActionStarted", f"in {container.name}")
        try:
            ended = run_inside(self._command(asked, container), hearing.take, hearing.take_errors, hearing.stop)
        except (ReconcilerError, OSError) as error:
            self._tell(asked, "error", "ActionFailed", f"it could not be run to its end: {error}")
            raise
        end = ActionEnd(
            container.name, ended.status, began_at, self._clock.monotonic() - began, interrupted=ended.interrupted
        )
        severity, reason = ("info", "ActionEnded") if end.worked else ("error", "ActionFailed")
        self._tell(
            asked, severity, reason, f"{fault_of(ended, asked.action) or 'exit status 0'} after {end.lasted_s:.1f} s"
        )
        return end

    def tell(self, asked: Asked, command: tuple[str, ...], given: bytes, stop: Callable[[], str]) -> int | None:
        """How another command ends that is run as the action's own is, and whose words interest nobody. Raises as ``run``."""
        container, action = self.container(asked), replace(asked.action, command=command)
        question = replace(asked, action=action, words=(), given=given)
        return run_inside(self._command(question, container), _nobody, _nobody, stop).status

    def container(self, asked: Asked) -> Container:
        """Where it runs. Raises as ``run`` does."""
        service = asked.action.service
        spec = asked.applied.service(service) if asked.applied else None
        found = serving(self._engine.containers(asked.stack), asked.stack, service, spec.digest if spec else "")
        if found is None:
            raise StalledError(
                f"no container of the service {service} of {asked.stack} runs, so {asked.action.name} cannot be run in it. "
                f"See why: reconciler get {asked.stack}; put it back: reconciler reconcile {asked.stack}",
                reason="NotRunning",
            )
        return found

    def _command(self, asked: Asked, container: Container) -> Command:
        action = asked.action
        given = {name: asked.variables[name] for name in action.variables if name in asked.variables}
        return Command(
            container=container.id,
            words=(*action.command, *asked.words),
            mark=self._mark(asked),
            limit_s=action.timeout_s,
            user=action.user,
            environment={**given, **dict(action.environment)},
            given=asked.given,
        )

    def _mark(self, asked: Asked) -> str:
        """Of this very run: the same action may be run by two people at once. Not one that renews a variable: with the next
        run ends what is left of one that was killed, before anybody asks which value is in use."""
        if asked.action.renews:
            return mark_of(self._root, asked.stack, "renewal", asked.action.renews)
        run = f"{os.getpid()}.{self._clock.monotonic():.6f}"
        return mark_of(self._root, asked.stack, "action", asked.action.name, run)

    def _tell(self, asked: Asked, severity: str, reason: str, what: str) -> None:
        revision = asked.applied.revision if asked.applied else ""
        by = f" by {asked.who}" if asked.who else ""
        message = f"action {asked.action.name}{by}: {what}"
        self._journal.tell(asked.stack, severity, reason, message, revision, self._clock.now())


def _nobody(_: bytes) -> None:
    """Hears it."""


def fault_of(ended: Ended | ActionEnd, action: Action) -> str:
    """Why it did not work, "" where it did."""
    if ended.interrupted:
        return "it was interrupted and ended"
    if ended.status is None:
        return f"it has not ended within {action.timeout_s:g} s (timeout:) and was ended, with all it started"
    if ended.status in _STATUSES:
        return f"exit status {ended.status}, {_STATUSES[ended.status]}"
    return f"exit status {ended.status}" if ended.status else ""


# What these mean of `docker exec`, or of any shell.
_STATUSES = {
    125: "the engine refused it",
    126: "the command cannot be run in the container",
    127: "there is no such command in the container",
    137: "it was killed; was its container replaced meanwhile?",
}
