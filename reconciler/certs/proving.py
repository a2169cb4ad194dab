"""Proof that what was published is what is served: handshakes at the fronts, and a nudge where one has not noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconciler.certs.view import Spot
from reconciler.model.errors import ReconcilerError
from reconciler.planning.fronts import Front
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine

_POLL_S = 0.002
_RELOADS_S = 0.003  # Traefik takes that long at least; a handshake meanwhile would only be in its way
_SLACK_S = 1.0
_HOST = "127.0.0.1"

Probe = Callable[[str, int, str], str | None]


@dataclass(frozen=True, slots=True)
class Proof:
    """``seen``: the fingerprint at each spot, None where nobody answered. ``right``, ``wrong``: spots that showed what was
    expected, and those that showed something else. Nobody's answer is neither."""

    seen: Mapping[Spot, str | None]
    right: tuple[Spot, ...] = ()
    wrong: tuple[Spot, ...] = ()


class Prover:
    """Remembers where fronts answer until ``forget``: they get other addresses when they are replaced."""

    def __init__(self, engine: Engine, clock: Clock, probe: Probe) -> None:
        self._engine = engine
        self._clock = clock
        self._probe = probe
        self._addresses: dict[Front, str] = {}

    def forget(self) -> None:
        self._addresses = {}

    def prove(self, expected: Mapping[Spot, frozenset[str]], *, is_news: bool) -> Proof:
        """Look until every spot shows one of its fingerprints, or time is up: two of the front's rests and a second.
        A front that does not run is not waited for; where nothing was published (``is_news`` False), one look is enough."""
        ends = {spot: self._clock.monotonic() + self._patience_s(spot) * is_news for spot in expected}
        seen: dict[Spot, str | None] = {}
        left, checked = list(expected), False
        if left and is_news:
            self._clock.sleep(_RELOADS_S)
        while left:
            for spot in left:
                seen[spot] = self._look(spot)
            now = self._clock.monotonic()
            if not checked and (mute := {spot.front for spot in left if seen[spot] is None}):
                checked, idle = True, {front for front in mute if not self._running(front)}
                left = [spot for spot in left if spot.front not in idle]
            left = [spot for spot in left if seen[spot] not in expected[spot] and now < ends[spot]]
            if left:
                self._clock.sleep(_POLL_S)
        right = tuple(spot for spot in expected if seen[spot] in expected[spot])
        wrong = [spot for spot in expected if seen[spot] is not None and spot not in right]
        return Proof(seen, right, tuple(self._of_running(wrong)))

    def nudge(self, fronts: Iterable[Front]) -> None:
        """One SIGHUP: Traefik then reads its files again, whatever its watch has missed."""
        for front in fronts:
            for identity in self._running(front):
                try:
                    self._engine.signal(identity, "SIGHUP")
                except ReconcilerError:
                    continue  # it ended meanwhile; what it shows is looked at again

    def _patience_s(self, spot: Spot) -> float:
        return spot.front.throttle_s * 2 + _SLACK_S

    def _look(self, spot: Spot) -> str | None:
        published = dict(spot.front.published).get(spot.port)
        if published is not None:
            return self._probe(_HOST, published, spot.name)
        address = self._address(spot.front)
        return self._probe(address, spot.port, spot.name) if address else None

    def _address(self, front: Front) -> str:
        if front.on_host:
            return _HOST
        if front not in self._addresses and (found := self._found_address(front)):
            self._addresses[front] = found
        return self._addresses.get(front, "")

    def _found_address(self, front: Front) -> str:
        try:
            found = (self._engine.address(identity) for identity in self._running(front))
            return next((address for address in found if address), "")
        except ReconcilerError:
            return ""  # it is asked again with the next look

    def _of_running(self, spots: Iterable[Spot]) -> Iterable[Spot]:
        """A port of a front that does not run may be somebody else's, whose certificates are not ours to judge."""
        for spot in spots:
            if self._running(spot.front):
                yield spot

    def _running(self, front: Front) -> tuple[str, ...]:
        try:
            containers = self._engine.containers(front.stack)
        except ReconcilerError:
            return ()
        return tuple(found.id for found in containers if found.running and found.is_ours_of(front.stack, front.service))
