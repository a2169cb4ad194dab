"""What passes over stacks, and rooms among each other, have to do with the rooms beside them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from reconciler.model.data import DataBackup, DataScene
from reconciler.model.desired import Release
from reconciler.model.hook import Phase
from reconciler.model.hook_call import HookCall, HookEnd
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Container, Takeover
from reconciler.planning.image_reference import ImageReference


class Certificates(Protocol):
    """What passes over stacks have to do with certificates."""

    def lay_out(self, release: Release, manifest: Manifest) -> None:
        """What the release's containers read of ours is there before they start. Raises WaitingError."""

    def takeovers(self, release: Release) -> tuple[Takeover, ...]:
        """Names that a proxy of the release holds certificates for, and that belong to a pair now."""

    def renewed_at(self, manifest: Manifest) -> Mapping[str, float]:
        """Of services that are replaced for a new pair, when theirs last changed: seconds since the epoch."""

    def refuse(self, manifest: Manifest, service: str, why: str) -> None:
        """The service could not be replaced for its pair: what it read before lies there again. Raises WaitingError."""

    def forget(self, storage: str, names: Sequence[str]) -> None:
        """Take ``names`` out of a stopped proxy's ACME file. Raises WaitingError."""


class Traffic(Protocol):
    """What the proxies of this host are told of where our services are."""

    def astray(self, release: Release) -> frozenset[str]:
        """Services of the release that proxies are told something else of than that they have their name."""

    def unled(self, release: Release) -> frozenset[str]:
        """Services that proxies are told of although the release does not ask for it."""

    def shift(self, release: Release, service: str, containers: Sequence[Container]) -> None:
        """Send what is for ``service`` to ``containers`` alone; to whoever has its name, if there are none. Returns once
        every proxy that runs has said that it does. Raises WaitingError(reason="TrafficNotShifted"), and then what was
        told before is told again."""

    def see_read(self, release: Release, service: str) -> None:
        """Where ``service`` is a proxy: that it has read whatever it is told, of other stacks, too. Raises WaitingError, reason
        TrafficNotShifted."""

    def drop(self, release: Release, services: Sequence[str]) -> None:
        """Tell no more of those of ``unled``."""

    def under_way(self, release: Release, container: Container) -> int | None:
        """How many requests to it are not answered yet; None where that cannot be seen."""


class Hooks(Protocol):
    """Running what a stack declares around its releases."""

    def run(self, call: HookCall) -> HookEnd:
        """Until it ends, or is ended with all that it started. Raises StalledError where it cannot be run at all, and
        EngineUnavailableError."""

    def clear(self, stack: str, phase: Phase, name: str) -> None:
        """End and take away what a run that was cut short has left. Raises EngineUnavailableError."""


class Backups(Protocol):
    """What passes over stacks have to do with backups."""

    def passed_by(self, scene: DataScene, release: int) -> tuple[DataBackup, ...]:
        """The good backups that let ``release`` pass, one of each plan."""

    def save(self, scene: DataScene, backups: Sequence[DataBackup]) -> tuple[DataBackup, ...]:
        """Back up what these were made of, as it is now. Raises StalledError, WaitingError."""

    def restore(
        self,
        scene: DataScene,
        name: str,
        *,
        must_ask: bool,
        for_good: Collection[str],
        swapping: Callable[[], None],
        swapped: Callable[[], None],
    ) -> None:
        """In the place of the live database. ``must_ask``: whether a preRestore hook can forbid it. ``for_good``: containers
        (ids) that stop when it changes, and stay so. ``swapping`` and ``swapped`` are called right before and after the live one changes, while nobody uses it. Raises StalledError,
        WaitingError; where ``swapped`` was not called, the live database is what it was."""


class Registry(Protocol):
    """Image registries, asked without pulling anything."""

    def digest(self, image: ImageReference, tag: str) -> str:
        """What ``tag`` of ``image``'s repository means. Raises WaitingError (RegistryUnavailable, RateLimited, TagNotFound),
        StalledError (RegistryDenied)."""

    def tags(self, image: ImageReference) -> tuple[str, ...]:
        """All of the repository's. Raises as ``digest`` does."""
