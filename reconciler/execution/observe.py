"""One look at the host a pass. Reads through the ports; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.model.desired import Release
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Container, Image, LiveSettings, Network, Observed
from reconciler.model.source import EntryKind
from reconciler.planning.strategy import lenders
from reconciler.ports.books import Journal
from reconciler.ports.engine import Engine
from reconciler.ports.repository import Objects
from reconciler.ports.rooms import Certificates, Traffic


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything of every stack, or of one, from one list call each."""

    containers: tuple[Container, ...]
    networks: tuple[Network, ...]


class Observer:
    def __init__(
        self, engine: Engine, journal: Journal, objects: Objects, certificates: Certificates, traffic: Traffic
    ) -> None:
        self._engine = engine
        self._traffic = traffic
        self._certificates = certificates
        self._journal = journal
        self._objects = objects

    def look(self, stack: str | None = None) -> Snapshot:
        """At the whole host, or at what may concern one stack. Raises EngineUnavailableError."""
        return Snapshot(self._engine.containers(stack), self._engine.networks())

    def of(
        self, stack: str, wanted: Release, applied: Release | None = None, snapshot: Snapshot | None = None
    ) -> Observed:
        """The stack's part of ``snapshot`` (of a look at it alone, if None), with the images that the two releases speak of, and
        the objects of ``applied`` that somebody touched: what ``wanted`` mounts is laid out when it is applied."""
        snapshot = snapshot or self.look(stack)
        releases = (wanted,) if applied is None else (wanted, applied)
        mine = tuple(found for found in snapshot.containers if found.stack == stack)
        owned = tuple(found for found in mine if found.owned)
        return Observed(
            stack=stack,
            containers=owned,
            foreign=tuple(found for found in mine if not found.owned),
            images=self._images(releases),
            networks=tuple(found for found in snapshot.networks if found.stack == stack),
            baselines=self._baselines(owned),
            touched=self._touched(applied),
            laid_out=self._laid_out(applied),
            unfinished=self._is_unfinished(stack),
            takeovers=self._certificates.takeovers(wanted),
            astray=self._traffic.astray(wanted),
            unled=self._traffic.unled(wanted),
            lenders=frozenset(self._lenders(wanted, owned)),
        )

    def renewed(self, manifest: Manifest) -> Mapping[str, float]:
        """When the certificates that services read when they start last changed, by service."""
        return self._certificates.renewed_at(manifest)

    def _is_unfinished(self, stack: str) -> bool:
        """The last pass was cut short, or could not go back to what served."""
        newest = self._journal.passes(stack, 1)
        return bool(newest) and newest[0].outcome != "done"

    def _images(self, releases: tuple[Release, ...]) -> dict[str, Image | None]:
        references = {spec.image for release in releases for spec in release.services if spec.image}
        references |= {image_id for release in releases for image_id in release.images.values()}
        return {reference: self._engine.image(reference) for reference in sorted(references)}

    def _baselines(self, owned: tuple[Container, ...]) -> dict[str, LiveSettings]:
        """A container that has none yet was made a moment ago, or its record was lost: as it is, it is taken for right."""
        known = self._journal.baselines()
        found = {}
        for container in owned:
            if container.id not in known:
                self._journal.save_baseline(container.id, container.stack, container.settings)
            found[container.id] = known.get(container.id, container.settings)
        return found

    def _lenders(self, wanted: Release, owned: tuple[Container, ...]) -> Iterator[str]:
        """As containers have them, and as ``network_mode: container:NAME`` names them. Each is asked for: nothing else tells."""
        joined = {lender for container in owned for lender in container.joins}
        named = {lender for spec in wanted.services for lender in lenders(spec.definition)}
        for lender in sorted(joined - {container.id for container in owned} | named):
            if self._engine.inspect(lender) is not None:
                yield lender

    def _touched(self, applied: Release | None) -> tuple[str, ...]:
        if applied is None or not applied.objects:
            return ()
        return tuple(str(self._objects.path(entry)) for entry in self._objects.verify(applied.objects))

    def _laid_out(self, applied: Release | None) -> dict[str, float]:
        """Folders only: a container that mounts a single file holds on to that very file, and its content was right."""
        if applied is None:
            return {}
        folders = (entry for entry in applied.objects if entry.kind is EntryKind.FOLDER)
        times = {str(self._objects.path(entry)): self._objects.laid_out_at(entry) for entry in folders}
        return {path: at for path, at in times.items() if at}
