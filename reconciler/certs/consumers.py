"""Stacks that terminate TLS themselves: their pairs are put where they asked for them, they are told, and it is verified.

Nobody is waited for: each turn looks what lies there, what is marked, what runs and what is shown, and takes the next
step. So whatever was cut short between two steps is found again, and no other certificate is late because of one service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciler.certs import complaints
from reconciler.certs.marking import is_refused, is_served, mark_refused, mark_served
from reconciler.certs.model import Pair
from reconciler.certs.placing import Mark, Place
from reconciler.certs.recipients import Probe, Recipients, Sight
from reconciler.certs.renewals import Renewals
from reconciler.certs.sightings import Key, Sightings
from reconciler.certs.telling import Said
from reconciler.model.errors import EngineUnavailableError, ReconcilerError, WaitingError
from reconciler.model.manifest import CertificateUse, Manifest
from reconciler.model.observed import Container
from reconciler.model.observed import Probe as Health
from reconciler.model.updates import Gate
from reconciler.planning.gate import opens_at
from reconciler.ports.clock import Clock
from reconciler.ports.engine import Engine

_TAKES_S = 10.0  # to notice that it was told
_POLL_S = 0.1
_AWAY_S = 5.0


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one service of a stack is to show."""

    stack: str
    use: CertificateUse
    pair: Pair
    place: Place

    @property
    def key(self) -> Key:
        return self.stack, self.use

    @property
    def version(self) -> str:
        return self.place.version_of(self.pair)

    @property
    def name(self) -> str:
        return f"{self.use.pair}: {self.use.service}"


@dataclass(frozen=True, slots=True)
class _Trial:
    """``told``: it did not begin with the pair. ``answered``: it showed some certificate before. ``ends``: monotonic
    seconds."""

    version: str
    told: bool
    answered: bool
    ends: float


