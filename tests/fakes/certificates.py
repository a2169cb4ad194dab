"""A host without certificates: nothing is laid out, nothing is taken over, nothing changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from reconciler.model.desired import Release
from reconciler.model.errors import WaitingError
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Takeover


@dataclass
class FakeCertificates:
    """``wanting``: what passes are told. ``forgotten``: what proxies were made to forget. ``refused``: services that
    could not be replaced for a pair, and why. ``cannot_forget``: why not."""

    wanting: tuple[Takeover, ...] = ()
    renewed: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    forgotten: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    cannot_forget: WaitingError | None = None

    def lay_out(self, release: Release, manifest: Manifest) -> None: ...

    def takeovers(self, release: Release) -> tuple[Takeover, ...]:
        return self.wanting

    def renewed_at(self, manifest: Manifest) -> Mapping[str, float]:
        return self.renewed

    def refuse(self, manifest: Manifest, service: str, why: str) -> None:
        self.refused.append((service, why))

    def forget(self, storage: str, names: Sequence[str]) -> None:
        if self.cannot_forget is not None:
            raise self.cannot_forget
        self.forgotten.append((storage, tuple(names)))
        self.wanting = tuple(found for found in self.wanting if found.storage != storage)


class NoVigil:
    """Looks after no certificates."""

    def turn(self) -> float:
        return 0.0

    def run(self) -> None: ...

    def leave(self) -> None: ...

    def stacks_changed(self) -> None: ...
