"""Wait until containers are proven: healthy, and then healthy for a while without a restart. Bounded always."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from reconciler.model.errors import StalledError
from reconciler.model.observed import Container, Probe, State
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine

_LOOK_EVERY_S = 0.05
_LOOK_LATER_S = 0.25  # once the quick ones had their chance
_QUICK_S = 3.0
_MOST_RESTARTS = 5  # an application may fall over while its database starts; this often, it does not stand up
_IF_IT_IS_A_JOB = "; if that is all it is to do, say so in stack.yaml: rollout.services.{}.job: true"

Trouble = Callable[[str], str]


class Prover:
    """``still_wanted`` is called at every look and raises when nobody wants to know any more; ``still_hoped_for`` the same,
    while something is not healthy.

    Every container that was started or asked about is looked at while others are waited for, until it has soaked: so soaks
    of several services overlap, and a release of ten services takes no ten soaks.
    """

    def __init__(
        self, engine: Engine, clock: Clock, still_wanted: Callable[[], None], still_hoped_for: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._still_wanted = still_wanted
        self._still_hoped_for = still_hoped_for
        self._healthy_since: dict[str, float] = {}
        self._started_at: dict[str, float] = {}
        self._troubles: dict[str, str] = {}
        self._watched: set[str] = set()
        self._watched_at = float("-inf")
        self.failing: str | None = None

    def watch(self, identity: str) -> None:
        """It was started: from when it is healthy on it soaks, whatever else is waited for meanwhile."""
        self._healthy_since[identity] = self._clock.monotonic()
        self._started_at[identity] = 0.0
        self._watched.add(identity)

    def await_healthy(self, ids: Sequence[str], within_s: float, soak_s: float, trouble: Trouble | None) -> None:
        """``trouble``: what else keeps a container that looks healthy from being it, "" for nothing; it soaks from when it
        was first asked. Raises StalledError(HealthCheckFailed) naming the container, and how it failed."""
        began = self._clock.monotonic()
        for identity in ids:
            if identity not in self._healthy_since:
                self.watch(identity)
        while True:
            now = self._clock.monotonic()
            waiting = [identity for identity in ids if not self._is_proven(identity, now, soak_s, trouble)]
            self._watch_the_others(ids, now)
            if not waiting:
                self._watched -= set(ids) if soak_s else set()
                self.failing = None
                return
            if any(self._healthy_since[identity] == now for identity in waiting):
                self._still_hoped_for()
            self._give_up_after(began + within_s + soak_s, now, waiting, within_s)
            self._pause(now - began)

    def await_completed(self, identity: str, within_s: float) -> None:
        """Raises StalledError(JobFailed) when it ends with another status than 0, or not in time."""
        began = self._clock.monotonic()
        self.failing = identity
        while True:
            container = self._look(identity)
            if container.state is State.EXITED:
                if container.exit_code == 0:
                    self.failing = None
                    return
                raise StalledError(f"{container.name} ended with exit status {container.exit_code}", reason="JobFailed")
            now = self._clock.monotonic()
            if now >= began + within_s:
                raise StalledError(f"{container.name} has not ended within {within_s:g}s", reason="JobFailed")
            self._pause(now - began)

    def _is_proven(self, identity: str, now: float, soak_s: float, trouble: Trouble | None) -> bool:
        container = self._look(identity)
        self._fail_if_hopeless(container)
        is_well = container.is_healthy
        if not is_well:
            self._troubles.pop(identity, None)
        elif trouble is not None:
            is_first = identity not in self._troubles
            self._troubles[identity] = trouble(identity)
            is_well = not self._troubles[identity]
            if is_first:
                self._healthy_since[identity] = now
        self._note(container, now, is_well=is_well)
        return is_well and now - self._healthy_since[identity] >= soak_s

    def _watch_the_others(self, ids: Sequence[str], now: float) -> None:
        """Not at every look: a stack may have many."""
        if now < self._watched_at + _LOOK_LATER_S:
            return
        self._watched_at = now
        for identity in self._watched - set(ids):
            container = self._engine.inspect(identity)
            if container is not None:
                self._note(container, now, is_well=container.is_healthy)

    def _note(self, container: Container, now: float, *, is_well: bool) -> None:
        if not is_well or container.started_at != self._started_at[container.id]:
            self._started_at[container.id] = container.started_at
            self._healthy_since[container.id] = now

    def _fail_if_hopeless(self, container: Container) -> None:
        """What no waiting mends: it has ended, the engine starts it again and again, or its healthcheck says no."""
        self.failing = container.id
        if container.state in (State.EXITED, State.DEAD):
            hint = "" if container.exit_code else _IF_IT_IS_A_JOB.format(container.service)
            raise StalledError(
                f"{container.name} ended with exit status {container.exit_code}{hint}", reason="HealthCheckFailed"
            )
        if container.restart_count >= _MOST_RESTARTS and not container.is_healthy:
            raise StalledError(
                f"{container.name} ended with exit status {container.exit_code} {container.restart_count} times",
                reason="HealthCheckFailed",
            )
        if container.probe is Probe.UNHEALTHY:
            raise StalledError(f"{container.name} is unhealthy", reason="HealthCheckFailed")

    def _give_up_after(self, deadline: float, now: float, waiting: list[str], within_s: float) -> None:
        if now < deadline:
            return
        container = self._look(waiting[0])
        self.failing = container.id
        trouble = self._troubles.get(container.id)
        raise StalledError(
            f"{container.name} was not healthy within {within_s:g}s (its state: {container.state}, its healthcheck: "
            f"{container.probe}{f'; {trouble}' if trouble else ''})",
            reason="HealthCheckFailed",
        )

    def _look(self, identity: str) -> Container:
        container = self._engine.inspect(identity)
        if container is None:
            raise StalledError("somebody removed the container that was waited for", reason="HealthCheckFailed")
        return container

    def _pause(self, waited_s: float) -> None:
        self._still_wanted()
        self._clock.sleep(_LOOK_EVERY_S if waited_s < _QUICK_S else _LOOK_LATER_S)
