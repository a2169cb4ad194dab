"""Keeps containers stopped while something must not be used, and starts them again, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from reconciler.model.errors import ReconcilerError
from reconciler.model.observed import Container, State
from reconciler.ports.engine import Engine as DockerEngine

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Standstill:
    """``dependents``: the services of a stack that depend on a service, those that depend on the others first."""

    engine: DockerEngine
    dependents: Callable[[str, str], tuple[str, ...]]

    @contextmanager
    def users_stopped(
        self, stack: str, service: str, sharing: Collection[str] = (), for_good: Collection[str] = ()
    ) -> Iterator[None]:
        """The services that depend on it, and the containers of ``sharing`` (ids), which use its very files. Those of
        ``for_good`` (ids) stop, too, and stay so."""
        order = self.dependents(stack, service)
        ours = [found for found in self.engine.containers(stack) if found.owned]
        users = [found for name in order for found in ours if found.service == name]
        users += [found for found in ours if found.id in sharing and found not in users]
        with self._stopped([found for found in users if found.id not in for_good]):
            for container in for_good:
                self.engine.stop(container, None)
            yield

    @contextmanager
    def stopped(self, container: str) -> Iterator[None]:
        """This one alone."""
        found = self.engine.inspect(container)
        with self._stopped([] if found is None else [found]):
            yield

    @contextmanager
    def _stopped(self, containers: Sequence[Container]) -> Iterator[None]:
        """Those that ran are started again."""
        running = [container for container in containers if container.state is State.RUNNING]
        try:
            for container in running:
                self.engine.stop(container.id, None)
            yield
        finally:
            for container in reversed(running):
                try:
                    self.engine.start(container.id)
                except ReconcilerError as error:
                    # The next pass starts it, and says what is in the way.
                    log.error("not_started_again", stack=container.stack, service=container.service, error=str(error))
