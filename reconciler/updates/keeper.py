"""Keeps what is known of the images that stacks track: asks their registries when it is time, and remembers the answer.

Whatever goes wrong, what was taken last stays: a registry that is away takes no image away.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import structlog

from reconciler.model.errors import ReconcilerError, WaitingError
from reconciler.model.moment import shown_moment
from reconciler.model.updates import ImagePolicy, ImageRecord, Track, Updates
from reconciler.planning.backoff import delay_s
from reconciler.planning.image_reference import ImageReference, parse_reference
from reconciler.planning.schedule import due_slot, next_slot, offset_of
from reconciler.ports.books import Journal, UpdateBook
from reconciler.ports.clock import Clock
from reconciler.ports.rooms import Registry
from reconciler.updates.choosing import Found, after_look, ripens_at, taken_by

log = structlog.get_logger()

_RETRY_BASE_S = 30.0
_RETRY_CAP_S = 3600.0
_MOST_PAUSE_S = 12 * 3600.0  # longer than any registry is left alone for
# For all of a registry's images: each would wait for the same answer in vain.
_PAUSES_S = {"RateLimited": 60.0, "RegistryUnavailable": 10.0}
_LEAST_BETWEEN_S = 60.0  # however often a pass fails at an image


@dataclass(frozen=True, slots=True)
class Tracked:
    """What one stack wants to be known of its images. ``declared``: by service, as the Compose files say it."""

    stack: str
    updates: Updates
    declared: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Stacks that somebody wants looked at now, ``by_hand``, or because a pass could not have an image (``failing``)."""

    by_hand: frozenset[str] = field(default_factory=frozenset)
    failing: frozenset[str] = field(default_factory=frozenset)


