"""How one call of the engine is made: in whose name it fails, what makes a refusal harmless, whose details it makes old."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from reconciler import refusals
from reconciler.adapters.docker_engine.connection import Client, Connection, is_gone
from reconciler.adapters.docker_engine.details import Details
from reconciler.adapters.docker_engine.networks import with_network_names
from reconciler.model.errors import ReconcilerError, WaitingError

Refusal = Callable[[int | None, str], ReconcilerError]


class Calls:
    """Context managers that give this thread's client; what the SDK raises within leaves them as our errors."""

    def __init__(self, connection: Connection, details: Details) -> None:
        self._connection = connection
        self._details = details

    def speaking(self, doing: str) -> AbstractContextManager[Client]:
        """``doing`` is what cannot be done if the engine refuses: "list containers"."""
        return self._connection.speaking(lambda *said: refusals.refused(doing, *said))

    def doing(self, verb: str, container_id: str) -> AbstractContextManager[Client]:
        """Something that changes a container."""
        return self._changing(container_id, lambda *said: refusals.refused(f"{verb} {self._name(container_id)}", *said))

    def starting(self, container_id: str) -> AbstractContextManager[Client]:
        return self._changing(
            container_id, lambda *said: refusals.start_refused(f"start {self._name(container_id)}", *said)
        )

    def inspect(self, container_id: str) -> Mapping[str, Any] | None:
        """The engine's own words on a container; None if it is gone."""
        try:
            with self.speaking(f"look at container {container_id[:12]}") as client:
                return with_network_names(client, client.inspect_container(container_id))
        except WaitingError as error:
            if is_gone(error.__cause__):
                return None
            raise

    @contextmanager
    def unless_gone(self) -> Iterator[None]:
        """Passes over that there is no such thing."""
        try:
            yield
        except WaitingError as error:
            if not is_gone(error.__cause__):
                raise

    @contextmanager
    def unless(self, *words: str) -> Iterator[None]:
        """Passes over a refusal that says that it is so already."""
        try:
            yield
        except ReconcilerError as error:
            if not any(word in str(error) for word in words):
                raise

    @contextmanager
    def _changing(self, container_id: str, refusal: Refusal) -> Iterator[Client]:
        """Its details are dropped here as well, because the event may come after the next look."""
        try:
            with self._connection.speaking(refusal) as client:
                yield client
        finally:
            self._details.drop(container_id)

    def _name(self, container_id: str) -> str:
        """For messages about a failure, which must not fail themselves."""
        try:
            details = self.inspect(container_id)
        except ReconcilerError:
            details = None
        return container_id[:12] if details is None else str(details["Name"]).removeprefix("/")
