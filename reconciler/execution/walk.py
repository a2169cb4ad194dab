"""What a walk over a plan is given, and how it ends when it does not come to its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.execution.data import DataKeeping
from reconciler.execution.hooks import HookKeeping, HookScene
from reconciler.model.desired import Release
from reconciler.model.errors import (
    EngineUnavailableError,
    ReconcilerError,
    WaitingError,
)
from reconciler.model.manifest import Manifest
from reconciler.model.plan import (
    Step,
)
from reconciler.planning.story import describe
from reconciler.ports.books import ImageBook, Journal
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Asks, Compose, Engine, Ports, Progress
from reconciler.ports.host_files import SeedsData
from reconciler.ports.repository import Objects
from reconciler.ports.rooms import Certificates, Traffic


class StepFailedError(ReconcilerError):
    """A step of a plan went wrong. ``cause`` is what the port raised; ``log_tail`` the failing container's last words."""

    def __init__(self, number: int, step: Step, cause: ReconcilerError, log_tail: str) -> None:
        tail = f"\nIts last lines:\n{log_tail}" if log_tail else ""
        super().__init__(f"step {number}, {describe(step.action)}: {cause}{tail}", reason=cause.reason)
        self.number = number
        self.step = step
        self.cause = cause

    @property
    def time_mends_it(self) -> bool:
        return isinstance(self.cause, WaitingError)

    @property
    def engine_is_gone(self) -> bool:
        return isinstance(self.cause, EngineUnavailableError)


class StoppedError(ReconcilerError):
    """The daemon leaves, or something newer came: the plan ends between two steps and is made anew later."""

    reason = "Interrupted"


def _never() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk needs besides the plan. ``environment``: for Compose; ``stop``: a reason to end between two steps;
    ``clean``: a text without the stack's secrets, since Compose and the engine quote what they were given. ``scene``: what
    its hooks need; None for what has none. ``newer``: a reason not to wait any longer for what is not getting healthy.
    """

    pass_id: int
    release: Release
    manifest: Manifest
    model: Path
    environment: Mapping[str, str] = field(repr=False)
    progress: Progress
    stop: Callable[[], str]
    clean: Callable[[str], str]
    scene: HookScene | None = None
    newer: Callable[[], str] = _never


@dataclass
class Hands:
    """The ports that steps are taken through."""

    engine: Engine
    compose: Compose
    journal: Journal
    images: ImageBook
    objects: Objects
    data: SeedsData
    ports: Ports
    asks: Asks
    certificates: Certificates
    clock: Clock
    hooks: HookKeeping
    traffic: Traffic
    restores: DataKeeping


def end_if(reason: str) -> None:
    """Raises StoppedError where there is one."""
    if reason:
        raise StoppedError(reason)
