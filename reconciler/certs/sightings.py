"""What services that terminate TLS themselves showed when they were last looked at, and whether it is time to look again."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.model.manifest import CertificateUse
from reconciler.model.observed import Container
from reconciler.ports.clock import Clock

_LOOK_EVERY_S = 300.0

Key = tuple[str, CertificateUse]  # a stack, and what it asks for

_Starts = frozenset[tuple[str, float]]


class Sightings:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked: dict[Key, tuple[_Starts, float]] = {}
        self._shown: dict[Key, str] = {}
        self._news: set[str] = set()

    def are_fresh(self, key: Key, running: tuple[Container, ...]) -> bool:
        """They grow old in a while, and with each start of a container."""
        starts, until = self._looked.get(key, (None, 0.0))
        return starts == _starts(running) and self._clock.monotonic() < until

    def note(self, key: Key, running: tuple[Container, ...], fingerprint: str) -> None:
        """They show that pair, as far as they can be asked."""
        self._looked[key] = (_starts(running), self._clock.monotonic() + _LOOK_EVERY_S)
        _, use = key
        if use.port is not None:
            self._shown[key] = fingerprint
            self._news.add(fingerprint)

    def shown(self) -> Mapping[str, tuple[str, ...]]:
        """By fingerprint, the services that showed it when they were last looked at."""
        found: dict[str, tuple[str, ...]] = {}
        for (stack, use), fingerprint in self._shown.items():
            found[fingerprint] = (*found.get(fingerprint, ()), f"{stack}/{use.service}")
        return found

    def news(self) -> set[str]:
        """The fingerprints that were seen since this was last asked."""
        found, self._news = self._news, set()
        return found


def _starts(running: tuple[Container, ...]) -> _Starts:
    return frozenset((found.id, found.started_at) for found in running)