class Keeper:
    """``wants_pass``: told of each stack that has something to do now, and why. One caller at a time."""

    def __init__(
        self,
        registry: Registry,
        book: UpdateBook,
        journal: Journal,
        clock: Clock,
        wants_pass: Callable[[str, str], None] = lambda stack, why: None,
    ) -> None:
        self._registry = registry
        self._book = book
        self._journal = journal
        self._clock = clock
        self._wants_pass = wants_pass
        self._paused: dict[str, tuple[float, ReconcilerError]] = {}  # registry: until (monotonic seconds), why

    def turn(self, stacks: Iterable[Tracked], asked: Asked | None = None) -> float:
        """Every look that is due. Seconds until there may be the next; infinity if none will."""
        waits = [float("inf")]
        for tracked in stacks:
            known = {found.service: found for found in self._book.images(tracked.stack)}
            self._book.forget_images(tracked.stack, tuple(tracked.declared))
            news = [
                told
                for service in tracked.declared
                if (told := self._look_if_due(tracked, service, known.get(service), asked or Asked()))
            ]
            if news:
                self._wants_pass(tracked.stack, "; ".join(news))
            waits.append(self._wait_s(tracked))
        return max(0.0, min(waits))

    def preview(self, tracked: Tracked) -> Iterator[ImageRecord]:
        """What a look would find now. Writes nothing down; a registry that does not answer is in the record."""
        known = {found.service: found for found in self._book.images(tracked.stack)}
        for service in tracked.declared:
            yield self._looked(tracked, service, self._record(tracked, service, known.get(service)))

    def _look_if_due(self, tracked: Tracked, service: str, known: ImageRecord | None, asked: Asked) -> str:
        """The news, "" if there is none."""
        record, now = self._record(tracked, service, known), self._clock.now()
        slot = self._due(tracked, record, known, asked)
        if slot is None:
            return ""
        looked = replace(self._looked(tracked, service, record), slot=slot, looked_at=now)
        self._tell(record, looked)
        self._book.save_image(looked)
        return "" if looked.reference == record.reference else f"{service} is {looked.tag} now"

    def _record(self, tracked: Tracked, service: str, known: ImageRecord | None) -> ImageRecord:
        """What is known of this image; of another one, nothing is."""
        reference = parse_reference(tracked.declared[service])
        policy = tracked.updates.images[service]
        name = _name_of(policy, reference)
        if known is None or known.repository != reference.name:
            return ImageRecord(tracked.stack, service, reference.name, name)
        if policy.track is Track.DIGEST and known.tag not in ("", reference.tag):
            return ImageRecord(tracked.stack, service, reference.name, name, before=known.reference)
        return replace(known, policy=name)

    def _due(self, tracked: Tracked, record: ImageRecord, known: ImageRecord | None, asked: Asked) -> float | None:
        """The slot to look for; None where it is not time."""
        updates, now = tracked.updates, self._clock.now()
        offset = self._offset(updates, tracked.stack)
        current = due_slot(updates.schedule, offset, None, now) or 0.0
        if known is None or known.policy != record.policy or known.repository != record.repository:
            return current
        if tracked.stack in asked.by_hand:
            return current
        if tracked.stack in asked.failing and now - record.looked_at >= _LEAST_BETWEEN_S:
            return current
        if record.problem:
            # One that lies far ahead was written down by a clock that was wrong.
            waits = now < record.retry_at <= now + _MOST_PAUSE_S
            return due_slot(updates.schedule, offset, record.slot, now) if waits else record.slot
        if ripens_at(record, updates.images[record.service], updates.min_age_s) <= now:
            return record.slot
        return due_slot(updates.schedule, offset, record.slot, now)

    def _looked(self, tracked: Tracked, service: str, record: ImageRecord) -> ImageRecord:
        reference = parse_reference(tracked.declared[service])
        policy, now = tracked.updates.images[service], self._clock.now()
        try:
            found = self._found(reference, policy)
        except ReconcilerError as error:
            return self._failed(record, error, now)
        looked = after_look(record, policy, found, tracked.updates.min_age_s, now)
        if looked.tag in found.tags:
            return looked
        gone = f"the tag {looked.tag} is no longer in {reference.name}; nothing lower is taken instead"
        return replace(looked, problem=gone, attempts=1, retry_at=now + _RETRY_CAP_S)

    def _found(self, reference: ImageReference, policy: ImagePolicy) -> Found:
        until, why = self._paused.get(reference.registry, (0.0, None))
        if why is not None and until > self._clock.monotonic():
            left_s = until - self._clock.monotonic()
            raise WaitingError(str(why), reason=why.reason, retry_after_s=left_s)
        try:
            tags = () if policy.track is Track.DIGEST else self._registry.tags(reference)
            good = taken_by(policy, tags, reference.tag)
            if not good:
                raise WaitingError(
                    f"none of the {len(tags)} tags of {reference.name} is what {_told(policy)} asks for",
                    reason="TagNotFound",
                )
            return Found(good[0], self._registry.digest(reference, good[0]), good)
        except WaitingError as error:
            if error.reason in _PAUSES_S:
                pause_s = error.retry_after_s or _PAUSES_S[error.reason]
                self._paused[reference.registry] = (self._clock.monotonic() + pause_s, error)
            raise

    def _failed(self, record: ImageRecord, error: ReconcilerError, now: float) -> ImageRecord:
        attempts = record.attempts + 1
        wait_s = delay_s(attempts, random.random(), base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S)
        if isinstance(error, WaitingError) and error.retry_after_s:
            wait_s = max(wait_s, error.retry_after_s)
        return replace(record, problem=str(error), attempts=attempts, retry_at=now + wait_s)

    def _wait_s(self, tracked: Tracked) -> float:
        updates, now = tracked.updates, self._clock.now()
        waits = [next_slot(updates.schedule, self._offset(updates, tracked.stack), now)]
        for record in self._book.images(tracked.stack):
            if record.problem:
                waits.append(record.retry_at)
            elif record.service in updates.images:
                waits.append(ripens_at(record, updates.images[record.service], updates.min_age_s))
        return min(waits) - now

    def _offset(self, updates: Updates, stack: str) -> float:
        return offset_of(updates.schedule, self._journal.root_id(), stack, "updates")

    def _tell(self, before: ImageRecord, after: ImageRecord) -> None:
        """When it turned: a registry that is away all night is told of once."""
        stack, service = after.stack, after.service
        if after.problem:
            log.warning("image_look_failed", stack=stack, service=service, error=after.problem)
        if after.problem and after.problem != before.problem:
            kept = f"{after.reference} is kept" if after.digest else "nothing is known of it yet"
            self._event(stack, "error", "ImageLookFailed", f"{service}: {after.problem}; {kept}")
        elif before.problem and not after.problem:
            self._event(stack, "info", "ImageLookRecovered", f"{service}: {after.repository} can be read again")
        if after.waits_for and after.waits_for != before.waits_for:
            until = shown_moment(after.waits_until)
            told = f"{service}: {after.waits_for} is old enough (minAge) at {until}"
            self._event(stack, "info", "ImageWaits", told)
        if after.reference != before.reference:
            log.info("image_found", stack=stack, service=service, image=after.reference)
            was = f"{before.reference} -> " if before.digest else ""
            self._event(stack, "info", "ImageFound", f"{service}: {was}{after.reference}")

    def _event(self, stack: str, severity: str, reason: str, message: str) -> None:
        self._journal.tell(stack, severity, reason, message, "", self._clock.now())


def _name_of(policy: ImagePolicy, reference: ImageReference) -> str:
    return "|".join((policy.track.value, policy.within, policy.pattern, reference.tag))


def _told(policy: ImagePolicy) -> str:
    return f"semver: {policy.within}" if policy.track is Track.SEMVER else f"newest: {policy.pattern}"
