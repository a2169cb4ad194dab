"""The containers that read a pair themselves: which run, how they are told of a new one, and what they show.

Decides nothing, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from reconciler.certs.model import Pair
from reconciler.model.desired import LifecycleHook
from reconciler.model.errors import EngineUnavailableError, ReconcilerError
from reconciler.model.manifest import CertificateUse
from reconciler.model.observed import Container
from reconciler.ports.engine import Engine

Probe = Callable[[str, int, str, str], str | None]

_ENDS_WITHIN_S = 10.0  # other certificates wait meanwhile


class Sight(StrEnum):
    RIGHT = "right"  # each of them shows the pair
    WRONG = "wrong"  # one shows another certificate
    SILENT = "silent"  # one does not answer, and none shows another
    NONE = "none"  # nothing can be asked: no port is named, or none runs


class Recipients:
    """Raises EngineUnavailableError, and nothing else."""

    def __init__(self, engine: Engine, probe: Probe) -> None:
        self._engine = engine
        self._probe = probe

    def running(self, stack: str, service: str) -> tuple[Container, ...]:
        return tuple(found for found in self.made(stack, service) if found.running)

    def made(self, stack: str, service: str) -> tuple[Container, ...]:
        """Also those that do not run."""
        return tuple(each for each in self._engine.containers(stack) if each.is_ours_of(stack, service))

    def tell(self, use: CertificateUse, containers: tuple[Container, ...]) -> str:
        """Why they could not be told; "" if they were, or if nothing is to be said to them."""
        try:
            for container in containers:
                if use.signal:
                    self._engine.signal(container.id, use.signal)
                elif use.command and (status := self._run(use, container)):
                    return f"{' '.join(use.command)} ended with exit status {status}"
        except EngineUnavailableError:
            raise
        except ReconcilerError as error:
            return str(error)
        return ""

    def _run(self, use: CertificateUse, container: Container) -> int:
        return self._engine.execute(container.id, LifecycleHook(use.command), _ENDS_WITHIN_S)

    def sight(self, use: CertificateUse, pair: Pair, containers: tuple[Container, ...]) -> Sight:
        if use.port is None or not containers:
            return Sight.NONE
        name = pair.domains[0].replace("*", "reconciler-probe", 1)
        seen = {self._probe(self._address(found), use.port, name, use.starttls) for found in containers}
        if seen == {pair.fingerprint}:
            return Sight.RIGHT
        return Sight.SILENT if seen <= {pair.fingerprint, None} else Sight.WRONG

    def _address(self, container: Container) -> str:
        """Of the container whose network it uses, where it has none of its own."""
        homes = (container.id, *container.joins)
        return next((address for home in homes if (address := self._engine.address(home))), "")
