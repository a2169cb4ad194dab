"""What keeps a release or a repair of a stack from beginning now, as the pass that is under way found it; and which images
of a new release are known to be bad. What the rules mean is decided in ``planning.gate`` and ``planning.pinning``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reconciler.execution.desire import Desire
from reconciler.execution.work import Work
from reconciler.model.desired import Release
from reconciler.model.plan import Plan
from reconciler.model.record import Outcome, PassGoal, ReleaseRecord
from reconciler.model.source import Revision
from reconciler.planning.gate import Hold, Pending, gate_of_release, gate_of_repair, hold_of
from reconciler.planning.pinning import bad_images, instead_of_bad, newer_images
from reconciler.planning.renewal import waits_for_nobody
from reconciler.ports.books import Journal
from reconciler.ports.clock import Clock

BeforeFirst = Callable[[Work, Release], Hold | None]


def nothing_before(_: Work, __: Release) -> None:
    """A first release begins at once."""


class Holding:
    """Safe to use from several threads as long as no two work on the same stack. ``first``: what a first release waits for."""

    def __init__(self, journal: Journal, desire: Desire, clock: Clock, first: BeforeFirst) -> None:
        self._journal = journal
        self._desire = desire
        self._clock = clock
        self._first = first
        self._releases: dict[str, Hold] = {}
        self._repairs: dict[str, Hold] = {}

    def begin(self, stack: str, rendered: Release | None) -> None:
        """A pass begins: what the one before found does not count, and what waits is what Git says now or nothing."""
        self._releases.pop(stack, None)
        self._repairs.pop(stack, None)
        if rendered is None:
            return
        for found in self._journal.releases(stack):
            if found.outcome is Outcome.WAITING and found.digest != rendered.digest:
                self._journal.end_release(stack, found.number, Outcome.SUPERSEDED, self._clock.now())

    def asked_by(self, work: Work, release: Release, applied: Release | None) -> str:
        """Who or what wants ``release``: a registry, where Git says the same as before."""
        record = self._journal.stack(work.name)
        newer = newer_images(release, applied, work.manifest.updates.images)
        if record is None or applied is None or not newer:
            return work.asked_by
        if record.applied_revision != release.revision and not self._changes_only_images(work, release, applied):
            return work.asked_by
        return f"registry: {', '.join(newer)}"

    def of_release(self, stack: str) -> Hold | None:
        return self._releases.get(stack)

    def of_repair(self, stack: str) -> Hold | None:
        return self._repairs.get(stack)

    def waits_s(self, stack: str) -> tuple[float, ...]:
        """Seconds until each is over; infinity where only a person ends it."""
        held = (self._releases.get(stack), self._repairs.get(stack))
        return tuple(max(0.0, hold.until - self._clock.now()) for hold in held if hold is not None)

    def release(self, work: Work, rendered: Release, applied: Release | None) -> Hold | None:
        """Why ``rendered`` does not begin now. A first release waits for its images and for a host that is fit for it, and one
        that has begun for nothing at all."""
        hold = self._of_release(work, rendered, applied)
        if hold is not None:
            self._releases[work.name] = hold
        return hold

    def repair(self, work: Work, found: Plan) -> Hold | None:
        """Why drift is not mended now, or a certificate not handed on."""
        if not work.manifest.updates.windows:
            return None
        pending = Pending(gate_of_repair(found), past_windows=work.past_windows)
        hold = hold_of(pending, work.manifest.updates, work.name, self._clock.now())
        if hold is not None:
            self._repairs[work.name] = hold
        return hold

    def _of_release(self, work: Work, rendered: Release, applied: Release | None) -> Hold | None:
        updates = work.manifest.updates
        if updates.images and (unknown := self._unknown_images(work)):
            return Hold("ImageUnknown", unknown, float("inf"))
        if applied is None:
            return None if self._has_begun(work, rendered) else self._first(work, rendered)
        if not updates.holds or applied.digest == rendered.digest or self._has_begun(work, rendered):
            return None
        if waits_for_nobody(self._journal.marks.marks(work.name), rendered.digest):
            return None
        pending = Pending(gate_of_release(rendered, applied), past_windows=work.past_windows)
        if updates.manual or updates.min_age_s:
            known = self._awaited(work, rendered, applied)
            needs_approval = updates.manual and not self._journal.approved_by(work.name, known.number)
            since = None if self._changes_only_images(work, rendered, applied) else known.created_at
            pending = replace(pending, number=known.number, needs_approval=needs_approval, since=since)
        return hold_of(pending, updates, work.name, self._clock.now())

    def _unknown_images(self, work: Work) -> str:
        assert work.revision is not None
        names = self._desire.unknown_images(work.manifest, work.revision)
        if not names:
            return ""
        problems = {record.service: record.problem for record in self._desire.found_images(work.manifest)}
        told = "; ".join(f"{name}: {problems[name]}" for name in names if problems.get(name))
        return f"the registry has not said yet which image {', '.join(names)} is to run" + (f": {told}" if told else "")

    def _has_begun(self, work: Work, rendered: Release) -> bool:
        left = self._journal.open_pass(work.name)
        return left is not None and left.goal is PassGoal.APPLY and left.release == rendered.number

    def _awaited(self, work: Work, rendered: Release, applied: Release) -> ReleaseRecord:
        """The release's record, made when it is first seen: so it has a number to be approved by, and an age."""
        for found in self._journal.releases(work.name):
            if found.digest == rendered.digest and found.outcome is not Outcome.SUPERSEDED:
                return found
        subject, since, asked_by = "", self._clock.now(), self.asked_by(work, rendered, applied)
        if work.revision is not None:
            subject, since = work.revision.subject, min(since, work.revision.committed_at)
        return self._journal.await_release(work.name, rendered.digest, rendered.revision, subject, asked_by, since)

    def _changes_only_images(self, work: Work, rendered: Release, applied: Release) -> bool:
        """Each of which was old enough when it was taken."""
        tracked = work.manifest.updates.images
        found = (applied.service(name) for name in tracked)
        before = {spec.name: spec.image for spec in found if spec is not None and rendered.service(spec.name)}
        if not before or work.revision is None:
            return False
        return self._desire.release(work.manifest, work.revision, before).digest == applied.digest

    def without_bad_images(self, work: Work, revision: Revision, release: Release, applied: Release | None) -> Release:
        """An image that failed is not taken along by a release that is new for another reason."""
        known = self._journal.releases(work.name)
        is_quarantined = any(found.quarantined for found in known if found.digest == release.digest)
        if is_quarantined or work.forced:
            return release
        instead = instead_of_bad(release, applied, bad_images(known, applied), work.manifest.updates.images)
        if not instead:
            return release
        told = tuple(
            f"{name} stays at {image} until something newer than what failed is found"
            for name, image in instead.items()
        )
        release = self._desire.release(work.manifest, revision, instead)
        return replace(release, warnings=(*release.warnings, *told))
