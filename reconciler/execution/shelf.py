"""The kept releases: their records in the journal, their models as files, their objects, and the images they pinned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reconciler.model.desired import Release
from reconciler.model.errors import ReconcilerError
from reconciler.model.manifest import Manifest
from reconciler.model.observed import Observed
from reconciler.model.record import Outcome, ReleaseRecord, StackRecord
from reconciler.planning.archive import pack, unpack, unpack_manifest
from reconciler.planning.rollback import newest_applied
from reconciler.ports.books import Journal
from reconciler.ports.host_files import Releases
from reconciler.recent import Recent

_IN_MEMORY = 64


class Shelf:
    """``keep_commit`` and ``drop_commit``: let a commit survive force-pushes, and no longer. ``kept``: how many of the
    applied releases of a stack can be gone back to."""

    def __init__(
        self,
        journal: Journal,
        releases: Releases,
        keep_commit: Callable[[str], None],
        drop_commit: Callable[[str], None],
        kept: int = 10,
    ) -> None:
        self._journal = journal
        self._releases = releases
        self._keep_commit = keep_commit
        self._drop_commit = drop_commit
        self._kept = kept
        self._loaded: Recent[tuple[str, int], tuple[Release, Manifest]] = Recent(_IN_MEMORY)

    def load(self, stack: str, number: int) -> Release | None:
        """None if it is no longer kept, or cannot be read: then what runs is replaced as if nothing were known."""
        found = self._load(stack, number)
        return found[0] if found else None

    def manifest(self, stack: str, number: int) -> Manifest | None:
        """How that release was rolled out."""
        found = self._load(stack, number)
        return found[1] if found else None

    def _load(self, stack: str, number: int) -> tuple[Release, Manifest] | None:
        key = (stack, number)
        if self._loaded.get(key) is None:
            try:
                content = self._releases.load(stack, number)
                self._remember(unpack(content), unpack_manifest(content))
            except ReconcilerError:
                return None
        return self._loaded.get(key)

    def with_pins(self, release: Release, applied: Release | None) -> Release:
        """``release`` as the journal knows it already, or with the images that the applied one pinned and it shares."""
        known = self._record_of(release)
        if known is not None and known.images:
            return replace(release, number=known.number, images=known.images)
        if applied is None:
            return release
        before = {spec.image: spec for spec in applied.services}
        pins = {}
        for spec in release.services:
            old = before.get(spec.image)
            same = old is not None and old.build_digest == spec.build_digest and not spec.pull_always
            if same and spec.image in applied.images:
                pins[spec.image] = applied.images[spec.image]
        return replace(release, images=pins, number=known.number if known else None)

    def open(self, release: Release, manifest: Manifest, subject: str, asked_by: str, now: float) -> Release:
        """Number it, write its model down, and let its commit survive."""
        stack, revision = release.stack, release.revision
        record = self._journal.add_release(stack, release.digest, revision, subject, asked_by, now)
        if record.outcome is not Outcome.PENDING or record.quarantined:
            self._journal.reopen_release(stack, record.number, revision, now)
        if revision:
            self._keep_commit(revision)
        release = replace(release, number=record.number, images=release.images or record.images)
        self._write(release, manifest)
        return release

    def pin(self, release: Release, manifest: Manifest, observed: Observed) -> Release:
        """The images as the engine holds them now; what was pinned stays, unless the engine lost it."""
        images = {}
        for spec in release.services:
            pinned = release.images.get(spec.image)
            image = observed.images.get(spec.image)
            if pinned and observed.images.get(pinned) is not None:
                images[spec.image] = pinned
            elif image is not None:
                images[spec.image] = image.id
        if images == dict(release.images):
            return release
        release = replace(release, images=images)
        if release.number is not None:
            self._journal.pin_images(release.stack, release.number, images)
        self._write(release, manifest)
        return release

    def close(self, release: Release, outcome: Outcome, now: float, quarantined: str = "") -> None:
        if release.number is not None:
            self._journal.end_release(release.stack, release.number, outcome, now, quarantined)

    def supersede(self, wanted: Release, now: float) -> None:
        """Those that never came to their end, because this one was wanted before they did."""
        for found in self._journal.releases(wanted.stack):
            if found.outcome is Outcome.PENDING and found.number != wanted.number:
                self._journal.end_release(found.stack, found.number, Outcome.SUPERSEDED, now)

    def seen_at(self, release: Release, revision: str) -> None:
        """The release is what a newer commit says, too."""
        if revision:
            self._keep_commit(revision)

    def model_path(self, release: Release, manifest: Manifest) -> Path:
        """Where Compose finds the model; written anew if somebody took it away."""
        number = release.number or 0
        path = self._releases.model_path(release.stack, number)
        return path if path.is_file() else self._releases.save(release.stack, number, pack(release, manifest))

    def tidy(self, stack: str, record: StackRecord) -> None:
        """Forget the models of all but the newest applied releases and those that are in use."""
        applied = newest_applied(self._journal.releases(stack))
        in_use = {record.applied_release, record.attempted_release, record.wanted_release}
        kept = {found.number for found in applied[: self._kept]} | in_use
        for found in self._journal.releases(stack):
            if found.number not in kept and found.outcome is not Outcome.PENDING:
                self._releases.remove(stack, found.number)
                self._loaded.drop((stack, found.number))

    def numbers(self, stack: str) -> frozenset[int]:
        """The kept ones of one stack."""
        return self._releases.numbers(stack)

    def clear(self, stack: str) -> None:
        """Forget the models of all of a stack's releases, and let their commits go."""
        for found in self._journal.releases(stack):
            self._releases.remove(stack, found.number)
            self._loaded.drop((stack, found.number))
            self._drop_commit(found.revision)

    def kept(self) -> tuple[Release, ...]:
        """Every release of every stack that can be gone back to, runs, or is being tried."""
        loaded = (
            self.load(record.name, release.number)
            for record in self._journal.stacks()
            for release in self._journal.releases(record.name)
        )
        return tuple(release for release in loaded if release is not None)

    def _record_of(self, release: Release) -> ReleaseRecord | None:
        for record in self._journal.releases(release.stack):
            if record.digest == release.digest:
                return record
        return None

    def _write(self, release: Release, manifest: Manifest) -> None:
        if release.number is not None:
            self._releases.save(release.stack, release.number, pack(release, manifest))
            self._remember(release, manifest)

    def _remember(self, release: Release, manifest: Manifest) -> None:
        if release.number is None:
            return
        self._loaded.put((release.stack, release.number), (release, manifest))
