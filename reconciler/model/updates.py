"""What a stack declares about going to newer releases, and what is known of the images that it tracks. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from reconciler.model.schedule import Schedule

HOURLY = Schedule(every_s=3600.0)


class Track(StrEnum):
    """By what a newer image is known."""

    DIGEST = "digest"  # the tag is the same, and means another image
    SEMVER = "semver"  # a tag that is a higher version within a range
    NEWEST = "newest"  # the tag that sorts last, of those that match


@dataclass(frozen=True, slots=True)
class ImagePolicy:
    """One service's entry under ``updates.images``. ``within``: the range of versions. ``pattern``: a regular expression
    that the whole tag must match; its groups are what is compared. "" for the default, or where it has no meaning."""

    track: Track
    within: str = ""
    pattern: str = ""


class Gate(StrEnum):
    """What a window lets through or holds back."""

    RELEASE = "release"  # another image, or another build
    CONFIG = "config"  # anything else that Git says otherwise
    CERTS = "certs"  # replacing or restarting services for another certificate
    SELF_HEAL = "selfHeal"  # putting back what somebody changed


@dataclass(frozen=True, slots=True)
class Window:
    """Open for ``duration_s`` from each moment of ``cron`` in ``timezone``. ``allow``: nothing of ``gates`` begins outside;
    otherwise nothing of them begins inside."""

    allow: bool
    cron: str
    duration_s: float
    timezone: str = "UTC"
    gates: frozenset[Gate] = frozenset(Gate)


@dataclass(frozen=True, slots=True)
class WriteBack:
    """``branch``: where what was taken is committed to; "" for the branch that is followed."""

    branch: str = ""


@dataclass(frozen=True, slots=True)
class Updates:
    """``images``: by service. ``schedule``: when registries are asked. ``min_age_s``: how long an image must be known to
    this host, and how old a commit must be. ``manual``: a person approves each release."""

    images: Mapping[str, ImagePolicy] = field(default_factory=lambda: MappingProxyType({}))
    schedule: Schedule = HOURLY
    min_age_s: float = 0.0
    windows: tuple[Window, ...] = ()
    manual: bool = False
    write_back: WriteBack | None = None

    @property
    def holds(self) -> bool:
        """Whether anything of it may keep a release from beginning."""
        return bool(self.windows or self.manual or self.min_age_s)


@dataclass(frozen=True, slots=True)
class Seen:
    """An image that a registry had for a tag. ``since``: when this host first saw it so, seconds since the epoch."""

    tag: str
    digest: str
    since: float


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What is known of the image of one service. Times are seconds since the epoch.

    ``repository``: as the Compose file writes it. ``policy``: what was looked for; another one makes a look due. ``tag``,
    ``digest``: the image that was taken, "" before the first; ``before``: the one before it. ``slot``: of the schedule, that
    was looked for last. ``problem``: why the last look failed, "" if it did not; ``attempts``: how often in a row, and
    ``retry_at``: when it is tried again. ``seen``: images that may be taken when they are old enough, the one that is
    taken among them. ``written``: what was written back to Git. ``waits_for``: the next image that is taken, at
    ``waits_until``; "" where none waits to be old enough.
    """

    stack: str
    service: str
    repository: str
    policy: str
    tag: str = ""
    digest: str = ""
    before: str = ""
    taken_at: float = 0.0
    slot: float = 0.0
    looked_at: float = 0.0
    problem: str = ""
    attempts: int = 0
    retry_at: float = 0.0
    seen: tuple[Seen, ...] = ()
    written: str = ""
    waits_for: str = ""
    waits_until: float = 0.0

    @property
    def reference(self) -> str:
        """``repository:tag@digest``; "" before anything was taken."""
        return f"{self.repository}:{self.tag}@{self.digest}" if self.digest else ""
