"""Services that get another pair by being replaced: since when each must be, and what becomes of a pair that fails it.

Replaces nothing: a pass of the stack does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from reconciler.certs import complaints
from reconciler.certs.marking import mark_refused
from reconciler.certs.placing import Mark, Place
from reconciler.certs.recipients import Recipients
from reconciler.certs.telling import Said
from reconciler.model.errors import EngineUnavailableError
from reconciler.model.manifest import CertificateUse, Manifest


class Renewals:
    def __init__(self, place_of: Callable[[str, CertificateUse], Place], recipients: Recipients) -> None:
        self._place_of = place_of
        self._recipients = recipients

    def renewed_at(self, manifest: Manifest) -> Mapping[str, float]:
        """By service, when its pair last changed: seconds since the epoch."""
        found: dict[str, float] = {}
        for use in manifest.certificates:
            place = self._place_of(manifest.name, use)
            if use.is_told or place.marked(place.version, Mark.SERVED) is not None:
                continue
            found[use.service] = max(place.placed_at, found.get(use.service, 0.0))
        return {service: at for service, at in found.items() if at}

    def want_pass(self, stack: str, manifest: Manifest) -> bool:
        """Whether containers run that must be replaced for their pair."""
        try:
            return any(
                found.started_at < at
                for service, at in self.renewed_at(manifest).items()
                for found in self._recipients.running(stack, service)
            )
        except EngineUnavailableError:
            return False

    def refuse(self, manifest: Manifest, service: str, why: str) -> Iterator[Said]:
        """It could not be replaced for its pair. Where it has served another, that lies there again."""
        for use in manifest.certificates:
            place = self._place_of(manifest.name, use)
            is_new = place.marked(place.version, Mark.SERVED) is None
            if use.service == service and not use.is_told and is_new and (before := place.before):
                mark_refused(place, place.version, self._recipients.made(manifest.name, service))
                place.put_back(before)
                yield complaints.not_taken(
                    f"{use.pair}: {service}", f"it could not be replaced for it ({why})", was_put_back=True
                )
