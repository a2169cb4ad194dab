"""What the engine says of a stack's containers, in its own order: who served when, and what ended before what began."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import docker

from tests.e2e.world import World, eventually

_HEARD = ["create", "start", "kill", "die", "destroy", "rename", "health_status"]


@dataclass(frozen=True)
class Moment:
    """``action``: the engine's word. ``service``: "" for what is not of the stack. ``at``: seconds, by the engine's clock."""

    action: str
    service: str
    container: str
    at: float


class Timeline:
    """Hears from the moment it is made; ``with`` closes it. Ask it after the scenario."""

    def __init__(self, world: World, stack: str) -> None:
        self._project = world.name(stack)
        self._engine = docker.from_env()
        self._stream = self._engine.api.events(filters={"type": "container", "event": _HEARD}, decode=True)
        self._heard: list[Moment] = []
        self._marks: set[str] = set()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self._catch_up()

    def __enter__(self) -> Timeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._thread.join(10)
        self._engine.close()

    def moments(self) -> list[Moment]:
        """All so far."""
        self._catch_up()
        return list(self._heard)

    def order(self, *actions: str) -> list[tuple[str, str]]:
        """Action and service, of ``actions`` only."""
        return [(moment.action, moment.service) for moment in self.moments() if moment.action in actions]

    def times(self, action: str, service: str) -> list[float]:
        """When it happened, each time: seconds by the engine's clock."""
        return [found.at for found in self.moments() if (found.action, found.service) == (action, service)]

    def serving(self, service: str, checked: bool = True) -> list[int]:
        """How many containers served after each change, from the first that did. ``checked``: it has a healthcheck.

        One that was told to end serves no more.
        """
        begins = "health_status: healthy" if checked else "start"
        return list(_counts(self.moments(), service, (begins,), ("kill", "die", "health_status: unhealthy")))

    def alive(self, service: str) -> list[int]:
        """How many containers were started and had not ended yet, after each change."""
        return list(_counts(self.moments(), service, ("start",), ("die",)))

    def _listen(self) -> None:
        for event in self._stream:
            self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        labels = event["Actor"]["Attributes"]
        self._marks.add(labels.get("name", ""))
        if labels.get("com.docker.compose.project") == self._project:
            service = labels.get("com.docker.compose.service", "")
            self._heard.append(Moment(event["Action"], service, event["Actor"]["ID"], event["timeNano"] / 1e9))

    def _catch_up(self) -> None:
        """The engine tells in order: once it has told of a container made now, it has told of all before."""
        name = f"mark-{uuid.uuid4().hex[:8]}"
        made = self._engine.api.create_container("rig/busybox:1", name=name)
        self._engine.api.remove_container(made["Id"])
        eventually(lambda: name in self._marks)


def _counts(moments: list[Moment], service: str, begins: tuple[str, ...], ends: tuple[str, ...]) -> Iterator[int]:
    at: set[str] = set()
    for moment in moments:
        if moment.service != service:
            continue
        before = len(at)
        if moment.action in begins:
            at.add(moment.container)
        elif moment.action in ends:
            at.discard(moment.container)
        if len(at) != before:
            yield len(at)