class Consumers:
    """``folder_of``: where a path of a stack's folder lies as host data."""

    def __init__(
        self, folder_of: Callable[[str, str], Path], staging: Path, engine: Engine, clock: Clock, probe: Probe
    ) -> None:
        self.folder_of = folder_of
        self._staging = staging
        self._recipients = Recipients(engine, probe)
        self._clock = clock
        self.sightings = Sightings(clock)
        self.renewals = Renewals(self._place, self._recipients)
        self._trials: dict[Key, _Trial] = {}
        self._waits: dict[Key, float] = {}
        self._said: dict[Key, str] = {}

    def lay_out(self, manifest: Manifest, pairs: Mapping[str, Pair]) -> None:
        """Before containers are made. Raises WaitingError(reason="CertificateMissing") for a pair that is not there."""
        uses = manifest.certificates
        missing = {use.pair for use in uses if use.pair not in pairs and not self._place(manifest.name, use).version}
        if missing:
            raise WaitingError(complaints.missing(sorted(missing)), reason="CertificateMissing")
        for use in uses:
            if use.pair in pairs:
                self._lay_out(_Wish(manifest.name, use, pairs[use.pair], self._place(manifest.name, use)))

    def turn(self, stack: str, manifest: Manifest, pairs: Mapping[str, Pair]) -> Iterator[Said]:
        """The next step of each service: put, tell, verify; what is not shown then is taken back."""
        for key in [key for key in self._waits if key[0] == stack]:
            del self._waits[key]
        closed_s = self._closed_s(manifest)
        for use in manifest.certificates:
            if use.pair in pairs:
                wish = _Wish(stack, use, pairs[use.pair], self._place(stack, use))
                try:
                    yield from self._see_to(wish, closed_s)
                except EngineUnavailableError:
                    self._waits[wish.key] = _AWAY_S
                except ReconcilerError as error:
                    yield from self._complain(wish, str(error))

    @property
    def due_in_s(self) -> float | None:
        """Seconds until time alone brings a next step."""
        return min(self._waits.values(), default=None)

    def _place(self, stack: str, use: CertificateUse) -> Place:
        return Place(self.folder_of(stack, use.path), use, self._staging)

    def _lay_out(self, wish: _Wish) -> None:
        """A service that runs has something to read, and is told of another pair in its turn."""
        running = self._recipients.running(wish.stack, wish.use.service)
        if wish.place.holds(wish.pair) or is_refused(wish.place, wish.version, running):
            return
        if not wish.place.version or not running:
            wish.place.put(wish.pair)

    def _closed_s(self, manifest: Manifest) -> float:
        """Seconds until a service may be told of another pair; 0 for now."""
        now = self._clock.now()
        return opens_at(manifest.updates.windows, Gate.CERTS, now) - now if manifest.updates.windows else 0.0

    def _see_to(self, wish: _Wish, closed_s: float) -> Iterator[Said]:
        running = self._recipients.running(wish.stack, wish.use.service)
        if is_refused(wish.place, wish.version, running):
            self._put_back(wish, running)
            return
        if not wish.place.holds(wish.pair):
            if closed_s > 0 and running and wish.place.version:
                self._waits[wish.key] = closed_s
                yield from self._say_that_it_waits(wish)
                return
            wish.place.put(wish.pair)
            self._trials.pop(wish.key, None)
        if is_served(wish.place, wish.version):
            self._look_again(wish, running)
        elif running and (wish.use.is_told or not _began_before(running, wish)):
            yield from self._try(wish, running)

    def _try(self, wish: _Wish, running: tuple[Container, ...]) -> Iterator[Said]:
        sight = self._recipients.sight(wish.use, wish.pair, running)
        trial = self._trials.get(wish.key)
        if sight is Sight.RIGHT:
            yield self._proven(wish, running)
        elif trial is None or trial.version != wish.version:
            yield from self._begin(wish, running, sight)
        elif self._clock.monotonic() < trial.ends or any(found.probe is Health.STARTING for found in running):
            self._waits[wish.key] = _POLL_S
        elif sight is Sight.WRONG or trial.answered:
            yield from self._refuse(wish, running, _why_not(wish.use, sight, trial))
        else:
            yield from self._complain(
                wish, f"nobody answers at its port {wish.use.port}; is verify: right, does it serve TLS?"
            )

    def _begin(self, wish: _Wish, running: tuple[Container, ...], sight: Sight) -> Iterator[Said]:
        """One that began after the pair was put there has read it, unless it shows another."""
        told = wish.use.is_told and (sight is Sight.WRONG or _began_before(running, wish))
        answered = sight is Sight.WRONG
        self._trials[wish.key] = _Trial(wish.version, told, answered, self._clock.monotonic() + _TAKES_S)
        trouble = self._recipients.tell(wish.use, running) if told else ""
        if trouble:
            yield from self._refuse(wish, running, trouble)
        elif sight is Sight.NONE:
            yield self._proven(wish, running)
        else:
            self._waits[wish.key] = 0.0

    def _refuse(self, wish: _Wish, running: tuple[Container, ...], why: str) -> Iterator[Said]:
        mark_refused(wish.place, wish.version, running)
        self._trials.pop(wish.key, None)
        yield complaints.not_taken(wish.name, why, was_put_back=self._put_back(wish, running))

    def _put_back(self, wish: _Wish, running: tuple[Container, ...]) -> bool:
        """Only for those that are told: one that was replaced reads it no more, and would only be replaced again."""
        before = wish.place.before
        if not before or not wish.use.is_told or wish.place.version != wish.version:
            return False
        wish.place.put_back(before)
        self._recipients.tell(wish.use, running)
        return True

    def _look_again(self, wish: _Wish, running: tuple[Container, ...]) -> None:
        """Once in a while, and after each start: what is shown is what counts."""
        if self.sightings.are_fresh(wish.key, running):
            return
        sight = self._recipients.sight(wish.use, wish.pair, running)
        if sight is Sight.RIGHT:
            self.sightings.note(wish.key, running, wish.pair.fingerprint)
        elif sight is Sight.WRONG:
            wish.place.unmark(wish.version, Mark.SERVED)
            self._waits[wish.key] = 0.0

    def _proven(self, wish: _Wish, running: tuple[Container, ...]) -> Said:
        trial = self._trials.pop(wish.key, None)
        self._said.pop(wish.key, None)
        mark_served(wish.place, wish.version)
        self.sightings.note(wish.key, running, wish.pair.fingerprint)
        told = "was told of it" if trial and trial.told else "began with it"
        how = "shows it" if wish.use.port is not None else "is not asked for it (verify: names no port)"
        return Said("info", "CertificateServed", f"{wish.name} {told} and {how}")

    def _say_that_it_waits(self, wish: _Wish) -> Iterator[Said]:
        """Once for each pair."""
        told = f"waits {wish.version}"
        if self._said.get(wish.key) != told:
            self._said[wish.key] = told
            yield Said(
                "info", "CertificateWaits", f"{wish.name}: another pair is there, and waits for the window (certs)"
            )

    def _complain(self, wish: _Wish, why: str) -> Iterator[Said]:
        """Once; it is tried all the same."""
        if self._said.get(wish.key) != why:
            self._said[wish.key] = why
            yield Said("error", "CertificateNotServed", f"{wish.name}: {why}")


def _began_before(running: tuple[Container, ...], wish: _Wish) -> bool:
    """One of them cannot have read the pair when it started."""
    return any(found.started_at < wish.place.placed_at for found in running)


def _why_not(use: CertificateUse, sight: Sight, trial: _Trial) -> str:
    since = f"{_TAKES_S:g} s after it was told" if trial.told else f"{_TAKES_S:g} s after it began with it"
    if sight is Sight.WRONG:
        return f"it still shows another certificate {since}"
    return f"it no longer answers at its port {use.port} {since}"
