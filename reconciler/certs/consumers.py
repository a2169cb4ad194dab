"""Stacks that terminate TLS themselves: their pairs are put where they asked for them, they are told, and it is verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from reconciler.certs.model import Pair
from reconciler.certs.placing import is_placed, place, place_back, placed, placed_at
from reconciler.certs.telling import Said
from reconciler.model.desired import LifecycleHook
from reconciler.model.errors import ReconcilerError, WaitingError
from reconciler.model.manifest import CertificateUse, Manifest
from reconciler.model.observed import Container
from reconciler.ports import Clock, Engine

_TAKES_S = 10.0  # to notice that it was told
_POLL_S = 0.05

Probe = Callable[[str, int, str, str], str | None]


class Consumers:
    """``folder_of``: where a path of a stack's folder lies as host data. ``shown``: by fingerprint, the services that
    showed it last."""

    def __init__(
        self, folder_of: Callable[[str, str], Path], staging: Path, engine: Engine, clock: Clock, probe: Probe
    ) -> None:
        self._folder_of = folder_of
        self._staging = staging
        self._engine = engine
        self._clock = clock
        self._probe = probe
        self._refused: set[tuple[str, str, str]] = set()
        self._unproven: set[tuple[str, CertificateUse]] = set()
        self.shown: dict[str, tuple[str, ...]] = {}

    def lay_out(self, manifest: Manifest, pairs: Mapping[str, Pair]) -> None:
        """Before a first start. Raises WaitingError(reason="CertificateMissing") for a pair that is not there."""
        missing = sorted({use.pair for use in manifest.certificates if use.pair not in pairs})
        if missing:
            names = " and ".join(f"{name}.crt and {name}.key" for name in missing)
            raise WaitingError(
                f"stack.yaml asks for the certificate {', '.join(missing)}, which is not there (or not valid); drop {names} "
                "into certs/ (reconciler certs list says what is wrong with them)",
                reason="CertificateMissing",
            )
        for use in manifest.certificates:
            folder = self._folder_of(manifest.name, use.path)
            if not placed(folder, use.pair):
                place(folder, pairs[use.pair], use, self._staging)

    def turn(self, stack: str, manifest: Manifest, pairs: Mapping[str, Pair]) -> Iterator[Said]:
        """Put, tell and verify what changed; what is not shown then is taken back."""
        for use in manifest.certificates:
            pair = pairs.get(use.pair)
            if pair is None or (stack, use.service, pair.fingerprint) in self._refused:
                continue
            folder = self._folder_of(stack, use.path)
            if not is_placed(folder, pair):
                yield from self._hand_over(stack, use, pair, folder)
            elif (stack, use) in self._unproven and self._is_shown(stack, use, pair):
                yield self._proven(stack, use, pair)

    def renewed_at(self, manifest: Manifest) -> Mapping[str, float]:
        """Of the services that are told by being replaced, when their pair last changed: seconds since the epoch."""
        found: dict[str, float] = {}
        for use in manifest.certificates:
            if not use.signal and not use.command:
                at = placed_at(self._folder_of(manifest.name, use.path), use.pair)
                found[use.service] = max(at, found.get(use.service, 0.0))
        return {service: at for service, at in found.items() if at}

    def wants_pass(self, stack: str, manifest: Manifest) -> bool:
        """Whether containers run that must be replaced for their pair."""
        renewed = self.renewed_at(manifest)
        return any(
            found.started_at and found.started_at < at
            for service, at in renewed.items()
            for found in self._running(stack, service)
        )

    def _hand_over(self, stack: str, use: CertificateUse, pair: Pair, folder: Path) -> Iterator[Said]:
        before = placed(folder, pair.name)
        place(folder, pair, use, self._staging)
        if not use.signal and not use.command:
            self._unproven.add((stack, use))
            return
        trouble = self._told(stack, use)
        if not trouble and self._is_shown_in_time(stack, use, pair):
            yield self._proven(stack, use, pair)
            return
        place_back(folder, pair.name, before)
        self._told(stack, use)
        self._refused.add((stack, use.service, pair.fingerprint))
        why = trouble or f"it still shows another certificate {_TAKES_S:g} s after it was told"
        back = "the one before was put back" if before else "it is not tried again until the pair changes"
        yield Said("error", "CertificateNotServed", f"{use.pair}: {use.service} does not take it: {why}; {back}")

    def _told(self, stack: str, use: CertificateUse) -> str:
        """Why it could not be told; "" if it was, or if it does not run and will read the files when it starts."""
        try:
            for container in self._running(stack, use.service):
                if use.signal:
                    self._engine.signal(container.id, use.signal)
                elif use.command:
                    status = self._engine.execute(container.id, LifecycleHook(use.command))
                    if status:
                        return f"{' '.join(use.command)} ended with exit status {status}"
        except ReconcilerError as error:
            return str(error)
        return ""

    def _is_shown_in_time(self, stack: str, use: CertificateUse, pair: Pair) -> bool:
        ends = self._clock.monotonic() + _TAKES_S
        while not self._is_shown(stack, use, pair):
            if self._clock.monotonic() > ends:
                return False
            self._clock.sleep(_POLL_S)
        return True

    def _is_shown(self, stack: str, use: CertificateUse, pair: Pair) -> bool:
        """By every running container of the service; also where nobody runs, or nothing can be asked."""
        if use.port is None:
            return True
        name = pair.domains[0].replace("*", "reconciler-probe", 1)
        addresses = [self._engine.address(found.id) for found in self._running(stack, use.service)]
        return all(self._probe(address, use.port, name, use.starttls) == pair.fingerprint for address in addresses)

    def _proven(self, stack: str, use: CertificateUse, pair: Pair) -> Said:
        self._unproven.discard((stack, use))
        place_name = f"{stack}/{use.service}"
        self.shown = {
            fingerprint: tuple(place for place in places if place != place_name)
            for fingerprint, places in self.shown.items()
        }
        self.shown[pair.fingerprint] = (*self.shown.get(pair.fingerprint, ()), place_name)
        how = "and shows it" if use.port is not None else "(no port to verify it at is named)"
        return Said("info", "CertificateServed", f"{use.pair}: {use.service} was told {how}")

    def _running(self, stack: str, service: str) -> tuple[Container, ...]:
        return tuple(
            found
            for found in self._engine.containers()
            if found.owned and found.running and (found.stack, found.service) == (stack, service)
        )
